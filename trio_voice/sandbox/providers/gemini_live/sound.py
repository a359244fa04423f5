"""Sound that Gemini hears and speaks, to and from the telephone's sound of the sandbox's ears and voice.

By the mu-law and the filters of ``trio_voice.speech``, which share nothing with those that this server judges.
"""

from typing import Final

import numpy as np

from trio_voice.speech import telephone

HEARS: Final = 16_000
SPEAKS: Final = 24_000


class Hearing:
    """A stream of 16-bit little-endian PCM at 16 kHz, into mu-law at 8 kHz; 4 ms later."""

    def __init__(self) -> None:
        self._halving = telephone.Halving()
        self._half_sample = b""

    def feed(self, pcm: bytes) -> bytes:
        """The mu-law of a further piece, whatever its length."""
        pcm = self._half_sample + pcm
        whole = len(pcm) // 2 * 2
        self._half_sample = pcm[whole:]
        levels = np.frombuffer(pcm, "<i2", whole // 2).astype(np.float32) / telephone.FULL_SCALE
        return telephone.encode(_samples(self._halving.feed(levels)))


def as_pcm(mulaw: bytes) -> bytes:
    """A whole text's sound as 16-bit little-endian PCM at 24 kHz; nothing for nothing."""
    if not mulaw:
        return b""
    return _samples(telephone.triple_rate(telephone.decode_levels(mulaw))).astype("<i2").tobytes()


def _samples(levels: telephone.Levels) -> telephone.Pcm:
    samples: telephone.Pcm = np.rint(levels * telephone.FULL_SCALE).clip(-32_768, 32_767).astype(np.int16)
    return samples
