"""Requests for a reply while another is being made: the real server merges both into one."""

import pytest
import trio

from tests.sandbox.providers.assemblyai_agent.client import LONG_GREETING, REPLY, ROLL, TO_READY, session, telephone
from trio_voice.sandbox.agent.replies import Line, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Manner, Script, Turn

ASKED = "Say exactly this and nothing else: Stay on the line."


async def test_a_request_in_a_reply_is_merged_with_it(autojump_clock):
    async with telephone(Script(greeting_ms=4000), session(greeting=LONG_GREETING)) as (client, record):
        await trio.sleep(1.08)
        await client.send("reply.create", instructions=ASKED)
        at, done = await client.wait("reply.done")
        assert client.types() == [*TO_READY, *REPLY[:3], *REPLY[1:]]
        assert done["status"] == "completed"
        assert len({event["reply_id"] for _, event in client.events[2:]}) == 1
        told = client.of("transcript.agent")[0][1]
        assert (told["text"], told["interrupted"]) == ("one two Stay on the line.", False)
        assert at == pytest.approx(1.087 + 0.2 + 4.0)
        second = client.of("transcript.agent.delta")[8][1]
        assert (second["delta"], second["start_ms"]) == (" Stay", 1080 + 200)
        assert record.history == [Line("instruction", ASKED), Line("agent", "one two Stay on the line.")]


async def test_a_request_while_the_reply_is_thought_of_is_merged_with_it(autojump_clock):
    script = Script(turns=(Turn(heard="When?", reply="At nine.", thinks_seconds=1.0),))
    async with telephone(script) as (client, _):
        await client.speak(300)
        await client.hush(700)
        await client.send("reply.create", instructions=ASKED)
        await client.wait("reply.done")
        await trio.sleep(10)
        assert [event["text"] for _, event in client.of("transcript.agent")] == ["Stay on the line."]


async def test_a_request_between_replies_is_a_reply_of_its_own(autojump_clock):
    async with telephone(Script(greeting_ms=1000), session(greeting=LONG_GREETING)) as (client, _):
        await client.wait("reply.done")
        await client.send("reply.create", instructions=ASKED)
        await client.wait("reply.done", 2)
        assert [event["text"] for _, event in client.of("transcript.agent")] == [LONG_GREETING, "Stay on the line."]


async def test_a_request_is_allowed_while_a_tool_is_waited_for(autojump_clock):
    script = Script(turns=(Turn(reply="", tool=ToolUse("roll"), after_tool="Six."),))
    async with telephone(script, session(tools=[ROLL]), manner=Manner(preamble_ms=2300)) as (client, _):
        await client.speak(300)
        await client.hush(600)
        _, call = await client.wait("tool.call")
        await client.send("reply.create", instructions=ASKED)
        at, _ = await client.wait("reply.done")
        assert at == pytest.approx(0.907 + 0.2 + 0.05 * len("Stay on the line."))
        await client.send("tool.result", call_id=call["call_id"], result="6")
        await client.wait("reply.done", 2)
        assert [event["text"] for _, event in client.of("transcript.agent")] == ["Stay on the line.", "Six."]


async def test_who_interrupts_what_was_merged_has_heard_both(autojump_clock):
    async with telephone(Script(greeting_ms=4000), session(greeting=LONG_GREETING)) as (client, _):
        await trio.sleep(1.08)
        await client.send("reply.create", instructions=ASKED)
        await trio.sleep(1.5)
        await client.speak(300)
        _, told = await client.wait("transcript.agent")
        assert (told["text"], told["interrupted"]) == ("one two Stay", True)
