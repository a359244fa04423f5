"""Cartesia's speech socket on this machine."""

import base64

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, SCRIPT, connected
from trio_voice.sandbox.providers.assemblyai_agent import Script
from trio_voice.sandbox.providers.chain import ChainManner, ChainServer, scripted

URL = "wss://api.cartesia.ai/tts/websocket"
HEADERS = {"authorization": f"Bearer {KEY}", "cartesia-version": "2026-08-14"}
REQUEST = {
    "model_id": "sonic-3.5",
    "voice": {"mode": "id", "id": "alba"},
    "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
    "add_timestamps": True,
    "max_buffer_delay_ms": 0,
}


def speaking(**more):
    return connected("speaking", URL, HEADERS, **{"script": Script(ms_per_letter=50)} | more)


def request(context, text, *, goes_on=False, **more):
    return REQUEST | {"context_id": context, "transcript": text, "continue": goes_on} | more


def sound_of(client, context):
    pieces = [message["data"] for message in client.of("chunk") if message["context_id"] == context]
    return b"".join(base64.b64decode(piece) for piece in pieces)


async def test_texts_of_a_context_become_sound_faster_than_it_is_heard_with_the_times_of_the_words(autojump_clock):
    async with speaking() as (client, session):
        await client.send(**request("a", "Hello there. ", goes_on=True))
        await client.send(**request("a", "And you?"))
        await trio.sleep(0.2)
        assert client.said[-1] == {"type": "done", "context_id": "a", "status_code": 206, "done": True}
        assert len(sound_of(client, "a")) == (13 + 8) * 50 * 8
        first, second = (message["word_timestamps"] for message in client.of("timestamps"))
        assert (first["words"], first["start"]) == (["Hello", "there."], [0.0, pytest.approx(0.3)])
        assert (second["words"], second["start"]) == (["And", "you?"], [pytest.approx(0.65), pytest.approx(0.85)])
        assert client.messages[-1][0] - client.messages[0][0] < 21 * 0.05
        assert session.client_errors == []


async def test_a_cancelled_context_ends_what_it_has_begun_and_no_more(autojump_clock):
    async with speaking(manner=ChainManner(speed=1)) as (client, session):
        await client.send(**request("a", "Hello there. ", goes_on=True))
        await client.send(**request("a", "And you?", goes_on=True))
        await trio.sleep(0.1)
        await client.send(context_id="a", cancel=True)
        await trio.sleep(2)
        assert len(sound_of(client, "a")) == 13 * 50 * 8
        assert client.said[-1]["type"] == "done"
        await client.send(context_id="a", cancel=True)
        assert session.client_errors == []


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"transcript": "no context"}], 400),
        ([request("a", 7)], 400),
        ([request("a", "Hi", model_id="sonic-0")], 404),
        ([request("a", "Hi", voice={"mode": "id", "id": ""})], 404),
        ([request("a", "Hi", output_format={"container": "wav"})], 400),
        ([request("a", "Hi", max_buffer_delay_ms=9_000)], 400),
        ([request("a", "Hi"), request("a", "there")], 400),
        ([request("a", "Hi", goes_on=True), request("a", "there", language="de")], 400),
    ],
    ids=["no context", "no text", "model", "voice", "format", "delay", "a closed context", "other settings"],
)
async def test_mistakes_are_told_and_leave_the_socket_open(autojump_clock, messages, status):
    async with speaking() as (client, session):
        for message in messages:
            await client.send(**message)
        await trio.sleep(0.5)
        (error,) = client.of("error")
        assert error["status_code"] == status
        assert len(session.client_errors) == 1
        assert client.gone_at is None


async def test_the_end_is_that_the_client_closes(autojump_clock):
    async with speaking() as (client, session):
        await client.channel.aclose(1000)
        await trio.sleep(0.1)
        assert not session.is_open
        assert session.told_goodbye
    async with speaking() as (client, session):
        client.channel.cut()
        await trio.sleep(0.1)
        assert not session.told_goodbye


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer another"}, 401),
        ({"authorization": ""}, 401),
        ({"cartesia-version": ""}, 400),
        ({}, None),
    ],
)
def test_who_is_not_let_in_learns_it_by_the_handshake(headers, status):
    async def ask():
        refusal = ChainServer(scripted(SCRIPT), api_key=KEY).refusal_of(URL, HEADERS | headers)
        assert (refusal and refusal[0]) == status

    trio.run(ask)


async def test_the_sdk_knows_what_it_says(autojump_clock):
    responses = pytest.importorskip("cartesia.types.websocket_response")
    known = {
        "chunk": responses.Chunk,
        "timestamps": responses.Timestamps,
        "done": responses.Done,
        "error": responses.Error,
    }
    async with speaking() as (client, _):
        await client.send(**request("a", "Hello there."))
        await trio.sleep(0.1)
        await client.send(**request("a", "again"))
        await trio.sleep(0.1)
        for message in client.said:
            of_type = known[message["type"]]
            of_type.model_validate(message)
            assert message.keys() <= of_type.model_fields.keys()
        assert {message["type"] for message in client.said} == known.keys()
