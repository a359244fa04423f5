"""Questions that may take a while, on a connection of their own: whoever asks about years of calls delays no writing.

One question at a time; each has a deadline, after which its connection is cut and the next one opens another.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

import trio

from trio_voice.errors import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.journal.database import Database

T = TypeVar("T")


class Reader:
    """The second connection of a journal.

    Args:
        open_database: makes one, not yet connected.
        answer_seconds: how long to wait for an answer at most.
    """

    def __init__(self, open_database: Callable[[], Database], answer_seconds: float) -> None:
        self._open_database = open_database
        self._answer_seconds = answer_seconds
        self._database = open_database()
        self._turn = trio.CapacityLimiter(1)
        self._closed = False

    async def ask(self, work: Callable[[Database], T]) -> T:
        """The result of work in a transaction that writes nothing. Cancelling is safe: its connection is cut.

        Raises:
            JournalUnavailable: nobody knows, or not in time.
        """
        with trio.move_on_after(self._answer_seconds):
            async with self._turn:
                database, question = self._database, _Question()
                try:
                    return await trio.to_thread.run_sync(
                        question.answer, database, work, thread_name="journal-reader", abandon_on_cancel=True
                    )
                except Exception as error:
                    raise JournalUnavailable(database.describe(error)) from error
                finally:
                    if question.leave(database):
                        self._database = self._open_database()
        raise JournalUnavailable(f"it did not answer within {self._answer_seconds:g} s")

    async def aclose(self) -> None:
        """Close the connection, once nobody uses it. Shielded; takes as long as a question at most."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._answer_seconds):
            async with self._turn:
                await trio.to_thread.run_sync(self._database.close, thread_name="journal-reader")


class _Question:
    """One, and whether anybody waits for its answer still. Its thread closes what was left to it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._has_begun = self._is_left = self._is_answered = False

    def answer(self, database: Database, work: Callable[[Database], T]) -> T:
        """In a thread: answer, on a new connection if the one that there was is dead."""
        with self._guard:
            if self._is_left:
                raise JournalUnavailable("nobody wants to know any more")
            self._has_begun = True
        try:
            return _answer(database, work)
        finally:
            self._close_if_left(database)

    def _close_if_left(self, database: Database) -> None:
        with self._guard:
            self._is_answered = True
            if self._is_left:
                database.close()

    def leave(self, database: Database) -> bool:
        """Wait no longer; whether the connection is the thread's from now on."""
        with self._guard:
            self._is_left = not self._is_answered
            if self._is_left and self._has_begun:
                database.interrupt()
            return self._is_left and self._has_begun


def _answer(database: Database, work: Callable[[Database], T]) -> T:
    if database.is_connected():
        try:
            return _look(database, work)
        except Exception as error:
            if database.is_connected() or database.blames_entry(error):
                raise
    if not database.is_there():  # or it would be made, and empty
        raise JournalUnavailable("it is not there")
    database.connect()
    return _look(database, work)


def _look(database: Database, work: Callable[[Database], T]) -> T:
    try:
        with database.transaction(writes=False):
            return work(database)
    except Exception as error:
        if not database.blames_entry(error):
            database.close()
        raise
