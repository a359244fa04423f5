"""Marks in a call's record: stretch by stretch, whether and how late Twilio said that the caller has heard them.

A mark goes out every 200 ms of speech (``playback.py``). Listed one by one they would hide what they tell, so those of
a stretch of speech are one entry. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.timeline import MAX_STRETCHES, Marks

if TYPE_CHECKING:
    from trio_voice.record import CallRecord

APART_SECONDS: Final = 1.0
"""A mark that is reached so long after the latest came back begins a stretch of its own."""


class MarkLog:
    """Writes the marks of a call's record.

    Args:
        record: the call's.
        began: when its stream began.
    """

    __slots__ = ("_began", "_record", "_stretch")

    def __init__(self, record: CallRecord, began: float) -> None:
        self._record = record
        self._began = began - record.earlier_seconds
        self._stretch: Marks | None = None

    def placed(self, due: float) -> None:
        """A mark was sent, whose place is reached then if nothing takes time."""
        at, stretch = due - self._began, self._stretch
        if stretch is None or (stretch.pending <= 0 and at - stretch.until > APART_SECONDS):
            stretch = self._stretch = Marks(at, at)
            if len(self._record.marks) < MAX_STRETCHES:
                self._record.marks.append(stretch)
        stretch.placed += 1

    def played(self, count: int, due: float, now: float) -> None:
        """A mark that was to be reached at ``due`` has come back, and so many with it."""
        stretch = self._stretch
        if stretch is None:
            return
        stretch.played += count
        stretch.until = now - self._began
        stretch.late_ms = max(stretch.late_ms, (now - due) * 1000)

    def discarded(self, count: int, now: float) -> None:
        """So many will never be reached."""
        if self._stretch is not None and count:
            self._stretch.discarded += count
            self._stretch.until = now - self._began
