"""config.toml: all mistakes at once, each with its place and what to do."""

import json
import math
import os
import re
import tomllib
from datetime import date
from pathlib import Path

import attrs
import pytest

from trio_voice.billing.cost import SessionCost, session_cost
from trio_voice.billing.prices import UNITS, ModelPrices
from trio_voice.call.call import wall_clock
from trio_voice.config.credentials import SECRETS, read_secrets
from trio_voice.config.reading import read_settings, settings_of
from trio_voice.config.settings import Settings
from trio_voice.config.warnings import warnings_about
from trio_voice.errors import ConfigError
from trio_voice.legs.providers import KINDS
from trio_voice.persona import TurnDetection
from trio_voice.session_record import Closing, ModelSessionRecord

GOOD = """
[server]
bind = "127.0.0.1:0"
public_url = "https://voice.example.com"
[twilio]
account_sid = "AC1"
[limits]
time_limit_seconds = 60
[models.aai]
kind = "assemblyai-agent"
[personas.receptionist]
model = "aai"
voice = "alba"
tools = []
turn_detection = { vad_threshold = 0.5 }
[numbers]
default = "receptionist"
"+15551234567" = "receptionist"
[prices]
as_of = 2026-11-20
[prices.twilio]
inbound_minute = 0.0085
[prices.aai]
minute = 0.075
[prices.assemblyai-agent]
unacknowledged_seconds = 30
"""
ENVIRONMENT = {"TWILIO_AUTH_TOKEN": "t0ken", "ASSEMBLYAI_API_KEY": "k3y"}


@pytest.fixture
def read(tmp_path):
    def read(text, environment=ENVIRONMENT):
        file = tmp_path / "config.toml"
        file.write_text(text)
        return read_settings(file, environment)

    return read


@pytest.fixture
def problems(read, tmp_path):
    def problems(text, environment=ENVIRONMENT):
        with pytest.raises(ConfigError) as wrong:
            read(text, environment)
        prefix = f"{tmp_path / 'config.toml'}: "
        assert all(line.startswith(prefix) for line in wrong.value.problems)
        return [line.removeprefix(prefix) for line in wrong.value.problems]

    return problems


def test_a_good_file(read):
    settings = read(GOOD)
    assert settings.server.address == ("127.0.0.1", 0)
    assert settings.limits.time_limit_seconds == 60
    assert settings.limits.close_seconds == 2
    assert settings.personas["receptionist"].turn_detection == TurnDetection(vad_threshold=0.5)
    assert settings.numbers["+15551234567"] == "receptionist"


def test_what_the_shipped_file_has_commented_out_is_right_too(read):
    shipped = Path(__file__).parents[2] / "config.toml"
    blocks = [block.splitlines() for block in re.split("\n\n+", shipped.read_text())]
    examples = [
        [line.removeprefix("# ") for line in block]
        for block in blocks
        if block[0].startswith(("# [models.", "# [prices."))
    ]
    settings = read("\n".join(line for block in [*blocks, *examples] for line in block))
    kinds = {model.kind for model in settings.models.values()}
    assert kinds == set(KINDS)
    # A price for each meter that these models have, and what a table says for a million of each.
    meters = {meter: 1_000_000.0 for meter in UNITS if meter.endswith("_tokens")}
    for name, kind, amounts, cost in (
        ("openai", "openai-realtime", meters | {"audio_seconds": 60.0}, 124.8045),
        ("grok", "openai-realtime", {"text_items": 2.0}, 0.058),
        ("gemini", "gemini-live", meters, 24.0),
    ):
        session = ModelSessionRecord(kind, wall_clock(), model=name, seconds=60.0, closing=Closing.ACKNOWLEDGED)
        session.add_usage(amounts)
        assert session_cost(session, settings.prices) == SessionCost(pytest.approx(cost))


def test_the_file_that_is_shipped():
    shipped = Path(__file__).parents[2] / "config.toml"
    settings = read_settings(shipped, ENVIRONMENT)
    assert settings.personas[settings.numbers["default"]].greeting
    assert not [line for line in warnings_about(settings, settings.prices.as_of) if "price" in line]


def test_prices(read):
    prices = read(GOOD).prices
    assert (prices.as_of, prices.currency) == (date(2026, 11, 20), "USD")
    assert (prices.twilio.inbound_minute, prices.twilio.outbound_minute) == (0.0085, None)
    assert prices.of("aai", "assemblyai-agent") == ModelPrices(minute=0.075, unacknowledged_seconds=30)
    assert read(GOOD.partition("[prices]")[0]).prices is None


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


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('bind = "nowhere"', "operator.bind: must be HOST:PORT"),
        ('public_url = "https://desk.example.com"', "operator.public_url: needs operator.bind"),
        ('bind = "127.0.0.1:0"\npublic_url = "desk"', "operator.public_url: must be like"),
        ('bind = "127.0.0.1:0"\npublic_url = "https://desk.example.com/x"', "operator.public_url: must be like"),
        ("port = 1", "operator.port: no such key"),
    ],
)
def test_what_is_wrong_with_the_operators_address_is_told(read, table, problem):
    with pytest.raises(ConfigError) as wrong:
        read(GOOD.replace("[limits]", f"[operator]\n{table}\n[limits]"))
    assert any(problem in line for line in wrong.value.problems)


def test_two_addresses_cannot_be_one(read):
    text = GOOD.replace("127.0.0.1:0", "127.0.0.1:8080")
    for bind in ("127.0.0.1:8080", "0.0.0.0:8080"):
        with pytest.raises(ConfigError, match=r"is taken by server\.bind"):
            read(text.replace("[limits]", f'[operator]\nbind = "{bind}"\n[limits]'))
    assert (
        read(text.replace("[limits]", '[operator]\nbind = "127.0.0.2:8080"\n[limits]')).operator_bind
        == "127.0.0.2:8080"
    )


def test_a_bound_that_sets_off_the_alarm_by_itself_is_a_warning(read):
    assert "limits.close_seconds" not in "".join(warnings_about(read(GOOD), date(2026, 11, 20)))
    slow = read(GOOD.replace("[limits]", "[limits]\nclose_seconds = 3"))
    assert "limits.close_seconds" in "".join(warnings_about(slow, date(2026, 11, 20)))


def test_a_persona_has_its_language_and_its_phrases(read):
    plain = read(GOOD).personas["receptionist"]
    assert (plain.language, plain.backchannels, plain.fillers) == ("en-US", (), None)
    assert (plain.still_there, plain.idle_goodbye, plain.greeting_interruptible) == (None, None, True)
    assert (plain.min_interruption_ms, plain.min_interruption_words) == (None, None)
    text = GOOD.replace(
        "tools = []",
        """language = "de-AT"
backchannels = ["passt schon"]
fillers = []
still_there = "Hallo?"
idle_goodbye = "Servus."
greeting_interruptible = false""",
    ).replace("vad_threshold = 0.5", "min_interruption_ms = 200, min_interruption_words = 2")
    persona = read(text).personas["receptionist"]
    assert (persona.language, persona.backchannels, persona.fillers) == ("de-AT", ("passt schon",), ())
    assert (persona.still_there, persona.idle_goodbye, persona.greeting_interruptible) == ("Hallo?", "Servus.", False)
    assert (persona.min_interruption_ms, persona.min_interruption_words) == (200, 2)
    assert read(GOOD).limits.dead_air_seconds == 2.5


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


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("account_sid", "acount_sid", "twilio.acount_sid: no such key; did you mean 'account_sid'?"),
        ("[limits]", "[limitz]", "limitz: no such key; did you mean 'limits'?"),
        ("vad_threshold", "vad", "personas.receptionist.turn_detection.vad: no such key"),
        ('bind = "127.0.0.1:0"', "bind = 8080", "server.bind: must be a text, not 8080"),
        ('bind = "127.0.0.1:0"', 'bind = "example.com"', "server.bind: must be HOST:PORT"),
        ('bind = "127.0.0.1:0"', 'bind = "127.0.0.1:99999"', "server.bind: must be HOST:PORT"),
        ("= 60", "= true", "limits.time_limit_seconds: must be a number, not True"),
        ("= 60", "= -1", "limits.time_limit_seconds: must be more than 0"),
        (
            "= 60",
            "= 60\nplayback_lead_seconds = 4.1",
            "playback_lead_seconds: must be more than 0 and at most 4, not 4.1",
        ),
        ("= 60", "= 60\n[journal]\ndead_after_seconds = 11.9", "journal.dead_after_seconds: must be at least 12"),
        ('kind = "assemblyai-agent"', 'kind = "oracle"', "models.aai.kind: 'oracle' is not known here"),
        ('kind = "assemblyai-agent"', "", "models.aai.kind: is missing"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "http://x"', "models.aai.url: must begin with"),
        ("tools = []", "idle_seconds = -1", "personas.receptionist.idle_seconds: must be more than 0"),
        ('model = "aai"', 'model = "aia"', "personas.receptionist.model = 'aia': no such key; did you mean 'aai'?"),
        ('model = "aai"', 'model = ["aai", "b"]', "personas.receptionist.model = 'b': no such key"),
        ('model = "aai"', "model = []", "personas.receptionist.model: must be a text, or a list of texts, not []"),
        ("tools = []", 'on_failure = "transfer"', "personas.receptionist.transfer_to: is missing: on_failure needs"),
        ("tools = []", 'on_failure = "cry"', "personas.receptionist.on_failure"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\ndialect = "ga"', "models.aai.dialect: no such key"),
        ("tools = []", 'tools = "end_call"', "personas.receptionist.tools: must be a list"),
        ("tools = []", "tools = [1]", "personas.receptionist.tools: must be a text, not 1"),
        ('default = "receptionist"', 'default = "nobody"', "numbers.'default' = 'nobody': no such key"),
        ('public_url = "https://voice.example.com"', "", "server.public_url: is missing"),
        ("https://voice", "voice", "server.public_url: must be like https://voice.example.com"),
        ("{ vad_threshold = 0.5 }", "{ min_silence = 900, max_silence = 900 }", "min_silence must be less than"),
        ("{ vad_threshold = 0.5 }", "7", "personas.receptionist.turn_detection: must be a table, not 7"),
        ("tools = []", 'language = "english"', "personas.receptionist.language: must be a language tag like en-US"),
        ("tools = []", 'fillers = "One moment."', "personas.receptionist.fillers: must be a list, not 'One moment.'"),
        (
            "tools = []",
            'fillers = ["Hm.", "..."]',
            "personas.receptionist.fillers.1: must have a word in it, not",
        ),
        ("tools = []", 'backchannels = [""]', "personas.receptionist.backchannels.0: must have a word in it, not ''"),
        ("tools = []", 'still_there = ""', "personas.receptionist.still_there: must have a word in it, not ''"),
        ("tools = []", 'idle_goodbye = "."', "personas.receptionist.idle_goodbye: must have a word in it, not '.'"),
        ("tools = []", "greeting_interruptible = 1", "personas.receptionist.greeting_interruptible: must be true or"),
        (
            "vad_threshold = 0.5",
            "min_interruption_ms = -1",
            "turn_detection.min_interruption_ms: must be from 0 to",
        ),
        ("vad_threshold = 0.5", "min_interruption_ms = nan", "min_interruption_ms: must be a number of at most"),
        ("vad_threshold = 0.5", "min_interruption_words = 21", "min_interruption_words: must be from 0 to 20, not 21"),
        ("vad_threshold = 0.5", "min_interruption_words = 1.5", "min_interruption_words: must be a whole number, not"),
        ("= 60", "= 60\ndead_air_seconds = 0", "limits.dead_air_seconds: must be more than 0"),
        ("[personas.receptionist]", "[personas]\nx = 1\n[personas.receptionist]", "personas.x: must be a table"),
        ("as_of = 2026-11-20", "", "prices.as_of: is missing"),
        ("= 2026-11-20", '= "2026-11-20"', "prices.as_of: must be a date like 2026-11-20, without quotes, not '2026"),
        ("as_of =", "as_off = 1\nas_of =", "prices.as_off: no such key; did you mean 'as_of'?"),
        ("as_of =", 'currency = "dollars"\nas_of =', "prices.currency: must be three capital letters, like USD"),
        ("[prices.aai]", "[prices.aia]", "prices.aia: no such key; did you mean 'aai'?"),
        ("[prices.aai]", "[prices.twillio]", "prices.twillio: no such key; did you mean 'twilio'?"),
        ("minute = 0.075", "minutes = 0.075", "prices.aai.minutes: no such key; did you mean 'minute'?"),
        ("minute = 0.075", 'minute = "0.075"', "prices.aai.minute: must be a number, not '0.075'"),
        ("minute = 0.075", "minute = -0.075", "prices.aai.minute: must be at least 0, not -0.075"),
        ("minute = 0.075", "minute = nan", "prices.aai.minute: must be a number of at most 1000000000, not nan"),
        ("= 60\n", "= 60\ndaily_cost = 0\n", "limits.daily_cost: must be more than 0"),
        ("= 60", "= nan", "limits.time_limit_seconds: must be a number of at most 1000000000, not nan"),
        ("= 60", "= inf", "limits.time_limit_seconds: must be a number of at most 1000000000, not inf"),
        ("= 60", "= 1e10", "limits.time_limit_seconds: must be a number of at most 1000000000, not 10000000000.0"),
        ("= 60", "= 60\nmax_calls = 9999999999", "limits.max_calls: must be a whole number of at most 1000000000"),
        ("tools = []", "idle_seconds = nan", "personas.receptionist.idle_seconds: must be a number of at most"),
        ("vad_threshold = 0.5", "vad_threshold = nan", "turn_detection.vad_threshold: must be a number of at most"),
        ("vad_threshold = 0.5", "vad_threshold = 7.0", "turn_detection.vad_threshold: must be from 0 to 1, not 7.0"),
        ("vad_threshold = 0.5", "min_silence = -5", "turn_detection.min_silence: must be from 50 to 10000, not -5"),
        ("vad_threshold = 0.5", "interruption_delay = 1001", "interruption_delay: must be from 0 to 1000, not 1001"),
        ('"AC1"', '"nonsense"', "twilio.account_sid: must be like AC and 32 digits, not 'nonsense'"),
        ('"AC1"', '"AC1"\nfrom_number = "555-1234"', "twilio.from_number: must be a number with its country, like +1"),
        ('"AC1"', '"AC1"\nallowed_prefixes = ["1"]', "twilio.allowed_prefixes: must be like +1 or +4930, not '1'"),
        ('"AC1"', '"AC1"\napi_url = "https://[::bad"', "twilio.api_url: must be like https://api.twilio.com"),
        ('"AC1"', '"AC1"\napi_url = "api.twilio.com"', "twilio.api_url: must be like https://api.twilio.com"),
        ("tools = []", 'transfer_to = "555 123"', "personas.receptionist.transfer_to: must be a number with"),
        ("tools = []", 'name = "x"', "personas.receptionist.name: no such key"),
        ('"+15551234567"', '"(555) 123-0002"', "numbers.'(555) 123-0002': must be a number with its country"),
        ('"+15551234567"', '"defualt"', "numbers.'defualt': must be a number with its country"),
        ('"+1555', '"1 555 1234567" = "receptionist"\n"+1555', "numbers.'+15551234567': is +15551234567, which is"),
        ("https://voice.example.com", "https://[::bad", "server.public_url: must be like https://voice.example.com"),
        ("https://voice.example.com", "https://v.example.com:99999", "server.public_url: must be like https://voice"),
        ("https://voice.example.com", "https://", "server.public_url: must be like https://voice.example.com"),
        ("https://voice.example.com", "https://v.example.com\\u0000", "server.public_url: must be like https://voice"),
        ("https://voice.example.com", "https://v.example.com/?x", "server.public_url: must be like https://voice"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "ws://[::bad"', "models.aai.url: must begin"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "wss://"', "models.aai.url: must begin"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "wss://a:0"', "models.aai.url: must begin"),
        ('kind = "assemblyai-agent"', "kind = []", "models.aai.kind"),
        ("[personas.receptionist]", "[[personas]]", "personas: must be tables, [personas.NAME]"),
        ("[models.aai]", "[[models]]", "models: must be tables, [models.NAME]"),
        ("inbound_minute", "inbound_minutes", "prices.twilio.inbound_minutes: no such key; did you mean 'inbound"),
        ("inbound_minute = 0.0085", "inbound_minute = inf", "prices.twilio.inbound_minute: must be a number of"),
        ("[prices.aai]\nminute = 0.075", "[prices.aai.minute]\nx = 1", "prices.aai.minute: must be a number, not {'x'"),
        ("tools = []", 'record = "there"', 'personas.receptionist.record: must be "here" (on this machine), true (at'),
        ("tools = []", "record = 1", 'personas.receptionist.record: must be "here"'),
        ("tools = []", "record_after_consent = true", 'receptionist.record_after_consent: needs record = "here"'),
        ("tools = []", "record = true\nrecord_after_consent = true", 'record_after_consent: needs record = "here"'),
        ("tools = []", 'tools = ["consent_to_recording"]', "tools: consent_to_recording needs record_after_consent"),
        ("[limits]", '[recording]\nfolder = "x"\n[limits]', "recording.folder: no such key; known are directory"),
        ("[limits]", "[recording]\nkeep_days = 0\n[limits]", "recording.keep_days: must be more than 0"),
        ("[limits]", "[recording]\nkeep_free_gb = -1\n[limits]", "recording.keep_free_gb: must be from 0 to"),
        ("[limits]", '[recording]\ndirectory = " "\n[limits]', "recording.directory: must be a folder's name"),
    ],
)
def test_each_mistake_has_its_line(problems, old, new, line):
    assert old in GOOD
    (found,) = [problem for problem in problems(GOOD.replace(old, new, 1)) if line in problem]
    assert "\n" not in found


def test_where_there_is_nothing_to_choose_from_that_is_said(tmp_path):
    document = {"server": {"public_url": "https://voice.example.com"}, "personas": {"p": {"model": "aai"}}}
    with pytest.raises(ConfigError) as wrong:
        settings_of(document, ENVIRONMENT, tmp_path / "c.toml")
    assert wrong.value.problems == [f"{tmp_path}/c.toml: personas.p.model = 'aai': no such key; there is none yet"]


def test_all_mistakes_are_told_at_once(problems):
    text = GOOD.replace("= 60", '= "60"').replace("voice =", "voise =").replace('"127.0.0.1:0"', '"nowhere"')
    found = problems(text.replace('default = "receptionist"', 'default = "x"'), {})
    for place in ("limits.time_limit_seconds", "personas.receptionist.voise", "server.bind", "numbers.'default'"):
        assert sum(place in line for line in found) == 1
    assert sum("credential TWILIO_AUTH_TOKEN is missing" in line for line in found) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5_000 + "]" * 5_000, "line 3: is nested too deeply"),
        ("a = " + "{a=" * 5_000 + "1" + "}" * 5_000, "line 3: is nested too deeply"),
        ("a = " + "1" * 5_000, "line 3: cannot be read: Exceeds the limit"),
        ("a = " + "[" * 150 + "]" * 150, "a: no such key"),
        (".".join(["a"] * 20_000) + " = 1", "line 3: a key has more than 32 parts"),
        ("[" + " . ".join(["'a'"] * 20_000) + "]", "line 3: a key has more than 32 parts"),
        ("x = { " + ".".join(['"a.b"'] * 20_000) + " = 1 }", "line 3: a key has more than 32 parts"),
        ("limits = " + "[" * 300 + "]" * 300, "limits: must be a table, not [[["),
        ("a\0b = 1", "no valid TOML"),
        ('"a\\n\\u001b[31m" = 1', r"a\n\x1b[31m: no such key"),
        ('x = "' + "y" * 100_000, "no valid TOML"),
    ],
    ids=lambda text: text[:12],
)
def test_whatever_is_in_the_file_is_one_line_and_soon(tmp_path, text, words):
    file = tmp_path / "config.toml"
    file.write_text(f"\n\n{text}\n")
    with pytest.raises(ConfigError) as wrong:
        read_settings(file, ENVIRONMENT)
    lines = wrong.value.problems
    assert any(words in line for line in lines)
    assert all(line.isprintable() and len(line) <= 601 and line.startswith(str(file)[:600]) for line in lines)


def test_prose_with_many_dots_is_no_key(read):
    read(GOOD.replace('voice = "alba"', f'prompt = """\n{"No. " * 500}\n{"a." * 500}= ]\n"""'))


@pytest.mark.parametrize("kind", ["pipe", "directory", "no utf-8", "device", "too long"])
def test_what_is_no_file_of_text_is_not_waited_for(tmp_path, kind):
    file = tmp_path / "config.toml"
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "directory":
            file.mkdir()
        case "no utf-8":
            file.write_bytes(b"a = '\xff\xfe'")
        case "device":
            file = Path("/dev/zero")
        case "too long":
            file.write_text("#" * 5_000_000)
    with pytest.raises(ConfigError) as wrong:
        read_settings(file, ENVIRONMENT)
    (line,) = wrong.value.problems
    assert line.startswith(f"{file}: cannot be read: ")


def test_numbers_may_be_written_as_people_write_them(read):
    settings = read(
        GOOD.replace('"AC1"', '"AC1"\nfrom_number = "+1 555-000-1111"\nallowed_prefixes = ["+1 (555)", "+49"]')
        .replace("tools = []", 'transfer_to = "+49 (0)30 901820"')
        .replace('"+15551234567"', '"sip:desk@example.com" = "receptionist"\n"+1 (555) 123-4567"')
    )
    assert settings.twilio.from_number == "+15550001111"
    assert settings.twilio.allowed_prefixes == ("+1555", "+49")
    assert settings.personas["receptionist"].transfer_to == "+4930901820"
    assert settings.numbers.keys() == {"default", "sip:desk@example.com", "+15551234567"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "A\0", " "])
def test_a_credential_is_named_like_a_variable(problems, name):
    chain = 'kind = "chain"\nstt = { kind = "local" }\ntts = { kind = "local" }\n'
    llm = f'llm = {{ kind = "openai-chat", model = "m", url = "http://x", credential = {json.dumps(name)} }}'
    found = problems(GOOD.replace('kind = "assemblyai-agent"', chain + llm).partition("[prices.")[0])
    assert any("must be the name of a variable" in line for line in found)


def test_a_credential_that_cannot_be_read_is_a_line(tmp_path, problems):
    (tmp_path / "twilio_auth_token").write_bytes(b"\xff")
    found = problems(GOOD, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert any("credential TWILIO_AUTH_TOKEN: " in line and "cannot be read: it is no UTF-8" in line for line in found)


def test_broken_toml_says_where(problems):
    (line,) = problems("[server\n")
    assert "no valid TOML" in line
    assert "line 1" in line


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.toml", {})


def test_only_the_credentials_that_are_needed_are_asked_for(read, problems):
    assert ["ASSEMBLYAI_API_KEY" in line for line in problems(GOOD, {"TWILIO_AUTH_TOKEN": "t"})] == [True]
    local = GOOD.replace('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "sandbox"')
    read(local.replace("[twilio]", "[twilio]\nvalidate_signatures = false"), {})


def test_systemds_credentials_come_before_the_environment(tmp_path):
    (tmp_path / "twilio_auth_token").write_text("from systemd\n")
    secrets = read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path), "TWILIO_AUTH_TOKEN": "e", "OPENAI_API_KEY": " k "})
    assert secrets.get("TWILIO_AUTH_TOKEN") == "from systemd"
    assert secrets.get("OPENAI_API_KEY") == "k"
    assert secrets.get("GEMINI_API_KEY") is None


def test_an_empty_credential_of_systemds_is_none(tmp_path):
    (tmp_path / "openai_api_key").write_text("\n")
    assert read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path)}).get("OPENAI_API_KEY") is None
    assert read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path), "OPENAI_API_KEY": "k"}).get("OPENAI_API_KEY") == "k"


def test_a_blank_credential_is_none():
    assert read_secrets(dict.fromkeys(SECRETS, " ")).get("TWILIO_AUTH_TOKEN") is None


def test_secrets_are_never_shown(read):
    assert "t0ken" not in repr(read(GOOD))
    assert "k3y" not in repr(read(GOOD))


CHAIN = """
[models.desk]
kind = "chain"
stt = { kind = "assemblyai-streaming" }
llm = { kind = "anthropic", model = "claude-haiku-5-5", thinking = "disabled" }
tts = { kind = "elevenlabs", voice = "v" }
[personas.clerk]
model = "desk"
"""


def test_a_chain_that_thinks_with_anthropic_needs_its_key(read, problems):
    given = ENVIRONMENT | {"ELEVENLABS_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    llm = read(GOOD + CHAIN, given).models["desk"].llm[0]
    assert (llm.model, llm.thinking, llm.effort, llm.key_name) == (
        "claude-haiku-5-5",
        "disabled",
        None,
        "ANTHROPIC_API_KEY",
    )
    del given["ANTHROPIC_API_KEY"]
    (missing,) = problems(GOOD + CHAIN, given)
    assert missing.startswith("credential ANTHROPIC_API_KEY is missing: it is needed for models.desk")
    (wrong,) = problems(GOOD + CHAIN.replace("disabled", "never"), given | {"ANTHROPIC_API_KEY": "k"})
    assert wrong.startswith("models.desk.llm.thinking: ")
    assert "between_tools" in wrong


@pytest.mark.parametrize("table", [field.name for field in attrs.fields(Settings)])
def test_a_table_that_is_something_else_is_told_with_its_key(table):
    for odd in (0, -1, 1e308, math.nan, True, "", "\0", [], [[]], [{}], [1], date(2026, 1, 1)):
        with pytest.raises(ConfigError) as wrong:
            settings_of(tomllib.loads(GOOD) | {table: odd}, ENVIRONMENT, Path("c.toml"))
        problems = wrong.value.problems
        assert any(problem.startswith(f"c.toml: {table}") for problem in problems), (odd, problems)
        assert not any("cannot be used" in problem for problem in problems), (odd, problems)
