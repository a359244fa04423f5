"""One call's recording: what passes through its caller's leg, put where it was said and heard.

Decided here, on the loop and without waiting; a chunk every ``CHUNK_SECONDS`` is posted to the thread that writes
(``disk.py``). With ``record_after_consent`` nothing is posted, and no file is made, until there is consent.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from trio_voice.recorder.clock import BELIEVED_SECONDS, StreamClock
from trio_voice.recorder.heard import HeardTrack
from trio_voice.recorder.tracks import Tracks
from trio_voice.recorder.wav import RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.recorder.disk import WavFile

CHUNK_SECONDS: Final = 2.0
"""Between two chunks: few wake-ups of the thread, and a killed daemon loses no more than some seconds."""
REORDER_SAMPLES: Final = RATE // 5
"""The caller's frames come in order. A stranger's may not: they have so long."""
MAX_WINDOW: Final = round(BELIEVED_SECONDS * RATE)
"""Of what is held here, whatever does not come."""


class CallRecorder:
    """Told by the caller's leg of everything that passes, from the accepted stream to its end.

    Args:
        file: where it is written.
        now: the clock of the loop, in seconds.
        lasted: how long the call had lasted when this stream was accepted, in seconds.
        consented: whether it begins at once.
    """

    __slots__ = ("_clock", "_file", "_heard", "_is_over", "_keeps", "_lasted", "_left_ends", "_now", "_tracks")

    def __init__(self, file: WavFile, now: Callable[[], float], *, lasted: float = 0.0, consented: bool = True) -> None:
        self._file = file
        self._now = now
        self._lasted = lasted
        self._clock = StreamClock(now())
        self._heard = HeardTrack()
        self._tracks = Tracks()
        self._left_ends = 0
        self._keeps = consented
        self._is_over = False
        if consented:
            file.begin(lasted)

    def consent(self) -> None:
        """Keep what comes from now on. Once is enough."""
        if self._keeps or self._is_over:
            return
        now = self._now()
        begins = max(0, round((now - self._clock.origin) * RATE))
        self._advance(now)
        self._tracks.take(begins)
        self._keeps = True
        self._file.begin(self._lasted + begins / RATE)

    # What passes

    def caller_audio(self, payload: str, timestamp_ms: float | None) -> None:
        """A frame of the caller has come, base64, with Twilio's time of it, if that makes sense."""
        if self._is_over:
            return
        now = self._now()
        at = self._clock.frame(timestamp_ms, now)
        if at is None:
            at = max(self._left_ends / RATE, now - self._clock.origin)
        position = round(at * RATE)
        mulaw = base64.b64decode(payload)
        self._tracks.place_left(position, mulaw)
        self._left_ends = max(self._left_ends, position + len(mulaw))
        if position - self._tracks.begins >= CHUNK_SECONDS * RATE:
            self._advance(now)

    def audio_sent(self, payload: str) -> None:
        """Audio was handed to Twilio, base64."""
        if self._is_over:
            return
        now = self._now()
        self._heard.sent(_decoded(payload), now)
        if (now - self._clock.origin) * RATE - self._tracks.begins > MAX_WINDOW:
            self._advance(now)

    def mark_sent(self, name: str) -> None:
        """A mark was handed to Twilio."""
        self._heard.marked(name, self._now())

    def clear_sent(self) -> None:
        """Twilio was told to throw away what it has not played."""
        self._heard.cleared(self._now())

    def mark_echoed(self, name: str) -> None:
        """A mark has come back."""
        self._heard.echoed(name, self._clock.sent_at(self._now()))

    def over(self) -> None:
        """The stream is at its end: what was not heard by now never will be. Idempotent."""
        if self._is_over:
            return
        self._is_over = True
        now = self._now()
        self._heard.cleared(now)
        self._settle(now, over=True)
        if self._keeps:
            ends = max(self._left_ends, round((now - self._clock.origin) * RATE), self._tracks.begins)
            self._file.write(self._tracks.take(min(ends, self._tracks.begins + 2 * MAX_WINDOW)))
            self._file.end()

    # In order

    def _settle(self, now: float, *, over: bool = False) -> None:
        for position, mulaw in self._heard.settle(now, self._clock.origin, over=over):
            self._tracks.place_right(position, mulaw)

    def _advance(self, now: float) -> None:
        """Take what is certain on both sides."""
        self._settle(now)
        reached = round((now - self._clock.origin) * RATE)
        safe = min(
            max(self._left_ends - REORDER_SAMPLES, reached - MAX_WINDOW),
            max(self._heard.safe_until(now, self._clock.origin) - REORDER_SAMPLES, reached - MAX_WINDOW),
        )
        chunk = self._tracks.take(safe)
        if chunk and self._keeps:
            self._file.write(chunk)


def _decoded(payload: str) -> bytes:
    """The bytes of a model's audio; nothing if it is no base64, which Twilio would not play either."""
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError:
        return b""
