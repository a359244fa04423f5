"""The do-not-call list as its keepers ask it: pages of it, changes, removals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from trio_voice.journal.database import Database, Value

SET: Final = """
    INSERT INTO do_not_call (number, reason, call_id, marked_at) VALUES (?, ?, NULL, ?)
    ON CONFLICT (number) DO UPDATE SET reason = excluded.reason
"""
"""An operator's reason takes the place of the one before it; when and in which call it was asked for stays."""
REMOVE: Final = "DELETE FROM do_not_call WHERE number = ?"
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


def page(database: Database, digits: str, after: str, limit: int) -> list[ListedNumber]:
    """Numbers behind ``after`` that end with these digits, in their order. Raises what the driver raises."""
    asked: list[Value] = [after, f"%{digits}", limit]
    return [ListedNumber(*map(_text, row)) for row in database.query(_PAGE, asked)]  # type: ignore[arg-type]  # texts


def _text(value: object) -> str | None:
    return None if value is None else str(value)
