"""The recogniser: one utterance in, its words out. Blocking; ``Speech.transcribe`` gives it a thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from trio_voice.speech import telephone
from trio_voice.speech.ears import LIKELY, WINDOW, Detector

_SPOKEN: Final = 2
"""Likely windows. With fewer there is no word in it."""


class Line(Protocol):
    """Words that were said together."""

    @property
    def text(self) -> str:
        """The words, with capitals and punctuation."""


class Transcript(Protocol):
    """Words that were recognised."""

    @property
    def lines(self) -> Sequence[Line]:
        """In the order in which they were said."""


class Transcriber(Protocol):
    """Knows the words; ``moonshine_voice.transcriber.Transcriber`` is one."""

    def transcribe_without_streaming(self, audio_data: list[float], sample_rate: int, /) -> Transcript:
        """Recognise a whole utterance, given as levels."""


class Recogniser:
    """Recognises one utterance at a time."""

    def __init__(self, transcriber: Transcriber, detector: Detector) -> None:
        """Nobody else may use the detector."""
        self._transcriber = transcriber
        self._detector = detector

    def transcribe(self, utterance: bytes) -> str:
        """The words of 16-bit little-endian PCM, mono, 8 kHz; '' where none was said.

        ValueError when the bytes are not whole samples.
        """
        levels = np.frombuffer(utterance, "<i2").astype(np.float32) / telephone.FULL_SCALE
        if not self._is_speech(levels):
            return ""
        wide = telephone.double_rate(levels)
        transcript = self._transcriber.transcribe_without_streaming(wide.tolist(), 2 * telephone.RATE)
        return " ".join(line.text.strip() for line in transcript.lines).strip()

    def _is_speech(self, levels: telephone.Levels) -> bool:
        """Asked first because the model hears a word in silence too ("You"), and one in noise."""
        self._detector.reset()
        likely = 0
        for start in range(0, len(levels) - WINDOW + 1, WINDOW):
            likely += self._detector.process(levels[start : start + WINDOW].data) >= LIKELY
            if likely == _SPOKEN:
                return True
        return False
