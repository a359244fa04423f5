"""The paired tasks of one socket: a reader that never waits for anybody else, and a writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.events.call import EndRequested, Fact, LegClosed, LegStalled
from trio_voice.legs.writer import Stalled, Writer
from trio_voice.net.flood import FLOOD_PER_SECOND, Flooded
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.net.channel import Channel

log: Final = structlog.stdlib.get_logger("trio_voice.legs")

NORMAL_CLOSURE: Final = 1000
"""The WebSocket close code of a peer that is simply done (RFC 6455, 7.4.1)."""
BUG_DETAIL: Final = "an error in trio_voice; the log has its traceback"


async def run_pair(
    leg: str,
    channel: Channel,
    writer: Writer,
    on_message: Callable[[str | bytes], None],
    tell: Callable[[Fact], None],
) -> None:
    """Read and write a channel until cancelled or until it ends, and tell how it ended.

    ``on_message`` is called with each message, must not wait, and counts it with a ``RateLimiter``. Cancelling is safe;
    the channel is left open, so that its owner can say goodbye. How reading ended is told at once, though the writer
    may still wait for a peer that does not take what is being sent: it is hurried by whoever is told.
    """
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(writer.run, channel)  # before anything is heard, so that it can be answered at once
            try:
                end = await _read(leg, channel, on_message)
            except Exception:
                tell(EndRequested(EndReason.BUG, BUG_DETAIL))
                raise
            tell(end)
            nursery.cancel_scope.cancel(reason="the reader has ended")
    except* Stalled:
        tell(LegStalled(leg))
    except* trio.BrokenResourceError as broken:
        tell(_broken(leg, channel, broken.exceptions[0]))


async def _read(leg: str, channel: Channel, on_message: Callable[[str | bytes], None]) -> LegClosed:
    """Read until the socket ends, and say how it did."""
    try:
        await channel.listen(on_message)
    except Flooded:
        flood = f"the {leg}'s peer floods us: over {FLOOD_PER_SECOND} messages a second, or very long ones"
        return LegClosed(leg, politely=False, detail=flood)
    except trio.EndOfChannel:
        # What it says may be what somebody said on the telephone.
        if channel.close_reason:
            log.debug("peer_closed_saying", leg=leg, code=channel.close_code, said=channel.close_reason)
        words = f"the {leg}'s peer closed the socket with code {channel.close_code}"
        return LegClosed(leg, politely=channel.close_code == NORMAL_CLOSURE, detail=words)
    except trio.BrokenResourceError as broken:
        return _broken(leg, channel, broken)


def _broken(leg: str, channel: Channel, broken: BaseException) -> LegClosed:
    return LegClosed(leg, politely=False, detail=f"the {leg}'s socket is gone: {channel.close_reason or broken}")
