"""Calls that somebody wants listed: the newest first, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trio_voice.journal.rows import kept, moment

if TYPE_CHECKING:
    from datetime import datetime

    from trio_voice.journal.database import Value
    from trio_voice.record import CallRecord


@attrs.frozen(kw_only=True)
class Selection:
    """Features that a call must have to be listed; one that is ``None`` does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    """End of the time in which it began, not included."""
    persona: str | None = None
    end_reason: str | None = None
    number: str | None = None
    """Of either side: the last digits, or all of it."""
    words: str | None = None
    """Said in it by anybody, in this order, in one line; capitals do not matter."""
    after: str | None = None
    """The call that was the last of the page before."""
    limit: int = 100

    def takes(self, record: CallRecord) -> bool:
        """True if a call that is not over is one of them."""
        began, numbers = record.started_at, (record.from_number, record.to_number)
        return (
            (self.since is None or began is None or began >= self.since)
            and (self.until is None or began is None or began < self.until)
            and self.persona in (None, record.persona)
            and self.end_reason in (None, record.end_reason)
            and (self.number is None or any(each.endswith(self.number) for each in numbers))
            and (self.words is None or any(self.words.lower() in line.text.lower() for line in record.transcript))
        )

    def clause(self) -> tuple[str, list[Value]]:
        """SQL behind ``READ_CALLS``, and its values: a page of calls that are over, and one more if there is one."""
        conditions: list[tuple[str, list[Value]]] = [("calls.ended_at IS NOT NULL", [])]
        if self.since is not None:
            conditions.append(("calls.began_at >= ?", [moment(self.since)]))
        if self.until is not None:
            conditions.append(("calls.began_at < ?", [moment(self.until)]))
        if self.persona is not None:
            conditions.append(("calls.persona = ?", [self.persona]))
        if self.end_reason is not None:
            conditions.append(("calls.end_reason = ?", [self.end_reason]))
        if self.number is not None:
            ends = f"%{self.number}"
            conditions.append(("(calls.from_number LIKE ? OR calls.to_number LIKE ?)", [ends, ends]))
        if self.words is not None:
            said = "SELECT 1 FROM utterances WHERE utterances.call_id = calls.call_id AND lower(text) LIKE ? ESCAPE '!'"
            letters = "".join(f"!{letter}" if letter in "!%_" else letter for letter in self.words.lower())
            conditions.append((f"EXISTS ({said})", [f"%{letters}%"]))
        if self.after is not None:
            before = "SELECT began_at, call_id FROM calls WHERE call_id = ?"
            conditions.append((f"(calls.began_at, calls.call_id) < ({before})", [self.after]))
        where = " AND ".join(condition for condition, _ in conditions)
        values = [kept(value) for _, given in conditions for value in given]
        return f"WHERE {where} ORDER BY calls.began_at DESC, calls.call_id DESC LIMIT ?", [*values, self.limit + 1]
