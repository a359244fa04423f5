"""Orphans of a dead daemon: their phones are hung up, its calls and sessions closed in the journal.

A daemon that is killed closes nothing. Its sockets are reset by the kernel, so the providers notice soon; but Twilio
may keep a phone up, and the journal has calls that never ended. So every daemon looks, when it starts and then every
so often, for runs that are gone and left something open.

What is read to see that is ``runs`` alone, those that are not settled: calls are read of runs that are gone.

**Who is gone.** A run that said goodbye, or that somebody has declared dead; one whose process is certainly no more
(its machine's kernel says so, which makes the next start after a crash quick); and one whose heart has stood still for
so long, ``dead_after_seconds`` in ``[journal]``, by the clock of whoever watches. No clock is compared with another, so
it does not matter what they show or how they jump. Time in which the watcher itself saw nothing does not count: after
an outage of the database that all share, nobody has beaten.

**Dead is dead.** A gone run is declared dead in the journal before anything of it is touched. A daemon that had only
stood still (a stopped process, a cut network) learns it from its next heartbeat, ends all its calls, and goes on as a
new run. Who has declared a run dead settles what it left; the others join in if it cannot finish (``JOIN_SECONDS``) or
is gone itself. Doing it twice does no harm: ending a call twice, in the journal or at Twilio, changes nothing.

Only calls that are in the journal are touched. A phone that cannot be hung up is tried again, ever more slowly, for as
long as a phone may be up at all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import structlog
import trio

from trio_voice.journal import JournalUnavailable
from trio_voice.record import CallState, EndReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from trio_voice.call.registry import Registry
    from trio_voice.journal import Journal, JournaledCall, Run

log: Final = structlog.stdlib.get_logger("trio_voice.reckoning")

SILENT_SECONDS: Final = 30.0
"""Time for which a heart must have stood still, unless the configuration says otherwise. A daemon whose connection to
the database is stuck needs up to 24 s to notice it and to beat on another (``Pace``: a beat, ``stuck_seconds``, a beat,
``retry_seconds``, and 5 s to connect)."""
MIN_SILENT_SECONDS: Final = 12.0
"""Two heartbeats and some: a beat, the longest blindness, and the time in which a beat is caught up on are less."""
LOOKS: Final = 12
"""It is looked so often within the time of a silence."""
MAX_LOOK_SECONDS: Final = 2.5
"""Between two looks, which also say which other nodes take calls."""
BLIND_LOOKS: Final = 4
"""Looks that a watcher may have missed; after more of them it begins to watch anew."""
JOIN_SECONDS: Final = 60.0
"""Time for which a run is left to another daemon that lives and has declared it dead."""
SETTLED_SECONDS: Final = 60.0
"""Time for which a run that is gone and has nothing open is looked at all the same: a daemon that had only stood still
may have written one thing more."""
PHONES_AT_ONCE: Final = 10
ATTEMPT_SECONDS: Final = 15.0
"""For hanging up one phone, before it makes room for the next: one that hangs may not hold up the others."""
FIRST_RETRY_SECONDS: Final = 5.0
LAST_RETRY_SECONDS: Final = 300.0
PHONE_LASTS_SECONDS: Final = 24 * 3600.0
"""Twilio ends every call by then: after four hours, if nobody has asked for more. Counted from when its daemon was
first seen to be gone, because the time that a call began is by another machine's clock."""


class CallEnder(Protocol):
    """An ender of telephone calls."""

    async def hang_up(self, call_sid: str) -> bool:
        """End a call, whatever it is doing; a call that is over is a success. Bounded; never raises."""


class FailureDetector:
    """Runs whose heartbeat has stopped, as seen from here.

    Args:
        silent_seconds: for how long it must have.
    """

    def __init__(self, silent_seconds: float = SILENT_SECONDS) -> None:
        self._silent_seconds = silent_seconds
        self._blind_seconds = silent_seconds * BLIND_LOOKS / LOOKS
        self._seen: dict[str, tuple[datetime, float]] = {}
        """The last beat of each run, and when it was first seen, by our clock."""
        self._looked_at = 0.0

    def silent(self, runs: Iterable[Run], now: float) -> set[str]:
        """The ids of those that have not beaten for ``silent_seconds``. To be asked at every look.

        Args:
            runs: all that are of interest, as they were just read; the others are forgotten.
            now: in seconds of a clock that does not jump.
        """
        before = self._seen if now - self._looked_at <= self._blind_seconds else {}
        self._looked_at = now
        self._seen = {}
        for run in runs:
            beat, since = before.get(run.run_id, (None, now))
            self._seen[run.run_id] = (run.beat_at, since if beat == run.beat_at else now)
        return {run_id for run_id, (_, since) in self._seen.items() if now - since >= self._silent_seconds}


@attrs.define
class _Attempts:
    """Attempts at settling one call, so far."""

    running: bool = False
    failed: int = 0
    next_at: float = 0.0
    settled_at: float = -math.inf


class OrphanRecovery:
    """Settles what dead runs left.

    Args:
        journal: where their calls are.
        phones: Twilio's API; without it calls are settled in the journal only.
        clock: the time of day, in UTC.
        has_ended: whether a process (see ``Run.process``) is certainly gone.
        on_settled: told of each call that had a session open, as it was found, and when its sessions were closed on
            paper; must not wait.
        silent_seconds: see ``FailureDetector``.
        on_closed: told of each call that was closed in the journal, as it was found, and when; must not wait.
        on_look: told at each look of all other runs, and of the ids of those that are gone; must not wait.
    """

    def __init__(
        self,
        journal: Journal,
        phones: CallEnder | None,
        clock: Callable[[], datetime],
        has_ended: Callable[[str], bool],
        on_settled: Callable[[JournaledCall, datetime], None] | None = None,
        silent_seconds: float = SILENT_SECONDS,
        on_look: Callable[[list[Run], AbstractSet[str]], None] | None = None,
        on_closed: Callable[[JournaledCall, datetime], None] | None = None,
    ) -> None:
        self._on_closed = on_closed
        self._on_look = on_look
        self._journal = journal
        self._phones = phones
        self._clock = clock
        self._has_ended = has_ended
        self._on_settled = on_settled
        self._detector = FailureDetector(silent_seconds)
        self._look_seconds = min(silent_seconds / LOOKS, MAX_LOOK_SECONDS)
        self._gone_since: dict[str, float] = {}
        """Of each run that is gone, as far as we know."""
        self._attempts: dict[str, _Attempts] = {}
        """By call id; of the calls that the last look found, and of those that are being settled."""
        self._limiter = trio.CapacityLimiter(PHONES_AT_ONCE)

    async def run(self) -> None:
        """Look and settle until cancelled. Cancelling is safe at any point: what is not settled is found again.

        Nothing waits for a phone but that phone's own task: a Twilio that does not answer delays neither the next look
        nor anybody's call.
        """
        async with trio.open_nursery() as nursery:
            while True:
                looked_at = trio.current_time()
                try:
                    found = await self._look()
                except JournalUnavailable as trouble:
                    log.warning("cannot_reckon", error=str(trouble))
                else:
                    self._begin_to_settle(found, looked_at, nursery)
                await trio.sleep(self._look_seconds)

    async def _look(self) -> list[JournaledCall]:
        """Calls that were left open by runs which are gone, and are ours to settle.

        Raises:
            JournalUnavailable: nobody knows.
        """
        runs = await self._journal.other_runs()
        now = trio.current_time()
        silent = self._detector.silent(runs, now)
        gone = [run for run in runs if run.run_id in silent or self._is_over(run)]
        self._gone_since = {run.run_id: self._gone_since.get(run.run_id, now) for run in gone}
        living = {run.run_id for run in runs} - self._gone_since.keys()
        if self._on_look is not None:
            self._on_look(runs, self._gone_since.keys())
        found: list[JournaledCall] = []
        for run in gone:
            gone_for = now - self._gone_since[run.run_id]
            left = await self._journal.left_open(run)
            if left:
                settler = await self._journal.declare_dead(run)
                if settler not in living or gone_for >= JOIN_SECONDS:
                    found += left
            elif run.ended_at is not None or gone_for >= SETTLED_SECONDS:
                if run.ended_at is None:
                    await self._journal.declare_dead(run)
                await self._journal.settle_run(run)
        return found

    def _is_over(self, run: Run) -> bool:
        return run.ended_at is not None or run.declared_dead_by is not None or self._has_ended(run.process)

    def _begin_to_settle(self, found: list[JournaledCall], looked_at: float, nursery: trio.Nursery) -> None:
        """Begin an attempt at each call whose time has come, but for those that were settled since the look began."""
        now = trio.current_time()
        before = self._attempts
        self._attempts = {call_id: attempts for call_id, attempts in before.items() if attempts.running}
        due: list[tuple[JournaledCall, _Attempts]] = []
        for call in found:
            attempts = before.get(call.record.call_id, _Attempts())
            self._attempts[call.record.call_id] = attempts
            if not attempts.running and attempts.next_at <= now and attempts.settled_at < looked_at:
                due.append((call, attempts))
        if due:
            log.warning("found_calls_of_a_dead_daemon", calls=len(due))
        for call, attempts in due:
            attempts.running = True
            nursery.start_soon(self._attempt, call, attempts)

    async def _attempt(self, call: JournaledCall, attempts: _Attempts) -> None:
        """Settle one call, or note when to try it again; its failure is no other's."""
        settled = False
        try:
            async with self._limiter:
                settled = await self._settle(call)
        except JournalUnavailable as trouble:
            log.warning("cannot_reckon", error=str(trouble), call_id=call.record.call_id)
        except Exception:  # what one call's record has in it keeps nobody from settling the others
            log.exception("reckoning_bug", call_id=call.record.call_id)
        attempts.running = False
        if settled:
            attempts.settled_at = trio.current_time()
        else:
            wait = min(FIRST_RETRY_SECONDS * 2**attempts.failed, LAST_RETRY_SECONDS)
            attempts.failed += 1
            attempts.next_at = trio.current_time() + wait
            log.warning("call_not_settled", **_names(call), attempts=attempts.failed, again_in_seconds=wait)

    async def _settle(self, call: JournaledCall) -> bool:
        """Close the sessions in the journal, hang up, and then close the call; returns whether all of it is done."""
        record = call.record
        sessions = sum(session.closed_at is None for session in record.model_sessions)
        if sessions:
            at = self._clock()
            await self._journal.settle_sessions(call, at)  # they do not wait for Twilio
            if self._on_settled is not None:
                self._on_settled(call, at)
        hang_up = self._phones is not None and self._may_be_up(call) and not await self._lives_elsewhere(call)
        if hang_up and not await self._hang_up(record.call_sid or ""):
            return False
        detail = f"its daemon, run {call.run.run_id} on {call.run.node}, died"
        ended_at = self._clock()
        await self._journal.settle_call(call, ended_at, detail)
        if record.ended_at is None:
            record.state, record.ended_at, record.end_detail = CallState.ENDED, ended_at, detail
        if self._on_closed is not None:
            self._on_closed(call, ended_at)
        log.warning("call_settled", **_names(call), phone_hung_up=hang_up, sessions=sessions)
        return True

    async def _lives_elsewhere(self, call: JournaledCall) -> bool:
        """True if a run that lives has this telephone call, too: it was asked for TwiML when ours did not answer."""
        record = call.record
        if record.model_sessions:
            return False
        runs = await self._journal.other_runs_with(record.call_id, record.call_sid or "")
        return bool(runs - self._gone_since.keys())

    def _may_be_up(self, call: JournaledCall) -> bool:
        return (
            call.phone_down_at is None
            and call.record.call_sid is not None
            and not call.record.handed_over
            and trio.current_time() - self._gone_since.get(call.run.run_id, math.inf) < PHONE_LASTS_SECONDS
        )

    async def _hang_up(self, call_sid: str) -> bool:
        if self._phones is None:
            return False
        with trio.move_on_after(ATTEMPT_SECONDS):
            return await self._phones.hang_up(call_sid)
        return False


def _names(call: JournaledCall) -> dict[str, str | None]:
    record, run = call.record, call.run
    return {"call_id": record.call_id, "call_sid": record.call_sid, "run": run.run_id, "node": run.node}


async def heed_own_death(journal: Journal, registry: Registry) -> None:
    """End all calls when another run has declared this one dead, because it settles them; until cancelled.

    Whoever is declared dead had stood still for longer than anybody should: a process that was stopped, a machine that
    was frozen, a network without the database. What comes in afterwards belongs to a new run.
    """
    while True:
        by = await journal.wait_declared_dead()
        ended = registry.end_all(
            EndReason.TWILIO_ENDED, f"this daemon stood still, run {by} declared it dead and hung up its phones"
        )
        log.error(
            "declared_dead",
            by_run=by,
            calls_ended=ended,
            advice="nothing was heard of it for journal.dead_after_seconds: was it stopped, or cut off the journal?",
        )
