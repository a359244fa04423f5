"""Requests to the writer thread, and their answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from trio_voice.errors import JournalUnavailable
from trio_voice.journal.writer import Answer, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.journal.database import Database, Value
    from trio_voice.journal.reader import Reader
    from trio_voice.journal.writer import DatabaseWriter

T = TypeVar("T")

Statement = tuple[str, list[list["Value"]]]


class JournalRequests:
    """One writer's.

    Args:
        writer: who does the work, in its order.
        reader: who answers questions beside it, if anybody does.
        answer_seconds: how long to wait for an answer at most. In known trouble nobody waits.
    """

    def __init__(self, writer: DatabaseWriter, reader: Reader | None, answer_seconds: float) -> None:
        self._writer = writer
        self._reader = reader
        self._answer_seconds = answer_seconds

    def post(self, what: str, statements: Sequence[Statement], *, awaited: bool = False, **how: Any) -> Answer:
        """Have something written, whenever that can be. Never waits and never fails. Arguments as of ``do``."""
        return self.do(what, partial(execute, statements), awaited=awaited, **how)

    def do(self, what: str, work: Callable[[Database], Any], *, awaited: bool = True, **how: Any) -> Answer:
        """Have something done, whenever that can be. Never waits and never fails.

        Args:
            what: it is, for the log.
            work: runs in the writer's thread.
            awaited: whether the answer will be settled.
            how: ``hurries``, ``says`` and ``includes`` of the entry.
        """
        answer = Answer()
        self._writer.post(Entry(what, work, answer=answer if awaited else None, **how))
        return answer

    async def written(self) -> None:
        """Wait until all that was handed in before this is written. Cancelling is safe.

        Raises:
            JournalUnavailable: it is not, and may be later.
        """
        await self.ask("written", lambda _database: None)

    async def ask(self, what: str, work: Callable[[Database], T], *, writes: bool = False) -> T:
        """Do something that is forgotten where it cannot be done now.

        Cancelling is safe: nobody hears then what became of it.

        Raises:
            JournalUnavailable: it could not be done now.
        """
        if self._writer.trouble:  # and so that questions do not push writes out of the backlog
            await trio.lowlevel.checkpoint()
            raise JournalUnavailable(self._writer.trouble)
        answer = Answer()
        self._writer.post(Entry(what, work, writes=writes, lasts=False, answer=answer))
        found: T = await self.answered(answer)
        return found

    async def read(self, work: Callable[[Database], T]) -> T:
        """Ask beside the writer.

        Raises:
            JournalUnavailable: nobody knows.
        """
        if self._reader is None:
            return await self.ask("read", work)
        if self._writer.trouble:
            await trio.lowlevel.checkpoint()
            raise JournalUnavailable(self._writer.trouble)
        return await self._reader.ask(work)

    async def answered(self, answer: Answer) -> Any:
        """The answer to a request that was handed in. Cancelling is safe, and takes nothing back.

        Raises:
            JournalUnavailable: it is not done yet.
        """
        with trio.move_on_after(0 if self._writer.trouble else self._answer_seconds):
            await answer.wait()
        if not answer.is_done:
            slow = f"it did not answer within {self._answer_seconds:g} s"
            raise JournalUnavailable(answer.trouble or self._writer.trouble or slow)
        return answer.value


def execute(statements: Sequence[Statement], database: Database) -> None:
    """Work of the simplest kind: one statement after the other."""
    for sql, values in statements:
        database.execute(sql, values)
