"""The line that is said while an answer takes long."""

from __future__ import annotations

import math


class Filler:
    """The persona's, and when it is due.

    Args:
        text: empty for nothing.
        after_seconds: how long an answer may be owed in silence.
    """

    def __init__(self, text: str, after_seconds: float) -> None:
        self.text = text
        self._after_seconds = after_seconds
        self.due = math.inf
        """Time at which it is to be said, if nothing is heard before."""

    def wait(self, now: float) -> None:
        """An answer is owed from now on."""
        if self.text:
            self.due = now + self._after_seconds

    def begin_anew(self, now: float) -> None:
        """Whoever waits has said more: they wait from now on."""
        if self.due < math.inf:
            self.wait(now)

    def not_needed(self) -> None:
        """Something is heard, or nothing is owed any more."""
        self.due = math.inf

    def is_due(self, now: float) -> bool:
        """True once, when its time has come."""
        due = now >= self.due
        if due:
            self.due = math.inf
        return due
