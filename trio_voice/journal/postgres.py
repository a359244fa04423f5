"""The journal in PostgreSQL, where daemons of several machines share it. Needs psycopg."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from trio_voice.errors import ConfigError
from trio_voice.journal import months
from trio_voice.journal.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_voice.journal.database import Row, Value

# What it warns of is raised, too. Without a log, as commands are, Python would write it to the terminal.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

MIGRATION_LOCK: Final = 0x7472_696F_766F_6963
"""The advisory lock of whoever migrates: a number that nobody else is likely to use."""
CONNECT_SECONDS: Final = 5
SESSION: Final = {
    "synchronous_commit": "on",
    # A machine that loses its power within a transaction would keep its rows locked for the kernel's two hours, and the
    # others have to write to them, to settle what it left.
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "20s",
}
"""Settings that the server is asked for in each connection."""
ADVICE: Final = {
    "53100": "make room on the server's disk",
    "53300": "the server's max_connections are used up",
    "55P03": "another session keeps a table locked",
    "28P01": "user or password are wrong",
    "28000": "the server does not let this user in",
    "3D000": "create the database, or mend journal.url",
    "3F000": "this user may not use the schema public: grant it, or give the database to this user",
    "42501": "this user may not do that: grant it, or give the database to this user",
    "42P07": "the database has tables of ours or by our names, but not our journal_versions: give it one of its own",
    "25006": "this server is a standby: journal.url must name the primary",
}


LOCKED_OUT: Final = frozenset({"55P03", "40P01"})
MIGRATION_LOCK_SECONDS: Final = 60
"""Waited for the others that migrate before us, one after the other: on a busy server each takes its time."""
LOOK_AGAIN_SECONDS: Final = 0.2
"""Between two looks at whether another daemon still migrates."""
HOPELESS: Final = frozenset({"28P01", "28000", "3D000", "3F000", "42501", "42P07"})
"""Of these, what somebody has to mend."""
REFUSALS: Final = (
    (re.compile(r'role ".*" does not exist|no pg_hba\.conf entry|(?:Peer|Ident) authentication failed'), "28000"),
    (re.compile(r"password authentication failed|no password supplied"), "28P01"),
    (re.compile(r'database ".*" does not exist'), "3D000"),
    (re.compile(r"permission denied for database"), "42501"),
)
"""Words for which of them: of a connection that the server refuses libpq tells no SQLSTATE. A server may have other
words, by its ``lc_messages``; then it is waited for."""


class PostgresDatabase(Database):
    """A ``Database`` on a server.

    Args:
        url: anything that libpq takes, after ``postgresql://``.
        lock_seconds: how long a lock is waited for.

    Raises:
        ConfigError: libpq does not understand the URL.
    """

    now_sql = "extract(epoch FROM clock_timestamp())::float8"

    def __init__(self, url: str, lock_seconds: float) -> None:
        try:
            asked = conninfo_to_dict(url)
        except psycopg.Error:  # its text may hold the password
            raise ConfigError(["journal.url: is no URL that PostgreSQL's libpq understands"]) from None
        self._asked: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": "trio-voice", **asked}
        self._settings = SESSION | {"lock_timeout": f"{max(1, round(lock_seconds * 1000))}ms"}
        self._connection: psycopg.Connection | None = None
        self._line: socket.socket | None = None
        """The connection's socket once more, so that it can be cut from outside."""
        self._line_guard = threading.Lock()
        """A descriptor that is being closed may be another's a moment later, and must not be cut then."""

    @property
    def name(self) -> str:
        """The database, the user and the server, as far as the URL says."""
        where = self._asked.get("host") or self._asked.get("hostaddr") or "localhost"
        return f"postgresql://{where}/{self._asked.get('dbname', '')}"

    def is_connected(self) -> bool:
        return self._connection is not None and not self._connection.closed

    def connect(self) -> None:
        """Connect; bounded by ``connect_timeout``."""
        self.close()
        # No prepared statements: they do not survive a pooler that hands each transaction to another connection.
        connection = psycopg.Connection[Any].connect(**self._asked, autocommit=True, prepare_threshold=None)
        try:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            settings = ", ".join(["set_config(%s, %s, false)"] * len(self._settings))
            connection.execute(f"SELECT {settings}", list(chain(*self._settings.items())))
            self.is_by_month = connection.execute(months.IS_BY_MONTH).fetchone() is not None
        except psycopg.Error:
            connection.close()
            raise
        self._connection = connection
        with self._line_guard:
            self._line = socket.socket(fileno=os.dup(connection.fileno()))

    def close(self) -> None:
        with self._line_guard:
            if self._line is not None:
                self._line.close()
                self._line = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def interrupt(self) -> None:
        """Cut the connection: whatever waits for the server's answer fails, however dead the server is."""
        with self._line_guard, suppress(OSError):
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)

    @property
    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            raise psycopg.OperationalError("not connected")
        return self._connection

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:  # noqa: ARG002 - readers and writers begin alike
        """One transaction, in a pipeline: what does not answer is not waited for, the commit waits for all."""
        connection = self._open
        try:
            with connection.pipeline(), connection.transaction():
                self._wait_for_locks(self._settings["lock_timeout"])
                yield
        except psycopg.errors.InvalidColumnReference:
            self.close()  # the tables have become others, by month: whoever connects again finds it out
            raise

    def lock_schema(self) -> None:
        """Wait for the advisory lock, which ends with the transaction; ``interrupt`` ends the wait.

        By looking again and again: who waits within a statement has a snapshot, for whose end an index waits that the
        lock's holder builds.
        """
        until = time.monotonic() + MIGRATION_LOCK_SECONDS
        while not self.query("SELECT pg_try_advisory_xact_lock(?)", [MIGRATION_LOCK])[0][0]:
            if time.monotonic() > until:
                raise psycopg.errors.LockNotAvailable("another daemon migrates the journal for too long")
            self.query("SHOW lock_timeout")  # has no snapshot, and takes the place of the statement that has
            time.sleep(LOOK_AGAIN_SECONDS)  # noqa: TID251 - in a thread of the journal's

    def _wait_for_locks(self, timeout: str) -> None:
        """Until the transaction's end. In each: behind a pooler the session's settings may be another connection's."""
        self._open.execute("SELECT set_config('lock_timeout', %s, true)", [timeout])

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Hold the advisory lock in a transaction of another connection, so that this one is free."""
        with psycopg.Connection[Any].connect(**self._asked, prepare_threshold=None) as holder:
            while True:
                got = holder.execute("SELECT pg_try_advisory_xact_lock(%s)", [MIGRATION_LOCK]).fetchone()
                if got is not None and got[0]:
                    # Another statement takes the place of that one, whose snapshot an index would wait for.
                    holder.execute("SET LOCAL lock_timeout = 0")
                    break
                holder.rollback()
                time.sleep(LOOK_AGAIN_SECONDS)  # noqa: TID251 - in a thread of the journal's
            yield

    def has_column(self, table: str, column: str) -> bool:
        found = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(?) AND attname = ? AND NOT attisdropped"
        return bool(self.query(found, [table, column]))

    def build_index(self, name: str, on: str) -> None:
        """Build it concurrently. One that somebody else was killed over is not whole, and is built anew."""
        connection = self._open
        # It waits for every transaction that is older than it, and keeps nobody from writing meanwhile.
        connection.execute("SELECT set_config('lock_timeout', '0', false)")
        table, _, what = on.partition(" ")
        try:
            parts = [part for (part,) in self.query(months.PARTITIONS, [table])]
            for part in parts:
                self._build_one(f"{part}_{name}", f"{part} {what}")
            if parts:  # the whole is not built, but found to be there
                connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {what}".encode())
                for part in parts:
                    connection.execute(f"ALTER INDEX {name} ATTACH PARTITION {part}_{name}".encode())
            else:
                self._build_one(name, on)
        finally:
            if not connection.closed:
                connection.execute("SELECT set_config('lock_timeout', %s, false)", [self._settings["lock_timeout"]])

    def _build_one(self, name: str, on: str) -> None:
        [whole] = self.query("SELECT min(indisvalid::int) FROM pg_index WHERE indexrelid = to_regclass(?)", [name])
        if whole[0] == 0:
            self._open.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
        if whole[0] != 1:
            self._open.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}".encode())

    def is_locked_out(self, error: Exception) -> bool:
        return isinstance(error, psycopg.Error) and error.sqlstate in LOCKED_OUT

    def prefer_indexes(self) -> None:
        self._open.execute("SET LOCAL enable_seqscan = off")

    def execute(self, sql: str, rows: Sequence[Sequence[Value]] = ((),)) -> None:
        other = months.REWRITTEN.get(sql) if self.is_by_month else None
        if other is not None:
            sql, rows = other.sql, [other.values(values) for values in rows]
        for values in rows:
            self._open.execute(_in_postgres(sql), values)

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._open.execute(_in_postgres(sql), values).fetchall()

    def blames_entry(self, error: Exception) -> bool:
        return isinstance(error, (psycopg.DataError, psycopg.IntegrityError)) or not isinstance(error, psycopg.Error)

    def is_hopeless(self, error: Exception) -> bool:
        """True if the server was reached, and lets nobody in by this URL."""
        return isinstance(error, psycopg.Error) and _state_of(error) in HOPELESS

    def describe(self, error: Exception) -> str:
        """The server's words, without the details, which quote rows."""
        state = _state_of(error) if isinstance(error, psycopg.Error) else None
        if state is None:
            return str(error).partition("\n")[0]
        advice = ADVICE.get(state)
        said = error.diag.message_primary if isinstance(error, psycopg.Error) and error.sqlstate else None
        said = said or str(error).partition("\n")[0] or type(error).__name__
        return f"{said}: {advice}" if advice else said


def _state_of(error: psycopg.Error) -> str | None:
    """The SQLSTATE of an error, or the one of which a refusal's words tell."""
    if error.sqlstate or not isinstance(error, psycopg.OperationalError):
        return error.sqlstate
    return next((state for words, state in REFUSALS if words.search(str(error))), None)


@lru_cache
def _in_postgres(sql: str) -> bytes:
    """The one place where a statement is adapted. Ours hold neither ``?`` nor ``%`` but as placeholders."""
    return sql.replace("?", "%s").encode()
