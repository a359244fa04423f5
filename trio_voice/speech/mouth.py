"""The mouth: a text in, telephone audio out. Blocking; ``Speech.say`` gives it a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from trio_voice.speech import telephone
from trio_voice.speech.voices import Voice, split_sentences
from trio_voice.speech_text.speakable import speakable

_VOLUME: Final = 0.7
"""Of nanotts' own, at which one sample in a hundred is clipped."""
_PRESENCE: Final = 0.7
"""Factor of the filter ``x[n] - 0.7 x[n-1]``, which lifts the high sounds over the low. Nanotts mumbles, and a
telephone takes what little there is of its consonants: so filtered, our recogniser understands 6 words in 100 more."""
_LOUDEST: Final = 0.5
"""-6 dBFS, as loud as people are on a telephone."""
_AUDIBLE: Final = 0.03
"""A breath whose loudest sample is below this has no word in it: nanotts hums at 0.003 between words."""
_EDGE: Final = 0.02
"""Of the loudest sample: with the first and the last that are above it, a breath begins and ends."""
_MARGIN: Final = telephone.RATE * 40 // 1000
_PAUSE: Final = b"\xff" * (telephone.RATE * 160 // 1000)
"""Between breaths, besides two margins. Together shorter than the silence that ends an utterance."""


class Synthesiser(Protocol):
    """Speaks; ``py_nanotts.NanoTTS()`` is one."""

    def speak(self, text: str, voice: str, speed: float, pitch: float, volume: float, /) -> bytes:
        """16-bit PCM, mono, 16 kHz. Holds the interpreter lock: nothing else runs meanwhile."""


class Mouth:
    """Speaks one text at a time."""

    def __init__(self, synthesiser: Synthesiser) -> None:
        self._synthesiser = synthesiser

    def say(self, text: str, voice: Voice, between_breaths: Callable[[], object]) -> bytes:
        """The text as mu-law; empty where it has no word in it.

        It is spoken breath by breath, since nothing else in the process runs during one: 4 ms for each second of
        speech. ``between_breaths`` is called before each, and may raise to stop it there.
        """
        breaths = []
        # Nanotts stops at a NUL, takes what stands between angle brackets for markup, and reads figures badly.
        for breath in split_sentences(speakable(text, voice.language, spelled_out=True)):
            between_breaths()
            breaths.append(self._breath(breath, voice))
        return _PAUSE.join(filter(None, breaths))

    def _breath(self, text: str, voice: Voice) -> bytes:
        spoken = self._synthesiser.speak(text, voice.language, voice.speed, voice.pitch, _VOLUME)
        wide = np.frombuffer(spoken, np.int16).astype(np.float32) / telephone.FULL_SCALE
        if np.abs(wide).max(initial=0) < _AUDIBLE:
            return b""
        dull = telephone.halve_rate(wide)
        bright = dull[1:] - _PRESENCE * dull[:-1]
        levels = bright * (_LOUDEST / np.abs(bright).max())
        heard = np.flatnonzero(np.abs(levels) > _EDGE * _LOUDEST)
        trimmed = levels[max(heard[0] - _MARGIN, 0) : heard[-1] + 1 + _MARGIN]
        return telephone.encode(np.rint(trimmed * telephone.FULL_SCALE).astype(np.int16))
