"""Keys that the caller presses, gathered into whole entries: an order number is one thing to answer, not seven.

An entry is over with ``#``, after a pause, or with more keys than anybody's number has. Pure: time is an argument, in
seconds.
"""

from __future__ import annotations

import math
from typing import Final

PAUSE_SECONDS: Final = 1.8
"""Without another key, an entry is over. Who reads a number off a card takes a second between two groups."""
LONGEST_ENTRY: Final = 40
"""Keys of one entry. Card, account and order numbers are shorter."""
LAST_KEY: Final = "#"
KEYS: Final = frozenset("0123456789*#ABCD")


class DigitEntry:
    """The keys of the entry that is being made."""

    __slots__ = ("_keys", "due_at")

    def __init__(self) -> None:
        self._keys = ""
        self.due_at = math.inf
        """Time at which the entry is over, if nothing more is pressed."""

    def press(self, key: str, now: float) -> None:
        """One more key. What is on no telephone is ignored."""
        if key not in KEYS:
            return
        self._keys += key
        is_last = key == LAST_KEY or len(self._keys) >= LONGEST_ENTRY
        self.due_at = now if is_last else now + PAUSE_SECONDS

    def take(self) -> str:
        """The entry that is over; the next key begins another."""
        keys, self._keys, self.due_at = self._keys, "", math.inf
        return keys
