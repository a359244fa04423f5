"""Between the telephone's sound and a model's: mu-law at 8 kHz, and 16-bit PCM at 8, 16 or 24 kHz.

Needed for models that do not speak mu-law. Everything is a stream: what one chunk leaves over (the filter's memory, a
rest that makes no output sample yet, half a sample) waits for the next, so that it does not matter how a stream is cut.

The filter is short on purpose. A block resampler is cheaper by the sample and holds back 60 to 120 ms, in bursts; the
standard library's ``audioop.ratecv`` has no filter at all and folds whatever a voice has above 4 kHz into what is heard
(figures of all three: ``make bench``). This one delays by 2.5 ms, is flat to 1.3 dB up to 3.4 kHz, where a telephone
ends, and is 65 dB down from 4 kHz on.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]
"""In the units of 16-bit PCM."""

TELEPHONE_RATE: Final = 8_000
MODEL_RATES: Final = (16_000, 24_000)
"""Hz; what there is a filter for."""

# Kaiser's window: 40 taps for each sample at 8 kHz make the filter 5 ms long, and beta and cutoff put its stop band
# where a voice at 8 kHz ends. Half the length is the delay.
_TAPS: Final = 40
_BETA: Final = 6.5
_CUTOFF: Final = 3_580.0


def _decoding_table() -> Samples:
    """A sample for each code (ITU-T G.711). The bits of a code travel inverted: sign, exponent, mantissa."""
    code = ~np.arange(256)
    magnitude = ((2 * (code & 15) + 33) << ((code >> 4 & 7) + 2)) - 132
    return np.where(code & 128, -magnitude, magnitude).astype(np.float32)


def _encoding_table() -> npt.NDArray[np.uint8]:
    """A code for each sample, in the order of the samples' bit patterns (ITU-T G.711)."""
    sample = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum(np.abs(sample), 32_635) + 132
    exponent = np.frexp(biased)[1] - 8  # the place of the highest bit, and 132 has it at the eighth
    codes = np.where(sample < 0, 128, 0) | exponent << 4 | biased >> exponent + 3 & 15
    table: npt.NDArray[np.uint8] = (~codes & 255).astype(np.uint8)
    return table


_SAMPLE: Final = _decoding_table()
_CODE: Final = _encoding_table()


class Resampler:
    """A stream of samples from 8 kHz to a model's rate, or back.

    Raises:
        ValueError: there is no filter for these rates.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        slow, fast = sorted((source_rate, target_rate))
        if slow != TELEPHONE_RATE or fast not in MODEL_RATES:
            raise ValueError(f"no filter from {source_rate} Hz to {target_rate} Hz")
        up, self._step = target_rate // slow, source_rate // slow
        length = _TAPS * (fast // slow)
        position = np.arange(length) - (length - 1) / 2
        low_pass = np.sinc(2 * _CUTOFF / fast * position) * np.kaiser(length, _BETA)
        # A column for each sample that one step makes: upwards, each has every up-th tap; downwards there is only one.
        phases = (low_pass * up / low_pass.sum()).reshape(-1, up)
        self._bank: Samples = phases[::-1].astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: what comes next follows on silence."""
        self._waiting: Samples = np.zeros(len(self._bank) - 1, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """Output samples that these further samples make certain."""
        stream = np.concatenate((self._waiting, samples))
        width, step = len(self._bank), self._step
        steps = (len(stream) - width) // step + 1
        self._waiting = stream[steps * step :]
        windows: Samples = np.ndarray((steps, width), np.float32, stream, strides=(4 * step, 4))
        resampled: Samples = (windows @ self._bank).ravel()
        return resampled


def _rounded(samples: Samples) -> npt.NDArray[np.int16]:
    return np.rint(samples).clip(-32_768, 32_767).astype(np.int16)


class FromTelephone:
    """mu-law at 8 kHz into 16-bit little-endian PCM at ``rate``, mono."""

    def __init__(self, rate: int) -> None:
        self._resampler = Resampler(TELEPHONE_RATE, rate) if rate != TELEPHONE_RATE else None

    def feed(self, mulaw: bytes) -> bytes:
        """The PCM of a further piece, whatever its length."""
        samples = _SAMPLE[np.frombuffer(mulaw, np.uint8)]
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        return _rounded(samples).astype("<i2", copy=False).tobytes()

    def reset(self) -> None:
        """Forget the stream."""
        if self._resampler is not None:
            self._resampler.reset()


class ToTelephone:
    """16-bit little-endian PCM at ``rate``, mono, into mu-law at 8 kHz."""

    def __init__(self, rate: int) -> None:
        self._resampler = Resampler(rate, TELEPHONE_RATE) if rate != TELEPHONE_RATE else None
        self._tail = b"\0" * (2 * rate * _TAPS // TELEPHONE_RATE // 2)
        """As much silence as the filter delays by."""
        self._half_sample = b""

    def feed(self, pcm: bytes) -> bytes:
        """The mu-law of a further piece, whatever its length."""
        pcm = self._half_sample + pcm
        whole = len(pcm) // 2 * 2
        self._half_sample = pcm[whole:]
        samples = np.frombuffer(pcm, "<i2", whole // 2)
        if self._resampler is not None:
            samples = _rounded(self._resampler.feed(samples.astype(np.float32)))
        return _CODE[samples.astype(np.int16, copy=False).view(np.uint16)].tobytes()

    def finish(self) -> bytes:
        """The stream is over: what the filter still holds of it. Half a sample at the end is dropped."""
        self._half_sample = b""
        last = self.feed(self._tail) if self._resampler is not None else b""
        self.reset()
        return last

    def reset(self) -> None:
        """Forget the stream: it was interrupted, and nothing more of it may be heard."""
        self._half_sample = b""
        if self._resampler is not None:
            self._resampler.reset()
