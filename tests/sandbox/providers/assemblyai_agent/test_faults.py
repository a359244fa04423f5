"""Every way to fail."""

import json
from contextlib import suppress

import pytest
import trio
import trio.testing

from tests.sandbox.providers.assemblyai_agent.client import (
    GREETING,
    LONG,
    SESSION,
    TO_READY,
    session,
    struck,
    telephone,
)
from trio_voice.events import model as c
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import (
    AT_GOODBYE,
    AT_READY,
    BINARY,
    GARBAGE,
    IN_TOOL,
    MID_GREETING,
    MID_REPLY,
    UNKNOWN,
    Close,
    Cut,
    Fail,
    Faults,
    GoSilent,
    Moment,
    Say,
    Script,
    StopReading,
    Strike,
    Turn,
    VoiceAgentServer,
    flood,
    huge,
)
from trio_voice.sandbox.transport.memory import memory_channels


async def test_never_ready(autojump_clock):
    async with telephone(faults=Faults(never_ready=True)) as (client, record):
        await trio.sleep(60)
        assert client.types() == ["session.updated"]
        await client.send("session.end")
        await client.wait_gone()
        assert record.billed_seconds == pytest.approx(60.007)


async def test_a_delayed_ready(autojump_clock):
    async with telephone(faults=Faults(ready_delay_seconds=7)) as (client, _):
        assert (await client.wait("session.ready"))[0] == 7.007


async def test_an_echo_that_is_not_what_was_asked_for(autojump_clock):
    async with telephone(faults=Faults(echo_differences={"output.voice": "anna"})) as (client, _):
        await client.wait("session.ready")
        assert client.understood == [c.ModelFault("config_mismatch", client.understood[0].message, fatal=True)]


async def test_a_goodbye_that_is_not_acknowledged(autojump_clock):
    async with telephone(faults=Faults(never_acknowledges_end=True)) as (client, record):
        await client.send("session.end")
        await trio.sleep(100)
        assert client.types() == TO_READY
        assert client.gone is None
        assert record.told_goodbye
        await client.channel.aclose()
        assert record.billed_seconds == pytest.approx(0.007)


async def test_a_close_that_is_not_answered(autojump_clock):
    async with telephone() as (client, record):
        record.faults = Faults(never_acknowledges_end=True, ignores_close=True)
        await client.send("session.end")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(20) as patience:
            await client.channel.aclose()
        assert patience.cancelled_caught
        assert record.told_goodbye
        assert not record.is_open


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("when", "last"),
    [
        (Moment("", 1), "session.updated"),
        (AT_READY, "session.ready"),
        (MID_GREETING, "reply.audio"),
        (Moment("transcript.user"), "transcript.user"),
        (MID_REPLY, "reply.audio"),
        (IN_TOOL, "tool.call"),
        (Moment("session.ended"), "session.ended"),
    ],
)
async def test_the_line_is_cut(autojump_clock, when, last, reset):
    script = Script(turns=(Turn(reply="Wait a moment.", tool=ToolUse("roll")),), greeting_ms=1000)
    async with telephone(script, session(greeting=GREETING), **struck(when, Cut(reset))) as (client, record):
        with suppress(trio.BrokenResourceError):
            await trio.sleep(2)
            await client.speak(300)
            await client.hush(5000)
            await client.send("session.end")
        assert await client.wait_gone() is trio.BrokenResourceError
        assert client.events[-1][1]["type"] == last
        assert not record.is_open
        assert record.told_goodbye is (last == "session.ended")


async def test_it_goes_silent_in_the_middle_of_a_reply_and_answers_nothing_more(autojump_clock):
    script = Script(greeting_ms=5000)
    async with telephone(script, session(greeting=GREETING), **struck(MID_GREETING, GoSilent())) as (client, record):
        await trio.sleep(60)
        assert len(client.of("reply.audio")) == 10
        await client.send("session.end")
        await trio.sleep(10)
        assert client.gone is None
        assert client.types()[-1] == "reply.audio"
        await client.channel.aclose()
        assert record.told_goodbye


async def test_it_stops_reading_and_its_client_cannot_even_say_goodbye(autojump_clock):
    async with telephone(Script(), **struck(AT_READY, StopReading())) as (client, record):
        await client.wait("session.ready")
        with trio.move_on_after(5) as patience:
            await client.send("session.end")
        assert patience.cancelled_caught
        await client.channel.abort()
        await trio.sleep(60)
        assert not record.told_goodbye
        assert record.billed_seconds == pytest.approx(70.007, abs=0.1)  # 40 s until it gives up, and the grace


async def test_it_stops_reading_but_notices_while_speaking_that_its_client_is_gone(autojump_clock):
    async with telephone(LONG, session(greeting=GREETING), **struck(MID_GREETING, StopReading())) as (client, record):
        await trio.sleep(1)
        assert len(client.of("reply.audio")) > 20
        await client.channel.abort()
        await record.wait_closed()
        assert trio.current_time() < 1.1


@pytest.mark.parametrize("when", [AT_READY, MID_GREETING, AT_GOODBYE])
async def test_it_closes_without_a_word(autojump_clock, when):
    async with telephone(LONG, session(greeting=GREETING), **struck(when, Close(1011, "oops"))) as (client, _):
        await trio.sleep(1)
        if client.gone is None:
            await client.send("session.end")
        assert await client.wait_gone() is trio.EndOfChannel
        assert (client.channel.close_code, client.channel.close_reason) == (1011, "oops")
        assert "session.error" not in client.types()
        assert "session.ended" not in client.types()


@pytest.mark.parametrize(
    ("code", "close_code"),
    [("internal_error", 1011), ("at_capacity", 1008), ("session_expired", 1008), ("invalid_config", None)],
)
async def test_it_fails_by_name(autojump_clock, code, close_code):
    async with telephone(LONG, session(greeting=GREETING), **struck(MID_GREETING, Fail(code))) as (client, record):
        await trio.sleep(10)
        assert client.errors() == [(code, None)]
        assert client.channel.close_code == close_code
        assert record.client_errors == []
        assert any(isinstance(event, c.ModelFault) and event.code == code for event in client.understood)


@pytest.mark.parametrize(
    "act",
    [GARBAGE, BINARY, UNKNOWN, huge(500_000), flood(5_000)],
    ids=["garbage", "binary", "unknown", "huge", "flood"],
)
async def test_what_no_client_expects_is_sent_and_the_session_goes_on(autojump_clock, act):
    async with telephone(LONG, session(greeting=GREETING), **struck(MID_GREETING, act)) as (client, _):
        client.tolerant = True
        with trio.fail_after(10):
            await client.wait("reply.done")
        assert len(client.of("reply.audio")) == 112
        assert len(client.understood) > 112 + len(act.messages) * act.times


async def test_a_fault_may_be_made_while_the_session_runs(autojump_clock):
    async with telephone(LONG, session(greeting=GREETING)) as (client, record):
        await trio.sleep(1)
        record.faults = Faults(strikes=(Strike(Moment("reply.audio", 40), Cut()),))
        await client.wait_gone()
        assert len(client.of("reply.audio")) == 40


async def test_a_flood_waits_for_a_client_that_reads_slowly(autojump_clock):
    agent = VoiceAgentServer(Script().backend, **struck(AT_READY, Say(("x",), 3_000)))
    ours, theirs = memory_channels()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.serve_session, theirs)
        await ours.send(json.dumps({"type": "session.update", "session": SESSION}))
        await trio.sleep(100)
        assert theirs.sent.count("x") == 1000 - 2
        nursery.cancel_scope.cancel()
