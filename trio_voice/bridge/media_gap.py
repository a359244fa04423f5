"""Gaps in Twilio's media: a caller who is muted, or a stream that is dead.

Twilio sends a frame every 20 ms, even in silence; but it has nothing to send where the caller's own line sends nothing
while it is muted (clients and SIP telephones that suppress silence). So when ``media_gap_seconds`` have passed, Twilio
is asked by a mark, which it echoes at once where nothing is being played. An echo within ``ANSWER_SECONDS`` means that
the caller is there; it is asked again every so often. Without one the stream is dead.

A model's own ears need silence to hear that the caller has finished, and some recognisers give up a session in which
they hear nothing at all. If media stops, silence is given to them from here, at the rate of a telephone, until it comes
back.

Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import FRAME_MS, encode, silence
from trio_voice.events.call import PlaceMark
from trio_voice.events.model import HearCaller

if TYPE_CHECKING:
    from trio_voice.events.call import Command

ANSWER_SECONDS: Final = 2.0
"""Time that the echo may take, from the moment that all before it has been played."""
SILENCE_AFTER_SECONDS: Final = 0.75
"""Time without media after which silence stands in for it."""
FRAME_SECONDS: Final = FRAME_MS / 1_000
FRAMES_AT_ONCE: Final = 5
"""At the most: a model is not sent a burst because this process was late."""
MARK: Final = "trio-voice-there-"
"""Beginning of the names of these marks."""
SILENT_FRAME: Final = encode(silence(FRAME_MS))


class MediaGap:
    """One stream's media, as far as it fails to come.

    Args:
        gap_seconds: ``media_gap_seconds``.
        now: when the stream was accepted.
    """

    __slots__ = (
        "_answer_due",
        "_answered_at",
        "_asked",
        "_asked_at",
        "_began_at",
        "_filled_until",
        "_gap_seconds",
        "last_media",
    )

    def __init__(self, gap_seconds: float, now: float) -> None:
        self._gap_seconds = gap_seconds
        self._began_at = now
        self.last_media = now
        """Written with every frame, by whoever hears of it first."""
        self._asked = 0
        self._asked_at = -math.inf
        self._answer_due = math.inf
        self._answered_at = -math.inf
        self._filled_until = -math.inf

    def begin(self, now: float) -> None:
        """Twilio has started the stream: from here on media may be missed."""
        self._began_at = self.last_media = now

    @property
    def is_asked(self) -> bool:
        """True if Twilio owes an answer: neither it nor media has come since."""
        return self._answer_due < math.inf and self.last_media <= self._asked_at

    @property
    def dead_at(self) -> float:
        """Time at which the stream counts as dead, if nothing comes."""
        return self._answer_due if self.is_asked else math.inf

    def commands(self, now: float, played_at: float, *, hears: bool) -> list[Command]:
        """Commands by which Twilio is asked whether the caller is there, and a model that ``hears`` is given silence.

        Args:
            now: the time.
            played_at: when Twilio will have played what it has.
            hears: whether a model listens.
        """
        mark = self.ask(now, played_at)
        asked: list[Command] = [] if mark is None else [PlaceMark(mark)]
        return [*asked, *[HearCaller(SILENT_FRAME)] * self.silent_frames(now)] if hears else asked

    def ask(self, now: float, played_at: float) -> str | None:
        """The name of the mark by which Twilio is to be asked now; ``None`` if it is not.

        Args:
            now: the time.
            played_at: when Twilio will have played what it has.
        """
        if self.is_asked or now < max(self.last_media, self._answered_at) + self._gap_seconds:
            return None
        self._asked += 1
        self._asked_at = now
        self._answer_due = max(now, played_at) + ANSWER_SECONDS
        return f"{MARK}{self._asked}"

    def echo(self, name: str, now: float) -> None:
        """A mark has come back, perhaps one of these."""
        if name.startswith(MARK):
            self._answered_at, self._answer_due = now, math.inf

    def silent_frames(self, now: float) -> int:
        """Number of frames of silence that are due to a model which listens."""
        begins_at = self.last_media + SILENCE_AFTER_SECONDS
        if now < begins_at or self.last_media == self._began_at:
            return 0
        filled = max(self._filled_until, begins_at, now - FRAMES_AT_ONCE * FRAME_SECONDS)
        frames = int((now - filled) / FRAME_SECONDS + 1e-6)  # 0.06 / 0.02 is a little less than 3
        self._filled_until = filled + frames * FRAME_SECONDS
        return frames

    def wake_at(self, now: float, *, hears: bool) -> float:
        """Time to look again at what is due, silence too if a model ``hears``; media that come do not put it off."""
        asks_at = max(self.last_media, self._answered_at) + self._gap_seconds
        due = self.dead_at if self.is_asked else asks_at
        if not hears:
            return due
        if self.last_media == self._began_at:
            return min(due, now + SILENCE_AFTER_SECONDS)
        return min(due, max(self.last_media + SILENCE_AFTER_SECONDS, self._filled_until) + FRAME_SECONDS)
