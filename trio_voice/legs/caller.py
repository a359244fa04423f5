"""The caller leg: Twilio's media stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from trio_voice.events.call import CALLER, ClearPlayback, Fact, PlaceMark, PlayAudio
from trio_voice.events.caller import MarkEchoed
from trio_voice.legs.pumps import run_pair
from trio_voice.legs.writer import Writer
from trio_voice.net.flood import FLOOD_MESSAGE_BYTES, RateLimiter
from trio_voice.protocols.media_streams import MediaStream, timestamp_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.net.channel import Channel

OUTBOX_MESSAGES: Final = 256
"""Bound of what waits for Twilio's socket. The bridge's lead of a second is some 35 messages, so this many mean that
Twilio has stopped reading; nothing here is dropped, because a lost mark or clear would be believed."""


class Tap(Protocol):
    """Told of all that passes between Twilio and a call, as it passes: a recorder. Nothing of it may wait or raise."""

    def caller_audio(self, payload: str, timestamp_ms: float | None) -> None:
        """A frame of the caller has come, base64, and Twilio's time of it."""

    def audio_sent(self, payload: str) -> None:
        """Audio was handed over, base64."""

    def mark_sent(self, name: str) -> None:
        """A mark was handed over."""

    def mark_echoed(self, name: str) -> None:
        """A mark has come back."""

    def clear_sent(self) -> None:
        """Twilio was told to throw away what it has not played."""

    def over(self) -> None:
        """The stream is at its end."""


class CallerLeg:
    """Owns Twilio's socket for one call.

    Args:
        channel: an accepted media stream.
        stall_seconds: how long Twilio may take for one message.
        on_delay: see ``Writer``.
        tap: told of all that passes, if anybody wants to know.
    """

    __slots__ = ("_channel", "_given_up", "_stream", "_tap", "_writer")

    def __init__(
        self,
        channel: Channel,
        stall_seconds: float,
        on_delay: Callable[[float], None] | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._channel = channel
        self._given_up = False
        self._stream = MediaStream()
        self._tap = tap
        self._writer = Writer(OUTBOX_MESSAGES, stall_seconds, on_delay)

    async def run(self, tell: Callable[[Fact], None], forward: Callable[[str], None]) -> None:
        """Read and write until cancelled; every message and the end of the socket are told. Cancelling is safe.

        Args:
            tell: told every fact.
            forward: given the payload of ``CallerAudio`` in its stead.
        """
        limiter, receive, tap = RateLimiter(), self._stream.receive_payload, self._tap

        def on_message(message: str | bytes) -> None:
            limiter.in_hand -= 1 + len(message) // FLOOD_MESSAGE_BYTES
            if limiter.in_hand < 0:
                limiter.draw()
            meaning = receive(message)
            if isinstance(meaning, str):
                if tap is not None:
                    tap.caller_audio(meaning, timestamp_of(message))  # type: ignore[arg-type]  # media is text
                forward(meaning)
            elif meaning is not None:
                if tap is not None and isinstance(meaning, MarkEchoed):
                    tap.mark_echoed(meaning.name)
                tell(meaning)

        await run_pair(CALLER, self._channel, self._writer, on_message, tell)

    def execute(self, command: PlayAudio | PlaceMark | ClearPlayback) -> None:
        """Put a command of the bridge on its way. Never waits."""
        match command:
            case PlayAudio(payload=payload):
                self.forward_reply_audio(payload)
            case PlaceMark(name=name):
                self._writer.post(self._stream.mark(name))
                if self._tap is not None:
                    self._tap.mark_sent(name)
            case ClearPlayback():
                self._writer.post(self._stream.clear())
                if self._tap is not None:
                    self._tap.clear_sent()

    def forward_reply_audio(self, payload: str, mark: str = "") -> None:
        """``execute`` for ``PlayAudio``, by its payload, and for a ``PlaceMark`` behind it, if it is named."""
        self._writer.post(self._stream.media(payload), self._stream.mark(mark) if mark else None)
        if self._tap is not None:
            self._tap.audio_sent(payload)
            if mark:
                self._tap.mark_sent(mark)

    def set_close_deadline(self, deadline: float) -> None:
        """The call is ending: whatever is being sent must be finished by then."""
        self._writer.set_close_deadline(deadline)

    def give_up(self) -> None:
        """Twilio answers nothing any more: ``close`` is to wait for nothing."""
        self._given_up = True

    async def close(self) -> None:
        """Close the socket politely if the peer lets us; the caller's cancel scope says how long. Idempotent."""
        if self._tap is not None:
            self._tap.over()
        if self._given_up:
            await self._channel.abort()
        else:
            await self._channel.aclose(1000, "the call has ended")
