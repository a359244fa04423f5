"""A recogniser that has gone deaf: its socket lives and the line is loud, but it tells nothing of that.

Loudness is no speech: it may be a road. So another session is asked to listen once, and where that tells nothing of
such loudness either, it is a noise, and recognisers have ears.
"""

from __future__ import annotations

import math
from typing import Final

LOUD_SECONDS: Final = 1.0
"""Loudness, all in all, of which a recogniser that hears has something to tell."""
PATIENCE_SECONDS: Final = 4.0
"""Time for that since it began, where the line is quiet again; they take less than a second, unless overloaded."""
QUIET_SECONDS: Final = 1.5
MOST_SECONDS: Final = 12.0
"""Time for that where it is not: some tell of a turn at its end alone."""
FORGET_SECONDS: Final = 10.0
"""After so long without loudness, what was loud before is not counted any more."""
APART_SECONDS: Final = 60.0
"""Time between two that are taken for deaf."""


class Deafness:
    """One call's."""

    def __init__(self) -> None:
        self._loud_from = self._loud_last = -math.inf
        self._loud_seconds = 0.0
        self._replaced_at = -math.inf
        self._is_tried = False
        """Another session listens since then, and has told nothing yet."""
        self._are_noises = False
        """It told nothing of such loudness either."""

    def told(self) -> None:
        """The recogniser has said something of the caller."""
        self._loud_seconds, self._is_tried, self._are_noises = 0.0, False, False

    @property
    def is_suspected(self) -> bool:
        """True if the line was loud and nothing was told of it yet."""
        return self._loud_seconds > 0

    def loud(self, seconds: float, now: float) -> None:
        """A piece of the caller's sound was as loud as speech."""
        if now - self._loud_last > FORGET_SECONDS:
            self._loud_seconds = 0.0
        if not self._loud_seconds:
            self._loud_from = now
        self._loud_seconds += seconds
        self._loud_last = now

    def is_found(self, now: float) -> bool:
        """True if another session is to listen from now on."""
        patience = PATIENCE_SECONDS if now - self._loud_last >= QUIET_SECONDS else MOST_SECONDS
        if self._loud_seconds < LOUD_SECONDS or now - self._loud_from < patience or self._are_noises:
            return False
        self._loud_seconds = 0.0
        if self._is_tried:
            self._are_noises = True
            return False
        if now - self._replaced_at < APART_SECONDS:
            return False
        self._replaced_at, self._is_tried = now, True
        return True
