"""Tools, and replies that the client asks for."""

import base64

import attrs
import pytest
import trio

from tests.sandbox.providers.assemblyai_agent.client import (
    REPLY,
    ROLL,
    TO_READY,
    TURN,
    session,
    telephone,
)
from trio_voice.events import model as c
from trio_voice.sandbox.agent.replies import Line, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Manner, Script, Turn

TOOL_TURN = Script(
    turns=(Turn(heard="Roll!", reply="", tool=ToolUse("roll", {"sides": 6}), after_tool="It is a six."),)
)


async def ask_for_tool(client):
    await client.speak(300)
    await client.hush(600)
    at, call = await client.wait("tool.call")
    assert (call["name"], call["arguments"]) == ("roll", {"sides": 6})
    return at, call["call_id"]


async def test_a_result_that_comes_at_once_ends_the_silent_preamble(autojump_clock):
    async with telephone(TOOL_TURN, session(tools=[ROLL])) as (client, record):
        at, call_id = await ask_for_tool(client)
        await client.send("tool.result", call_id=call_id, result='{"number": 6}')
        done, _ = await client.wait("reply.done")
        assert done - at < 0.15
        assert {event["data"] for _, event in client.of("reply.audio")} == {base64.b64encode(b"\xff" * 300).decode()}
        await client.wait("reply.done", 2)
        preamble = ["reply.started", "tool.call", "reply.audio", "reply.done"]
        assert client.types() == [*TO_READY, *TURN, *preamble, *REPLY]
        assert record.history == [
            Line("caller", "Roll!"),
            Line("tool", '{"number": 6}', ToolUse("roll", {"sides": 6})),
            Line("agent", "It is a six."),
        ]
        assert record.client_errors == []


async def test_a_result_that_waits_for_reply_done(autojump_clock):
    async with telephone(TOOL_TURN, session(tools=[ROLL])) as (client, record):
        at, call_id = await ask_for_tool(client)
        done, _ = await client.wait("reply.done")
        assert done - at == pytest.approx(2.3)
        await client.hush(1000)
        await client.send("tool.result", call_id=call_id, result="no", is_error=True)
        await client.wait("reply.done", 2)
        assert record.history[1] == Line("tool", "no", ToolUse("roll", {"sides": 6}), failed=True)
        assert client.of("transcript.agent")[-1][1]["text"] == "It is a six."


async def test_a_tool_that_is_never_answered_is_apologised_for(autojump_clock):
    async with telephone(TOOL_TURN, session(tools=[{**ROLL, "timeout_seconds": 5}])) as (client, record):
        at, call_id = await ask_for_tool(client)
        started, _ = await client.wait("reply.started", 2)
        assert started == pytest.approx(at + 5)
        assert "sorry" in (await client.wait("transcript.agent"))[1]["text"]
        await client.send("tool.result", call_id=call_id, result="6")
        await client.hush(200)
        assert (record.late_results, record.client_errors, len(client.of("reply.started"))) == (1, [], 2)


async def test_a_tool_whose_reply_is_interrupted_is_forgotten(autojump_clock):
    script = attrs.evolve(TOOL_TURN, turns=(*TOOL_TURN.turns, Turn(heard="Never mind.", reply="As you like.")))
    async with telephone(script, session(tools=[ROLL])) as (client, record):
        _, call_id = await ask_for_tool(client)
        await client.speak(300)
        await client.send("tool.result", call_id=call_id, result="6")
        await client.hush(600)
        await client.wait("reply.done", 2)
        assert [event["status"] for _, event in client.of("reply.done")] == ["interrupted", "completed"]
        assert record.late_results == 1
        assert record.history[-1] == Line("agent", "As you like.")


async def test_the_name_that_arguments_had_before_is_understood_too(autojump_clock):
    async with telephone(TOOL_TURN, session(tools=[ROLL]), manner=Manner(legacy_args=True)) as (client, _):
        await client.speak(300)
        await client.hush(600)
        _, call = await client.wait("tool.call")
        assert "arguments" not in call
        assert c.ToolCalled(call["call_id"], "roll", {"sides": 6}) in client.understood


async def test_what_is_said_before_a_tool_is_heard_before_it_is_called(autojump_clock):
    script = Script(
        turns=(Turn(heard="Bye.", reply="Goodbye!", reply_ms=500, tool=ToolUse("end_call"), after_tool=""),)
    )
    async with telephone(script) as (client, _):
        await client.speak(300)
        await client.hush(600)
        at, _ = await client.wait("tool.call")
        assert at == pytest.approx(client.of("reply.started")[0][0] + 0.7)
        await client.wait("reply.done")
        assert client.of("transcript.agent")[0][1]["text"] == "Goodbye!"


async def test_wrong_results(autojump_clock):
    async with telephone(TOOL_TURN) as (client, _):
        await client.send("tool.result", call_id="call_1", result="6")
        await client.send("tool.result", call_id="call_1", result={"number": 6})
        await client.send("tool.result", result="6")
        await client.send("tool.result", call_id="call_1", result="6", is_error="yes")
        await trio.sleep(1)
        assert [code for code, _ in client.errors()] == ["invalid_value"] + ["invalid_format"] * 3
