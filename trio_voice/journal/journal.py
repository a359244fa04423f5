"""The journal as the program asks it, and its life."""

from __future__ import annotations

import json
import math
import os
import secrets
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
import structlog
import trio

from trio_voice.errors import ConfigError
from trio_voice.isolation import contained, keep_running
from trio_voice.journal import do_not_call, orders, reading, rows, schema
from trio_voice.journal.engines import database_at
from trio_voice.journal.identity import Identity
from trio_voice.journal.reader import Reader
from trio_voice.journal.requests import JournalRequests, execute
from trio_voice.journal.writer import DatabaseWriter, JournalUnavailable, Pace, Statistics
from trio_voice.record import CallState, Closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from trio_voice.journal.database import Database, Row, Value
    from trio_voice.journal.requests import Statement
    from trio_voice.journal.selection import Selection
    from trio_voice.journal.writer import Answer
    from trio_voice.record import CallRecord, ModelSessionRecord, Recording

log: Final = structlog.stdlib.get_logger("trio_voice.journal")
T = TypeVar("T")

OPENING_SECONDS: Final = 1.0
"""Time that a session may wait for its journal before it is opened without."""
PACE: Final = Pace()
LOOK_SECONDS: Final = 1.0
"""Between two looks at whether the heartbeat has another word to tell."""
STOOD_STILL_SECONDS: Final = 8.0
"""A loop that has not turned for so long was stopped: nobody is declared dead sooner than that."""
WAKING_SECONDS: Final = 60.0
"""Time for which it is remembered then that others may have ended its calls."""
MOST_UNREAD: Final = 100
"""Calls that are remembered because not all of their rows are understood."""


@asynccontextmanager
async def open_journal(
    url: str,
    *,
    node: str,
    clock: Callable[[], datetime],
    process: str = "",
    keep_transcripts: bool = False,
    pace: Pace = PACE,
    marker: Path | None = None,
    insist: bool = False,
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
        process: see ``Run``.
        keep_transcripts: whether it is written down who said what.
        pace: how long to wait for what.
        marker: which journal was last used here (``identity.py``).
        insist: whether a database that no later attempt will open is an error.

    Raises:
        ConfigError: the URL cannot be used, or, if that is insisted on, what it names.
    """
    writer = DatabaseWriter(database_at(url, pace.lock_seconds), pace, trio.lowlevel.current_trio_token())
    # One in memory is another one for each connection.
    reader = (
        None if url.endswith(":memory:") else Reader(partial(database_at, url, pace.lock_seconds), pace.answer_seconds)
    )
    identity = Identity(marker)
    journal = Journal(writer, reader, node, clock, process, pace, identity, keep_transcripts=keep_transcripts)
    # Without a deadline of its own: what is still to be written outlives a cancellation, for flush_seconds and
    # interrupt_seconds after the block is left, and then it is cancelled below.
    hold, ended = trio.CancelScope(shield=True), trio.Event()

    async def write() -> None:
        with hold:
            while not writer.has_begun:  # no thread is to be had sometimes
                with contained("journal_thread"):
                    await trio.to_thread.run_sync(
                        writer.run, thread_name="journal", abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
                    )
                    break
                await trio.sleep(pace.retry_seconds)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        try:
            await journal.begin()
            if insist and writer.hopeless:
                raise ConfigError([f"journal.url: {writer.trouble}"])
            nursery.start_soon(keep_running, "heartbeat", journal.keep_beating)
            yield journal
        finally:
            journal.end()
            with trio.move_on_after(pace.flush_seconds, shield=True):
                await ended.wait()
            if not ended.is_set():
                writer.give_up()
                with trio.move_on_after(pace.interrupt_seconds, shield=True):
                    await ended.wait()
            if not ended.is_set():
                log.error("journal_thread_left_behind", waiting=writer.waiting)
                hold.cancel(reason="the database does not answer")
            nursery.cancel_scope.cancel(reason="the journal is closed")
            if reader is not None:
                await reader.aclose()


class Journal:
    """Writes calls down, and answers about them. Made by ``open_journal``.

    What is not awaited is posted: it never waits and never fails, and is written in order with everything else (see
    ``writer.py`` for what becomes of it when the database is in trouble). Records are copied when they are posted.
    What is awaited may be cancelled: a question is then forgotten, a write is still done.
    """

    def __init__(
        self,
        writer: DatabaseWriter,
        reader: Reader | None,
        node: str,
        clock: Callable[[], datetime],
        process: str,
        pace: Pace,
        identity: Identity,
        *,
        keep_transcripts: bool,
    ) -> None:
        self._writer = writer
        self._requests = JournalRequests(writer, pace.answer_seconds)
        self._node = node
        self._clock = clock
        self._process = process
        self._pace = pace
        self._identity = identity
        self._keep_transcripts = keep_transcripts
        self._reader = reader
        self.tell: Callable[[], tuple[str, str]] = lambda: ("", "")
        """Words of the heartbeat on this node: one, of which a change is told at once, and all of it."""
        self._told = ""
        self._known: dict[str, tuple[str | None, bool]] = {}
        """Of each call that is not over, what a successor knows of it: its SID, and whether it was handed over."""
        self._turned_at = trio.current_time()
        """Time at which this daemon's loop was last seen to turn."""
        self._slept_until = -math.inf
        self._orders_forgotten_at = clock()
        self._unwritten_openings = 0
        self._run = self._new_run()
        self._declared_dead_by = ""
        self._declared_dead = trio.Event()
        self.unread: dict[str, list[str]] = {}
        """Calls with rows that are not understood, as far as they had to be read, and those rows."""

    # Health

    @property
    def healthy(self) -> bool:
        """True while what is posted is being written."""
        return not self._writer.trouble

    @property
    def trouble(self) -> str:
        """Reason for which it is not, in words for the operator; empty where it is."""
        return self._writer.trouble

    @property
    def list_trouble(self) -> str:
        """Reason for which the do-not-call list is not known, though the journal is in order; empty where it is."""
        return self._identity.trouble

    def statistics(self) -> Statistics:
        """The counts of this moment."""
        writer = self._writer
        return Statistics(
            written=writer.written,
            commits=writer.commits,
            waiting=writer.waiting,
            dropped=writer.dropped,
            refused=writer.refused,
            unwritten_openings=self._unwritten_openings,
        )

    # This daemon's life

    @property
    def this_run(self) -> rows.Run:
        """As it was last posted."""
        return self._run

    def _new_run(self) -> rows.Run:
        now = self._clock()
        self._told, node_state = self.tell()
        return rows.Run(
            secrets.token_hex(8),
            self._node,
            os.getpid(),
            started_at=now,
            beat_at=now,
            process=self._process,
            node_state=node_state,
        )

    async def begin(self) -> None:
        """Write down that this daemon lives; thereby the database is opened, or found not to be there."""
        answer = self._beat()
        with trio.move_on_after(self._pace.open_seconds):
            await answer.wait()

    async def keep_beating(self) -> None:
        """Write down, until cancelled, that this daemon's loop still turns, and hear whether anybody missed it."""
        while True:
            await self._until_next_beat()
            self._told, node_state = self.tell()
            self._run = attrs.evolve(self._run, beat_at=self._clock(), node_state=node_state)
            answer = self._beat()
            with trio.move_on_after(self._pace.beat_seconds):
                await answer.wait()
            if answer.value:
                self._run = self._new_run()
                self._beat()
                self._declared_dead_by = answer.value
                self._declared_dead.set()

    async def _until_next_beat(self) -> None:
        """Wait for its time, or for another word to be told."""
        due = trio.current_time() + self._pace.beat_seconds
        while True:
            await trio.sleep(min(LOOK_SECONDS, self._pace.beat_seconds))
            now = trio.current_time()
            if now - self._turned_at > STOOD_STILL_SECONDS:
                self._slept_until = now + WAKING_SECONDS
            self._turned_at = now
            if now >= due or self.tell()[0] != self._told:
                return

    @property
    def stood_still(self) -> bool:
        """True if this daemon's loop stood still a moment ago for so long that others may have ended its calls."""
        now = trio.current_time()
        return now - self._turned_at > STOOD_STILL_SECONDS or now < self._slept_until

    def _beat(self) -> Answer:
        """Write this run down once more; the answer is who has declared it dead, if anybody has."""
        run = self._run

        def write(database: Database) -> str:
            database.execute(schema.WRITE_RUN, [rows.row_of_run(run)])
            self._identity.check(database)
            return _word(database.query(schema.DECLARED_DEAD_BY, [run.run_id]))

        return self._requests.do("beat", write)

    async def wait_declared_dead(self) -> str:
        """Wait until another run has declared this one dead, because it stood still; returns that run's id.

        That run ends every telephone call that was ours until then, and closes it in the journal. When this returns,
        a new run has begun, to which whatever is written from now on belongs. Cancelling is safe.
        """
        await self._declared_dead.wait()
        self._declared_dead = trio.Event()
        return self._declared_dead_by

    def end(self) -> None:
        """Write down that this daemon left in good order, and nothing after it."""
        now = self._clock()
        self._run = attrs.evolve(self._run, beat_at=now, ended_at=now)
        run_id = self._run.run_id
        settled: list[Value] = [rows.moment(now), *[run_id] * 4]
        self._requests.post(
            "run",
            [(schema.WRITE_RUN, [rows.row_of_run(self._run)]), (schema.SETTLE_RUN_THAT_HAS_ENDED, [settled])],
        )
        self._writer.close()

    # Calls

    def call_began(self, call: CallRecord) -> None:
        """A call is known, or something of it has changed that a successor should know: its SID, its hand-over.

        Where nothing of that has changed, nothing is written.
        """
        known = (call.call_sid, call.handed_over)
        if self._known.get(call.call_id) != known:
            self._known[call.call_id] = known
            self._requests.post("call_began", [self._call(call)])

    def call_ended(self, call: CallRecord, *, phone_is_down: bool = False) -> None:
        """A call is over: all of it is written once more, and its transcript if those are kept.

        Args:
            call: its record.
            phone_is_down: as if ``phone_is_down()`` were said behind it.
        """
        self._known.pop(call.call_id, None)
        _, [row] = self._call(call)
        statements: list[Statement] = [(schema.WRITE_CALL, [row])]
        if phone_is_down:
            statements = [(schema.WRITE_CALL_THAT_IS_DOWN, [[*row, rows.moment(self._clock())]])]
        if call.model_sessions:
            sessions = [self._session_row(one, call, number) for number, one in enumerate(call.model_sessions, 1)]
            statements.append((schema.WRITE_SESSION, sessions))
        if self._keep_transcripts and call.transcript:
            lines = [rows.row_of_utterance(line, call.call_id, n) for n, line in enumerate(call.transcript, 1)]
            statements.append((schema.WRITE_UTTERANCE, lines))
        self._requests.post("call_ended", statements, hurries=False, includes=f"session {call.call_id} ")

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
        self._known[call.call_id] = (call.call_sid, call.handed_over)
        answer = self._requests.post("session_opening", [self._call(call), self._session(call, session)], awaited=True)
        with trio.move_on_after(seconds if self.healthy else 0):
            await answer.wait()
        if answer.is_done:
            return True
        self._unwritten_openings += 1
        if self.healthy:  # if not, that was logged when it began
            log.warning("session_not_journaled_yet", provider=session.provider, waited_seconds=seconds)
        return False

    def recording_changed(self, call_id: str, recording: Recording) -> None:
        """Write down that a call's recording has changed: somebody has listened, or it was deleted."""
        kept = attrs.asdict(recording)

        def change(database: Database) -> None:
            for (details,) in database.query(schema.READ_DETAILS, [call_id]):
                changed = json.dumps(json.loads(details) | {"recording": kept})
                database.execute(schema.WRITE_DETAILS, [[changed, call_id]])

        self._requests.do("recording", change, awaited=False)

    def phone_is_down(self, call: CallRecord) -> None:
        """The telephone of a call is known to be down, or goes on without us: nobody need hang it up any more."""
        down: list[Value] = [rows.moment(self._clock()), call.call_id]
        self._requests.post("phone_is_down", [(schema.PHONE_DOWN, [down])], hurries=False)

    def session_closed(self, call: CallRecord, session: ModelSessionRecord) -> None:
        """A billed session is closed, and its record says how."""
        says = f"session {call.call_id} {session.opened_at}"
        self._requests.post("session_closed", [self._session(call, session)], hurries=False, says=says)

    def _call(self, call: CallRecord) -> Statement:
        return schema.WRITE_CALL, [
            rows.row_of_call(call, self._run.run_id, self._clock(), keeps_words=self._keep_transcripts)
        ]

    def _session(self, call: CallRecord, session: ModelSessionRecord) -> Statement:
        for number, one in enumerate(call.model_sessions, 1):
            if one is session:
                return schema.WRITE_SESSION, [self._session_row(session, call, number)]
        raise ValueError("a session must be entered in its call's model_sessions first")

    def _session_row(self, session: ModelSessionRecord, call: CallRecord, number: int) -> list[Value]:
        return rows.row_of_session(session, call.call_id, number, self._run.run_id)

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
        answer = self._requests.post(
            "do_not_call", [(schema.MARK_DO_NOT_CALL, [row]), (schema.COUNT_CHANGE, [[]])], awaited=True
        )
        await self._requests.answered(answer)

    async def set_do_not_call(self, number: str, reason: str) -> None:
        """Put a number on the list, or give it another reason. Returns when that is on the disk.

        Raises:
            JournalUnavailable: it is not yet written, and will be unless the daemon dies first.
        """
        row: list[Value] = [rows.kept(number), rows.kept(reason), rows.moment(self._clock())]
        changes: list[Statement] = [(do_not_call.SET, [row]), (schema.COUNT_CHANGE, [[]])]
        await self._requests.answered(self._requests.post("do_not_call", changes, awaited=True))

    async def remove_do_not_call(self, number: str) -> bool:
        """Take a number off the list. Returns True if it was on it, once that is on the disk.

        Raises:
            JournalUnavailable: nobody knows, or it is not yet written.
        """
        if not await self.is_do_not_call(number):
            return False
        changes: list[Statement] = [(do_not_call.REMOVE, [[number]]), (schema.COUNT_CHANGE, [[]])]
        await self._requests.answered(self._requests.post("do_not_call", changes, awaited=True))
        return True

    async def do_not_call_numbers(self, digits: str, after: str, limit: int) -> list[do_not_call.ListedNumber]:
        """A page of the list: numbers behind ``after`` that end with these digits, in their order.

        Raises:
            JournalUnavailable: it cannot be read, or is another one than before.
        """

        def look(database: Database) -> tuple[str, list[do_not_call.ListedNumber]]:
            return self._identity.check(database), do_not_call.page(database, digits, after, limit)

        lost, found = await self._requests.ask("do_not_call_numbers", look)
        if lost:
            raise JournalUnavailable(lost)
        return found

    @property
    def keeps_words(self) -> bool:
        """True if what was said is kept after a call."""
        return self._keep_transcripts

    async def is_do_not_call(self, number: str) -> bool:
        """True if a number is on the list.

        Raises:
            JournalUnavailable: nobody knows; then the number must not be called.
        """

        def look(database: Database) -> tuple[str, bool]:
            return self._identity.check(database), bool(database.query(schema.IS_DO_NOT_CALL, [number]))

        lost, listed = await self._requests.ask("is_do_not_call", look)
        if lost:
            raise JournalUnavailable(lost)
        return listed

    # Orders to place calls

    async def claim_order(self, key: str, asked: str) -> orders.Order | None:
        """Claim an ``Idempotency-Key``; the order that has it already, if one has.

        Raises:
            JournalUnavailable: nobody knows, and no call may be placed.
        """
        claimant = f"{self._run.run_id} {secrets.token_hex(4)}"
        now = self._clock()

        def claim(database: Database) -> orders.Order | None:
            if now - self._orders_forgotten_at > orders.KEPT / 24:
                orders.forget(database, now)
                self._orders_forgotten_at = now
            return orders.claim(database, key, asked, claimant, now)

        return await self._requests.ask("claim_order", claim, writes=True)

    async def order(self, key: str) -> orders.Order | None:
        """The order with this key.

        Raises:
            JournalUnavailable: nobody knows.
        """
        return await self._requests.ask("order", partial(orders.find, key=key, now=self._clock()))

    async def answer_order(self, key: str, answer: str | None) -> None:
        """Write down what was answered to an order; without an answer its key is free again.

        Raises:
            JournalUnavailable: it is not written yet, and will be unless the daemon dies first.
        """
        written = self._requests.do("answer_order", partial(orders.answer, key=key, text=answer))
        await self._requests.answered(written)

    async def take_turn(self, account: str, per_second: float) -> float | None:
        """Take an account's next turn to place a call; seconds until then, ``None`` if that is too long.

        Raises:
            JournalUnavailable: nobody knows.
        """
        take = partial(orders.take_turn, account=account, per_second=per_second)
        return await self._requests.ask("take_turn", take, writes=True)

    # What it has cost

    async def spent_elsewhere(self, since: datetime) -> tuple[float, int]:
        """Cost of other runs' calls that began since then, and the number of them that have not ended.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        asked: list[Value] = [rows.moment(since), self._run.run_id]

        def add_up(database: Database) -> tuple[float, int]:
            [(telephones, live)] = database.query(schema.SPENT_ON_TELEPHONES, asked)
            [(sessions,)] = database.query(schema.SPENT_ON_SESSIONS, asked)
            return float(telephones) + float(sessions), int(live)

        return await self._read(add_up)

    # What was written

    async def call(self, call_id: str) -> rows.JournaledCall | None:
        """One call, whole.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        await self._requests.written()
        found = await self._read(partial(reading.read_calls, which=schema.OF_ONE, values=[call_id]))
        return found[0] if found else None

    async def calls(self, since: datetime, until: datetime) -> list[rows.JournaledCall]:
        """All calls that began in ``[since, until)``, the earliest first, all in memory: ask for a day, not a year.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        await self._requests.written()
        return await self._pages(schema.OF_A_TIME, [rows.moment(until)], rows.moment(since))

    async def listed(self, wanted: Selection) -> list[rows.JournaledCall]:
        """A page of calls that are over, the newest first, and one more if there is one.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        which, values = wanted.clause()
        await self._requests.written()
        return await self._read(partial(reading.read_calls, which=which, values=values))

    async def _read(self, work: Callable[[Database], T]) -> T:
        """Ask beside the writer.

        Raises:
            JournalUnavailable: nobody knows.
        """
        if self._reader is None:
            return await self._requests.ask("read", work)
        if self._writer.trouble:
            await trio.lowlevel.checkpoint()
            raise JournalUnavailable(self._writer.trouble)
        return await self._reader.ask(work)

    def _note_unread(self, calls: Sequence[rows.JournaledCall]) -> None:
        """Say of each call once that not all of it is understood."""
        for call in calls:
            call_id = call.record.call_id
            if call.unread and call_id not in self.unread and len(self.unread) < MOST_UNREAD:
                self.unread[call_id] = call.unread
                advice = "a newer daemon wrote it, or it is damaged: what is sure of it is settled"
                log.error("journal_row_not_understood", call_id=call_id, rows=call.unread, advice=advice)

    # What others left

    async def other_runs(self) -> list[rows.Run]:
        """Every run, other than this one, that lives or may have left something open.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        me = self._run.run_id

        def look(database: Database) -> list[rows.Run]:
            database.prefer_indexes()
            return list(map(rows.run_of, database.query(schema.OTHER_RUNS, [me])))

        return await self._read(look)

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
        said: list[Value] = [rows.moment(self._clock()), self._run.run_id, run.run_id]

        def declare(database: Database) -> str:
            database.execute(schema.DECLARE_DEAD, [said])
            return _word(database.query(schema.DECLARED_DEAD_BY, [run.run_id]))

        return await self._requests.ask("declare_dead", declare, writes=True)

    async def left_open(self, run: rows.Run) -> list[rows.JournaledCall]:
        """A run's calls that are not over in every respect, the earliest first.

        They have not ended, or have a session that was not closed, or a telephone that may be up.

        Raises:
            JournalUnavailable: the database cannot be read.
        """

        def look(database: Database) -> list[str]:
            database.prefer_indexes()
            return [call_id for (call_id,) in database.query(schema.OPEN_OF_RUN, [run.run_id] * 3)]

        ids = await self._read(look)
        found: list[rows.JournaledCall] = []
        for begin in range(0, len(ids), reading.PAGE_CALLS):
            page = ids[begin : begin + reading.PAGE_CALLS]
            found += await self._read(partial(_page, which=schema.of_these(len(page)), values=[*page]))
        self._note_unread(found)
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
            how: list[Value] = [rows.moment(at), Closing.ABORTED.value, at_most, at_least, self._run.run_id]
            closed.append([*how, call.record.call_id, number])
        await self._requests.ask("settle_sessions", partial(execute, [(schema.SETTLE_SESSION, closed)]), writes=True)

    async def settle_call(self, call: rows.JournaledCall, at: datetime, detail: str) -> None:
        """Mark an orphaned call ended, once its telephone is down or not ours to end. Idempotent."""
        record = call.record
        seconds = _seconds_between(record.started_at or call.began_at, at)
        ended: list[Value] = [rows.moment(at), CallState.ENDED.value, seconds, rows.kept(detail), self._run.run_id]
        statements: list[Statement] = [
            (schema.SETTLE_CALL, [[*ended, record.call_id]]),
            (schema.PHONE_DOWN, [[rows.moment(at), record.call_id]]),
            (schema.SETTLE_RUN_THAT_HAS_ENDED, [[rows.moment(at), *[call.run.run_id] * 4]]),
        ]
        await self._requests.ask("settle_call", partial(execute, statements), writes=True)

    async def _pages(self, which: str, values: list[Value], since: str) -> list[rows.JournaledCall]:
        found: list[rows.JournaledCall] = []
        after: list[Value] | None = [since, ""]
        while after is not None:
            page = await self._read(partial(_page, which=which, values=[*values, *after, reading.PAGE_CALLS]))
            self._note_unread(page)
            found += page
            after = reading.after(page)
        return found


def _page(database: Database, which: str, values: list[Value]) -> list[rows.JournaledCall]:
    database.prefer_indexes()
    return reading.read_calls(database, which, values)


def _word(found: Sequence[Row]) -> str:
    """The only column of the only row, or nothing."""
    return found[0][0] or "" if found else ""


def _seconds_between(began: datetime, ended: datetime) -> float:
    """By the clocks of two machines, perhaps; nothing lasts less than no time."""
    return max(0.0, (ended - began).total_seconds())
