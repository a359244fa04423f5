"""Twilio's queue of the audio that we send: it plays at the pace of speech, and answers marks.

No I/O and no clock: every method is given ``now``, in seconds of any one clock. The rules are those of Twilio's
"Media Streams - WebSocket Messages" page and of error 31931; `tests/sandbox/twilio/test_playback_queue.py` has each.

The queue is never stored as a queue. Audio plays in the order it came, without gaps while there is any, so the moment
each byte will be heard is known when it arrives, and the tape of the call, silence included, can be written at once.
``clear`` cuts off the end of the tape that has not been heard yet.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from typing import Final

BYTES_PER_SECOND: Final = 8_000
"""mu-law at 8 kHz: one byte a sample."""
LONGEST_QUEUE_SECONDS: Final = 600.0
"""Twilio discards media that would have to wait longer than this, with warning 31931."""
SILENCE: Final = b"\xff"


class PhoneLine:
    """The caller's ear: what waits to be played, what was heard, and which marks are due.

    The tape grows by 8 kB for each second until the last audio played, about 29 MB an hour. With ``record=False``
    there is none, and ``heard`` cannot be asked.
    """

    def __init__(self, began: float, *, record: bool = True) -> None:
        self.began = began
        self.refused_bytes = 0
        """Audio that was discarded because ten minutes of it were waiting already."""
        self._record = record
        self._tape = bytearray()
        # Times are counted from where the queue was last empty, so that they do not gather rounding errors.
        self._burst_at = began
        self._burst_bytes = 0
        self._marks: deque[tuple[float, str]] = deque()

    @property
    def runs_out_at(self) -> float:
        """Time at which the queue is or was empty, if nothing more comes."""
        return self._burst_at + self._burst_bytes / BYTES_PER_SECOND

    def queued_seconds(self, now: float) -> float:
        """Seconds of audio that wait to be played."""
        return max(0.0, self.runs_out_at - now)

    def play(self, mulaw: bytes, now: float) -> bool:
        """Queue audio; false when it is discarded because the queue is full (warning 31931)."""
        if self.queued_seconds(now) + len(mulaw) / BYTES_PER_SECOND > LONGEST_QUEUE_SECONDS:
            self.refused_bytes += len(mulaw)
            return False
        if now >= self.runs_out_at:
            self._burst_at, self._burst_bytes = now, 0
            if self._record:
                self._tape += SILENCE * (self._position(now) - len(self._tape))
        self._burst_bytes += len(mulaw)
        if self._record:
            self._tape += mulaw
        return True

    def mark(self, name: str, now: float) -> None:
        """Ask for an echo once everything queued so far has been played; at once if nothing is."""
        self._marks.append((max(now, self.runs_out_at), name))

    def clear(self, now: float) -> None:
        """Throw away what has not been played; every pending mark is due now."""
        if now < self.runs_out_at:
            self._burst_at, self._burst_bytes = now, 0
            del self._tape[self._position(now) :]
        self._marks = deque((min(due, now), name) for due, name in self._marks)

    def due_marks(self, now: float) -> list[str]:
        """Take the marks to echo by now, in the order they were sent. Each is given once."""
        due = []
        while self._marks and self._marks[0][0] <= now:
            due.append(self._marks.popleft()[1])
        return due

    def next_due(self, now: float) -> float:
        """Time at which ``due_marks`` will next have something, never before now; infinity if nothing is pending."""
        return max(now, self._marks[0][0]) if self._marks else math.inf

    def heard(self, now: float) -> bytes:
        """All that the caller heard since the line began, as mu-law, with silence where nothing was played.

        Raises:
            ValueError: this line does not record.
        """
        if not self._record:
            raise ValueError("this line was told not to record")
        position = self._position(now)
        return bytes(self._tape[:position]).ljust(position, SILENCE)

    def _position(self, at: float) -> int:
        return max(0, round((at - self.began) * BYTES_PER_SECOND))


def stereo_wav(left: bytes, right: bytes) -> bytes:
    """A WAV file of two mu-law tracks side by side; the shorter one is filled up with silence.

    It stays mu-law (format 7 of RIFF), which every player understands; the standard library's ``wave`` does not.
    """
    frames = max(len(left), len(right))
    samples = bytearray(2 * frames)
    samples[0::2] = left.ljust(frames, SILENCE)
    samples[1::2] = right.ljust(frames, SILENCE)
    form = struct.pack("<HHIIHHH", 7, 2, BYTES_PER_SECOND, 2 * BYTES_PER_SECOND, 2, 8, 0)
    chunks = b"".join(
        name + struct.pack("<I", len(content)) + content
        for name, content in ((b"fmt ", form), (b"fact", struct.pack("<I", frames)), (b"data", samples))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
