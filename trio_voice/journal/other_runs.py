"""Remains of other runs in the journal: calls that are not over, and sessions that nobody has closed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trio_voice.journal import reading, rows, schema
from trio_voice.journal.heartbeat import declared_dead_by
from trio_voice.journal.requests import execute
from trio_voice.record import CallState
from trio_voice.session_record import Closing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from trio_voice.journal.database import Database, Value
    from trio_voice.journal.heartbeat import Heartbeat
    from trio_voice.journal.requests import JournalRequests, Statement


class OtherRuns:
    """Other runs, as this one finds and settles them. A part of ``Journal``.

    Args:
        requests: by which the journal is asked.
        heartbeat: of this run, which is none of the others.
        clock: the time of day, in UTC.
    """

    def __init__(self, requests: JournalRequests, heartbeat: Heartbeat, clock: Callable[[], datetime]) -> None:
        self._requests = requests
        self._heartbeat = heartbeat
        self._clock = clock
        self.unread: dict[str, list[str]] = {}
        """Calls with rows that are not understood, as far as they had to be read, and those rows."""

    async def other_runs(self) -> list[rows.Run]:
        """Every run, other than this one, that lives or may have left something open.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        me = self._heartbeat.run.run_id

        def look(database: Database) -> list[rows.Run]:
            database.prefer_indexes()
            return list(map(rows.run_of, database.query(schema.OTHER_RUNS, [me])))

        return await self._requests.read(look)

    async def settle_run(self, run: rows.Run) -> None:
        """Say that a run is over and nothing of it is open: nobody need look at it any more.

        Raises:
            JournalUnavailable: it is not written.
        """
        settled: list[Value] = [rows.moment(self._clock()), run.run_id]
        await self._requests.ask("settle_run", partial(execute, [(schema.SETTLE_RUN, [settled])]), writes=True)

    async def declare_dead(self, run: rows.Run) -> str:
        """Say that a run is over, though it did not; returns the id of the run that has said so first.

        A daemon that comes back after that learns it from its next beat: see ``wait_declared_dead``.

        Raises:
            JournalUnavailable: nobody knows yet.
        """
        said: list[Value] = [rows.moment(self._clock()), self._heartbeat.run.run_id, run.run_id]

        def declare(database: Database) -> str:
            database.execute(schema.DECLARE_DEAD, [said])
            return declared_dead_by(database, run.run_id)

        return await self._requests.ask("declare_dead", declare, writes=True)

    async def other_runs_with(self, call_id: str, call_sid: str) -> set[str]:
        """The ids of runs that have this telephone call by another id, and not over.

        There are any if Twilio, or a balancer, has asked a second node for TwiML because the first did not answer.

        Raises:
            JournalUnavailable: the database cannot be read.
        """

        def look(database: Database) -> set[str]:
            database.prefer_indexes()
            return {str(run_id) for (run_id,) in database.query(schema.OTHERS_OF_SID, [call_sid, call_id])}

        return await self._requests.read(look)

    async def left_open(self, run: rows.Run) -> list[rows.JournaledCall]:
        """A run's calls that are not over in every respect, the earliest first.

        They have not ended, or have a session that was not closed, or a telephone that may be up.

        Raises:
            JournalUnavailable: the database cannot be read.
        """

        def look(database: Database) -> list[str]:
            database.prefer_indexes()
            return [call_id for (call_id,) in database.query(schema.OPEN_OF_RUN, [run.run_id] * 3)]

        ids = await self._requests.read(look)
        found: list[rows.JournaledCall] = []
        for begin in range(0, len(ids), reading.PAGE_CALLS):
            page = ids[begin : begin + reading.PAGE_CALLS]
            found += await self._requests.read(
                partial(reading.read_page, which=schema.of_these(len(page)), values=[*page])
            )
        reading.note_unread(self.unread, found)
        return sorted(found, key=lambda call: (call.page_key, call.record.call_id))

    async def settle_sessions(self, call: rows.JournaledCall, at: datetime) -> None:
        """Close a call's open sessions in the journal, as of a time. What is closed stays as it is; twice does no harm.

        How long each was open lies between its daemon's last heartbeat and now: both are written. If its daemon was
        alive after all, that daemon's own words replace these.

        Raises:
            JournalUnavailable: it is not written. Whoever died may have left its rows locked, so this is not tried
                again before all that waits, as other writes are.
        """
        closed: list[list[Value]] = []
        for number, session in enumerate(call.record.model_sessions, 1):
            at_least = _seconds_between(session.opened_at, call.run.beat_at)
            at_most = max(at_least, _seconds_between(session.opened_at, at))
            how: list[Value] = [rows.moment(at), Closing.ABORTED.value, at_most, at_least, self._heartbeat.run.run_id]
            closed.append([*how, call.record.call_id, number])
        await self._requests.ask("settle_sessions", partial(execute, [(schema.SETTLE_SESSION, closed)]), writes=True)

    async def settle_call(self, call: rows.JournaledCall, at: datetime, detail: str) -> None:
        """Mark an orphaned call ended, once its telephone is down or not ours to end. Idempotent."""
        record = call.record
        seconds = _seconds_between(record.started_at or call.began_at, at)
        ended: list[Value] = [
            rows.moment(at),
            CallState.ENDED.value,
            seconds,
            rows.kept(detail),
            self._heartbeat.run.run_id,
        ]
        statements: list[Statement] = [
            (schema.SETTLE_CALL, [[*ended, record.call_id]]),
            (schema.PHONE_DOWN, [[rows.moment(at), record.call_id]]),
            (schema.SETTLE_RUN_THAT_HAS_ENDED, [[rows.moment(at), *[call.run.run_id] * 4]]),
        ]
        await self._requests.ask("settle_call", partial(execute, statements), writes=True)


def _seconds_between(began: datetime, ended: datetime) -> float:
    """By the clocks of two machines, perhaps; nothing lasts less than no time."""
    return max(0.0, (ended - began).total_seconds())
