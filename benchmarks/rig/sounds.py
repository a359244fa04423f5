"""Sounds that a caller hears as Twilio plays them. Pure: time is an argument, in seconds."""

from __future__ import annotations

from typing import Final

MULAW_BYTES_PER_SECOND: Final = 8_000
PIECE_BYTES: Final = 160
"""20 ms, which are heard or are not."""
QUIETEST: Final = 0x6F
"""The least that is heard, of a mu-law byte without its sign: a larger one is within 0.4 % of full scale of silence."""
WORD_SECONDS: Final = 0.25
"""A shorter sound says nothing."""


class Sounds:
    """Those of one call."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        """Beginning and end of each, in order."""

    def play(self, payload: bytes, at: float) -> None:
        """This much mu-law is played from ``at`` on."""
        for begins in range(0, len(payload), PIECE_BYTES):
            piece = payload[begins : begins + PIECE_BYTES]
            if any(byte & 0x7F <= QUIETEST for byte in piece):
                since = at + begins / MULAW_BYTES_PER_SECOND
                self._spans.append((since, since + len(piece) / MULAW_BYTES_PER_SECOND))

    def clear(self, now: float) -> None:
        """Leave unheard all that was not heard by now."""
        self._spans = [(since, min(until, now)) for since, until in self._spans if since < now]

    def longest_silence(self, since: float, until: float) -> float:
        """Seconds, in this time."""
        longest, silent_from = 0.0, since
        for begins, ends in self._spans:
            longest = max(longest, min(begins, until) - silent_from)
            silent_from = max(silent_from, ends)
        return max(longest, until - silent_from)

    def words_after(self, since: float, until: float) -> bool:
        """True if more than a noise was heard after ``since``, and nothing was being said any more at ``until``."""
        heard = sum(ends - max(begins, since) for begins, ends in self._spans if ends > since)
        return heard >= WORD_SECONDS and self._spans[-1][1] <= until
