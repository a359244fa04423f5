"""Bounds on the values of a label: each value is a series that a scraper keeps for weeks."""

from __future__ import annotations

from typing import Final

MAX_WORDS: Final = 100
"""Different values that one label may take; the ones after that are counted as ``OTHER``."""
OTHER: Final = "other"


class BoundedLabel:
    """The values that a label has taken, ``MAX_WORDS`` at most.

    Args:
        known: those that it will take in any case.
    """

    def __init__(self, *known: str) -> None:
        self.seen = dict.fromkeys(known)

    def one_of(self, word: str) -> str:
        """The word itself, or ``OTHER`` if there have been too many before it."""
        if word not in self.seen:
            if len(self.seen) >= MAX_WORDS:
                return OTHER
            self.seen[word] = None
        return word
