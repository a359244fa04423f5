"""Numbers that are never to be called again: asked for before each call, kept by callers and by operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.errors import JournalUnavailable
from trio_voice.journal import rows, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from trio_voice.journal.database import Database, Value
    from trio_voice.journal.identity import Identity
    from trio_voice.journal.requests import JournalRequests, Statement

_MARK: Final = """
    INSERT INTO do_not_call (number, reason, call_id, marked_at) VALUES (?, ?, ?, ?) ON CONFLICT (number) DO NOTHING
"""
_IS_LISTED: Final = "SELECT 1 FROM do_not_call WHERE number = ?"
_SET: Final = """
    INSERT INTO do_not_call (number, reason, call_id, marked_at) VALUES (?, ?, NULL, ?)
    ON CONFLICT (number) DO UPDATE SET reason = excluded.reason
"""
"""An operator's reason takes the place of the one before it; when and in which call it was asked for stays."""
_REMOVE: Final = "DELETE FROM do_not_call WHERE number = ?"
_PAGE: Final = """
    SELECT number, reason, call_id, marked_at FROM do_not_call
    WHERE number > ? AND number LIKE ? ORDER BY number LIMIT ?
"""


@attrs.frozen
class ListedNumber:
    """One number of the list."""

    number: str
    reason: str
    call_id: str | None
    """The call in which it was asked for, if it was in one."""
    marked_at: str
    """ISO 8601, UTC."""


class DoNotCallList:
    """The list. A part of ``Journal``.

    Args:
        requests: by which the journal is asked.
        identity: says whether the list is the one that was kept before.
        clock: the time of day, in UTC.
    """

    def __init__(self, requests: JournalRequests, identity: Identity, clock: Callable[[], datetime]) -> None:
        self._requests = requests
        self._identity = identity
        self._clock = clock

    @property
    def list_trouble(self) -> str:
        """Reason for which the do-not-call list is not known, though the journal is in order; empty where it is."""
        return self._identity.trouble

    async def mark_do_not_call(self, number: str, reason: str, call_id: str | None = None) -> None:
        """Put a number on the list; the first reason stays. Returns when that is on the disk.

        Args:
            number: in E.164, as Twilio writes it.
            reason: in the words of whoever asked.
            call_id: the call in which it was asked for.

        Raises:
            JournalUnavailable: it is not yet written, and will be unless the daemon dies first.
        """
        row: list[Value] = [rows.kept(number), rows.kept(reason), call_id, rows.moment(self._clock())]
        answer = self._requests.post("do_not_call", [(_MARK, [row]), (schema.COUNT_CHANGE, [[]])], awaited=True)
        await self._requests.answered(answer)

    async def set_do_not_call(self, number: str, reason: str) -> None:
        """Put a number on the list, or give it another reason. Returns when that is on the disk.

        Raises:
            JournalUnavailable: it is not yet written, and will be unless the daemon dies first.
        """
        await self.set_all_do_not_call([(number, reason)])

    async def set_all_do_not_call(self, numbers: Iterable[tuple[str, str]]) -> None:
        """Put numbers with their reasons on the list, all or none. Returns when that is on the disk.

        Raises:
            JournalUnavailable: it is not yet written, and will be unless the daemon dies first.
        """
        marked_at = rows.moment(self._clock())
        listed: list[list[Value]] = [[rows.kept(number), rows.kept(reason), marked_at] for number, reason in numbers]
        if listed:
            changes: list[Statement] = [(_SET, listed), (schema.COUNT_CHANGE, [[]])]
            await self._requests.answered(self._requests.post("do_not_call", changes, awaited=True))

    async def remove_do_not_call(self, number: str) -> bool:
        """Take a number off the list. Returns True if it was on it, once that is on the disk.

        Raises:
            JournalUnavailable: nobody knows, or it is not yet written.
        """
        if not await self.is_do_not_call(number):
            return False
        changes: list[Statement] = [(_REMOVE, [[number]]), (schema.COUNT_CHANGE, [[]])]
        await self._requests.answered(self._requests.post("do_not_call", changes, awaited=True))
        return True

    async def do_not_call_numbers(self, digits: str, after: str, limit: int) -> list[ListedNumber]:
        """A page of the list: numbers behind ``after`` that end with these digits, in their order.

        Raises:
            JournalUnavailable: it cannot be read, or is another one than before.
        """

        def look(database: Database) -> tuple[str, list[ListedNumber]]:
            return self._identity.check(database), page(database, digits, after, limit)

        lost, found = await self._requests.ask("do_not_call_numbers", look)
        if lost:
            raise JournalUnavailable(lost)
        return found

    async def is_do_not_call(self, number: str) -> bool:
        """True if a number is on the list.

        Raises:
            JournalUnavailable: nobody knows; then the number must not be called.
        """

        def look(database: Database) -> tuple[str, bool]:
            return self._identity.check(database), bool(database.query(_IS_LISTED, [rows.kept(number)]))

        lost, listed = await self._requests.ask("is_do_not_call", look)
        if lost:
            raise JournalUnavailable(lost)
        return listed


def page(database: Database, digits: str, after: str, limit: int) -> list[ListedNumber]:
    """Numbers behind ``after`` that end with these digits, in their order. Raises what the driver raises."""
    asked: list[Value] = [rows.kept(after), rows.kept(f"%{digits}"), limit]
    return [ListedNumber(*map(_text, row)) for row in database.query(_PAGE, asked)]  # type: ignore[arg-type]  # texts


def _text(value: object) -> str | None:
    return None if value is None else str(value)
