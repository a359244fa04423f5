"""Turns of the caller's whose end nobody tells: an event was lost, or a detector takes the line's hum for speech.

Whoever has said something, or was waiting for an answer when a noise began, waits in silence for ever then. So a turn
is over when no word of it and no speech on the line has come for a while. Where words come late, or not at all, it is
longer: some detectors wait for eight seconds whether a sentence goes on. A turn without words in which nothing is owed,
and in which the line was not as loud as speech, is left alone: it may be somebody who is being listened to, and nothing
is lost by it. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import Final

OPEN_SECONDS: Final = 5.0
"""Quiet, and no new word, after which a turn counts as over."""
OPEN_WORDLESS_SECONDS: Final = 9.0
"""The same for one of which no word has come, but which was as loud as speech for some time."""
SPOKE_SECONDS: Final = 0.5
"""That time, from its beginning to the last speech on the line."""


class OpenTurn:
    """The turn that the caller is in, if they are in one."""

    __slots__ = ("_asks", "_began_at", "_last_at")

    def __init__(self) -> None:
        self._began_at = math.inf
        self._last_at = math.inf
        """Time of its beginning or its last new word; infinite outside one."""
        self._asks = False

    def begin(self, now: float, *, is_owed: bool) -> None:
        """The caller begins to speak; ``is_owed`` if they were waiting for an answer, or the call for its end."""
        self._began_at = self._last_at = now
        self._asks = is_owed

    def said(self, text: str, now: float) -> None:
        """More words of it."""
        if self._last_at < math.inf and text.strip():
            self._last_at, self._asks = now, True

    def end(self) -> None:
        """Its end was told, or whoever would tell it is gone."""
        self._last_at, self._asks = math.inf, False

    def due(self, last_sound_at: float) -> float:
        """Time at which it counts as over, if the last speech on the line was then; infinite for never."""
        if self._asks:
            return max(self._last_at, last_sound_at) + OPEN_SECONDS
        return last_sound_at + OPEN_WORDLESS_SECONDS if self.was_loud(last_sound_at) else math.inf

    def was_loud(self, last_sound_at: float) -> bool:
        """True if the line has been as loud as speech in it, if the last speech on it was then."""
        return last_sound_at - self._began_at >= SPOKE_SECONDS
