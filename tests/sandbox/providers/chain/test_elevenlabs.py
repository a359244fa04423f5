"""ElevenLabs' multi-context socket on this machine."""

import base64

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, connected
from trio_voice.sandbox.providers.assemblyai_agent import Script
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, StageFaults

URL = "wss://api.elevenlabs.io/v1/text-to-speech/alba/multi-stream-input?model_id=eleven_flash_v2_5"
MULAW = "&output_format=ulaw_8000"
SCRIPT = Script(ms_per_letter=50)


def speaking(query=MULAW, key=KEY, url=URL, **more):
    return connected("speaking", url + query, {"xi-api-key": key}, **{"script": SCRIPT} | more)


def sound_of(client, context):
    pieces = [message["audio"] for message in client.said if message["contextId"] == context and message.get("audio")]
    return b"".join(base64.b64decode(piece) for piece in pieces)


async def test_a_text_becomes_sound_faster_than_it_is_heard_with_the_time_of_each_letter(autojump_clock):
    async with speaking() as (client, session):
        await client.send(text=" ", context_id="a")
        await client.send(text="Hello there. ", context_id="a", flush=True)
        await client.send(context_id="a", close_context=True)
        await trio.sleep(0.1)
        assert client.said[-1] == {"isFinal": True, "contextId": "a"}
        assert len(sound_of(client, "a")) == 13 * 50 * 8
        letters = [letter for message in client.said[:-1] for letter in message["alignment"]["chars"]]
        assert "".join(letters) == "Hello there. "
        assert client.messages[-1][0] - client.messages[0][0] < 13 * 0.05
        assert session.client_errors == []


async def test_each_context_is_said_by_itself_and_a_closed_one_to_its_end(autojump_clock):
    """The live service does so: so clients have to forget what they have closed."""
    async with speaking(manner=ChainManner(speed=1)) as (client, _):
        for name in ("a", "b"):
            await client.send(text=" ", context_id=name)
        await client.send(text="Hello there. ", context_id="a")
        await client.send(context_id="a", close_context=True)
        await client.send(text="And again. ", context_id="b")
        await trio.sleep(2)
        assert len(sound_of(client, "a")) == 13 * 50 * 8
        assert len(sound_of(client, "b")) == 11 * 50 * 8
        assert [message["contextId"] for message in client.said if message.get("isFinal")] == ["a"]


@pytest.mark.parametrize(
    ("query", "key", "url", "error"),
    [
        (MULAW, "another", URL, "invalid_api_key"),
        (MULAW, "", URL, "invalid_api_key"),
        ("", KEY, URL, "unsupported_output_format"),
        (MULAW, KEY, URL.replace("/alba/", "//"), "voice_id_does_not_exist"),
    ],
)
async def test_who_is_not_let_in_learns_it_after_the_handshake(autojump_clock, query, key, url, error):
    async with speaking(query, key, url) as (client, session):
        await trio.sleep(0.1)
        assert client.said[0]["error"] == error
        assert client.channel.close_code == 1008
        assert [mistake.code for mistake in session.client_errors] == [error]


FIRST = {"text": " ", "context_id": "a"}


@pytest.mark.parametrize(
    "messages",
    [
        [{"text": "Hello "}],
        [{"text": "Hello ", "context_id": "a"}],
        [FIRST, {"text": 7, "context_id": "a"}],
        [FIRST, {"text": "Hello ", "context_id": "a", "voice_settings": {"speed": 1}}],
        [FIRST, {"context_id": "a", "close_context": True}, {"text": "Hello ", "context_id": "a"}],
        [{"text": " ", "context_id": str(number)} for number in range(6)],
    ],
    ids=["no context", "no first message", "no text", "late settings", "a closed context", "too many contexts"],
)
async def test_mistakes_end_the_socket(autojump_clock, messages):
    async with speaking(manner=ChainManner(voice_seconds=1)) as (client, session):
        await client.send(text=" ", context_id="busy")
        await client.send(text="Words. ", context_id="busy")
        for message in messages:
            await client.send(**message)
        await trio.sleep(0.1)
        assert client.channel.close_code == 1008
        assert session.client_errors


async def test_an_idle_socket_is_closed_after_what_was_asked_for(autojump_clock):
    async with speaking(MULAW + "&inactivity_timeout=60") as (client, session):
        await client.send(text=" ", context_id="a")
        await trio.sleep(59)
        await client.send(text="", context_id="a")
        await trio.sleep(59)
        assert client.gone_at is None
        await trio.sleep(2)
        assert client.said[-1]["error"] == "input_timeout_exceeded"
        assert session.client_errors == []


async def test_the_goodbye_is_answered_by_closing(autojump_clock):
    async with speaking() as (client, session):
        await client.send(close_socket=True)
        await trio.sleep(0.1)
        assert client.channel.close_code == 1000
        assert session.told_goodbye
    faults = ChainFaults(speaking=StageFaults(never_acknowledges_end=True))
    async with speaking(faults=faults) as (client, session):
        await client.send(close_socket=True)
        await trio.sleep(5)
        assert client.gone_at is None


async def test_the_sdk_knows_what_it_says(autojump_clock):
    types = pytest.importorskip("elevenlabs.types")
    names = {"audio", "isFinal", "contextId", "alignment", "normalizedAlignment"}
    async with speaking() as (client, _):
        await client.send(text=" ", context_id="a")
        await client.send(text="Hello there. ", context_id="a", flush=True)
        await client.send(context_id="a", close_context=True)
        await trio.sleep(0.1)
        *sounds, last = client.said
    assert sounds
    for message in sounds:
        assert message.keys() <= names
        read = types.AudioOutputMulti.model_validate(message)
        assert read.context_id == "a"
        assert read.alignment.model_dump(by_alias=True).keys() >= message["alignment"].keys()
    assert types.FinalOutputMulti.model_validate(last).is_final is True
