"""Moments of our clock on Twilio's, which counts from the beginning of the stream.

Twilio says with each frame of the caller when it was (``timestamp``, ms). A frame cannot come before it was; it comes
late by what the network needs, which is never the same twice: so the frame that came with the least delay, of the last
tens of seconds, says how the clocks lie to each other. Clocks that drift are followed.

Pure: times are seconds of our clock.
"""

from __future__ import annotations

import math
from typing import Final

WINDOW_SECONDS: Final = 15.0
"""The least delay is that of so long, and of up to as long again before it."""
BELIEVED_SECONDS: Final = 15.0
"""A timestamp that is further than this from where our clock has it says nothing."""
FRAME_SECONDS: Final = 0.02
FLOWING_SECONDS: Final = 0.06
"""Between two frames, while they flow."""


class StreamClock:
    """Twilio's clock, as the frames of one stream tell it.

    Args:
        began: when the stream was accepted; stands for its beginning until a frame says better.
    """

    __slots__ = ("_before", "_began", "_is_told", "_least", "_newest", "_newest_came", "_window_ends")

    def __init__(self, began: float) -> None:
        self._began = began
        self._is_told = False
        self._least = self._before = math.inf
        """The least difference of our clock and Twilio's, in this window and in the one before it."""
        self._window_ends = -math.inf
        self._newest = 0.0
        self._newest_came = -math.inf

    @property
    def origin(self) -> float:
        """Time at which Twilio's clock stood at 0, by ours."""
        return min(self._least, self._before) if self._is_told else self._began

    def frame(self, timestamp_ms: float | None, now: float) -> float | None:
        """Take a frame's timestamp, and return it in seconds; ``None`` if it says nothing."""
        if timestamp_ms is None or not timestamp_ms >= 0:  # nor nan
            return None
        at = timestamp_ms / 1000
        origin = now - at
        if not abs(origin - self.origin) <= BELIEVED_SECONDS:
            return None
        if now >= self._window_ends:
            self._before, self._least = self._least, math.inf
            self._window_ends = now + WINDOW_SECONDS
        self._least = min(self._least, origin)
        self._is_told = True
        self._newest, self._newest_came = at, now
        return at

    def sent_at(self, now: float) -> float:
        """Time of sending of what has just come, by our clock: no later than the next frame, while frames flow."""
        if now - self._newest_came > FLOWING_SECONDS:
            return now
        return min(now, self.origin + self._newest + FRAME_SECONDS)
