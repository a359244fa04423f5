"""Silence that is ours: an answer is owed, and nothing is heard.

The caller hears something after ``dead_air_seconds``, and again every few seconds, never the same words twice running.
After ``MAX_FILLERS`` of them the answer is given up: the model is as good as dead. Another session is tried before the
last of them. While a tool runs nobody gives up, because the tool has a bound of its own.

Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import Final

MAX_FILLERS: Final = 3
"""Before an answer is given up."""
AGAIN_SECONDS: Final = 5.0
"""From the end of a filler to the next. With what it takes to be made, a caller hears a word in every six seconds."""
UNHEARD_SECONDS: Final = 1.4
UNHEARD_AGAIN_SECONDS: Final = 0.95
"""Time that a filler which the model's voice was asked for may take to be heard: the first, and those behind it."""


class DeadAir:
    """The fillers of one call.

    Args:
        seconds: how long a caller who is owed an answer hears nothing.
        fillers: what is said then, in this order, again and again; may be empty.
    """

    __slots__ = ("_asked_at", "_count", "_fillers", "_last", "_next", "_seconds", "_since", "_tried_at")

    def __init__(self, seconds: float, fillers: tuple[str, ...]) -> None:
        self._seconds = seconds
        self._fillers = fillers
        self._since = math.inf
        self._count = 0
        self._next = 0
        self._last = ""
        self._tried_at = -math.inf
        """Time at which the last filler was due, said or not."""
        self._asked_at = math.inf
        """Time at which the model's voice was asked for a filler that was not heard yet."""

    @property
    def is_owed(self) -> bool:
        """True while an answer is owed."""
        return self._since < math.inf

    @property
    def owed_since(self) -> float:
        """Since when; infinite if none is."""
        return self._since

    @property
    def voice_is_silent(self) -> bool:
        """True if the model's voice was asked for the last filler, and nothing of it was heard."""
        return self._asked_at < math.inf

    def owe(self, now: float) -> None:
        """An answer is owed from here on, if none was."""
        if not self.is_owed:
            self.begin_again(now)

    def begin_again(self, now: float) -> None:
        """It is owed from here on, whatever was owed before."""
        self._since, self._count, self._asked_at = now, 0, math.inf

    def settle(self) -> None:
        """It is heard, or nobody waits for it."""
        self._since, self._asked_at = math.inf, math.inf

    def heard(self) -> None:
        """Something can be heard, if only a filler."""
        self._asked_at = math.inf

    def said(self, text: str) -> None:
        """These words were said otherwise, and are not to be said again at once."""
        self._last = text

    def due(self, heard_until: float) -> float:
        """Time at which the next words are due, if nothing is heard from ``heard_until`` on."""
        if not self.is_owed:
            return math.inf
        if self.voice_is_silent:
            return self._asked_at + (UNHEARD_SECONDS if self._count <= 1 else UNHEARD_AGAIN_SECONDS)
        since = max(self._since, heard_until, self._tried_at)
        return since + (self._seconds if self._count == 0 else AGAIN_SECONDS)

    @property
    def left(self) -> int:
        """Number of fillers that may still be said."""
        return MAX_FILLERS if self.voice_is_silent else max(MAX_FILLERS - self._count, 0)

    def next(self, now: float) -> str:
        """The words that are due now; empty if the persona has none."""
        self._tried_at = now
        if self.voice_is_silent:
            return self._last  # once more, in another voice
        self._count += 1
        for _ in self._fillers:
            text = self._fillers[self._next % len(self._fillers)]
            self._next += 1
            if text != self._last or len(self._fillers) == 1:
                self._last = text
                return text
        return ""

    def asked(self, now: float) -> None:
        """The model's voice is asked for what ``next`` returned."""
        self._asked_at = now

    def gone_unsaid(self) -> None:
        """Nobody can say it."""
        self._asked_at = math.inf
