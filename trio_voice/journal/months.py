"""A journal by month: ``calls`` and ``model_sessions`` as partitions of PostgreSQL, for who keeps years.

Asked for by ``trio-voice migrate --by-month``. The tables are made anew beside the old ones; a trigger has each write
to the old ones done to the new ones as well, while what was there before is copied, a few rows at a time; then they
change places in one transaction. Until then daemons see the old tables and nothing else. Killed, it goes on where it
was.

A partition's key has its time in it, so nothing is unique by ``call_id`` alone any more, and what is inserted or
replaced by that (``schema.py``) is written here in other words. A daemon that is older than this cannot write to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.journal import schema
from trio_voice.journal.steps import BATCH_ROWS, patiently

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from trio_voice.journal.database import Database, Value

MONTHS_AHEAD: Final = 12
"""Made before they begin: a daemon that was started makes more. What is of no month that was made is in ``_other``."""
FEWEST_AHEAD: Final = 6
"""With fewer, more are made."""
MONTHS_BEFORE: Final = 240
"""At most, of calls that were there: a clock that was wrong makes no thousands of tables."""
SWAP_LOCK: Final = "300ms"
"""For the tables when they change places: less than a server waits before it looks for who waits for whom."""
COPY_LOCK: Final = "200ms"
"""For a row that a daemon is writing."""


@attrs.frozen
class Table:
    """A table that is kept by month."""

    name: str
    by: str
    """The column with the time."""
    key: tuple[str, ...]
    """Columns of its primary key."""

    @property
    def new(self) -> str:
        """Its name while it is being filled."""
        return f"{self.name}_by_month"

    @property
    def trigger(self) -> str:
        """Name of the trigger that fills it, and of that trigger's function."""
        return f"{self.name}_to_months"


TABLES: Final = (
    Table("calls", "began_at", ("call_id",)),
    Table("model_sessions", "opened_at", ("call_id", "number")),
)


@attrs.frozen
class Rewritten:
    """A statement in other words, and which of its values each of theirs is."""

    sql: str
    places: tuple[int, ...]

    def values(self, given: Sequence[Value]) -> list[Value]:
        """Values of it, from those of the statement that it replaces."""
        return [given[place] for place in self.places]


def _update_or_insert(table: str, columns: Sequence[str], key: Sequence[str], kept: Sequence[str] = ()) -> Rewritten:
    """As ``ON CONFLICT (key) DO UPDATE`` does it, where nothing is unique by that key. A row has one writer."""
    changed = [column for column in columns if column not in (*key, *kept)]
    sql = (
        f"WITH changed AS (UPDATE {table} SET {', '.join(f'{column} = ?' for column in changed)} "  # noqa: S608 - ours
        f"WHERE {' AND '.join(f'{column} = ?' for column in key)} RETURNING 1) "
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join('?' * len(columns))} "
        "WHERE NOT EXISTS (SELECT 1 FROM changed)"
    )
    places = [columns.index(column) for column in (*changed, *key, *columns)]
    return Rewritten(sql, tuple(places))


REWRITTEN: Final = {
    schema.WRITE_CALL: _update_or_insert("calls", schema.CALL_COLUMNS, ["call_id"], ["began_at"]),
    schema.WRITE_CALL_THAT_IS_DOWN: _update_or_insert(
        "calls", (*schema.CALL_COLUMNS, "phone_down_at"), ["call_id"], ["began_at"]
    ),
    schema.WRITE_SESSION: _update_or_insert("model_sessions", schema.SESSION_COLUMNS, ["call_id", "number"]),
}
"""Statements that say what is unique, by what they are on a journal by month."""

IS_BY_MONTH: Final = "SELECT 1 FROM pg_class WHERE oid = to_regclass('calls') AND relkind = 'p'"

_PROGRESS: Final = """
    CREATE TABLE IF NOT EXISTS journal_moving (name TEXT NOT NULL PRIMARY KEY, copied_to TEXT NOT NULL)
"""
_COPIED_TO: Final = """
    INSERT INTO journal_moving VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET copied_to = excluded.copied_to
"""
_FROM_THE_START: Final = "DELETE FROM journal_moving WHERE name = ?"
_COLUMNS: Final = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_INDEXES: Final = """
    SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = to_regclass(?) AND NOT indisprimary ORDER BY relname
"""
_GRANTED: Final = """
    SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass(?) AND grantee <> relowner
"""
PARTITIONS: Final = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(?)
"""


def change_to_months(database: Database, now: datetime) -> None:
    """Bring a journal to months, beside daemons that write; nothing is done where it is there already.

    Raises what the driver raises.
    """
    with database.migrating():
        if not _is_by_month(database):
            for table in TABLES:
                _begin(database, table, now)
            for table in TABLES:
                _copy(database, table)
            patiently(database, lambda: _swap(database))


def _is_by_month(database: Database) -> bool:
    with database.transaction(writes=False):
        return bool(database.query(IS_BY_MONTH))


def _columns(database: Database, table: str) -> list[tuple[str, str]]:
    return [(str(name), str(kind)) for name, kind in database.query(_COLUMNS, [table])]


def _begin(database: Database, table: Table, now: datetime) -> None:
    """Make the new table, with its months, and the trigger that fills it. What an earlier attempt has made is kept."""
    with database.transaction(writes=False):
        there = [month for (month,) in database.query(f"SELECT DISTINCT substr({table.by}, 1, 7) FROM {table.name}")]  # noqa: S608 - names of our own tables
    past = sorted(each for each in there if _is_month(each))[-MONTHS_BEFORE:]

    def make() -> None:
        database.execute(_PROGRESS)
        columns = _columns(database, table.name)
        if _columns(database, table.new) == columns:
            return
        _forget(database, table)  # of tables of another version
        key = ", ".join((*table.key, table.by))
        database.execute(
            f"CREATE TABLE {table.new} (LIKE {table.name} INCLUDING DEFAULTS, PRIMARY KEY ({key})) "
            f"PARTITION BY RANGE ({table.by})"
        )
        for name, definition in database.query(_INDEXES, [table.name]):
            [what] = re.findall(r" (USING .+)$", definition)
            database.execute(f"CREATE INDEX {name}_by_month ON {table.new} {what}")
        database.execute(f"CREATE TABLE {table.name}_other PARTITION OF {table.new} DEFAULT")
        for month in sorted({*past, *_ahead(now)}):
            database.execute(
                f"CREATE TABLE {_named(table, month)} PARTITION OF {table.new} FOR VALUES {_range_of(month)}"
            )
        _follow(database, table, [name for name, _ in columns])

    patiently(database, make)


def _forget(database: Database, table: Table) -> None:
    database.execute(f"DROP TRIGGER IF EXISTS {table.trigger} ON {table.name}")
    database.execute(f"DROP TABLE IF EXISTS {table.new}")
    database.execute(_FROM_THE_START, [[table.name]])


def _follow(database: Database, table: Table, columns: Sequence[str]) -> None:
    """From now on each write to the old table is done to the new one as well, in the same transaction."""
    key = (*table.key, table.by)
    new = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    old_row = " AND ".join(f"{column} = OLD.{column}" for column in key)
    same = " AND ".join(f"OLD.{column} = NEW.{column}" for column in key)
    sql = f"""
        CREATE OR REPLACE FUNCTION {table.trigger}() RETURNS trigger LANGUAGE plpgsql AS $follow$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                DELETE FROM {table.new} WHERE {old_row};
                RETURN NULL;
            END IF;
            IF TG_OP = 'UPDATE' THEN
                IF NOT ({same}) THEN
                    DELETE FROM {table.new} WHERE {old_row};
                END IF;
            END IF;
            INSERT INTO {table.new} ({", ".join(columns)}) SELECT {", ".join(f"NEW.{column}" for column in columns)}
            ON CONFLICT ({", ".join(key)}) DO UPDATE SET {new};
            RETURN NULL;
        END $follow$
    """  # noqa: S608 - ours
    database.execute(sql)
    database.execute(
        f"CREATE TRIGGER {table.trigger} AFTER INSERT OR UPDATE OR DELETE ON {table.name} "
        f"FOR EACH ROW EXECUTE FUNCTION {table.trigger}()"
    )


def _copy(database: Database, table: Table) -> None:
    """Copy what was there before the trigger, a few rows at a time, until nothing is missing."""
    same = " AND ".join(f"new.{column} = old.{column}" for column in (*table.key, table.by))
    missing = f"""
        SELECT 1 FROM {table.name} old WHERE NOT EXISTS (SELECT 1 FROM {table.new} new WHERE {same}) LIMIT 1
    """  # noqa: S608 - ours
    while True:
        while _copy_some(database, table):
            pass
        with database.transaction(writes=False):
            if not database.query(missing):
                return
        patiently(database, lambda: database.execute(_FROM_THE_START, [[table.name]]))


def _copy_some(database: Database, table: Table) -> bool:
    """Copy the next rows by their call's id; false if there are none."""
    found = False
    page = f"""
        SELECT max(call_id) FROM (SELECT call_id FROM {table.name} WHERE call_id > ? ORDER BY call_id LIMIT ?) page
    """  # noqa: S608 - ours
    # FOR KEY SHARE against who deletes meanwhile; who updates need not wait.
    copy = f"""
        INSERT INTO {table.new} SELECT * FROM {table.name} WHERE call_id > ? AND call_id <= ?
        FOR KEY SHARE ON CONFLICT DO NOTHING
    """  # noqa: S608 - ours

    def work() -> None:
        nonlocal found
        database.execute(f"SET LOCAL lock_timeout = '{COPY_LOCK}'")
        done = database.query("SELECT copied_to FROM journal_moving WHERE name = ?", [table.name])
        after = str(done[0][0]) if done else ""
        [(to,)] = database.query(page, [after, BATCH_ROWS])
        found = to is not None
        if found:
            database.execute(copy, [[after, to]])
            database.execute(_COPIED_TO, [[table.name, to]])

    patiently(database, work)
    return found


def _swap(database: Database) -> None:
    """Have the new tables in the old ones' place. Whoever writes waits for this transaction, and finds the new ones."""
    database.execute(f"SET LOCAL lock_timeout = '{SWAP_LOCK}'")
    database.execute(f"LOCK TABLE {', '.join(table.name for table in TABLES)} IN ACCESS EXCLUSIVE MODE")
    for table in TABLES:
        for what, whom in database.query(_GRANTED, [table.name]):
            database.execute(f"GRANT {what} ON {table.new} TO {whom}")
        database.execute(f"DROP TABLE {table.name}")
        database.execute(f"DROP FUNCTION {table.trigger}()")
        database.execute(f"ALTER TABLE {table.new} RENAME TO {table.name}")
        database.execute(f"ALTER INDEX {table.new}_pkey RENAME TO {table.name}_pkey")
        for name, _ in database.query(_INDEXES, [table.name]):
            database.execute(f"ALTER INDEX {name} RENAME TO {str(name).removesuffix('_by_month')}")
    database.execute("DROP TABLE journal_moving")


def make_months(database: Database, now: datetime) -> None:
    """On a journal by month: make the next months, if few are left. Where somebody is in the way, another time.

    Raises what the driver raises.
    """
    if not database.is_by_month:
        return
    for table in TABLES:
        with database.transaction(writes=False):
            there = {str(name) for (name,) in database.query(PARTITIONS, [table.name])}
        wanted = [month for month in _ahead(now) if _named(table, month) not in there]
        if len(wanted) <= MONTHS_AHEAD - FEWEST_AHEAD:
            continue
        for month in wanted:
            try:
                with database.transaction(writes=True):
                    _make_month(database, table, month)
            except Exception as error:
                if not database.is_locked_out(error):
                    raise
                return


def _make_month(database: Database, table: Table, month: str) -> None:
    """One month more, with what came in it before it was made. Nobody reads or writes elsewhere waits for it."""
    name, other = _named(table, month), f"{table.name}_other"
    begin, end = _bounds(month)
    database.lock_schema()
    if name in {str(each) for (each,) in database.query(PARTITIONS, [table.name])}:
        return  # another daemon was quicker
    database.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)")
    database.execute(f"LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE")
    database.execute(
        f"WITH moved AS (DELETE FROM {other} WHERE {table.by} >= ? AND {table.by} < ? RETURNING *) "  # noqa: S608 - ours
        f"INSERT INTO {name} SELECT * FROM moved",
        [[begin, end]],
    )
    database.execute(f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES {_range_of(month)}")


def _is_month(text: str) -> bool:
    return re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) is not None


def _ahead(now: datetime) -> list[str]:
    """This month and those that follow, as ``2026-01``."""
    first = now.year * 12 + now.month - 1
    return [_month(number) for number in range(first, first + MONTHS_AHEAD + 1)]


def _month(number: int) -> str:
    """A month by its number from the beginning of the year 0 on."""
    return f"{number // 12:04}-{number % 12 + 1:02}"


def _bounds(month: str) -> tuple[str, str]:
    """Texts between which this month's times are."""
    year, number = (int(part) for part in month.split("-"))
    return f"{month}-01", f"{_month(year * 12 + number)}-01"


def _range_of(month: str) -> str:
    begin, end = _bounds(month)
    return f"FROM ('{begin}') TO ('{end}')"


def _named(table: Table, month: str) -> str:
    return f"{table.name}_{month.replace('-', '_')}"
