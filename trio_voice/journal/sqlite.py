"""The journal in a file. Several daemons of one machine may share it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from trio_voice.journal.database import Database
from trio_voice.journal.schema import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_voice.journal.database import Row, Value

log: Final = structlog.stdlib.get_logger("trio_voice.journal")

MEMORY: Final = ":memory:"
PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",  # readers do not wait for the writer, nor it for them
    "PRAGMA synchronous = FULL",  # what is committed is on the disk, and survives the power going
)
LOOK_AGAIN_SECONDS: Final = 0.01
"""Between two attempts to set up a file that another process is setting up."""
ADVICE: Final = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_BUSY: "another program keeps it locked",
    sqlite3.SQLITE_CANTOPEN: "the directory must exist, and be this user's to write to",
    sqlite3.SQLITE_READONLY: "the file and its directory must be this user's to write to",
    sqlite3.SQLITE_IOERR: "look at the disk and at the kernel's log",
    sqlite3.SQLITE_CORRUPT: "move it away, and a new one is begun; sqlite3's .recover reads the old one",
    sqlite3.SQLITE_NOTADB: "journal.url names a file that is no SQLite database",
}

LOOK_SECONDS: Final = 1.0
"""Between two looks at the open file itself."""
DAMAGED: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Errors of such a look that say something of the file."""
HOPELESS: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOTADB}
)
"""Errors that stay until somebody mends the configuration or the directory."""
MAGIC: Final = b"SQLite format 3\0"
"""The beginning of each of its files (sqlite.org/fileformat2.html, 1.3)."""


class SqliteDatabase(Database):
    """A ``Database`` in a file.

    Args:
        path: of the file, made if it is not there, for this user's eyes only; or ``:memory:``.
        lock_seconds: how long another process's transaction is waited for.
    """

    now_sql = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: str, lock_seconds: float) -> None:
        # Absolute: a tool may go to another folder, and its process with it.
        self._path = path if path == MEMORY else str(Path(path).absolute())
        self._lock_seconds = lock_seconds
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        """Device and inode of the file that is open."""
        self._wal: tuple[int, int] | None = None
        """Likewise of its write-ahead log, once there is one; it stays for as long as anybody has the file open."""
        self._next_look = 0.0
        self._journal_id = ""
        """The id in it, when it was last looked for."""

    @property
    def name(self) -> str:
        return self._path

    def is_there(self) -> bool:
        return self._path == MEMORY or Path(self._path).exists()

    def is_connected(self) -> bool:
        """True if a connection is open and its file is still the one at the path, and what it was.

        Who writes to a file that was deleted or replaced notices nothing, and writes for nobody.
        """
        if self._connection is None:
            return False
        if self._identity != self._find(self._path) or self._wal_is_gone():
            log.error("journal_file_gone", path=self.name, advice="whoever moved it away has all that was in it")
            self.close()
        elif damage := self._damage():
            log.error(
                "journal_file_overwritten",
                path=self.name,
                error=damage,
                advice="stop the daemon and put back a copy: `trio-voice journal restore`",
            )
            self.close()
        return self._connection is not None

    def _damage(self) -> str:
        """The fault of a file that somebody has written over, in words; empty if none is seen, or looked for so soon.

        Whoever has it open reads what it knows from memory and notices nothing; so that memory is given back first.
        """
        if self._path == MEMORY or time.monotonic() < self._next_look:
            return ""
        self._next_look = time.monotonic() + LOOK_SECONDS
        before, self._journal_id = self._journal_id, ""
        try:
            self.execute("PRAGMA shrink_memory")
            self._journal_id = "".join(str(found) for found, _ in self.query(IDENTITY))
        except sqlite3.Error as error:
            is_damage = before and error.sqlite_errorcode & 0xFF in DAMAGED
            return str(error) if is_damage else ""  # it has no tables yet, or the next statement says so
        return "" if before in ("", self._journal_id) else "it is another journal"

    def _wal_is_gone(self) -> bool:
        found = self._find(f"{self._path}-wal")
        before, self._wal = self._wal, None if found == (0, 0) else found
        return before is not None and before != found

    def _find(self, path: str) -> tuple[int, int] | None:
        if self._path == MEMORY:
            return None
        try:
            found = os.stat(path)  # noqa: PTH116 - of every commit; Path.stat() costs twice
        except OSError:
            return (0, 0)
        return found.st_dev, found.st_ino

    def connect(self) -> None:
        """Open the file, or make it."""
        self.close()
        if self._path != MEMORY:
            with suppress(OSError):  # it exists, which is well, or cannot be made, which sqlite3 says better
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=self._lock_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            # SQLite's own knows the English alphabet alone (sqlite.org/lang_corefunc.html, lower).
            connection.create_function("lower", 1, str.lower, deterministic=True)
            self._set_up(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._identity, self._wal = connection, self._find(self._path), None
        self._journal_id = ""

    def _set_up(self, connection: sqlite3.Connection) -> None:
        """Several that make a new file at once are in each other's way, and here SQLite does not wait by itself."""
        latest = time.monotonic() + self._lock_seconds
        for pragma in PRAGMAS:
            while True:
                try:
                    connection.execute(pragma)
                    break
                except sqlite3.OperationalError as busy:
                    if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > latest:
                        raise
                    time.sleep(LOOK_AGAIN_SECONDS)  # noqa: TID251 - in the journal's own thread

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def interrupt(self) -> None:
        """Stop a long statement. A disk that does not answer cannot be interrupted."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.interrupt()

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("not connected")
        return self._connection

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """One transaction; a writing one takes the write lock at once, because one that takes it later may lose."""
        connection = self._open
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.rollback()

    def has_column(self, table: str, column: str) -> bool:
        return bool(self.query("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", [table, column]))

    def build_index(self, name: str, on: str) -> None:
        """Build it; others wait meanwhile, for as long as their ``lock_seconds`` lets them."""
        with self.transaction(writes=True):
            self.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {on}")

    def is_locked_out(self, error: Exception) -> bool:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY

    def execute(self, sql: str, rows: Sequence[Sequence[Value]] = ((),)) -> None:
        if len(rows) == 1:
            self._open.execute(sql, rows[0])  # also what is no DML
        else:
            self._open.executemany(sql, rows)

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._open.execute(sql, values).fetchall()

    def blames_entry(self, error: Exception) -> bool:
        at_fault = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
        return isinstance(error, at_fault) or not isinstance(error, sqlite3.Error)

    def is_hopeless(self, error: Exception) -> bool:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in HOPELESS

    def look(self) -> str:
        path = Path(self._path)
        if self._path == MEMORY:
            return ""
        if path.exists():
            if not path.is_file():
                return f"{self.name} is no file"
            if not os.access(path, os.R_OK | os.W_OK):
                return f"{self.name}: {ADVICE[sqlite3.SQLITE_READONLY]}"
            with path.open("rb") as file:
                head = file.read(len(MAGIC))
            if head and head != MAGIC:
                return f"{self.name}: {ADVICE[sqlite3.SQLITE_NOTADB]}"
        if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            return f"{self.name}: {ADVICE[sqlite3.SQLITE_CANTOPEN]}"
        return ""

    def describe(self, error: Exception) -> str:
        advice = ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        return f"{error}: {advice}" if advice else str(error)
