"""The journal as the program asks it: calls and sessions are written down, and answers are given about them."""

from __future__ import annotations

import json
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
import structlog
import trio

from trio_voice.journal import idempotency_keys, pace, reading, rows, schema
from trio_voice.journal.do_not_call import DoNotCallList
from trio_voice.journal.heartbeat import Heartbeat
from trio_voice.journal.other_runs import OtherRuns
from trio_voice.journal.requests import JournalRequests
from trio_voice.journal.writer import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from trio_voice.journal.database import Database, Value
    from trio_voice.journal.identity import Identity
    from trio_voice.journal.reader import Reader
    from trio_voice.journal.requests import Statement
    from trio_voice.journal.selection import Selection
    from trio_voice.journal.writer import DatabaseWriter, Pace
    from trio_voice.record import CallRecord, Recording
    from trio_voice.session_record import ModelSessionRecord

log: Final = structlog.stdlib.get_logger("trio_voice.journal")
T = TypeVar("T")

OPENING_SECONDS: Final = 1.0
"""Time that a session may wait for its journal before it is opened without."""
FORGET_ORDERS_SECONDS: Final = 3600.0
"""Between two times that all orders of yesterday are forgotten; the one that is asked for is looked at each time."""


class Journal(DoNotCallList, OtherRuns):
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
        requests = JournalRequests(writer, reader, pace.answer_seconds)
        self.heartbeat = Heartbeat(requests, identity, node, clock, process, pace)
        DoNotCallList.__init__(self, requests, identity, clock)
        OtherRuns.__init__(self, requests, self.heartbeat, clock)
        self._keep_transcripts = keep_transcripts
        self._known: dict[str, tuple[str | None, bool]] = {}
        """Of each call that is not over, what a successor knows of it: its SID, and whether it was handed over."""
        self._forget_orders_at = trio.current_time() + FORGET_ORDERS_SECONDS
        self._unwritten_openings = 0

    # Health

    @property
    def healthy(self) -> bool:
        """True while what is posted is being written."""
        return not self._writer.trouble

    @property
    def trouble(self) -> str:
        """Reason for which it is not, in words for the operator; empty where it is."""
        return self._writer.trouble

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

    # This daemon's run

    @property
    def stood_still(self) -> bool:
        """True if this daemon's loop stood still a moment ago for so long that others may have ended its calls."""
        return self.heartbeat.stood_still

    async def wait_declared_dead(self) -> str:
        """The id of the run that has declared this one dead, once one has; see ``Heartbeat``."""
        return await self.heartbeat.wait_declared_dead()

    def end(self) -> None:
        """Write down that this daemon left in good order, and nothing after it."""
        self.heartbeat.end()
        self._writer.close()

    # Calls

    @property
    def keeps_words(self) -> bool:
        """True if what was said is kept after a call."""
        return self._keep_transcripts

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
            rows.row_of_call(call, self.heartbeat.run.run_id, self._clock(), keeps_words=self._keep_transcripts)
        ]

    def _session(self, call: CallRecord, session: ModelSessionRecord) -> Statement:
        for number, one in enumerate(call.model_sessions, 1):
            if one is session:
                return schema.WRITE_SESSION, [self._session_row(session, call, number)]
        raise ValueError("a session must be entered in its call's model_sessions first")

    def _session_row(self, session: ModelSessionRecord, call: CallRecord, number: int) -> list[Value]:
        return rows.row_of_session(session, call.call_id, number, self.heartbeat.run.run_id)

    # Orders to place calls

    async def claim_order(self, key: str, asked: str) -> idempotency_keys.Order | None:
        """Claim an ``Idempotency-Key``; the order that has it already, if one has.

        Raises:
            JournalUnavailable: nobody knows, and no call may be placed.
        """
        claimant = f"{self.heartbeat.run.run_id} {secrets.token_hex(4)}"
        now = trio.current_time()
        forgets = now >= self._forget_orders_at
        if forgets:
            self._forget_orders_at = now + FORGET_ORDERS_SECONDS

        def claim(database: Database) -> idempotency_keys.Order | None:
            if forgets:
                idempotency_keys.forget(database)
            return idempotency_keys.claim(database, key, asked, claimant)

        return await self._requests.ask("claim_order", claim, writes=True)

    async def order(self, key: str) -> idempotency_keys.Order | None:
        """The order with this key.

        Raises:
            JournalUnavailable: nobody knows.
        """
        return await self._requests.ask("order", partial(idempotency_keys.find, key=key))

    async def answer_order(self, key: str, answer: str | None) -> None:
        """Write down what was answered to an order; without an answer its key is free again.

        Raises:
            JournalUnavailable: it is not written yet, and will be unless the daemon dies first.
        """
        written = self._requests.do("answer_order", partial(idempotency_keys.answer, key=key, text=answer))
        await self._requests.answered(written)

    async def take_turn(self, account: str, per_second: float) -> float | None:
        """Take an account's next turn to place a call; seconds until then, ``None`` if that is too long.

        Raises:
            JournalUnavailable: nobody knows.
        """
        take = partial(pace.take_turn, account=account, per_second=per_second)
        return await self._requests.ask("take_turn", take, writes=True)

    # What it has cost

    async def spent_elsewhere(self, since: datetime) -> tuple[float, int]:
        """Cost of other runs' calls that began since then, and the number of them that have not ended.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        asked: list[Value] = [rows.moment(since), self.heartbeat.run.run_id]

        def add_up(database: Database) -> tuple[float, int]:
            [(telephones, live)] = database.query(schema.SPENT_ON_TELEPHONES, asked)
            [(sessions,)] = database.query(schema.SPENT_ON_SESSIONS, asked)
            return float(telephones) + float(sessions), int(live)

        return await self._requests.read(add_up)

    # What was written

    async def call(self, call_id: str) -> rows.JournaledCall | None:
        """One call, whole.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        await self._requests.written()
        found = await self._requests.read(partial(reading.read_calls, which=schema.OF_ONE, values=[rows.kept(call_id)]))
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
        return await self._requests.read(partial(reading.read_calls, which=which, values=values))

    async def _pages(self, which: str, values: list[Value], since: str) -> list[rows.JournaledCall]:
        found: list[rows.JournaledCall] = []
        after: list[Value] | None = [since, ""]
        while after is not None:
            page = await self._requests.read(
                partial(reading.read_page, which=which, values=[*values, *after, reading.PAGE_CALLS])
            )
            reading.note_unread(self.unread, page)
            found += page
            after = reading.after(page)
        return found
