"""What the program asks of the journal, and how long the journal lives."""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import structlog
import trio

from trio_voice.journal import reading, rows, schema
from trio_voice.journal.database import database_at
from trio_voice.journal.scribe import Answer, Entry, JournalUnavailable, Pace, Scribe, Statistics
from trio_voice.record import CallState, Closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from trio_voice.journal.database import Database, Value
    from trio_voice.record import CallRecord, ModelSessionRecord

T = TypeVar("T")

log: Final = structlog.stdlib.get_logger("trio_voice.journal")

OPENING_SECONDS: Final = 1.0
"""How long a session may wait for its journal before it is opened without."""
PACE: Final = Pace()

Statement = tuple[str, list[list["Value"]]]


@asynccontextmanager
async def open_journal(
    url: str,
    *,
    node: str,
    clock: Callable[[], datetime],
    keep_transcripts: bool = False,
    pace: Pace = PACE,
) -> AsyncIterator[Journal]:
    """Keep a journal while the block runs.

    A database that cannot be opened keeps nobody from taking calls: the journal begins in trouble, says so, and writes
    when it can. At the end what waits is written, for at most ``flush_seconds``, cancelled or not; the thread is gone
    then, unless the kernel holds it in a disk or a name server that does not answer: that is logged, and after
    ``interrupt_seconds`` it is left behind. There is a nursery inside: what the block raises comes out in a group.

    Args:
        url: see ``database_at``.
        node: what this machine is called among those that share the database.
        clock: the time of day, in UTC.
        keep_transcripts: whether it is written down who said what.
        pace: how long to wait for what.

    Raises:
        ConfigError: the URL cannot be used.
    """
    scribe = Scribe(database_at(url, pace.lock_seconds), pace, trio.lowlevel.current_trio_token())
    journal = Journal(scribe, node, clock, pace, keep_transcripts=keep_transcripts)
    hold, ended = trio.CancelScope(shield=True), trio.Event()

    async def write() -> None:
        with hold:
            await trio.to_thread.run_sync(
                scribe.run, thread_name="journal", abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
            )
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        try:
            await journal.begin()
            nursery.start_soon(journal.keep_beating)
            yield journal
        finally:
            journal.end()
            with trio.move_on_after(pace.flush_seconds, shield=True):
                await ended.wait()
            if not ended.is_set():
                scribe.give_up()
                with trio.move_on_after(pace.interrupt_seconds, shield=True):
                    await ended.wait()
            if not ended.is_set():
                log.error("journal_thread_left_behind", waiting=scribe.waiting)
                hold.cancel(reason="the database does not answer")
            nursery.cancel_scope.cancel(reason="the journal is closed")


class Journal:
    """Writes calls down, and answers about them. Made by ``open_journal``.

    What is not awaited is posted: it never waits and never fails, and is written in order with everything else (see
    ``scribe.py`` for what becomes of it when the database is in trouble). Records are copied when they are posted.
    What is awaited may be cancelled: a question is then forgotten, a write is still done.
    """

    def __init__(
        self, scribe: Scribe, node: str, clock: Callable[[], datetime], pace: Pace, *, keep_transcripts: bool
    ) -> None:
        self._scribe = scribe
        self._clock = clock
        self._pace = pace
        self._keep_transcripts = keep_transcripts
        self._unwritten_openings = 0
        now = clock()
        self._run = rows.Run(secrets.token_hex(8), node, os.getpid(), started_at=now, beat_at=now)

    # Health

    @property
    def healthy(self) -> bool:
        """Whether what is posted is being written."""
        return not self._scribe.trouble

    @property
    def trouble(self) -> str:
        """Why it is not, in words for the operator; empty where it is."""
        return self._scribe.trouble

    def statistics(self) -> Statistics:
        """The counts of this moment."""
        scribe = self._scribe
        return Statistics(
            written=scribe.written,
            commits=scribe.commits,
            waiting=scribe.waiting,
            dropped=scribe.dropped,
            refused=scribe.refused,
            unwritten_openings=self._unwritten_openings,
        )

    # This daemon's life

    @property
    def this_run(self) -> rows.Run:
        """As it was last posted."""
        return self._run

    async def begin(self) -> None:
        """Write down that this daemon lives; thereby the database is opened, or found not to be there."""
        answer = self._post("run", [(schema.WRITE_RUN, [rows.row_of_run(self._run)])], awaited=True)
        with trio.move_on_after(self._pace.open_seconds):
            await answer.wait()

    async def keep_beating(self) -> None:
        """Write down, until cancelled, that this daemon's loop still turns."""
        while True:
            await trio.sleep(self._pace.beat_seconds)
            self._run = attrs.evolve(self._run, beat_at=self._clock())
            self._post("beat", [(schema.WRITE_RUN, [rows.row_of_run(self._run)])])

    def end(self) -> None:
        """Write down that this daemon left in good order, and nothing after it."""
        now = self._clock()
        self._run = attrs.evolve(self._run, beat_at=now, ended_at=now)
        self._post("run", [(schema.WRITE_RUN, [rows.row_of_run(self._run)])])
        self._scribe.close()

    # Calls

    def call_began(self, call: CallRecord) -> None:
        """A call is known, or something of it has changed that a successor should know: its SID, its hand-over."""
        self._post("call_began", [self._call(call)])

    def call_ended(self, call: CallRecord) -> None:
        """A call is over: all of it is written once more, and its transcript if those are kept."""
        statements = [self._call(call)]
        if call.model_sessions:
            sessions = [rows.row_of_session(one, call.call_id, n) for n, one in enumerate(call.model_sessions, 1)]
            statements.append((schema.WRITE_SESSION, sessions))
        if self._keep_transcripts and call.transcript:
            lines = [rows.row_of_utterance(line, call.call_id, n) for n, line in enumerate(call.transcript, 1)]
            statements.append((schema.WRITE_UTTERANCE, lines))
        self._post("call_ended", statements)

    async def session_opening(
        self, call: CallRecord, session: ModelSessionRecord, *, seconds: float = OPENING_SECONDS
    ) -> bool:
        """A billed session is about to be opened: wait until that is on the disk.

        ``session_closed`` must follow, also if this is cancelled.

        Args:
            call: whose ``model_sessions`` hold the session.
            session: just entered there.
            seconds: how long to wait at most. In known trouble nobody waits.

        Returns:
            Whether it is on the disk. If not, that is counted, it will be written when it can be, and the call should
            go on.

        Raises:
            ValueError: the call does not hold the session.
        """
        answer = self._post("session_opening", [self._call(call), self._session(call, session)], awaited=True)
        with trio.move_on_after(seconds if self.healthy else 0):
            await answer.wait()
        if answer.is_done:
            return True
        self._unwritten_openings += 1
        if self.healthy:  # if not, that was logged when it began
            log.warning("session_not_journaled_yet", provider=session.provider, waited_seconds=seconds)
        return False

    def session_closed(self, call: CallRecord, session: ModelSessionRecord) -> None:
        """A billed session is closed, and its record says how."""
        self._post("session_closed", [self._session(call, session)])

    def _call(self, call: CallRecord) -> Statement:
        return schema.WRITE_CALL, [rows.row_of_call(call, self._run.run_id, self._clock())]

    def _session(self, call: CallRecord, session: ModelSessionRecord) -> Statement:
        for number, one in enumerate(call.model_sessions, 1):
            if one is session:
                return schema.WRITE_SESSION, [rows.row_of_session(session, call.call_id, number)]
        raise ValueError("a session must be entered in its call's model_sessions first")

    # Whom never to call

    async def mark_do_not_call(self, number: str, reason: str, call_id: str | None = None) -> None:
        """Put a number on the list; the first reason stays. Returns when that is on the disk.

        Args:
            number: in E.164, as Twilio writes it.
            reason: in the words of whoever asked.
            call_id: the call in which it was asked for.

        Raises:
            JournalUnavailable: it is not yet written, and will be unless the daemon dies first.
        """
        row: list[Value] = [rows.kept(number), rows.kept(reason), call_id, rows.moment(self._clock())]
        answer = self._post("do_not_call", [(schema.MARK_DO_NOT_CALL, [row])], awaited=True)
        await self._answered(answer)

    async def is_do_not_call(self, number: str) -> bool:
        """Whether a number is on the list.

        Raises:
            JournalUnavailable: nobody knows; then the number must not be called.
        """
        return bool(await self._ask("is_do_not_call", lambda database: database.query(schema.IS_DO_NOT_CALL, [number])))

    # What was written

    async def call(self, call_id: str) -> rows.JournaledCall | None:
        """One call, whole.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        found = await self._ask("call", partial(reading.read_calls, which=schema.OF_ONE, values=[call_id]))
        return found[0] if found else None

    async def calls(self, since: datetime, until: datetime) -> list[rows.JournaledCall]:
        """All calls that began in ``[since, until)``, the earliest first, all in memory: ask for a day, not a year.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        return await self._pages(schema.OF_A_TIME, [rows.moment(until)], rows.moment(since))

    async def left_open(self, silent_since: datetime) -> list[rows.JournaledCall]:
        """Calls that have not ended, or have a session that was not closed, and whose daemon is gone.

        Gone is a run, other than this one, that has ended or whose last beat was before ``silent_since`` (by that
        daemon's clock: allow for what the clocks of the machines differ, and for several ``beat_seconds``).

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        return await self._pages(schema.LEFT_OPEN, [self._run.run_id, rows.moment(silent_since)], "")

    async def settle(self, call: rows.JournaledCall, at: datetime, detail: str) -> None:
        """Close a call and its sessions on paper, as of a time. What is closed stays as it is; twice does no harm.

        If its daemon was alive after all, that daemon's own words replace these.

        Raises:
            JournalUnavailable: it is not yet written, and will be unless the daemon dies first.
        """
        record, by = call.record, self._run.run_id
        seconds = (at - (record.started_at or call.began_at)).total_seconds()
        ended: list[Value] = [rows.moment(at), CallState.ENDED.value, seconds, rows.kept(detail), by, record.call_id]
        statements: list[Statement] = [(schema.SETTLE_CALL, [ended])]
        for number, session in enumerate(record.model_sessions, 1):
            seconds = (at - session.opened_at).total_seconds()
            closed: list[Value] = [rows.moment(at), Closing.ABORTED.value, seconds, by, record.call_id, number]
            statements.append((schema.SETTLE_SESSION, [closed]))
        await self._answered(self._post("settle", statements, awaited=True))

    # The scribe

    def _post(self, what: str, statements: Sequence[Statement], *, awaited: bool = False) -> Answer:
        def write(database: Database) -> None:
            for sql, values in statements:
                database.execute(sql, values)

        answer = Answer()
        self._scribe.post(Entry(what, write, answer=answer if awaited else None))
        return answer

    async def _ask(self, what: str, work: Callable[[Database], list[T]]) -> list[T]:
        if not self.healthy:  # and so that questions do not push writes out of the backlog
            await trio.lowlevel.checkpoint()
            raise JournalUnavailable(self.trouble)
        answer = Answer()
        self._scribe.post(Entry(what, work, lasts=False, answer=answer))
        found: list[T] = await self._answered(answer)
        return found

    async def _answered(self, answer: Answer) -> Any:
        with trio.move_on_after(self._pace.answer_seconds if self.healthy else 0):
            await answer.wait()
        if not answer.is_done:
            slow = f"it did not answer within {self._pace.answer_seconds:g} s"
            raise JournalUnavailable(answer.trouble or self.trouble or slow)
        return answer.value

    async def _pages(self, which: str, values: list[Value], since: str) -> list[rows.JournaledCall]:
        found: list[rows.JournaledCall] = []
        after: list[Value] | None = [since, ""]
        while after is not None:
            asked: list[Value] = [*values, *after, reading.PAGE_CALLS]
            page = await self._ask("calls", partial(reading.read_calls, which=which, values=asked))
            found += page
            after = reading.after(page)
        return found
