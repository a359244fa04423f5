"""Audio as a telephone carries it: mu-law, 8000 bytes a second, nothing above 4 kHz.

mu-law is ITU-T G.711, computed like everywhere on the upper 14 bits of a 16-bit sample; both directions are one table.

The models work at 16 kHz. Whole utterances are converted, never streams, so the filter can be long, symmetric and
without delay: what comes out lies where it went in.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Pcm: TypeAlias = npt.NDArray[np.int16]
Levels: TypeAlias = npt.NDArray[np.float32]
"""Between -1 and 1."""

RATE: Final = 8_000
FULL_SCALE: Final = np.float32(32_768)
"""The 16-bit sample that is level 1."""

# Flat up to 3.4 kHz, where a telephone ends, and 80 dB down from 4 kHz, above which everything would be folded into the
# voice (halving) or is its mirror image (doubling). Kaiser's formulas give length and beta for 80 dB within 600 Hz.
_TAPS: Final = 135
"""At 16 kHz."""
_BETA: Final = 7.86
_CUTOFF: Final = 3_700


def _decoding_table() -> Pcm:
    """A sample for each code. The bits of a code travel inverted."""
    code = ~np.arange(256, dtype=np.int32)
    magnitude = (((code & 15) * 8 + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 128, -magnitude, magnitude).astype(np.int16)


def _encoding_table() -> npt.NDArray[np.uint8]:
    """A code for each sample, in the order of the samples' bit patterns."""
    sample = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    biased = np.minimum(np.abs(sample), 8_158) + 33
    segment = np.searchsorted(64 << np.arange(7), biased, side="right")
    inverted = np.where(sample < 0, 128, 0) | (segment << 4) | ((biased >> (segment + 1)) & 15)
    codes: npt.NDArray[np.uint8] = (~inverted & 255).astype(np.uint8)
    return codes


def _low_pass(times: int) -> Levels:
    """A windowed sinc for ``times`` 8 kHz, with a gain of one at 0 Hz."""
    length = _TAPS * times // 4 * 2 + 1
    position = np.arange(length) - length // 2
    taps = np.sinc(2 * _CUTOFF / (times * RATE) * position) * np.kaiser(length, _BETA)
    low_pass: Levels = (taps / taps.sum()).astype(np.float32)
    return low_pass


_PCM: Final = _decoding_table()
_LEVEL: Final = _PCM.astype(np.float32) / FULL_SCALE
_CODE: Final = _encoding_table()
_FILTERS: Final = {times: _low_pass(times) for times in (2, 3)}


def decode(mulaw: bytes | bytearray) -> Pcm:
    """A sample for each byte, between -32124 and 32124."""
    return _PCM[np.frombuffer(mulaw, np.uint8)]


def decode_levels(mulaw: bytes | bytearray) -> Levels:
    """A level for each byte."""
    return _LEVEL[np.frombuffer(mulaw, np.uint8)]


def encode(pcm: Pcm) -> bytes:
    """A byte for each sample."""
    return _CODE[pcm.view(np.uint16)].tobytes()


def _filtered(levels: Levels, times: int) -> Levels:
    taps = _FILTERS[times]
    return np.convolve(levels, taps)[len(taps) // 2 : len(taps) // 2 + len(levels)]


def halve_rate(levels: Levels) -> Levels:
    """16 kHz to 8 kHz. ValueError if there are none."""
    return _filtered(levels, 2)[::2]


def double_rate(levels: Levels) -> Levels:
    """8 kHz to 16 kHz. ValueError if there are none."""
    return _spread(levels, 2)


def triple_rate(levels: Levels) -> Levels:
    """8 kHz to 24 kHz. ValueError if there are none."""
    return _spread(levels, 3)


def _spread(levels: Levels, times: int) -> Levels:
    spread = np.zeros(times * len(levels), np.float32)
    spread[::times] = levels * times  # the others are zero, so these count so many times
    return _filtered(spread, times)


class Halving:
    """16 kHz to 8 kHz, of a stream in whatever pieces: the same as ``halve_rate``, half the filter later."""

    def __init__(self) -> None:
        self._before: Levels = np.zeros(len(_FILTERS[2]) - 1, np.float32)
        self._skips = 0

    def feed(self, levels: Levels) -> Levels:
        """Output samples that these further samples make certain."""
        stream = np.concatenate((self._before, levels))
        self._before = stream[len(levels) :]
        if not len(levels):
            return levels
        filtered = np.convolve(stream, _FILTERS[2], "valid")[self._skips :: 2]
        self._skips = (self._skips + len(levels)) % 2
        return filtered
