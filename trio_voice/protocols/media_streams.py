"""Twilio Media Streams, our side of a bidirectional ``<Connect><Stream>``.

Facts are from Twilio's "Media Streams - WebSocket Messages" page and one captured stream. What is not in the page but
true of the wire: ``version`` differs from stream to stream, key order varies, the first ``timestamp`` is not 0, and the
echo of a mark does not say whether its audio was played or cleared. So nothing here depends on them.

The rule for what is not understood: it is ignored, counted by the bridge, and ends the call only when there is too much
of it. Binary messages, text that is no JSON, known events without their fields, and events out of order are all of this
kind.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from trio_voice.audio.mulaw import is_base64
from trio_voice.errors import LocalProtocolError
from trio_voice.events.caller import (
    CallerAudio,
    CallerEvent,
    CallerStarted,
    CallerStopped,
    DigitPressed,
    MarkEchoed,
)
from trio_voice.events.model import Unrecognized
from trio_voice.protocols.json_messages import UNDECODABLE, as_json

MAX_MESSAGE_BYTES: Final = 65_536
"""Twilio's media messages are near 400 bytes. A longer message than this closes the socket with code 1009."""


class _Format(msgspec.Struct):
    encoding: str = "audio/x-mulaw"
    sampleRate: int = 8000  # noqa: N815 - Twilio's name


class _StartBody(msgspec.Struct):
    streamSid: str  # noqa: N815 - Twilio's name
    callSid: str  # noqa: N815 - Twilio's name
    mediaFormat: _Format = msgspec.field(default_factory=_Format)  # noqa: N815 - Twilio's name
    customParameters: dict[str, Any] = {}  # noqa: N815 - Twilio's name


class _MediaBody(msgspec.Struct):
    payload: str


class _MarkBody(msgspec.Struct):
    name: str


class _DigitBody(msgspec.Struct):
    digit: str


class _Connected(msgspec.Struct, tag_field="event", tag="connected"):
    pass


class _Start(msgspec.Struct, tag_field="event", tag="start"):
    start: _StartBody


class _Media(msgspec.Struct, tag_field="event", tag="media"):
    media: _MediaBody


class _Mark(msgspec.Struct, tag_field="event", tag="mark"):
    mark: _MarkBody


class _Digit(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: _DigitBody


class _Stop(msgspec.Struct, tag_field="event", tag="stop"):
    pass


class _AnyEvent(msgspec.Struct):
    event: str


class _TimedBody(msgspec.Struct):
    timestamp: str | float


class _TimedMedia(msgspec.Struct):
    media: _TimedBody


_KNOWN_EVENTS: Final = frozenset({"connected", "start", "media", "mark", "dtmf", "stop"})
_decode = msgspec.json.Decoder(_Connected | _Start | _Media | _Mark | _Digit | _Stop).decode


_decode_time = msgspec.json.Decoder(_TimedMedia).decode


def timestamp_of(message: str) -> float | None:
    """Time of a ``media`` message's audio at Twilio, in ms since its stream began; ``None`` if it does not say."""
    try:
        timestamp = float(_decode_time(message).media.timestamp)
    except UNDECODABLE:
        return None
    return timestamp if math.isfinite(timestamp) and timestamp >= 0 else None


class MediaStream:
    """One stream's protocol state: before ``start``, running, or over."""

    __slots__ = ("_media_prefix", "_over", "stream_sid")

    def __init__(self) -> None:
        self.stream_sid: str | None = None
        self._media_prefix = ""
        self._over = False

    def receive(self, message: str | bytes) -> CallerEvent | None:
        """The event that a message of Twilio's means; ``None`` for one that means nothing to a call."""
        meaning = self.receive_payload(message)
        return CallerAudio(meaning) if isinstance(meaning, str) else meaning

    def receive_payload(self, message: str | bytes) -> str | CallerEvent | None:
        """``receive``, but of ``CallerAudio`` only the payload: of every frame no more is asked."""
        if isinstance(message, bytes):
            return _ignored("a binary message")
        try:
            parsed = _decode(message)
        except UNDECODABLE as wrong:  # no JSON, no known event, or one without its fields
            return _misfit(message, wrong)
        if type(parsed) is _Media:
            payload = parsed.media.payload
            if self.stream_sid is None or self._over:
                return _ignored("media outside start and stop")
            return payload if is_base64(payload) else _ignored("media that is no base64")
        match parsed:
            case _Mark(mark=mark):
                return MarkEchoed(mark.name)
            case _Digit(dtmf=pressed):
                return DigitPressed(pressed.digit)
            case _Start(start=body):
                return self._started(body)
            case _Stop():
                self._over = True
                return CallerStopped()
            case _:
                return None

    def _started(self, body: _StartBody) -> CallerEvent:
        if self.stream_sid is not None:
            return _ignored("a second start")
        if (body.mediaFormat.encoding, body.mediaFormat.sampleRate) != ("audio/x-mulaw", 8000):
            return _ignored(f"a stream of {body.mediaFormat.encoding[:60]!r}")
        self.stream_sid = body.streamSid
        sid = as_json(body.streamSid)
        self._media_prefix = '{"event":"media","streamSid":' + sid + ',"media":{"payload":"'
        parameters = {name: str(value) for name, value in body.customParameters.items()}
        return CallerStarted(body.streamSid, body.callSid, parameters)

    def media(self, payload: str) -> str:
        """The message that plays base64 mu-law audio; the text goes through untouched."""
        if self.stream_sid is None:
            self._check_running()
        return self._media_prefix + payload + '"}}'

    def mark(self, name: str) -> str:
        """The message that asks for an echo once all audio before it has been played."""
        self._check_running()
        return as_json({"event": "mark", "streamSid": self.stream_sid, "mark": {"name": name}})

    def clear(self) -> str:
        """The message that throws away what waits to be played; all pending marks are echoed."""
        self._check_running()
        return as_json({"event": "clear", "streamSid": self.stream_sid})

    def _check_running(self) -> None:
        if self.stream_sid is None:
            raise LocalProtocolError("nothing can be sent before Twilio's start: the stream SID is not known")


def _misfit(message: str, wrong: Exception) -> Unrecognized:
    """Tell an event that Twilio has added since from one that it would never send."""
    try:
        event = msgspec.json.decode(message, type=_AnyEvent).event
    except UNDECODABLE:
        return _ignored(str(wrong))
    if event in _KNOWN_EVENTS:
        return _ignored(f"{event}: {wrong}")
    return Unrecognized(f"an event of type {event[:60]!r}", leg="caller")


def _ignored(what: str) -> Unrecognized:
    return Unrecognized(what, garbage=True, leg="caller")
