"""Tools that a chain's language model asks for."""

import json

import attrs
import pytest
import trio

from tests import chains
from tests.calls import GREETING
from tests.legs.chain.live_chains import asked, assert_all_well, lines, live_chain, told
from trio_voice.sandbox.agent.replies import Line, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner

__all__ = ["live_chain"]

LOOK = Turn(
    heard="And now?", reply="Let me see.", tool=ToolUse("look_up", {"day": "Grüner Montag"}), after_tool="Open."
)
SILENTLY = attrs.evolve(LOOK, reply="")


def slow(seconds):
    async def look_up(day: str) -> str:
        """Look up when we are open."""
        await trio.sleep(seconds)
        return f"open on {day}"

    return look_up


@pytest.mark.parametrize("indexes", [True, False])
async def test_a_round_of_tools(autojump_clock, live_chain, indexes):
    manner = ChainManner(indexes_calls=indexes, tells_usage=False, says_done=False, piece_bytes=1)
    async with live_chain(script=Script(turns=(LOOK,)), tools=[slow(0.1)], manner=manner) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)]
    assert [text for role, text, _ in lines(rig) if role == "agent"][1:] == ["Let me see.", "Open."]
    result = rig.agent.thinking.exchanges[1].lines[-1]
    assert result == Line("tool", '"open on Grüner Montag"', LOOK.tool)
    assert_all_well(rig)


async def test_a_slow_tool_is_covered(autojump_clock, live_chain):
    async with live_chain(script=Script(turns=(SILENTLY,)), tools=[slow(4)]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert [text for role, text, _ in lines(rig) if role == "agent"][1:] == ["One moment, please.", "Open."]
    assert told(rig, 1)[-2:] == [("agent", "One moment, please."), ("tool", '"open on Grüner Montag"')]
    heard = rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b"")
    letters = len(GREETING) + len("One moment, please. ") + len("Open. ")
    assert len(heard) == pytest.approx(letters * 50 * 8, abs=1_700)
    assert_all_well(rig)


async def test_words_during_a_tool_are_answered_together_with_its_result(autojump_clock, live_chain):
    script = Script(turns=(SILENTLY, Turn(heard="I can wait for it.", after_tool="Open.")))
    async with live_chain(script=script, tools=[slow(3)]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)]  # once
    assert told(rig, 1)[-2:] == [("tool", '"open on Grüner Montag"'), ("caller", "I can wait for it.")]
    assert_all_well(rig)


async def test_a_new_wish_during_a_long_tool_is_answered_and_the_result_is_told_when_it_comes(
    autojump_clock, live_chain
):
    script = Script(turns=(SILENTLY, Turn(heard="Never mind.", reply="Good.")))
    async with live_chain(script=script, tools=[slow(7)]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)]
    (_, result), (last, _) = told(rig, 1)[-2:]
    assert "outcome unknown" in result
    assert last == "caller"
    assert ("tool", '"open on Grüner Montag"') in told(rig, 2)
    assert_all_well(rig)


@pytest.mark.parametrize("indexes", [True, False], ids=["in turns", "one after another"])
async def test_parallel_tools_are_joined_each_by_its_own(autojump_clock, indexes):
    manner = ChainManner(parallel_calls=3, indexes_calls=indexes, piece_bytes=1)
    async with chains.live_chain(script=Script(turns=(LOOK,)), tools=[slow(0.1)], manner=manner) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)] * 3
    call, *results = asked(rig, 1)[-4:]
    assert [json.loads(each["function"]["arguments"]) for each in call["tool_calls"]] == [{"day": "Grüner Montag"}] * 3
    assert [result["tool_call_id"] for result in results] == [each["id"] for each in call["tool_calls"]]
    assert len(rig.agent.thinking.exchanges) == 2
    assert lines(rig)[-1] == ("agent", "Open.", False)
    assert_all_well(rig)


async def test_a_call_with_broken_arguments_is_not_run_and_the_model_is_told(autojump_clock):
    async with chains.live_chain(
        script=Script(turns=(LOOK,)), tools=[slow(0.1)], faults=ChainFaults(thinking=("broken_call",))
    ) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.tools == []
    call, result = asked(rig, 1)[-2:]
    assert call["tool_calls"][0]["function"]["arguments"] == "{}"
    assert "not a JSON object" in result["content"]
    assert lines(rig)[-1] == ("agent", "Open.", False)
    assert_all_well(rig)
