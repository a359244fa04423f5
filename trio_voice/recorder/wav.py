"""WAV files of two mu-law channels at 8 kHz: format 7 of RIFF, a byte a sample, 16 kB a second.

A file is valid after each write: its header is written anew with the sizes that it has then. Pure.
"""

from __future__ import annotations

import struct
from typing import Final

from trio_voice.audio.mulaw import BYTES_PER_MS

RATE: Final = BYTES_PER_MS * 1000
CHANNELS: Final = 2
MULAW: Final = 7
"""WAVE_FORMAT_MULAW."""
HEADER_BYTES: Final = 58
"""RIFF and WAVE, a ``fmt `` chunk of 18 bytes, a ``fact`` chunk, and the head of ``data``."""
MAX_FRAMES: Final = (2**32 - 1 - HEADER_BYTES) // CHANNELS
"""More than that has no place in a header: three days."""


def header(frames: int) -> bytes:
    """The header of a file with ``samples`` in each channel."""
    data = frames * CHANNELS
    form = struct.pack("<HHIIHHH", MULAW, CHANNELS, RATE, CHANNELS * RATE, CHANNELS, 8, 0)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + data, b"WAVE"),
            struct.pack("<4sI", b"fmt ", len(form)),
            form,
            struct.pack("<4sII", b"fact", 4, frames),
            struct.pack("<4sI", b"data", data),
        )
    )


def frames_of(file_bytes: int) -> int:
    """Number of samples in each channel of a file of this length, whatever its header says."""
    return max(0, file_bytes - HEADER_BYTES) // CHANNELS


def is_ours(beginning: bytes) -> bool:
    """True if a file that begins so is one of these, of whatever length."""
    ours = header(0)
    same = ((0, 4), (8, 46), (50, 54))  # all but the three sizes
    return len(beginning) >= HEADER_BYTES and all(beginning[low:high] == ours[low:high] for low, high in same)
