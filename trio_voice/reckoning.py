"""What a dead daemon left: its phones are hung up, its calls and sessions closed on paper.

A daemon that is killed closes nothing. Its sockets are reset by the kernel, so the providers notice soon; but Twilio
may keep a phone up, and the journal has calls that never ended. So every daemon looks, when it starts and then every
so often, for calls of runs that are gone: those that said so, and those whose heartbeat has stopped.

Only calls that are in the journal are touched, and whoever looks second finds them settled: ending a call twice, on
paper or at Twilio, does no harm.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import structlog
import trio

from trio_voice.journal import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from trio_voice.journal import Journal, JournaledCall

log: Final = structlog.stdlib.get_logger("trio_voice.reckoning")

LOOK_SECONDS: Final = 10.0
"""Between two looks."""
SILENT_SECONDS: Final = 20.0
"""How long a run must have shown no sign of life to count as gone: four heartbeats, and what clocks may differ."""
PHONES_AT_ONCE: Final = 10


class Switchboard(Protocol):
    """Who can end a telephone call."""

    async def hang_up(self, call_sid: str) -> bool:
        """End a call, whatever it is doing; a call that is over is a success. Bounded; never raises."""


async def reckon_with_the_dead(
    journal: Journal,
    phones: Switchboard | None,
    clock: Callable[[], datetime],
    on_settled: Callable[[JournaledCall, datetime], None] | None = None,
) -> None:
    """Look for what dead runs left and settle it, until cancelled.

    A call whose phone cannot be hung up now is left for the next look. Cancelling is safe at any point: what is not
    settled is found again.

    Args:
        journal: where the calls are.
        phones: Twilio's API; without it calls are settled on paper only.
        clock: the time of day, in UTC.
        on_settled: told of each call as it was found, and when it was closed on paper; must not wait.
    """
    while True:
        try:
            left = await journal.left_open(clock() - timedelta(seconds=SILENT_SECONDS))
            if left:
                log.warning("found_calls_of_a_dead_daemon", calls=len(left))
            limiter = trio.CapacityLimiter(PHONES_AT_ONCE)
            async with trio.open_nursery() as nursery:
                for call in left:
                    nursery.start_soon(_settle, journal, phones, clock, call, limiter, on_settled)
        except* JournalUnavailable as trouble:
            log.warning("cannot_reckon", error=str(trouble.exceptions[0]))
        await trio.sleep(LOOK_SECONDS)


async def _settle(
    journal: Journal,
    phones: Switchboard | None,
    clock: Callable[[], datetime],
    call: JournaledCall,
    limiter: trio.CapacityLimiter,
    on_settled: Callable[[JournaledCall, datetime], None] | None,
) -> None:
    record = call.record
    async with limiter:
        phone = record.call_sid is not None and not record.handed_over
        if phone and phones is not None and not await phones.hang_up(record.call_sid or ""):
            return
        at = clock()
        await journal.settle(call, at, f"its daemon, run {call.run.run_id} on {call.run.node}, died")
        log.warning(
            "call_settled",
            call_id=record.call_id,
            call_sid=record.call_sid,
            run=call.run.run_id,
            node=call.run.node,
            phone_hung_up=phone and phones is not None,
            sessions=sum(session.closed_at is None for session in record.model_sessions),
        )
        if on_settled is not None:
            on_settled(call, at)
