"""config.toml: what is doubtful and not wrong."""

from datetime import date

import pytest

from tests.config.files import ENVIRONMENT, GOOD
from trio_voice.config.warnings import warnings_about


def test_what_is_doubtful_about_prices_is_a_warning(read):
    settings = read(GOOD)
    doubts = [line.partition(": ")[0] for line in warnings_about(settings, date(2027, 11, 20)) if "price" in line]
    assert doubts == ["prices.as_of", "prices.twilio.outbound_minute", "prices.twilio.media_stream_minute"]
    unpriced = read(GOOD.replace("minute = 0.075", "").replace("unacknowledged_seconds = 30", ""))
    assert "models.aai: has no price" in "\n".join(warnings_about(unpriced, date(2026, 11, 20)))
    local = read(GOOD.partition("[prices.aai]")[0].replace('kind = "assem', 'url = "sandbox"\nkind = "assem'))
    assert "models.aai" not in "\n".join(warnings_about(local, date(2026, 11, 20)))  # it costs nothing


SOUND = (
    GOOD.replace("voice.example.com", "voice.bakery.org")
    .replace('"AC1"', f'"AC{"0" * 32}"')
    .replace("[limits]", 'allowed_prefixes = ["+1415"]\n[limits]')
)


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("[limits]", "validate_signatures = false\n[limits]", "twilio.validate_signatures: is false"),
        ("127.0.0.1:0", "0.0.0.0:8080", "server.bind: 0.0.0.0:8080 is not only this machine's"),
        ("127.0.0.1:0", "[::]:8080", "server.bind: [::]:8080 is not only this machine's"),
        ("[limits]", '[operator]\nbind = "0.0.0.0:8081"\n[limits]', "operator.bind: 0.0.0.0:8081 is not only this"),
        (
            "[limits]",
            '[operator]\nbind = "127.0.0.1:8081"\npublic_url = "http://desk.bakery.org"\n[limits]',
            "operator.public_url: is not https://",
        ),
        ('"assemblyai-agent"', '"assemblyai-agent"\nurl = "ws://10.0.0.5/v1"', "models.aai.url: ws:// sends the key"),
        (
            '"assemblyai-agent"',
            '"assemblyai-agent"\nurl = "wss://a.example.com"',
            "models.aai.url: a.example.com is",
        ),
        ("[limits]", 'api_url = "http://10.0.0.5"\n[limits]', "twilio.api_url: http:// sends the account's token"),
        ("bakery.org", "example.com", "server.public_url: voice.example.com is out of an example"),
        ("0" * 32, "1", "twilio.account_sid: an account's is AC and 32"),
        (
            '"+1415"',
            '"+1"',
            "twilio.allowed_prefixes: '+1' lets numbers with a charge of their own be called",
        ),
        ('"+1415"', '"+44"', "twilio.allowed_prefixes: '+44' lets numbers with a charge of their own"),
        ('"+1415"', "", "twilio.allowed_prefixes: is empty, so any number may be called"),
        ("127.0.0.1:0", "[::ffff:0.0.0.0]:8080", "server.bind: [::ffff:0.0.0.0]:8080 is not only this machine's"),
        ("voice.bakery.org", "voice.example.com.", "server.public_url: voice.example.com is out of an example"),
        ("voice.bakery.org", "your-name.ngrok.app", "server.public_url: your-name.ngrok.app is out of an example"),
        ("voice.bakery.org", "YOUR_DOMAIN", "server.public_url: your_domain is out of an example"),
        ("voice.bakery.org", "<host>", "server.public_url: <host> is out of an example"),
        ("voice.bakery.org", "192.168.1.2", "server.public_url: 192.168.1.2 is not on the internet"),
        ("voice.bakery.org", "box.local", "server.public_url: box.local is not on the internet"),
        ("voice.bakery.org", "localhost:8443", "server.public_url: localhost is not on the internet"),
        (
            "[limits]",
            '[telemetry]\nurl = "https://otel.example.com"\n[limits]',
            "telemetry.url: otel.example.com is out of an example",
        ),
        (
            "[limits]",
            '[operator]\nbind = "127.0.0.1:8081"\npublic_url = "https://desk.example.com"\n[limits]',
            "operator.public_url: desk.example.com is out of an example",
        ),
        (
            '"assemblyai-agent"',
            '"assemblyai-agent"\nurl = "wss://me:secret@a.bakery.org"',
            "models.aai.url: has a password in it",
        ),
        ('"assemblyai-agent"', '"assemblyai-agent"\nurl = "WS://10.0.0.5/v1"', "models.aai.url: ws:// sends the key"),
    ],
)
def test_what_may_cost_or_tell_more_than_is_meant_is_a_warning(read, old, new, warning):
    today = date(2026, 11, 20)
    assert old in SOUND
    keys = ("twilio.", "server.", "operator.", "models.")
    sound = [line for line in warnings_about(read(SOUND), today) if line.startswith(keys)]
    assert sound == []
    assert any(line.startswith(warning) for line in warnings_about(read(SOUND.replace(old, new, 1)), today))


@pytest.mark.parametrize(
    ("token", "letters"), [("x", 1), ("x" * 15, 15), (f"{'x' * 32}\n{'y' * 3}", 3), ("x" * 16, None), (None, None)]
)
def test_an_operators_token_that_can_be_guessed_is_a_warning(read, token, letters):
    environment = ENVIRONMENT | ({} if token is None else {"TRIO_VOICE_API_TOKEN": token})
    warnings = warnings_about(read(SOUND, environment), date(2026, 11, 20))
    said = [line for line in warnings if line.startswith("credential TRIO_VOICE_API_TOKEN has")]
    assert [line.split(" letters")[0].rpartition(" ")[2] for line in said] == (
        [] if letters is None else [str(letters)]
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9", "localhost:9", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "a.localhost"]
)
def test_what_stays_on_this_machine_may_be_said_in_clear(read, host):
    local = SOUND.replace('"assemblyai-agent"', f'"assemblyai-agent"\nurl = "ws://{host}/v1"', 1)
    assert not [line for line in warnings_about(read(local), date(2026, 11, 20)) if line.startswith("models.aai.url")]


def test_a_password_of_the_journals_belongs_into_a_credential(read):
    pytest.importorskip("psycopg")
    secret = "postgresql://me:secret@db.bakery.org/calls"
    text = SOUND + f'\n[journal]\nurl = "{secret}"\n'
    [warning] = [line for line in warnings_about(read(text), date(2026, 11, 20)) if line.startswith("journal.")]
    assert "TRIO_VOICE_JOURNAL_URL" in warning
    assert "secret" not in warning
    right = read(SOUND, ENVIRONMENT | {"TRIO_VOICE_JOURNAL_URL": secret})
    assert right.journal.url == secret
    assert not [line for line in warnings_about(right, date(2026, 11, 20)) if line.startswith("journal.")]


def test_an_open_address_is_warned_of_more_where_the_operator_has_none_of_their_own(read):
    open_address = SOUND.replace("127.0.0.1:0", "0.0.0.0:8080")
    own = open_address.replace("[limits]", '[operator]\nbind = "127.0.0.1:8081"\n[limits]')
    [both], [twilios] = (
        [line for line in warnings_about(read(text), date(2026, 11, 20)) if line.startswith("server.bind")]
        for text in (open_address, own)
    )
    assert "[operator] bind" in both
    assert "operator" not in twilios


def test_a_bound_that_sets_off_the_alarm_by_itself_is_a_warning(read):
    assert "limits.close_seconds" not in "".join(warnings_about(read(GOOD), date(2026, 11, 20)))
    slow = read(GOOD.replace("[limits]", "[limits]\nclose_seconds = 3"))
    assert "limits.close_seconds" in "".join(warnings_about(slow, date(2026, 11, 20)))


@pytest.mark.parametrize(
    ("keys", "warned"),
    [
        ('record = "here"', True),
        ('record = "here"\ngreeting = "This is the automated desk. This call is recorded."', False),
        ('record = "here"\nrecord_after_consent = true', False),
        ("record = false", False),
    ],
)
def test_to_record_and_tell_nobody_is_a_warning(read, keys, warned):
    warnings = warnings_about(read(GOOD.replace("tools = []", keys)), date(2026, 11, 20))
    assert any("record_after_consent" in warning for warning in warnings) is warned


@pytest.mark.parametrize(("written", "record"), [('"here"', "here"), ("true", True), ("false", False)])
def test_who_records_is_a_word_or_twilio(read, written, record):
    settings = read(GOOD.replace("tools = []", f"tools = []\nrecord = {written}"))
    assert settings.personas["receptionist"].record == record
    assert (settings.recording.directory, settings.recording.keep_days, settings.recording.keep_free_gb) == (
        "recordings",
        30,
        2,
    )


def test_a_language_without_phrases_of_its_own_is_a_warning(read):
    def doubts(keys):
        return "\n".join(warnings_about(read(GOOD.replace("tools = []", keys)), date(2026, 11, 20)))

    assert ".language" not in doubts('language = "nl"')
    assert "personas.receptionist.language: ja-JP has no phrases here" in doubts('language = "ja-JP"')
    own = 'language = "ja"\nfillers = []\nstill_there = "もしもし"\nidle_goodbye = "失礼します"'
    assert ".language" not in doubts(own)
