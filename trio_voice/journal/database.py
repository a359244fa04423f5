"""Needs of the journal, whichever the database is: one connection, used by one thread, in transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

Value = str | int | float | None
"""Value of a column. Times are text: ISO 8601, UTC, to the microsecond, so that they sort as they are."""
Row = tuple[Any, ...]

LOCK_SECONDS: Final = 1.0
"""Time for which a lock that somebody else holds is waited for."""


class Database(ABC):
    """One connection. Everything but ``interrupt`` belongs to the journal's thread, and may block it.

    Statements are the same for every database: ``?`` stands for a value, and the SQL is what both understand. Errors
    are the driver's own; ``blames_entry`` and ``describe`` say what they mean.
    """

    now_sql: str
    """SQL for the time by the database's clock, in seconds, the same for all who share it."""
    is_by_month = False
    """True if, when it was connected to, calls and sessions were partitions (``months.py``)."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Place of it, for people. Holds no password."""

    def is_there(self) -> bool:
        """True if there may be something to read, as far as can be seen without connecting."""
        return True

    def look(self) -> str:
        """The fault, as far as one can be seen without connecting, making or waiting; empty if there is none."""
        return ""

    @abstractmethod
    def is_connected(self) -> bool:
        """True if the connection, as far as can be seen without asking, still leads to the database."""

    @abstractmethod
    def connect(self) -> None:
        """Open the connection; one that is open is closed first."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection, if there is one. Never raises."""

    @abstractmethod
    def interrupt(self) -> None:
        """From any thread: have the statement that is running fail soon."""

    @abstractmethod
    def transaction(self, *, writes: bool) -> AbstractContextManager[None]:
        """Commit when the block ends, roll back when it raises. Errors may come as late as the commit."""

    def lock_schema(self) -> None:  # noqa: B027 - a writing transaction may be alone already
        """In a writing transaction: wait until no other daemon migrates, and keep the others out until its end."""

    def migrating(self) -> AbstractContextManager[None]:
        """Outside of a transaction: in the block no other daemon migrates."""
        return nullcontext()  # where each step is a writing transaction that is alone, and looks first

    @abstractmethod
    def has_column(self, table: str, column: str) -> bool:
        """True if there is such a table with such a column."""

    @abstractmethod
    def build_index(self, name: str, on: str) -> None:
        """Outside of a transaction: build an index while others write; one that is there whole stays as it is."""

    @abstractmethod
    def is_locked_out(self, error: Exception) -> bool:
        """True if somebody else had what was asked for, so that it may be had in a moment."""

    def prefer_indexes(self) -> None:  # noqa: B027 - which may be done anyhow
        """In a transaction: rows are found by their index, even where a table seems small enough to be read whole."""

    @abstractmethod
    def execute(self, sql: str, rows: Sequence[Sequence[Value]] = ((),)) -> None:
        """Run a statement once for each row of values."""

    @abstractmethod
    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run a statement that answers."""

    @abstractmethod
    def blames_entry(self, error: Exception) -> bool:
        """True if the entry that was to be written is at fault, and not the database."""

    @abstractmethod
    def is_hopeless(self, error: Exception) -> bool:
        """True if trying again would never help: somebody has to mend the configuration or the place."""

    @abstractmethod
    def describe(self, error: Exception) -> str:
        """The fault and what to do, in a line that may be logged: no password, no phone number, no transcript."""
