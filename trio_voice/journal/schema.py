"""The tables and every statement, in the SQL that SQLite (from 3.24) and PostgreSQL share.

    calls             one row a call, from the moment it is known; ``ended_at`` is empty until it is over, and
                      ``phone_down_at`` until its telephone is known to be down or to be no business of ours any more
    model_sessions    one row a billed session, before its socket is opened; ``closed_at`` is empty until it is closed,
                      ``overrun_seconds`` and ``cost`` until its call is over
    utterances        who said what, only with transcripts kept
    do_not_call       numbers that are never dialed again
    runs              one row a daemon's life; ``beat_at`` says until when it was certainly alive. A run that another
                      has declared dead is over, whether or not its daemon comes back: it begins another

Times are text: ISO 8601, UTC, to the microsecond (``2026-01-31T09:00:00.000000+00:00``): they sort as they are, and
``::timestamptz`` or ``datetime()`` read them. Truth is 0 or 1, lengths are seconds, phone numbers are as Twilio writes
them, ``details`` is JSON and holds what nobody searches for. There are no foreign keys: a session is written down even
where its call cannot be.

Every write may be repeated without harm, because a connection that breaks during a commit does not say whether it was
done: rows have keys of our own making, and are inserted or replaced whole.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from trio_voice.journal.database import Database

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE calls (
            call_id TEXT NOT NULL PRIMARY KEY,
            run_id TEXT NOT NULL,
            call_sid TEXT,
            direction TEXT NOT NULL,
            persona TEXT NOT NULL,
            from_number TEXT NOT NULL,
            to_number TEXT NOT NULL,
            state TEXT NOT NULL,
            began_at TEXT NOT NULL,
            started_at TEXT,
            ended_at TEXT,
            seconds DOUBLE PRECISION,
            end_reason TEXT,
            end_detail TEXT NOT NULL,
            handed_over INTEGER NOT NULL,
            settled_by TEXT,
            details TEXT NOT NULL
        )
        """,
        "CREATE INDEX calls_by_time ON calls (began_at, call_id)",
        "CREATE INDEX calls_not_ended ON calls (run_id) WHERE ended_at IS NULL",
        """
        CREATE TABLE model_sessions (
            call_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            provider TEXT NOT NULL,
            session_id TEXT,
            opened_at TEXT NOT NULL,
            closed_at TEXT,
            closing TEXT,
            seconds DOUBLE PRECISION,
            billed_seconds DOUBLE PRECISION,
            settled_by TEXT,
            details TEXT NOT NULL,
            PRIMARY KEY (call_id, number)
        )
        """,
        "CREATE INDEX model_sessions_not_closed ON model_sessions (call_id) WHERE closed_at IS NULL",
        """
        CREATE TABLE utterances (
            call_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            role TEXT NOT NULL,
            text TEXT NOT NULL,
            at_seconds DOUBLE PRECISION NOT NULL,
            interrupted INTEGER NOT NULL,
            heard_ms DOUBLE PRECISION,
            final INTEGER NOT NULL,
            PRIMARY KEY (call_id, number)
        )
        """,
    ),
    (
        """
        CREATE TABLE do_not_call (
            number TEXT NOT NULL PRIMARY KEY,
            reason TEXT NOT NULL,
            call_id TEXT,
            marked_at TEXT NOT NULL
        )
        """,
    ),
    (
        """
        CREATE TABLE runs (
            run_id TEXT NOT NULL PRIMARY KEY,
            node TEXT NOT NULL,
            pid INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            beat_at TEXT NOT NULL,
            ended_at TEXT
        )
        """,
    ),
    (
        "ALTER TABLE calls ADD COLUMN telephone_cost DOUBLE PRECISION",
        "ALTER TABLE calls ADD COLUMN currency TEXT",
        "ALTER TABLE model_sessions ADD COLUMN model TEXT",
        "ALTER TABLE model_sessions ADD COLUMN overrun_seconds DOUBLE PRECISION",
        "ALTER TABLE model_sessions ADD COLUMN cost DOUBLE PRECISION",
    ),
    (
        "ALTER TABLE runs ADD COLUMN process TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN declared_dead_at TEXT",
        "ALTER TABLE runs ADD COLUMN declared_dead_by TEXT",
        "ALTER TABLE calls ADD COLUMN phone_down_at TEXT",
        "ALTER TABLE model_sessions ADD COLUMN seconds_at_least DOUBLE PRECISION",
        "UPDATE calls SET phone_down_at = ended_at",
        "CREATE INDEX calls_with_phone_up ON calls (run_id) WHERE phone_down_at IS NULL",
    ),
)
"""Version 1, 2, ... Forward only; one that was released is never changed. A migration only adds, so that a daemon which
is older than the tables goes on writing to them while the others are being replaced."""

VERSIONS: Final = """
    CREATE TABLE IF NOT EXISTS journal_versions (version INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)
"""


IDENTITIES: Final = """
    CREATE TABLE IF NOT EXISTS journal_identity (id TEXT NOT NULL PRIMARY KEY, changes BIGINT NOT NULL)
"""
IDENTITY: Final = "SELECT id, changes FROM journal_identity ORDER BY id LIMIT 1"
COUNT_CHANGE: Final = "UPDATE journal_identity SET changes = changes + 1"
"""With every change of the do-not-call list, in its transaction."""


def migrate(database: Database, now: datetime) -> int:
    """Bring the tables to the newest version; returns the version that they had.

    All or nothing, and safe when several daemons do it at once. Raises what the driver raises.
    """
    with database.transaction(writes=True):
        database.lock_schema()
        database.execute(VERSIONS)
        [(found,)] = database.query("SELECT coalesce(max(version), 0) FROM journal_versions")
        for version, statements in enumerate(MIGRATIONS, 1):
            if version > found:
                for statement in statements:
                    database.execute(statement)
                database.execute("INSERT INTO journal_versions VALUES (?, ?)", [(version, now.isoformat())])
        database.execute(IDENTITIES)
        if not database.query(IDENTITY):
            database.execute("INSERT INTO journal_identity VALUES (?, 0)", [[secrets.token_hex(16)]])
    return int(found)


def _upsert(table: str, columns: Sequence[str], key: Sequence[str], kept: Sequence[str] = ()) -> str:
    """Insert a row, or replace the one with its key, but for the columns that are kept."""
    replaced = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in (*key, *kept))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608 - ours
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {replaced}"
    )


def _select(table: str, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(f'{table}.{column}' for column in columns)} FROM {table}"  # noqa: S608 - ours


CALL_COLUMNS: Final = (
    *("call_id", "call_sid", "direction", "persona", "from_number", "to_number", "state", "started_at", "ended_at"),
    *("seconds", "end_reason", "end_detail", "handed_over", "details", "run_id", "began_at", "settled_by"),
    *("telephone_cost", "currency"),
)
SESSION_COLUMNS: Final = (
    *("provider", "session_id", "opened_at", "closed_at", "closing", "seconds", "billed_seconds", "details"),
    *("call_id", "number", "settled_by", "model", "overrun_seconds", "cost", "seconds_at_least"),
)
UTTERANCE_COLUMNS: Final = (
    *("role", "text", "at_seconds", "interrupted", "heard_ms", "final"),
    *("call_id", "number"),
)
RUN_COLUMNS: Final = ("run_id", "node", "pid", "started_at", "beat_at", "ended_at", "process")

WRITE_CALL: Final = _upsert("calls", CALL_COLUMNS, key=["call_id"], kept=["began_at"])
WRITE_SESSION: Final = _upsert("model_sessions", SESSION_COLUMNS, key=["call_id", "number"])
WRITE_UTTERANCE: Final = _upsert("utterances", UTTERANCE_COLUMNS, key=["call_id", "number"])
WRITE_RUN: Final = _upsert("runs", RUN_COLUMNS, key=["run_id"])

SPENT_ON_TELEPHONES: Final = """
    SELECT coalesce(sum(telephone_cost), 0), count(*) - count(ended_at) FROM calls WHERE began_at >= ? AND run_id <> ?
"""
SPENT_ON_SESSIONS: Final = """
    SELECT coalesce(sum(cost), 0) FROM model_sessions WHERE call_id IN
    (SELECT call_id FROM calls WHERE began_at >= ? AND run_id <> ?)
"""

MARK_DO_NOT_CALL: Final = """
    INSERT INTO do_not_call (number, reason, call_id, marked_at) VALUES (?, ?, ?, ?) ON CONFLICT (number) DO NOTHING
"""
IS_DO_NOT_CALL: Final = "SELECT 1 FROM do_not_call WHERE number = ?"

SETTLE_CALL: Final = """
    UPDATE calls SET ended_at = ?, state = ?, seconds = ?, end_detail = ?, settled_by = ?
    WHERE call_id = ? AND ended_at IS NULL
"""
SETTLE_SESSION: Final = """
    UPDATE model_sessions SET closed_at = ?, closing = ?, seconds = ?, seconds_at_least = ?, settled_by = ?
    WHERE call_id = ? AND number = ? AND closed_at IS NULL
"""

PHONE_DOWN: Final = "UPDATE calls SET phone_down_at = ? WHERE call_id = ? AND phone_down_at IS NULL"

# A page of calls, each with its run. What follows says which.
CALL_COLUMNS_READ: Final = (*CALL_COLUMNS, "phone_down_at")
READ_CALLS: Final = (
    f"SELECT {', '.join(f'calls.{column}' for column in CALL_COLUMNS_READ)}, "  # noqa: S608 - ours
    f"{', '.join(f'runs.{column}' for column in RUN_COLUMNS)} "
    "FROM calls JOIN runs ON runs.run_id = calls.run_id "
)
OF_ONE: Final = "WHERE calls.call_id = ?"
OF_A_TIME: Final = """
    WHERE began_at < ? AND (began_at, call_id) > (?, ?) ORDER BY began_at, call_id LIMIT ?
"""
_OPEN: Final = """
    SELECT call_id FROM calls WHERE ended_at IS NULL
    UNION SELECT call_id FROM calls WHERE phone_down_at IS NULL
    UNION SELECT call_id FROM model_sessions WHERE closed_at IS NULL
"""
"""What is not over in every respect: each part has an index that holds nothing else, however many calls there were."""
LEFT_OPEN: Final = f"""
    WHERE call_id IN ({_OPEN}) AND calls.run_id = ?
    AND (began_at, call_id) > (?, ?) ORDER BY began_at, call_id LIMIT ?
"""

_OPEN_RUNS: Final = f"SELECT run_id FROM calls WHERE call_id IN ({_OPEN})"  # noqa: S608 - ours
OTHER_RUNS: Final = f"""
    {_select("runs", RUN_COLUMNS)} WHERE run_id <> ? AND
    (run_id IN ({_OPEN_RUNS}) OR run_id IN (SELECT declared_dead_by FROM runs WHERE run_id IN ({_OPEN_RUNS})))
"""  # noqa: S608 - ours
"""Those with something left open, and those that have declared such a one dead."""
DECLARE_DEAD: Final = """
    UPDATE runs SET declared_dead_at = ?, declared_dead_by = ? WHERE run_id = ? AND declared_dead_by IS NULL
"""
DECLARED_DEAD_BY: Final = "SELECT declared_dead_by FROM runs WHERE run_id = ?"


def read_parts(table: str, columns: Sequence[str], calls: int) -> str:
    """The parts of so many calls, in the order in which they were."""
    return f"{_select(table, columns)} WHERE call_id IN ({', '.join('?' * calls)}) ORDER BY call_id, number"
