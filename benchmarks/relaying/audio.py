"""The audio of one call, and how it is known again on the other side of a relay.

A relay that passes mu-law through is given frames that carry their number, and each of them is timed, there and back.
One that decodes and resamples leaves nothing of a number. It is given silence, and once a second a frame of a loud
tone: what is timed is the message in which the tone is first heard, so that what the relay's filters and pieces hold
back counts as its delay (more than a second of it would be taken for less: no such relay is a going concern, and on its
way there it is seen). A frame is twenty milliseconds of audio, in however many messages it comes.
"""

from __future__ import annotations

import base64
import random
import struct
from array import array
from typing import Protocol

FRAME_SECONDS = 0.02
REMEMBERED = 4_096
"""Frames of a call whose moment of sending is remembered; more than may be on their way in the worst overload."""
AUDIBLE = bytes(random.Random(6).choice((0x20, 0x33, 0x9A, 0xB1, 0xC4)) for _ in range(4_000))

MULAW_FRAME_BYTES, PCM_FRAME_BYTES = 160, 960
"""Twenty milliseconds: mu-law at 8 kHz, 16 bits at 24 kHz."""
BURST_FRAMES = 50
"""From one burst to the next."""
_SILENCE = base64.b64encode(b"\xff" * MULAW_FRAME_BYTES)
_BURST = base64.b64encode((b"\x0f" * 8 + b"\x8f" * 8) * 10)
"""500 Hz at half of full scale."""
_QUIET_MULAW = bytes(byte for byte in range(256) if byte & 0x7F >= 0x20)
"""Bytes below a quarter of full scale."""
_QUIET_PCM = bytes(byte for byte in range(256) if byte < 0x20 or byte >= 0xE0)
"""The same of a 16-bit sample's upper byte."""

Heard = tuple[float, float | None]
"""Frames that a message holds, and the seconds that what is timed in it was under way."""


class Audio(Protocol):
    """Sound that one call sends, and recognises. Payloads are in base64, moments in seconds of one clock."""

    def frame(self, sequence: int, now: float) -> bytes:
        """The caller's sound now."""

    def at_model(self, payload: bytes, now: float) -> Heard:
        """It has come to the model, which sends it back at this moment."""

    def at_caller(self, payload: bytes, now: float) -> Heard:
        """It has come back."""


class Numbered:
    """Every frame carries the number of its call and its own."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._sent_at = array("d", bytes(8 * REMEMBERED))
        self._echoed_at = array("d", bytes(8 * REMEMBERED))

    def frame(self, sequence: int, now: float) -> bytes:
        self._sent_at[sequence % REMEMBERED] = now
        return base64.b64encode(struct.pack(">HI", self._number, sequence) + AUDIBLE[:154])

    def at_model(self, payload: bytes, now: float) -> Heard:
        number, sequence = _numbers(payload)
        if number != self._number:  # silence, which a relay has the model hear while nothing comes from us
            return 0, None
        self._echoed_at[sequence % REMEMBERED] = now
        return 1, now - self._sent_at[sequence % REMEMBERED]

    def at_caller(self, payload: bytes, now: float) -> Heard:
        number, sequence = _numbers(payload)
        return (1, now - self._echoed_at[sequence % REMEMBERED]) if number == self._number else (0, None)


def _numbers(payload: bytes) -> tuple[int, int]:
    number, sequence = struct.unpack(">HI", base64.b64decode(payload[:8]))
    return number, sequence


def call_number(payload: bytes) -> int:
    """The call that a numbered frame is of."""
    return _numbers(payload)[0]


class Bursts:
    """Silence, and once a second a tone; the first one only when audio has come through, so that none is lost."""

    def __init__(self) -> None:
        self._flows = False
        self._sent_at = self._echoed_at = 0.0
        self._loud_at_model = self._loud_at_caller = False

    def frame(self, sequence: int, now: float) -> bytes:
        if sequence % BURST_FRAMES or not self._flows:
            return _SILENCE
        self._sent_at = now
        return _BURST

    def at_model(self, payload: bytes, now: float) -> Heard:
        self._flows = True
        audio = base64.b64decode(payload)
        was, self._loud_at_model = self._loud_at_model, bool(audio[1::2].translate(None, _QUIET_PCM))
        delay = None
        if self._loud_at_model and not was:
            delay = now - self._sent_at
            self._echoed_at = now
        return len(audio) / PCM_FRAME_BYTES, delay

    def at_caller(self, payload: bytes, now: float) -> Heard:
        audio = base64.b64decode(payload)
        was, self._loud_at_caller = self._loud_at_caller, bool(audio.translate(None, _QUIET_MULAW))
        delay = None
        if self._loud_at_caller and not was:
            delay = now - self._echoed_at
        return len(audio) / MULAW_FRAME_BYTES, delay
