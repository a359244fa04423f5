"""Tools in a call with each kind of model, on the virtual clock: the same for all of them."""

from functools import partial

import pytest
import trio

from tests import calls
from tests.calls import live_call
from tests.chains import live_chain
from trio_voice.events.model import ToolWithdrawn
from trio_voice.limits import Limits
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

KINDS = {
    "assemblyai-agent": live_call,
    "openai-realtime": partial(live_call, model=calls.OPENAI_REALTIME),
    "gemini-live": partial(live_call, model=calls.GEMINI_LIVE),
    "chain": live_chain,
    "chain with anthropic": partial(live_chain, llm="anthropic"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def script(*tools, reply="", after="It is done."):
    first, *more = tools
    turns = (Turn(heard="Do it.", reply=reply, tool=first, also=tuple(more), after_tool=after),)
    return Script(greeting_ms=500, turns=(*turns, Turn(heard="Never mind.", reply="As you like.")))


def exchanges(rig):
    """The questions to a chain's language model."""
    return rig.agent.thinking.exchanges if hasattr(rig.agent, "thinking") else []


def answers(rig):
    """Words that the model was told of tools: which, what, and whether it failed, by name."""
    lines = exchanges(rig)[-1].lines if exchanges(rig) else rig.session.history
    return sorted((line.tool.name, line.text, line.failed) for line in lines if line.role == "tool")


def assert_no_mistakes(rig):
    """The model's double found nothing wrong with what we said."""
    assert [mistake for each in (*rig.agent.sessions, *exchanges(rig)) for mistake in each.client_errors] == []
    assert rig.record.counters.get("model_garbage", 0) == 0


def look_up_tool(seconds=0.2):
    async def look_up(day: str = "today") -> str:
        """Look up when we are open."""
        await trio.sleep(seconds)
        return f"open {day}"

    return look_up


async def count() -> int:
    """Count the loaves."""
    await trio.sleep(0.1)
    return 7


async def hang() -> None:
    """Never answers."""
    await trio.sleep_forever()


async def ask(rig):
    """The caller says something, and the model asks for its tools."""
    await trio.sleep(2)
    rig.speak(0.5)
    await trio.sleep(1.5)


async def test_tools_asked_for_at_once_run_at_once_and_are_all_answered(autojump_clock, kind):
    wanted = (ToolUse("look_up", {"day": "Monday"}), ToolUse("count"), ToolUse("look_up", {"day": "Tuesday"}))
    async with KINDS[kind](script=script(*wanted), tools=[look_up_tool(), count]) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    told = [(name, text.strip('"'), failed) for name, text, failed in answers(rig)]
    assert told == [("count", "7", False), ("look_up", "open Monday", False), ("look_up", "open Tuesday", False)]
    assert sorted((use.name, use.failed) for use in rig.record.tools) == [
        ("count", False),
        ("look_up", False),
        ("look_up", False),
    ]
    assert rig.record.transcript[-1].text == "It is done."
    assert rig.record.end_reason is EndReason.HANGUP
    assert_no_mistakes(rig)


@pytest.mark.parametrize("broken", ['{"day": "Mon', '["Monday"]', "7"])
async def test_broken_arguments_are_answered_and_the_call_goes_on(autojump_clock, kind, broken):
    """Nothing is run on a guess, though the tool could do without arguments; what was well formed is run."""
    wanted = (ToolUse("look_up", broken), ToolUse("count"))
    async with KINDS[kind](script=script(*wanted), tools=[look_up_tool(), count]) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    (counted, looked_up) = answers(rig)
    assert counted == ("count", "7", False)
    assert "open" not in looked_up[1]
    assert "arguments" in looked_up[1]
    assert "object" in looked_up[1]
    assert ("look_up", False) not in [(use.name, use.failed) for use in rig.record.tools]
    assert rig.record.transcript[-1].text == "As you like."
    assert rig.record.end_reason is EndReason.HANGUP
    assert_no_mistakes(rig)


async def test_a_tool_that_is_withdrawn_is_let_finish_and_not_answered(autojump_clock, kind):
    """It may have begun to act: what is half booked is worse than what is booked and not told."""

    async def dawdle() -> str:
        """Takes long."""
        await trio.sleep(3)
        return "ready"

    async with KINDS[kind](script=script(ToolUse("dawdle")), tools=[dawdle], limits=Limits(tool_seconds=100)) as rig:
        await ask(rig)
        rig.call._on_fact(ToolWithdrawn(waited_for(rig)))
        await trio.sleep(3.1)
        rig.twilio.hang_up()
    assert [tool.failed for tool in rig.record.tools] == [False]
    assert answers(rig) == []


def waited_for(rig):
    """The call id of the tool that the model waits for."""
    (run,) = rig.call._bridge._tools._runs
    return run


async def test_an_interruption_stops_no_tool(autojump_clock, kind):
    """Its work may be half done already."""
    ended = []

    async def dawdle() -> str:
        """Takes long."""
        await trio.sleep(3)
        ended.append("done")
        return "ready"

    async with KINDS[kind](script=script(ToolUse("dawdle")), tools=[dawdle]) as rig:
        await ask(rig)
        rig.speak(0.5)
        await trio.sleep(10)
        rig.twilio.hang_up()
    assert ended == ["done"]
    assert [tool.failed for tool in rig.record.tools] == [False]
    assert rig.record.end_reason is EndReason.HANGUP
    assert "As you like." in [line.text for line in rig.record.transcript]
    assert_no_mistakes(rig)


@pytest.mark.parametrize("ends", ["hang up", "time limit"])
async def test_a_slow_tool_does_not_keep_the_call_from_ending(autojump_clock, kind, ends):
    limits = Limits(tool_seconds=100, time_limit_seconds=5 if ends == "time limit" else 100)
    async with KINDS[kind](script=script(ToolUse("hang")), tools=[hang], limits=limits) as rig:
        await ask(rig)
        ended = trio.current_time()
        if ends == "hang up":
            rig.twilio.hang_up()
        await rig.over.wait()
    assert rig.ended_at - (ended if ends == "hang up" else 5) < limits.close_seconds + 1
    assert rig.record.closing_seconds < 0.05
    assert rig.record.end_reason is (EndReason.HANGUP if ends == "hang up" else EndReason.TIME_LIMIT)
    assert all(session.told_goodbye or not session.is_open for session in rig.agent.sessions)
