"""The journal's thread: it alone touches the database, and nobody waits for it who does not want to.

Entries are posted from the trio loop into one backlog, in order, and never wait. The thread takes what has come, as
one transaction (a group commit: while one is on its way to the disk, the next gathers), and tells those who wait. What
is in no hurry waits ``gather_seconds`` for more, and what a later entry of the same transaction says again is left out.

Trouble (a full disk, a lock, a server that is gone) keeps the backlog as it is, but for questions, which are answered
with it; once every ``retry_seconds`` the database is opened anew and the backlog tried again. An entry that is itself
at fault is refused alone. Overflow: the backlog holds ``BACKLOG_ENTRIES``; beyond that the oldest entry is dropped and
counted, because the newest say which meters are running.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
import trio

from trio_voice.journal import months, schema
from trio_voice.journal.database import LOCK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.journal.database import Database

log: Final = structlog.stdlib.get_logger("trio_voice.journal")

BACKLOG_ENTRIES: Final = 10_000
"""Some 2,500 calls; at 2 kB each, 20 MB."""
BATCH_ENTRIES: Final = 500
"""In one transaction. More would make those wait who came while it was being gathered."""


@attrs.frozen(kw_only=True)
class Pace:
    """Times that the journal waits for things."""

    open_seconds: float = 5.0
    """For the database to open, before calls are taken without it."""
    answer_seconds: float = 5.0
    """For a question to be answered."""
    lock_seconds: float = LOCK_SECONDS
    """For a lock that somebody else holds."""
    retry_seconds: float = 1.0
    """Between attempts while there is trouble."""
    beat_seconds: float = 5.0
    """Between two signs of life in ``runs``."""
    stuck_seconds: float = 8.0
    """For one attempt, before it counts as trouble and is interrupted."""
    gather_seconds: float = 0.1
    """For what is in no hurry, so that the end of a call is one transaction."""
    flush_seconds: float = 5.0
    """For what is still to be written when the journal is closed."""
    interrupt_seconds: float = 1.0
    """For the thread to end after an interruption, before it is left behind."""


@attrs.frozen
class Statistics:
    """Counts of the journal, since it was opened."""

    written: int
    """Entries that are in the database."""
    commits: int
    """Transactions that it took to write them."""
    waiting: int
    """Entries in the backlog, at this moment."""
    dropped: int
    """Entries that were never written: the backlog was full, or the journal was closed."""
    refused: int
    """Entries that the database did not take, though it took others."""
    unwritten_openings: int
    """Sessions that were opened before the journal knew of them."""


class Answer:
    """The answer to an entry that somebody waits for. Lives in the trio loop."""

    def __init__(self) -> None:
        self._settled = trio.Event()
        self.value: Any = None
        """Value that the entry's work returned."""
        self.trouble = ""
        """Reason for which it is not done. A write may still be, later."""

    def settle(self, value: Any, trouble: str = "") -> None:
        """The entry is done, or will not be in time."""
        self.value, self.trouble = value, trouble
        self._settled.set()

    @property
    def is_done(self) -> bool:
        """True if the entry is in the database, or answered."""
        return self._settled.is_set() and not self.trouble

    async def wait(self) -> None:
        """Wait until it is settled, either way. Cancelling takes nothing back."""
        await self._settled.wait()


@attrs.frozen(eq=False)
class Entry:
    """Something to do in the database: a write or a question."""

    what: str
    """For the log."""
    work: Callable[[Database], Any]
    """Runs in the thread, within a transaction; again if that fails."""
    writes: bool = True
    lasts: bool = True
    """True if it is kept until it is done, through any trouble. A question is not."""
    answer: Answer | None = None
    hurries: bool = True
    """True if it is written at once; otherwise ``gather_seconds`` later, if nothing else comes."""
    says: str = ""
    """Text that it writes, by a name."""
    includes: str = ""
    """A beginning of the names of what it writes again."""


class _DatabaseFault(Exception):
    """The database could not do it, whatever it was; the message may be logged."""


class DatabaseWriter:
    """The backlog, and the thread's work.

    Args:
        database: not connected; from now on the thread's own.
        pace: how long to wait for what.
        token: of the trio loop that posts.
    """

    def __init__(self, database: Database, pace: Pace, token: trio.lowlevel.TrioToken) -> None:
        self._database = database
        self._pace = pace
        self._token = token
        self._changed = threading.Condition()
        """Guards what both sides use: the backlog, the flags, the trouble. Held for microseconds, never for I/O."""
        self._backlog: deque[Entry] = deque()
        self._hurries = False
        """True if anything in the backlog does."""
        self._migrates = False
        self._closing = False
        self._gave_up = False
        self._failed = False
        """True if the last attempt failed."""
        self._attempt_began = math.inf
        self._troubled_since = math.inf
        self._found_version = 0
        """Of the tables, before they were migrated."""
        self._announced = False
        self.has_begun = False
        self.hopeless = False
        """True if it has never been open, and will not be until somebody mends something."""
        self._trouble = "it is being opened"
        self.written = self.commits = self.dropped = self.refused = 0

    # The trio loop's side. Nothing here waits.

    def post(self, entry: Entry) -> None:
        """Have something done."""
        if self._closing:
            self.dropped += 1
            log.error("journal_is_closed", what=entry.what)
            if entry.answer is not None:
                entry.answer.settle(None, "it is closed")
            return
        self._look_whether_stuck()
        with self._changed:
            self._backlog.append(entry)
            self._hurries |= entry.hurries
            spilled = self._spill()
            self._changed.notify()
        for lost in spilled:
            if lost.answer is not None:
                lost.answer.settle(None, "too much waits for it")

    def _look_whether_stuck(self) -> None:
        """A migration takes the time that it takes; anything else is given up."""
        if time.monotonic() - self._attempt_began > self._pace.stuck_seconds and not self._migrates:
            self._begin_trouble(f"it has not answered for {self._pace.stuck_seconds:g} s")
            self._database.interrupt()

    @property
    def trouble(self) -> str:
        """Reason for which nothing is written, in words for the operator; empty if it is."""
        if not self._trouble:
            self._look_whether_stuck()
        return self._trouble

    @property
    def waiting(self) -> int:
        """Number of entries in the backlog."""
        return len(self._backlog)

    def close(self) -> None:
        """Take nothing more; the thread ends when all is written, or at the first failure."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def give_up(self) -> None:
        """Have the thread end now, if it still can."""
        self._gave_up = True
        self._database.interrupt()

    # The thread's side.

    def run(self) -> None:
        """Write until closed."""
        self.has_begun = True
        while batch := self._take():
            self._attempt_began = time.monotonic()
            try:
                self._attempt(batch)
            except Exception:  # a bug costs these entries, not the journal
                log.exception("journal_bug")
            finally:
                self._attempt_began = math.inf
        self._database.close()

    def _take(self) -> list[Entry]:
        """The next batch, when its time has come; nothing at the end."""
        with self._changed:
            if self._failed:
                self._changed.wait_for(lambda: self._closing, self._pace.retry_seconds)
            self._changed.wait_for(lambda: self._closing or self._backlog)
            if not self._hurries:
                self._changed.wait_for(lambda: self._closing or self._hurries, self._pace.gather_seconds)
            self._hurries = len(self._backlog) > BATCH_ENTRIES
            if self._gave_up:
                self.dropped += len(self._backlog)
                if self._backlog:
                    log.error("journal_lost", entries=len(self._backlog), trouble=self._trouble)
                return []
            return _without_repetitions(
                [self._backlog.popleft() for _ in range(min(len(self._backlog), BATCH_ENTRIES))]
            )

    def _attempt(self, batch: list[Entry]) -> None:
        try:
            values = self._transact(batch)
        except _DatabaseFault as fault:
            self._fail(batch, str(fault))
        except Exception:  # noqa: BLE001 - one of them is at fault: each for itself
            self._attempt_singly(batch)
        else:
            self._succeed(batch, values)

    def _attempt_singly(self, batch: list[Entry]) -> None:
        for place, entry in enumerate(batch):
            try:
                values = self._transact([entry])
            except _DatabaseFault as fault:
                self._fail(batch[place:], str(fault))
                return
            except Exception as error:  # noqa: BLE001 - this entry's failure stays its own
                self.refused += 1
                log.error("journal_entry_refused", what=entry.what, error=type(error).__name__)  # noqa: TRY400 - quotes
                self._settle([(entry, None)], f"it does not take this entry: {type(error).__name__}")
            else:
                self._succeed([entry], values)

    def _transact(self, batch: Sequence[Entry]) -> list[Any]:
        """Do the batch in one transaction.

        Raises:
            _DatabaseFault: any batch would have failed.
            Exception: an entry's own.
        """
        if not self._database.is_connected():
            self._connect()
            return self._transact_once(batch)
        try:
            return self._transact_once(batch)
        except _DatabaseFault:
            if self._database.is_connected() or self._gave_up:
                raise
        self._connect()  # the connection died some time ago, and only now it shows
        return self._transact_once(batch)

    def _transact_once(self, batch: Sequence[Entry]) -> list[Any]:
        try:
            with self._database.transaction(writes=any(entry.writes for entry in batch)):
                return [entry.work(self._database) for entry in batch]
        except Exception as error:
            if self._database.blames_entry(error):
                raise
            raise _DatabaseFault(self._database.describe(error)) from error

    def _connect(self) -> None:
        try:
            self._database.connect()
            self._migrates = True
            now = datetime.now(UTC)
            self._found_version = schema.migrate(self._database, now)
            months.make_months(self._database, now)
        except Exception as error:  # whatever it is, the next attempt may succeed
            self.hopeless = not self._announced and self._database.is_hopeless(error)
            raise _DatabaseFault(self._database.describe(error)) from error
        finally:
            self._migrates = False

    def _succeed(self, batch: Sequence[Entry], values: Sequence[Any]) -> None:
        self.written += sum(entry.writes for entry in batch)
        self.commits += any(entry.writes for entry in batch)
        self._failed = False
        self._end_trouble()
        self._settle(list(zip(batch, values, strict=True)))

    def _fail(self, batch: Sequence[Entry], trouble: str) -> None:
        """Keep what lasts for the next attempt, and tell all who wait that it will take a while."""
        self._database.close()
        self._failed = True
        self._begin_trouble(trouble)
        with self._changed:
            self._gave_up |= self._closing  # that was the last attempt
            self._backlog.extendleft(entry for entry in reversed(batch) if entry.lasts)
            spilled = self._spill()
        self._settle([(entry, None) for entry in (*batch, *spilled)], trouble)

    def _spill(self) -> list[Entry]:
        """Drop the oldest entries until the rest fits."""
        excess = max(0, len(self._backlog) - BACKLOG_ENTRIES)
        self.dropped += excess
        return [self._backlog.popleft() for _ in range(excess)]

    def _settle(self, outcomes: Sequence[tuple[Entry, Any]], trouble: str = "") -> None:
        """Tell those who wait, in the loop, all at once."""
        waited_for = [(entry.answer, value) for entry, value in outcomes if entry.answer is not None]

        def tell() -> None:
            for answer, value in waited_for:
                answer.settle(value, trouble)

        if waited_for:
            with suppress(trio.RunFinishedError):  # this thread was left behind
                self._token.run_sync_soon(tell)

    def _begin_trouble(self, trouble: str) -> None:
        """From either side."""
        with self._changed:
            begins = self._troubled_since == math.inf
            self._trouble = trouble
            self._troubled_since = min(self._troubled_since, time.monotonic())
        if begins:
            log.error(
                "journal_trouble",
                database=self._database.name,
                trouble=trouble,
                effect="calls go on; what is to be written waits, and is lost if the daemon dies",
            )

    def _end_trouble(self) -> None:
        with self._changed:
            since, self._troubled_since = self._troubled_since, math.inf
            self._trouble = ""
        if not self._announced:
            self._announced = True
            found, known = self._found_version, len(schema.MIGRATIONS)
            log.info("journal_open", database=self._database.name, version=max(found, known))
            if found > known:
                log.warning("journal_is_newer", version=found, known=known, advice="update this daemon too")
        if since < math.inf:
            seconds = round(time.monotonic() - since, 1)
            log.warning("journal_recovered", seconds=seconds, waiting=len(self._backlog), dropped=self.dropped)


def _without_repetitions(batch: list[Entry]) -> list[Entry]:
    """The batch without entries that a later one repeats whole, unless somebody waits for them."""
    includes = [(place, entry.includes) for place, entry in enumerate(batch) if entry.includes]
    return [
        entry
        for place, entry in enumerate(batch)
        if entry.answer is not None
        or not entry.says
        or not any(later > place and entry.says.startswith(all_of) for later, all_of in includes)
    ]
