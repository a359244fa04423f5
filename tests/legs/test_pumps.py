"""Bound of what a peer may send: the reader of either leg, fed by a peer in memory."""

import pytest
import structlog
import trio
import trio.testing

from trio_voice.events.call import LegClosed
from trio_voice.legs.caller import CallerLeg
from trio_voice.net.flood import FLOOD_BURST, FLOOD_PER_SECOND
from trio_voice.sandbox.transport.memory import memory_channels

MARK = '{"event":"mark","streamSid":"MZ1","sequenceNumber":"2","mark":{"name":"x"}}'


def peer_of_a_leg(nursery):
    """The far end of a caller's leg, and what the leg tells."""
    ours, theirs = memory_channels()
    told = []
    nursery.start_soon(CallerLeg(ours, 2).run, told.append, told.append)
    return theirs, told


async def send(peer, count):
    """Send ``count`` messages, or as many as the leg takes; returns how it ended, if it has."""
    channel, told = peer
    for _ in range(count):
        if told and isinstance(told[-1], LegClosed):
            break
        await channel.send(MARK)
    await trio.testing.wait_all_tasks_blocked()
    return [fact for fact in told if isinstance(fact, LegClosed)]


async def test_a_peer_may_send_a_burst_and_no_more(nursery, autojump_clock):
    peer = peer_of_a_leg(nursery)
    assert await send(peer, FLOOD_BURST) == []
    (end,) = await send(peer, 100)
    assert "floods" in end.detail


async def test_a_peer_that_was_quiet_for_long_has_saved_up_nothing(nursery, autojump_clock):
    peer = peer_of_a_leg(nursery)
    await trio.sleep(3_600)
    (end,) = await send(peer, FLOOD_BURST + 100)
    assert not end.politely


async def test_a_peer_that_sends_a_lot_all_the_while_but_not_too_much_goes_on(nursery, autojump_clock):
    peer = peer_of_a_leg(nursery)
    for _ in range(20):
        assert await send(peer, FLOOD_PER_SECOND) == []
        await trio.sleep(1)


@pytest.mark.parametrize(("code", "politely"), [(1000, True), (1001, False), (1011, False)])
async def test_how_a_peer_closes_is_told_by_its_code(nursery, autojump_clock, code, politely):
    channel, told = peer_of_a_leg(nursery)
    nursery.start_soon(channel.aclose, code, "")
    await trio.testing.wait_all_tasks_blocked()
    (end,) = [fact for fact in told if isinstance(fact, LegClosed)]
    detail = f"the caller's peer closed the socket with code {code}"
    assert end == LegClosed("caller", politely=politely, detail=detail)


async def test_what_the_peer_says_as_it_closes_is_in_no_log_and_no_reason(nursery, autojump_clock):
    """A provider may quote what was said on the telephone."""
    with structlog.testing.capture_logs() as lines:
        channel, told = peer_of_a_leg(nursery)
        nursery.start_soon(channel.aclose, 1011, "Ann said 5551230042")
        await trio.testing.wait_all_tasks_blocked()
    (end,) = [fact for fact in told if isinstance(fact, LegClosed)]
    assert "1011" in end.detail
    assert "Ann" not in end.detail
    assert "Ann" not in str([line for line in lines if line["log_level"] != "debug"])
    (line,) = [line for line in lines if line["event"] == "peer_closed_saying"]  # for whoever has debug lines on
    assert (line["leg"], line["code"], line["said"]) == ("caller", 1011, "Ann said 5551230042")
