"""Numbers of the turns of a recogniser: which are over, though they may come out of order, or without one."""

from __future__ import annotations

from collections import deque
from typing import Final

REMEMBERED: Final = 64
"""Turns whose end is known; what is told of an older one is of a turn that is over, too."""


class TurnNumbers:
    """The turns of one session."""

    def __init__(self) -> None:
        self._over: deque[int] = deque(maxlen=REMEMBERED)

    def number_of(self, told: object) -> int:
        """The number that a message tells; without one it is of the turn behind the last that is over."""
        if isinstance(told, str) and told.isdigit():
            told = int(told[:9])
        if isinstance(told, int | float) and not isinstance(told, bool) and abs(told) < 1e9:
            return int(told)
        return max(self._over, default=-1) + 1

    def is_over(self, number: int, *, with_this: bool) -> bool:
        """True if the turn of this number has ended before; of an older one its end alone is heard (``with_this``)."""
        is_old = len(self._over) == REMEMBERED and number < min(self._over)
        is_late = not with_this and number < max(self._over, default=-1)
        return is_old or is_late or number in self._over

    def end(self, number: int) -> None:
        """Note that it has ended."""
        self._over.append(number)
