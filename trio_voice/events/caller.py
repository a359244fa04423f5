"""Facts that come from the caller's side of a call, whoever carries it.

``protocols/media_streams.py`` makes them of Twilio's messages.
"""

from __future__ import annotations

import attrs

from trio_voice.events.model import Unrecognized


@attrs.frozen
class CallerStarted:
    """Twilio's ``start``: from now on we may speak."""

    stream_sid: str
    call_sid: str
    parameters: dict[str, str]


@attrs.frozen
class CallerAudio:
    """20 ms of the caller, as base64 mu-law."""

    payload: str


@attrs.frozen
class DigitPressed:
    """A key of the caller's telephone."""

    digit: str


@attrs.frozen
class MarkEchoed:
    """The audio before this mark was played, or was cleared: the playback knows which."""

    name: str


@attrs.frozen
class CallerStopped:
    """Twilio's ``stop``: the stream is over, and usually the call with it."""


CallerEvent = CallerStarted | CallerAudio | DigitPressed | MarkEchoed | CallerStopped | Unrecognized
