"""Callers on the telephone: Twilio's side of a stream takes the caller's audio from them."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

FRAME_SECONDS: Final = 0.02
FRAME_BYTES: Final = 160
"""Every media message of the captured stream holds 160 bytes of mu-law, 20 ms."""
LONGEST_SPEECH_SECONDS: Final = 600.0

COMFORT_NOISE: Final = bytes(random.Random(1).choices(b"\xff\x7f\xfe\x7e", k=50 * FRAME_BYTES))  # noqa: S311 - noise, and the same every time
"""A second of what a silent line carries: these four bytes are 79 % of the captured stream's."""
SILENCE: Final = b"\xff" * FRAME_BYTES


class FrameSource(Protocol):
    """Whatever a caller's audio comes from, asked once every 20 ms."""

    def next_frame(self, now: float) -> bytes:
        """160 bytes of mu-law: the caller's next 20 ms."""
        ...


class Voice:
    """A caller who says what they are told to, and otherwise leaves the line to its noise.

    ``quiet`` is repeated while nothing is said: comfort noise, as on a real line, or ``SILENCE``.
    """

    def __init__(self, mulaw: bytes = b"", *, quiet: bytes = COMFORT_NOISE) -> None:
        self._unsaid = bytearray()
        self._quiet = itertools.cycle(quiet[start : start + FRAME_BYTES] for start in range(0, len(quiet), FRAME_BYTES))
        self.say(mulaw)

    @property
    def pending_seconds(self) -> float:
        """Seconds until everything has been said."""
        return -(-len(self._unsaid) // FRAME_BYTES) * FRAME_SECONDS

    def say(self, mulaw: bytes) -> None:
        """Say this after what is being said; a last partial frame is filled up with quiet.

        Raises:
            ValueError: more than ten minutes would be waiting.
        """
        if (len(self._unsaid) + len(mulaw)) / FRAME_BYTES * FRAME_SECONDS > LONGEST_SPEECH_SECONDS:
            raise ValueError("a caller can only be given ten minutes to say")
        self._unsaid += mulaw

    def hush(self) -> None:
        """Stop in the middle of the word."""
        self._unsaid.clear()

    def next_frame(self, now: float) -> bytes:  # noqa: ARG002 - other sources have a clock, this one has none
        """The next 20 ms."""
        frame = bytes(self._unsaid[:FRAME_BYTES])
        del self._unsaid[:FRAME_BYTES]
        return frame + next(self._quiet)[len(frame) :]


@attrs.frozen
class CapturedMessage:
    """A message of a recorded stream, and when it was sent, in seconds after the stream's start."""

    at: float
    text: str


class Capture:
    """A recorded stream, sent again message by message.

    Media go out at their timestamps, everything else right after what came before it. ``verbatim`` sends the
    file's own text. Otherwise each message gets the SIDs of the stream it is replayed on and a sequence number that
    counts on, so that it fits the call that was admitted; its custom parameters are joined by the call's own.
    """

    def __init__(self, lines: Iterable[str], *, verbatim: bool = True) -> None:
        self.verbatim = verbatim
        self.messages: list[CapturedMessage] = []
        self.sids: dict[str, str] = {}
        """``streamSid``, ``callSid`` and ``accountSid`` of the captured ``start``."""
        at = 0.0
        for line in lines:
            message: dict[str, Any] = json.loads(line)
            if message["event"] == "start":
                self.sids = {name: message["start"][name] for name in ("streamSid", "callSid", "accountSid")}
            elif message["event"] == "media":
                at = int(message["media"]["timestamp"]) / 1000
            self.messages.append(CapturedMessage(at, line.strip()))
