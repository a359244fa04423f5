"""A reply as whole frames of Twilio's, which jitters where it begins if it comes in others (openai-agents-js #1184)."""

from __future__ import annotations

from trio_voice.audio.mulaw import FRAME_BYTES, FRAME_MS, silence
from trio_voice.audio.resampler import ToTelephone


class Frames:
    """One stream after the other, each at any rate that there is a filter for."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._telephone = ToTelephone(rate)
        self._rest = b""

    def feed(self, pcm: bytes, rate: int) -> bytes:
        """The mu-law of a further piece, as far as it fills frames."""
        if rate != self._rate:
            self._rest += self._telephone.finish()
            self._rate, self._telephone = rate, ToTelephone(rate)
        mulaw = self._rest + self._telephone.feed(pcm)
        whole = len(mulaw) // FRAME_BYTES * FRAME_BYTES
        self._rest = mulaw[whole:]
        return mulaw[:whole]

    def finish(self) -> bytes:
        """The stream is over: what is left of it, and silence to fill its last frame."""
        last = self._rest + self._telephone.finish()
        self._rest = b""
        return last + silence(FRAME_MS)[: -len(last) % FRAME_BYTES]

    def reset(self) -> None:
        """The stream was interrupted: nothing more of it may be heard."""
        self._rest = b""
        self._telephone.reset()
