"""The sandbox's realtime server over WebSockets: who is let in, and what it refuses."""

import json
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tests.openai_types import mistakes
from trio_voice.net.websocket import open_websocket
from trio_voice.sandbox.providers.assemblyai_agent import Script
from trio_voice.sandbox.providers.openai_realtime import Manner, RealtimeServer, open_realtime
from trio_voice.sandbox.transport.memory import memory_channels

PCMU = {"format": {"type": "audio/pcmu"}}
SESSION = {"type": "realtime", "audio": {"input": PCMU, "output": {**PCMU, "voice": "marin"}}}
MODEL = "?model=gpt-realtime-2.1"


class Client:
    """Says what it is told to, right or wrong."""

    def __init__(self, channel):
        self.channel = channel

    async def say(self, kind, **fields):
        await self.channel.send(json.dumps({"type": kind, **fields}))

    async def hear(self, kind):
        """The next event of a type; those before it are passed over."""
        with trio.fail_after(100):
            while True:
                event = json.loads(await self.channel.receive())
                assert mistakes(event, "Server") == []
                if event["type"] == kind:
                    return event


@asynccontextmanager
async def client(session=SESSION, **server):
    """A client of a server in memory, whose settings were taken."""
    model = RealtimeServer(Script(greeting_ms=400).backend, **server)
    ours, theirs = memory_channels()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(model.serve_session, theirs)
        client = Client(ours)
        await client.hear("session.created")
        if session is not None:
            await client.say("session.update", session=session)
            await client.hear("session.updated")
        yield client, model.sessions[0]
        nursery.cancel_scope.cancel()
    assert theirs.closed


async def refusal(client):
    error = (await client.hear("error"))["error"]
    return error["code"], error["param"]


@pytest.mark.parametrize(
    ("query", "headers", "code", "close_code"),
    [
        (MODEL, {"Authorization": "Bearer wrong"}, "invalid_api_key", 3000),
        (MODEL, {}, "invalid_api_key", 3000),
        ("", {"Authorization": "Bearer key"}, "invalid_model", 3000),
        ("?model=gpt-5", {"Authorization": "Bearer key"}, "invalid_model", 3000),
        (MODEL, {"Authorization": "Bearer key", "OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled", 4000),
    ],
)
async def test_who_is_not_let_in_is_told_so_in_place_of_a_session(query, headers, code, close_code):
    async with open_realtime(Script().backend, api_key="key") as server:
        with trio.fail_after(10):
            channel = await open_websocket(server.url + query, headers, max_message_bytes=100_000)
            error = json.loads(await channel.receive())
            assert (error["type"], error["error"]["code"]) == ("error", code)
            with pytest.raises(trio.EndOfChannel):
                await channel.receive()
            assert channel.close_code == close_code
            await channel.aclose()


async def test_who_has_the_key_gets_a_session():
    async with open_realtime(Script().backend, api_key="key") as server:
        with trio.fail_after(10):
            headers = {"Authorization": "Bearer key"}
            channel = await open_websocket(server.url + MODEL, headers, max_message_bytes=100_000)
            assert json.loads(await channel.receive())["type"] == "session.created"
            await channel.aclose()
            await server.sessions[0].wait_closed()
        assert server.sessions[0].told_goodbye
        assert server.open_sessions == []


WRONG_SESSIONS = [
    ({**SESSION, "voice": "marin"}, "unknown_parameter", "session.voice"),
    ({"audio": SESSION["audio"]}, "missing_required_parameter", "session.type"),
    ({**SESSION, "output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities[0]"),
    (
        {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}, "output": PCMU}},
        "unknown_parameter",
        "session.audio.input.format.rate",
    ),
    (
        {"type": "realtime", "audio": {"input": PCMU, "output": {**PCMU, "voice": "alba"}}},
        "invalid_value",
        "session.audio.output.voice",
    ),
    ("x", "invalid_value", "session"),
]


@pytest.mark.parametrize(("told", "code", "param"), WRONG_SESSIONS, ids=range(len(WRONG_SESSIONS)))
async def test_settings_that_are_refused(autojump_clock, told, code, param):
    async with client(None) as (model, record):
        await model.say("session.update", session=told)
        assert await refusal(model) == (code, param)
        assert [error.code for error in record.client_errors] == [code]


@pytest.mark.parametrize(
    ("kind", "fields", "refused"),
    [
        ("response.cancel", {}, ("response_cancel_not_active", None)),
        ("conversation.item.truncate", {"item_id": "x"}, ("item_truncate_invalid_item_id", "item_id")),
        ("input_audio_buffer.append", {"audio": "?"}, ("invalid_value", "audio")),
        ("conversation.item.create", {}, ("missing_required_parameter", "item")),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "x", "output": "1"}},
            ("invalid_tool_call_id", "item.call_id"),
        ),
        (
            "conversation.item.create",
            {"item": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]}},
            ("invalid_value", "item.content"),
        ),
        ("conversation.item.create", {"item": {"type": "force_message"}}, ("invalid_value", "item.type")),
        ("reply.create", {}, ("invalid_value", "type")),
    ],
)
async def test_mistakes_that_leave_the_session_open(autojump_clock, kind, fields, refused):
    async with client() as (model, _):
        await model.say(kind, **fields)
        assert await refusal(model) == refused
        await model.say("response.create")
        await model.hear("response.created")


async def test_audio_before_the_settings_is_refused(autojump_clock):
    async with client(None) as (model, record):
        await model.say("input_audio_buffer.append", audio="////")
        assert await refusal(model) == ("invalid_value", "audio")
        assert record.early_payloads == 1


GREETING = {"instructions": "Be kind. Say exactly this and nothing else: Hello there."}
ORDER = [
    *("response.created", "rate_limits.updated", "response.output_item.added", "conversation.item.added"),
    *("response.content_part.added", "response.output_audio_transcript.delta", "response.output_audio.delta"),
    *("response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done"),
    *("response.output_item.done", "conversation.item.done", "response.done"),
]


async def test_a_response_is_made_in_order_and_faster_than_it_is_heard(autojump_clock):
    async with client(manner=Manner(times_real_time=4)) as (model, record):
        began = trio.current_time()
        await model.say("response.create", response=GREETING)
        done = (await model.hear("response.done"))["response"]
        assert trio.current_time() - began == pytest.approx(0.4 / 4, abs=0.02)
        await trio.testing.wait_all_tasks_blocked()  # it writes down what it has sent
        assert list(dict.fromkeys(record.types_sent))[2:] == ORDER
        assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": "Hello there."}]
        assert done["usage"]["output_token_details"]["audio_tokens"] == 8


async def test_one_response_at_a_time(autojump_clock):
    async with client() as (model, _):
        await model.say("response.create", response=GREETING)
        await model.say("response.create")
        assert (await refusal(model))[0] == "conversation_already_has_active_response"
        await model.say("response.cancel")
        done = (await model.hear("response.done"))["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")


async def test_nothing_is_truncated_beyond_its_end(autojump_clock):
    async with client() as (model, record):
        await model.say("response.create", response=GREETING)
        item_id = (await model.hear("response.done"))["response"]["output"][0]["id"]
        cut = {"item_id": item_id, "content_index": 0}
        await model.say("conversation.item.truncate", **cut, audio_end_ms=401)
        assert await refusal(model) == ("invalid_value", "audio_end_ms")
        await model.say("conversation.item.truncate", **cut, audio_end_ms=300)
        await model.hear("conversation.item.truncated")
        assert [line.text for line in record.history] == ["Hello"]


async def test_the_longest_session(autojump_clock):
    async with client(manner=Manner(longest_seconds=60)) as (model, record):
        assert (await refusal(model))[0] == "session_expired"
        with pytest.raises(trio.EndOfChannel):
            await model.channel.receive()
        assert (trio.current_time(), model.channel.close_code) == (60, 1001)
        assert record.ended_at == 60
