"""A chain's table of config.toml."""

import pytest

from trio_voice.billing.prices import ModelPrices
from trio_voice.config.warnings import warnings_about
from trio_voice.errors import ConfigError
from trio_voice.persona import Persona
from trio_voice.speech_text.languages import phrases_of

GOOD = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://voice.example.com"

[twilio]
validate_signatures = false

[models.desk]
kind = "chain"
stt = { kind = "deepgram-flux", eager_eot_threshold = 0.6 }
llm = { kind = "openai-chat", url = "http://127.0.0.1:11434/v1", model = "llama" }
tts = { kind = "elevenlabs", voice = "v" }

[personas.p]
model = "desk"

[numbers]
default = "p"

[prices]
as_of = 2026-11-20

[prices.deepgram-flux]
minute = 0.0065
"""
KEYS = {"DEEPGRAM_API_KEY": "d", "ELEVENLABS_API_KEY": "e"}


@pytest.fixture
def environment():
    return KEYS


def problems(read, text, environment=KEYS):
    with pytest.raises(ConfigError) as wrong:
        read(text, environment)
    return wrong.value.problems


def test_each_stage_is_of_its_own_kind(read):
    settings = read(GOOD)
    desk = settings.models["desk"]
    assert desk.stt[0].eager_eot_threshold == 0.6
    assert desk.credentials == ("DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY")  # a server of one's own wants none
    assert desk.providers == ("deepgram-flux", "openai-chat", "elevenlabs")
    assert settings.prices.of("desk", "deepgram-flux") == ModelPrices(minute=0.0065)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("deepgram-flux", "deepgram-fluks", "models.desk.stt: kind 'deepgram-fluks' is not known here; did you mean"),
        ("eager_eot_threshold = 0.6", "eager = 0.6", "models.desk.stt.eager: no such key"),
        ("eager_eot_threshold = 0.6", "eager_eot_threshold = 2", "models.desk.stt: eager_eot_threshold must be"),
        ('voice = "v"', "voice = 1", "models.desk.tts.voice: must be a text, not 1"),
        (', model = "llama"', "", "models.desk.llm.model: is missing"),
        ("http://127", "ftp://127", "models.desk.llm.url: must begin with https://"),
        ('kind = "chain"', 'kind = "chain"\nurl = "wss://x"', "models.desk: url belongs to the stages of a chain"),
        ("[prices.deepgram-flux]", "[prices.deepgram]", "prices.deepgram: no such key; did you mean 'deepgram-flux'?"),
    ],
)
def test_a_mistake_is_one_line_with_the_path_of_its_key(read, old, new, line):
    assert old in GOOD
    (problem,) = problems(read, GOOD.replace(old, new, 1) if "prices" in old else GOOD.replace(old, new))[:1]
    assert line in problem


def test_each_missing_credential_is_named(read):
    first, second = problems(read, GOOD, {})
    assert "DEEPGRAM_API_KEY is missing" in first
    assert "ELEVENLABS_API_KEY is missing" in second


def test_a_stage_in_the_sandbox_wants_no_credential_and_the_others_still_do(read):
    text = GOOD.replace('"deepgram-flux", ', '"deepgram-flux", url = "sandbox", ')
    (problem,) = problems(read, text, {})
    assert "ELEVENLABS_API_KEY is missing" in problem


def test_a_chain_in_the_sandbox_wants_none(read):
    desk = read(GOOD.replace('kind = "chain"', 'kind = "chain"\nurl = "sandbox"'), {}).models["desk"]
    urls = {"stt.url": "ws://127.0.0.1:1/v3/ws", "llm.url": "http://127.0.0.1:2/v1", "tts.url": "http://127.0.0.1:1"}
    moved = desk.at(urls)
    assert moved.stt[0].url == "ws://127.0.0.1:1/v2/listen"
    assert moved.llm[0].url == "http://127.0.0.1:2/v1"
    assert moved.credentials == ()


# All of it on this machine

LOCAL = (
    GOOD.partition("[prices]")[0]
    .replace('kind = "deepgram-flux", eager_eot_threshold = 0.6', 'kind = "local"')
    .replace('kind = "elevenlabs", voice = "v"', 'kind = "local"')
)


def test_a_chain_on_this_machine_wants_no_account(read):
    settings = read(LOCAL + "[prices]\nas_of = 2026-11-20\n", {})
    desk = settings.models["desk"]
    assert desk.credentials == ()
    assert desk.providers == ("openai-chat",)
    assert {path: url for path, (url, _) in desk.urls.items()} == {"llm.url": "http://127.0.0.1:11434/v1"}
    assert desk.extras == ("speech",)
    assert settings.prices.of("desk", "local") == ModelPrices(minute=0, thousand_characters=0)  # nor costs anything
    urls = {"stt.url": "ws://127.0.0.1:1/v3/ws", "llm.url": "http://127.0.0.1:2/v1", "tts.url": "http://127.0.0.1:1"}
    assert desk.at(urls) == desk


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (', url = "wss://x"', "models.desk.stt: a stage of kind local has no url"),
        (', model = "x"', "models.desk.stt.model: no such key"),
    ],
)
def test_a_local_stage_has_no_address_of_its_own(read, more, line):
    (problem,) = problems(read, LOCAL.replace('stt = { kind = "local"', f'stt = {{ kind = "local"{more}'), {})
    assert line in problem


def test_a_persona_of_one_is_warned_of_the_price_of_what_is_not_on_this_machine(read):
    settings = read(LOCAL + "[prices]\nas_of = 2026-11-20\n", {})
    warnings = [line for line in warnings_about(settings, settings.prices.as_of) if "models.desk" in line]
    assert len(warnings) == 1
    assert "[prices.openai-chat]" in warnings[0]


def test_check_says_of_what_it_is_made(read):
    assert read(GOOD).models["desk"].summary == (
        "chain of deepgram-flux, openai-chat at http://127.0.0.1:11434/v1, elevenlabs"
    )
    assert read(LOCAL, {}).models["desk"].summary == ("chain of local, openai-chat at http://127.0.0.1:11434/v1, local")
    whole = read(GOOD.replace('kind = "chain"', 'kind = "chain"\nurl = "sandbox"'), {}).models["desk"]
    assert whole.summary.startswith("chain in the sandbox of deepgram-flux, ")


# Stages of several members

SEVERAL = GOOD.replace(
    'llm = { kind = "openai-chat", url = "http://127.0.0.1:11434/v1", model = "llama" }',
    'llm = [{ kind = "openai-chat", model = "gpt" }, { kind = "anthropic", model = "claude", credential = "MINE" }]',
)


def test_a_stage_may_be_a_list_of_members(read):
    desk = read(SEVERAL, KEYS | {"OPENAI_API_KEY": "o", "MINE": "m"}).models["desk"]
    assert [member.kind for member in desk.llm] == ["openai-chat", "anthropic"]
    assert desk.credentials == ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "MINE", "ELEVENLABS_API_KEY")
    assert desk.providers == ("deepgram-flux", "openai-chat", "anthropic", "elevenlabs")
    assert desk.summary == "chain of deepgram-flux, openai-chat, anthropic, elevenlabs"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"claude"', "7", "models.desk.llm.1.model: must be a text, not 7"),
        (
            '"anthropic"',
            '"antropic"',
            "models.desk.llm.1: kind 'antropic' is not known here; did you mean 'anthropic'?",
        ),
        ('model = "gpt"', 'modell = "gpt"', "models.desk.llm.0"),
        ('model = "gpt"', 'model = "gpt", url = "ftp://x"', "models.desk.llm.0.url: must begin with https://"),
    ],
)
def test_a_mistake_of_a_member_is_one_line_with_its_number(read, old, new, line):
    assert line in problems(read, SEVERAL.replace(old, new), KEYS | {"OPENAI_API_KEY": "o", "MINE": "m"})[0]


def test_a_stage_without_members_is_refused(read):
    text = GOOD.replace(
        'llm = { kind = "openai-chat", url = "http://127.0.0.1:11434/v1", model = "llama" }', "llm = []"
    )
    assert "models.desk.llm: must be a table with a kind, or a list of some" in problems(read, text)[0]


def test_the_chain_s_own_filler_is_said_only_where_it_is_set(read):
    def desk(more):
        return read(GOOD.replace('kind = "chain"', 'kind = "chain"\n' + more)).models["desk"]

    assert desk("").own_filler("en-US") == ""
    assert desk("filler_after_seconds = 2.0").own_filler("en-US") == "One moment, please."
    assert desk("filler_after_seconds = 2.0").own_filler("nl") == phrases_of("nl").fillers[0]
    assert desk('filler = "Hm."').own_filler("de") == "Hm."
    assert desk('filler = ""\nfiller_after_seconds = 2').own_filler("de") == ""


@pytest.mark.parametrize(
    ("language", "own", "said"), [("en-US", None, "One moment, please."), ("de", "", ""), ("de", "Ja?", "Ja?")]
)
def test_what_is_said_at_a_takeover_is_in_the_language_of_the_persona(language, own, said):
    assert Persona(name="p", model="m", language=language, takeover_line=own).said_at_takeover == said
    assert Persona(name="p", model="m", language="pt").said_at_takeover == phrases_of("pt").fillers[0]
