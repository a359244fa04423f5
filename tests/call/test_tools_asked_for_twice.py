"""A tool that is asked for twice with the same arguments, by every kind of model: two wishes are two, in one answer."""

import trio

from tests.call.test_tools_of_every_kind import KINDS, answers, ask, assert_no_mistakes, kind, script
from trio_voice.sandbox.agent.replies import ToolUse

__all__ = ["kind"]


async def test_two_equal_orders_of_one_answer_are_both_carried_out(autojump_clock, kind):
    ordered = []

    async def order(pizza: str) -> int:
        """Order a pizza."""
        await trio.sleep(0.2)
        ordered.append(pizza)
        return len(ordered)

    twice = (ToolUse("order", {"pizza": "margherita"}),) * 2
    async with KINDS[kind](script=script(*twice), tools=[order]) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert ordered == ["margherita"] * 2
    assert sorted(text for _, text, _ in answers(rig)) == ["1", "2"]
    assert_no_mistakes(rig)
