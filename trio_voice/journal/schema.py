"""The tables and every statement, in the SQL that SQLite (from 3.24) and PostgreSQL share.

    calls             one row a call, from the moment it is known; ``ended_at`` is empty until it is over, and
                      ``phone_down_at`` until its telephone is known to be down or to be no business of ours any more
    model_sessions    one row a billed session, before its socket is opened; ``closed_at`` is empty until it is closed,
                      ``overrun_seconds`` and ``cost`` until its call is over
    utterances        who said what, only with transcripts kept
    do_not_call       numbers that are never dialed again
    runs              one row a daemon's life; ``beat_at`` says until when it was certainly alive, ``node_state`` (JSON)
                      what it tells the others of itself. A run that another has declared dead is over, whether or not
                      its daemon comes back: it begins another. ``settled_at`` is empty while anybody has to look at it:
                      it lives, or what it left may be open
    journal_orders    ``Idempotency-Key`` of orders to place a call, and what was answered
    journal_pace      until when the account's calls a second are promised

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

from trio_voice.journal.steps import Batches, Column, Index, Statement, patiently

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from trio_voice.journal.database import Database
    from trio_voice.journal.steps import Step

MIGRATIONS: Final[tuple[tuple[str | Step, ...], ...]] = (
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
    (
        Column("runs", "node_state", "TEXT NOT NULL DEFAULT ''"),
        Column("runs", "settled_at", "TEXT"),
        Column("model_sessions", "run_id", "TEXT"),
        Statement("""
            CREATE TABLE IF NOT EXISTS journal_orders (
                idempotency_key TEXT NOT NULL PRIMARY KEY,
                asked TEXT NOT NULL,
                run_id TEXT NOT NULL,
                made_at TEXT NOT NULL,
                answer TEXT
            )
        """),
        Statement("""
            CREATE TABLE IF NOT EXISTS journal_pace (
                account TEXT NOT NULL PRIMARY KEY,
                next_at DOUBLE PRECISION NOT NULL
            )
        """),
        Index("runs_to_look_at", "runs (run_id) WHERE settled_at IS NULL"),
        Index("model_sessions_open_by_run", "model_sessions (run_id) WHERE closed_at IS NULL"),
        Batches(
            """
            SELECT calls.run_id, model_sessions.call_id FROM model_sessions JOIN calls
            ON calls.call_id = model_sessions.call_id
            WHERE model_sessions.closed_at IS NULL AND model_sessions.run_id IS NULL LIMIT ?
            """,
            "UPDATE model_sessions SET run_id = ? WHERE call_id = ? AND closed_at IS NULL",
        ),
        Batches(
            """
            SELECT run_id FROM runs WHERE settled_at IS NULL AND ended_at IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.run_id = runs.run_id AND ended_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.run_id = runs.run_id AND phone_down_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM model_sessions WHERE model_sessions.run_id = runs.run_id
                AND closed_at IS NULL)
            LIMIT ?
            """,
            "UPDATE runs SET settled_at = ended_at WHERE run_id = ?",
        ),
    ),
)
"""Version 1, 2, ... Forward only; one that was released is never changed. A migration only adds, so that a daemon which
is older than the tables goes on writing to them while the others are being replaced. One that is SQL alone is done in a
transaction; one of steps (``steps.py``) while others write, however many rows there are."""

VERSIONS: Final = """
    CREATE TABLE IF NOT EXISTS journal_versions (version INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)
"""
ENTER_VERSION: Final = "INSERT INTO journal_versions VALUES (?, ?) ON CONFLICT (version) DO NOTHING"


IDENTITIES: Final = """
    CREATE TABLE IF NOT EXISTS journal_identity (id TEXT NOT NULL PRIMARY KEY, changes BIGINT NOT NULL)
"""
IDENTITY: Final = "SELECT id, changes FROM journal_identity ORDER BY id LIMIT 1"
COUNT_CHANGE: Final = "UPDATE journal_identity SET changes = changes + 1"
"""With every change of the do-not-call list, in its transaction."""


def version_of(database: Database) -> int:
    """Of the tables; 0 if there are none. Raises what the driver raises."""
    with database.transaction(writes=False):
        if not database.has_column("journal_versions", "version"):
            return 0
        return _version_in(database)


def _version_in(database: Database) -> int:
    [(found,)] = database.query("SELECT coalesce(max(version), 0) FROM journal_versions")
    return int(found)


def migrate(database: Database, now: datetime) -> int:
    """Bring the tables to the newest version; returns the version that they had.

    Version by version, and safe when several daemons do it at once. Raises what the driver raises.
    """
    found = version_of(database)
    for version, steps in enumerate(MIGRATIONS, 1):
        if version > found:
            if all(isinstance(step, str) for step in steps):
                _at_once(database, version, steps, now)
            else:
                with database.migrating():
                    _step_by_step(database, version, steps, now)
    with database.transaction(writes=False):
        is_known = database.has_column("journal_identity", "id") and database.query(IDENTITY)
    if not is_known:
        with database.transaction(writes=True):
            database.lock_schema()
            database.execute(IDENTITIES)
            if not database.query(IDENTITY):
                database.execute("INSERT INTO journal_identity VALUES (?, 0)", [[secrets.token_hex(16)]])
    return found


def _at_once(database: Database, version: int, steps: Sequence[str | Step], now: datetime) -> None:
    """All or nothing."""
    with database.transaction(writes=True):
        database.lock_schema()
        database.execute(VERSIONS)
        if _version_in(database) >= version:
            return  # another daemon was quicker
        for step in steps:
            database.execute(str(step))
        database.execute(ENTER_VERSION, [(version, now.isoformat())])


def _step_by_step(database: Database, version: int, steps: Sequence[str | Step], now: datetime) -> None:
    if version_of(database) >= version:
        return
    for step in steps:
        (Statement(step) if isinstance(step, str) else step).run(database)
    patiently(database, lambda: database.execute(ENTER_VERSION, [(version, now.isoformat())]))


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
    *("call_id", "number", "settled_by", "model", "overrun_seconds", "cost", "seconds_at_least", "run_id"),
)
UTTERANCE_COLUMNS: Final = (
    *("role", "text", "at_seconds", "interrupted", "heard_ms", "final"),
    *("call_id", "number"),
)
RUN_COLUMNS: Final = ("run_id", "node", "pid", "started_at", "beat_at", "ended_at", "process", "node_state")
RUN_COLUMNS_READ: Final = (*RUN_COLUMNS, "declared_dead_by")

WRITE_CALL: Final = _upsert("calls", CALL_COLUMNS, key=["call_id"], kept=["began_at"])
WRITE_CALL_THAT_IS_DOWN: Final = _upsert("calls", (*CALL_COLUMNS, "phone_down_at"), key=["call_id"], kept=["began_at"])
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

SETTLE_CALL: Final = """
    UPDATE calls SET ended_at = ?, state = ?, seconds = ?, end_detail = ?, settled_by = ?
    WHERE call_id = ? AND ended_at IS NULL
"""
SETTLE_SESSION: Final = """
    UPDATE model_sessions SET closed_at = ?, closing = ?, seconds = ?, seconds_at_least = ?, settled_by = ?
    WHERE call_id = ? AND number = ? AND closed_at IS NULL
"""

PHONE_DOWN: Final = "UPDATE calls SET phone_down_at = ? WHERE call_id = ? AND phone_down_at IS NULL"

READ_DETAILS: Final = "SELECT details FROM calls WHERE call_id = ?"
WRITE_DETAILS: Final = "UPDATE calls SET details = ? WHERE call_id = ?"

# A page of calls, each with its run. What follows says which.
CALL_COLUMNS_READ: Final = (*CALL_COLUMNS, "phone_down_at")
READ_CALLS: Final = (
    f"SELECT {', '.join(f'calls.{column}' for column in CALL_COLUMNS_READ)}, "  # noqa: S608 - ours
    f"{', '.join(f'runs.{column}' for column in RUN_COLUMNS_READ)} "
    "FROM calls JOIN runs ON runs.run_id = calls.run_id "
)
OF_ONE: Final = "WHERE calls.call_id = ?"
OF_A_TIME: Final = """
    WHERE began_at < ? AND (began_at, call_id) > (?, ?) ORDER BY began_at, call_id LIMIT ?
"""
OPEN_OF_RUN: Final = """
    SELECT call_id FROM calls WHERE run_id = ? AND ended_at IS NULL
    UNION SELECT call_id FROM calls WHERE run_id = ? AND phone_down_at IS NULL
    UNION SELECT call_id FROM model_sessions WHERE run_id = ? AND closed_at IS NULL
"""
"""Calls of a run that are not over in every respect: each part has an index that holds nothing else, however many calls
there were. A session of a daemon older than version 6 says no run; it is found by its call, which is open too."""
OTHERS_OF_SID: Final = "SELECT run_id FROM calls WHERE ended_at IS NULL AND call_sid = ? AND call_id <> ?"
"""Runs that have the same telephone call by another id, and not over: on the index of calls that have not ended."""
OTHER_RUNS: Final = f"""
    {_select("runs", RUN_COLUMNS_READ)} WHERE settled_at IS NULL AND run_id <> ? ORDER BY run_id
"""
"""Runs that live, and runs that may have left something open. Nothing else is read to see who is gone."""
SETTLE_RUN: Final = "UPDATE runs SET settled_at = ? WHERE run_id = ? AND settled_at IS NULL"
SETTLE_RUN_THAT_HAS_ENDED: Final = f"""
    UPDATE runs SET settled_at = ? WHERE run_id = ? AND settled_at IS NULL AND ended_at IS NOT NULL
    AND NOT EXISTS ({OPEN_OF_RUN})
"""  # noqa: S608 - ours
DECLARE_DEAD: Final = """
    UPDATE runs SET declared_dead_at = ?, declared_dead_by = ? WHERE run_id = ? AND declared_dead_by IS NULL
"""
DECLARED_DEAD_BY: Final = "SELECT declared_dead_by FROM runs WHERE run_id = ?"


def of_these(calls: int) -> str:
    """SQL behind ``READ_CALLS``: this number of calls, by their ids."""
    return f"WHERE calls.call_id IN ({', '.join('?' * calls)})"


def read_parts(table: str, columns: Sequence[str], calls: int) -> str:
    """The parts of so many calls, in the order in which they were."""
    return f"{_select(table, columns)} WHERE call_id IN ({', '.join('?' * calls)}) ORDER BY call_id, number"
