"""Async tools that do not let themselves be cancelled: their calls end as promised all the same."""

import structlog
import trio

from tests.call.test_call_tools import ask, results, script
from tests.calls import live_call
from trio_voice.call.async_tools import ENDING_SECONDS, open_async_tools
from trio_voice.call.tools import CallFacts, Tool
from trio_voice.limits import Limits
from trio_voice.record import EndReason

CALL = CallFacts("c1", "CA1", "inbound", "+15550001111", "+15551234567", "desk")


def stubborn():
    """A tool that goes on whatever it is told, and what lets it end."""
    release = trio.Event()

    async def shields():
        with trio.CancelScope(shield=True):
            await release.wait()

    return shields, release


async def test_a_call_that_ends_leaves_a_stubborn_tool_behind(autojump_clock):
    tool, release = stubborn()
    with structlog.testing.capture_logs() as lines:
        async with live_call(script=script("shields"), tools=[tool], limits=Limits(tool_seconds=100)) as rig:
            await ask(rig)
            rig.twilio.hang_up()
            hung_up_at = trio.current_time()
            await rig.over.wait()
            release.set()
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.ended_at - hung_up_at <= Limits().close_seconds
    (line,) = [line for line in lines if line["event"] == "tool_does_not_end"]
    assert line["tool"] == "shields"
    assert "advice" in line


async def test_one_that_takes_too_long_is_answered_for_and_the_call_goes_on(autojump_clock):
    tool, release = stubborn()
    async with live_call(script=script("shields"), tools=[tool], limits=Limits(tool_seconds=1)) as rig:
        await ask(rig)
        await trio.sleep(3)
        ((answer, failed),) = results(rig)
        assert (failed, "took too long" in answer["error"]) == (True, True)
        rig.twilio.hang_up()
        await rig.over.wait()
        release.set()


async def test_one_that_puts_its_things_in_order_is_waited_for(autojump_clock):
    done = []

    async def tidies():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + ENDING_SECONDS / 2):
                await trio.sleep_forever()
            done.append(trio.current_time())

    with structlog.testing.capture_logs() as lines:
        async with open_async_tools():
            result = await Tool(tidies).run({}, CALL, 1)
    assert "took too long" in result.text
    assert done == [1 + ENDING_SECONDS / 2]
    assert "tool_does_not_end" not in str(lines)


async def test_what_it_raises_while_it_is_cancelled_is_logged(autojump_clock):
    async def fails():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError

    with structlog.testing.capture_logs() as lines:
        async with open_async_tools():
            assert "took too long" in (await Tool(fails).run({}, CALL, 1)).text
    assert [line["error"] for line in lines if line["event"] == "tool_failed"] == ["ValueError"]
