"""Address of a server of the Realtime protocol, which key it wants and how, and what its table may say."""

import pytest

from tests.config.files import ENVIRONMENT, GOOD
from trio_voice.config.reading import read_settings
from trio_voice.errors import ConfigError
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSettings

AZURE = "wss://ours.openai.azure.com/openai/v1/realtime"
VOICE_LIVE = "wss://ours.services.ai.azure.com/voice-live/realtime?api-version=2026-01-01&model=gpt-realtime"
INWORLD = "wss://api.inworld.ai/api/v1/realtime/session?key=0b&protocol=realtime"
LOCAL = "ws://127.0.0.1:8080/v1/realtime"


def settings(**more):
    return OpenAIRealtimeSettings(name="desk", kind="openai-realtime", **more)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"),
        ({"model": "gpt-realtime-2.1-mini"}, "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1-mini"),
        ({"dialect": "xai"}, "wss://api.x.ai/v1/realtime?model=grok-voice-latest"),
        ({"url": AZURE, "model": "our deployment"}, f"{AZURE}?model=our+deployment"),
        ({"url": VOICE_LIVE, "dialect": "beta", "model": "another"}, VOICE_LIVE),
        ({"url": INWORLD, "model": "openai/gpt-4.1-mini"}, f"{INWORLD}&model=openai/gpt-4.1-mini"),
        ({"url": LOCAL, "dialect": "beta"}, LOCAL),
    ],
)
def test_the_model_stands_in_the_address(given, address):
    assert settings(**given).address == address


@pytest.mark.parametrize(
    ("given", "name", "headers"),
    [
        ({}, "OPENAI_API_KEY", {"Authorization": "Bearer key"}),
        ({"dialect": "xai"}, "XAI_API_KEY", {"Authorization": "Bearer key"}),
        ({"url": AZURE}, "AZURE_OPENAI_API_KEY", {"api-key": "key"}),
        ({"url": VOICE_LIVE, "dialect": "beta"}, "AZURE_OPENAI_API_KEY", {"api-key": "key"}),
        ({"url": AZURE, "credential": "DESK_KEY"}, "DESK_KEY", {"api-key": "key"}),
        ({"url": INWORLD, "credential": "INWORLD_KEY"}, "INWORLD_KEY", {"Authorization": "Basic key"}),
        (
            {"url": LOCAL, "dialect": "beta"},
            "OPENAI_API_KEY",
            {"Authorization": "Bearer key", "OpenAI-Beta": "realtime=v1"},
        ),
    ],
)
def test_each_server_wants_the_key_in_its_own_header(given, name, headers):
    assert settings(**given).credentials == (name,)
    assert settings(**given).headers({name: "key", "ANOTHER": "no"}) == headers


def test_a_server_that_asks_for_no_key_gets_none():
    local = settings(url=LOCAL, credential="")
    assert local.credentials == ()
    assert local.headers({"OPENAI_API_KEY": "key"}) == {}


def read(tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_text(text)
    return read_settings(file, ENVIRONMENT)


TABLE = '\n[models.desk]\nkind = "openai-realtime"\n'


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('dialect = "gpt"', "models.desk: dialect = 'gpt': must be one of ga, xai, beta"),
        ('dialect = "beta"', "models.desk: url: is missing"),
        ("speed = 3", "models.desk: speed = 3: must be from 0.25 to 1.5"),
        ('speed = 0.5\ndialect = "xai"', "models.desk: speed = 0.5: must be from 0.7 to 1.5"),
        ('noise_reduction = "much"', "models.desk: noise_reduction = 'much': must be one of near_field, far_field"),
        ('semantic_eagerness = "low"\ndialect = "xai"', "the xai dialect has none"),
        ('modle = "x"', "models.desk.modle: no such key; did you mean 'model'?"),
        ("model = 7", "models.desk.model"),
    ],
)
def test_a_mistake_in_the_table_says_where(tmp_path, lines, problem):
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path, GOOD + TABLE + lines)
    assert problem in str(wrong.value)


def test_a_good_table_is_read(tmp_path):
    more = 'model = "gpt-realtime-2.1-mini"\nspeed = 1\nsemantic_eagerness = "high"'
    desk = read(tmp_path, GOOD + TABLE + more).models["desk"]
    assert isinstance(desk, OpenAIRealtimeSettings)
    assert (desk.model, desk.speed, desk.semantic_eagerness) == ("gpt-realtime-2.1-mini", 1.0, "high")
