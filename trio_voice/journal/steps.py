"""Steps of a migration that go on while daemons of the version before write: each small, and safe to do again.

A step is done outside of a transaction that lasts. Whoever is killed between two of them begins with the first once
more and finds what is done already. No step keeps a writer waiting for longer than ``lock_seconds`` of the database:
what needs a table for itself gives up after that, and tries again a moment later.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.journal.database import Database

PAUSE_SECONDS: Final = 0.5
"""After an attempt that did not get its lock: those who wait behind it write meanwhile."""
PATIENCE_SECONDS: Final = 600.0
"""For one lock."""
BATCH_ROWS: Final = 2_000
"""Changed in one transaction: some 50 ms."""


class Step(Protocol):
    """One of them."""

    def run(self, database: Database) -> None:
        """Do it, or find that it is done. Raises what the driver raises."""


def patiently(database: Database, work: Callable[[], None]) -> None:
    """Do something in a transaction, again while somebody else has the lock that it needs."""
    latest = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with database.transaction(writes=True):
                work()
        except Exception as error:
            if not database.is_locked_out(error) or time.monotonic() > latest:
                raise
            time.sleep(PAUSE_SECONDS)  # noqa: TID251 - in a thread of the journal's
        else:
            return


@attrs.frozen
class Statement:
    """SQL that may be repeated: ``CREATE TABLE IF NOT EXISTS``."""

    sql: str

    def run(self, database: Database) -> None:
        """Do it."""
        patiently(database, lambda: database.execute(self.sql))


@attrs.frozen
class Column:
    """A column more. Its default is a constant, so that no row is written."""

    table: str
    name: str
    definition: str

    def run(self, database: Database) -> None:
        """Add it, if it is not there."""

        def add() -> None:
            if not database.has_column(self.table, self.name):
                database.execute(f"ALTER TABLE {self.table} ADD COLUMN {self.name} {self.definition}")

        patiently(database, add)


@attrs.frozen
class Index:
    """An index, built beside those who write."""

    name: str
    on: str
    """The table, its columns, and which rows."""

    def run(self, database: Database) -> None:
        """Build it, if it is not there whole."""
        database.build_index(self.name, self.on)


@attrs.frozen
class Batches:
    """Rows that are changed, a few at a time."""

    find: str
    """SQL for the keys of at most so many (``?``) rows that are still to be changed."""
    change: str
    """SQL that changes one row by its key."""

    def run(self, database: Database) -> None:
        """Change them all."""
        found = True
        while found:

            def change() -> None:
                nonlocal found
                rows = database.query(self.find, [BATCH_ROWS])
                found = bool(rows)
                if rows:
                    database.execute(self.change, rows)

            patiently(database, change)
