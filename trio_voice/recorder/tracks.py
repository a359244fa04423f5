"""Two channels side by side that are written from left to right, and filled with silence where nothing was placed.

Pure.
"""

from __future__ import annotations

from typing import Final

from trio_voice.audio.mulaw import SILENCE_BYTE

SILENCE: Final = bytes([SILENCE_BYTE])


class Tracks:
    """Audio that was placed and not yet taken. Positions are samples; what comes too late for its place is lost."""

    __slots__ = ("_left", "_right", "begins")

    def __init__(self) -> None:
        self.begins = 0
        """The first position that was not taken."""
        self._left = bytearray()
        self._right = bytearray()

    def place_left(self, position: int, mulaw: bytes) -> None:
        """Put audio of the caller at its place."""
        self._place(self._left, position, mulaw)

    def place_right(self, position: int, mulaw: bytes) -> None:
        """Put what the caller heard at its place."""
        self._place(self._right, position, mulaw)

    @property
    def ends(self) -> int:
        """Behind all that was placed."""
        return self.begins + max(len(self._left), len(self._right))

    def take(self, until: int) -> bytes:
        """Everything before a position, a byte of each channel in turn; nothing if that was taken."""
        frames = until - self.begins
        if frames <= 0:
            return b""
        sides = bytearray(2 * frames)
        sides[0::2] = self._left[:frames].ljust(frames, SILENCE)
        sides[1::2] = self._right[:frames].ljust(frames, SILENCE)
        del self._left[:frames], self._right[:frames]
        self.begins = until
        return bytes(sides)

    def _place(self, track: bytearray, position: int, mulaw: bytes) -> None:
        at = position - self.begins
        if at < 0:
            mulaw, at = mulaw[-at:], 0
        if not mulaw:
            return
        if at > len(track):
            track += SILENCE * (at - len(track))
        track[at : at + len(mulaw)] = mulaw
