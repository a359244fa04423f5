"""A model leg of one socket: an agent or a realtime API.

The vendor's protocol is a ``ModelSession``; this file gives it a socket, two tasks, and an end that the provider is
told of. A model of several sockets (a chain) is another class with the same methods as ``ModelLeg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.call import MODEL, Fact, LegClosed, LegStalled
from trio_voice.events.model import HearCaller, ModelEnded, ModelReady, Outgoing, Usage
from trio_voice.legs.pumps import run_pair
from trio_voice.legs.writer import Writer
from trio_voice.net.flood import FLOOD_MESSAGE_BYTES, RateLimiter
from trio_voice.session_record import Closing, ModelSessionRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from trio_voice.events.model import Capabilities, ModelCommand
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.net.channel import Channel
    from trio_voice.protocols.model_session import ModelSession

OUTBOX_MESSAGES: Final = 50
"""Bound of what waits for the model's socket: a second of the caller. Beyond it the oldest audio is dropped."""
LAST_WORDS_SECONDS: Final = 0.5
"""Time for which messages that wait for a slow model may keep it from hearing the goodbye, which stops its meter."""
PASSING_CLOSES: Final = frozenset({None, 1001, 1006, 1011, 1012, 1013})
"""Close codes, before its session is ready, of a server that is in trouble and names no cause (RFC 6455, 7.4.1, and the
IANA registry of close codes)."""


class ModelLeg(Protocol):
    """A model as a call needs it, whatever it is made of."""

    @property
    def capabilities(self) -> Capabilities:
        """Abilities of this kind of model."""

    async def run(self, tell: Callable[[Fact], None], forward: Callable[[str, str], None] | None = None) -> None:
        """Open, then read and write until cancelled. ``forward`` may be told of ``ReplyAudio``: id, payload."""

    def execute(self, command: ModelCommand) -> None:
        """Put a command on its way. Never waits."""

    def forward_caller_audio(self, payload: str) -> None:
        """``execute`` for ``HearCaller``, by its payload."""

    def set_close_deadline(self, deadline: float) -> None:
        """The call is ending."""

    async def close(self) -> None:
        """End the session with the provider's consent if it can be had, within the caller's cancel scope."""


class SocketModelLeg:
    """Owns one model session and its socket.

    Args:
        session: the vendor's protocol, fresh.
        connect: opens the socket; raises ``ModelUnavailable``.
        stall_seconds: how long the model may take for one message.
        ledger: where the session is written down before the socket is opened, and after it is closed.
        wall_clock: the time of day, for the record.
        on_delay: see ``Writer``.
    """

    times_words = True
    """As a chain's voice, it says when each word is spoken."""

    __slots__ = (
        "_acknowledged",
        "_caller_audio",
        "_channel",
        "_closed",
        "_connect",
        "_ledger",
        "_opened_at",
        "_record",
        "_session",
        "_timer_scope",
        "_told",
        "_wall_clock",
        "_was_ready",
        "_writer",
    )

    def __init__(
        self,
        session: ModelSession,
        connect: Callable[[], Awaitable[Channel]],
        stall_seconds: float,
        ledger: Ledger,
        wall_clock: Callable[[], datetime],
        on_delay: Callable[[float], None] | None = None,
    ) -> None:
        self._session = session
        self._connect = connect
        self._wall_clock = wall_clock
        self._ledger = ledger
        self._record: ModelSessionRecord | None = None
        self._opened_at = 0.0
        self._channel: Channel | None = None
        self._timer_scope = trio.CancelScope()
        self._writer = Writer(OUTBOX_MESSAGES, stall_seconds, on_delay)
        self._caller_audio = session.caller_audio
        self._was_ready = False
        self._told = False
        self._acknowledged = False
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Abilities of this kind of model."""
        return self._session.capabilities

    @property
    def provider(self) -> str:
        """The kind's name, for the record."""
        return self._session.provider

    async def run(self, tell: Callable[[Any], None], forward: Callable[[str, str], None] | None = None) -> None:
        """Open the session, then read and write until cancelled; every event and the end are told.

        Cancelling is safe; ``close`` must follow.

        Args:
            tell: told every event.
            forward: given reply id and payload of ``ReplyAudio`` in its stead, where the session can tell it apart.
        """
        self._opened_at = trio.current_time()
        self._record = ModelSessionRecord(self._session.provider, self._wall_clock())
        await self._ledger.opening(self._record)
        try:
            self._channel = await self._connect()
        except ModelUnavailable as refused:
            passing, retry_after = refused.passing, refused.retry_after
            tell(LegClosed(MODEL, politely=False, detail=str(refused), passing=passing, retry_after=retry_after))
            return
        for message in self._session.opening():
            self._writer.post(message)

        limiter = RateLimiter()

        def on_message(message: str | bytes) -> None:
            limiter.in_hand -= 1 + len(message) // FLOOD_MESSAGE_BYTES
            if limiter.in_hand < 0:
                limiter.draw()
            if forward is not None:
                audio = read_audio(message)
                if audio is not None:
                    forward(*audio)
                    return
            self._on_events(self._session.receive(message, trio.current_time()), tell)
            self._set_timer()

        channel, read_audio = self._channel, self._session.reply_audio

        def tell_and_explain(fact: Fact) -> None:
            stalled = isinstance(fact, LegStalled)
            if stalled or isinstance(fact, LegClosed):
                code, reason = (None, "") if stalled else (channel.close_code, channel.close_reason)
                self._on_events(self._session.explain_close(code, reason, trio.current_time()), tell)
            if isinstance(fact, LegClosed) and not self._was_ready:
                fact = attrs.evolve(fact, passing=channel.close_code in PASSING_CLOSES)
            tell(fact)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_timer, tell)
            await run_pair(MODEL, channel, self._writer, on_message, tell_and_explain)
            nursery.cancel_scope.cancel(reason="the socket has ended")

    def _on_events(self, events: Iterable[Any], tell: Callable[[Any], None]) -> None:
        for event in events:
            if isinstance(event, Outgoing):
                self._writer.post(event.message)
            else:
                self._note(event)
                tell(event)

    async def _run_timer(self, tell: Callable[[Any], None]) -> None:
        """Wake the protocol when it has asked for it."""
        session = self._session
        while True:
            with trio.CancelScope(deadline=session.wake_at) as self._timer_scope:
                await trio.sleep_forever()
            self._on_events(session.tick(trio.current_time()), tell)

    def _set_timer(self) -> None:
        wake_at = self._session.wake_at
        if wake_at != self._timer_scope.deadline:  # setting a deadline has its price
            self._timer_scope.deadline = wake_at

    def _note(self, event: object) -> None:
        if self._record is None:
            return
        if isinstance(event, ModelReady):
            self._was_ready = True
            self._record.session_id = event.session_id or None
        elif isinstance(event, ModelEnded):
            self._acknowledged = True
            self._record.billed_seconds = event.seconds
        elif isinstance(event, Usage):
            self._record.add_usage(event.meters)

    def execute(self, command: Any) -> None:
        """Put a command of the bridge on its way. Never waits; audio that finds the outbox full pushes out older."""
        for message in self._session.encode(command, trio.current_time()):
            self._writer.post(message, droppable=isinstance(command, HearCaller))
        self._set_timer()

    def forward_caller_audio(self, payload: str) -> None:
        """``execute`` for ``HearCaller``, which is nearly all that ever comes."""
        if self._caller_audio is None:
            self.execute(HearCaller(payload))
        else:
            before, behind = self._caller_audio
            self._writer.post(before + payload + behind, droppable=True)

    def set_close_deadline(self, deadline: float) -> None:
        """The call is ending: whatever is being sent must be finished by then."""
        self._writer.set_close_deadline(deadline)

    async def close(self) -> None:
        """Tell the provider, wait for its word, close. Idempotent.

        The caller's cancel scope says how long this may take; whenever it returns or raises, the socket is closed and
        the record says how.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._channel is not None:
                await self._say_goodbye(self._channel)
                await self._channel.aclose()
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it went first
        finally:
            self._write_down()
            if self._channel is not None:
                await self._channel.abort()  # noqa: ASYNC102 - never waits

    async def _say_goodbye(self, channel: Channel) -> None:
        """Tell the provider, and read on until it has acknowledged."""
        if self._acknowledged:
            return
        until = trio.current_time() + LAST_WORDS_SECONDS
        for message in self._writer.take_unsent():  # the caller's last words, and a session that was only being opened
            if trio.current_time() > until:
                break
            await channel.send(message)
        goodbye = self._session.goodbye()
        if goodbye is not None:
            await channel.send(goodbye)
        self._told = True
        while goodbye is not None and not self._acknowledged:
            for event in self._session.receive(await channel.receive(), trio.current_time()):
                if not isinstance(event, Outgoing):
                    self._note(event)

    def _write_down(self) -> None:
        record = self._record
        if record is None:
            return
        if self._writer.dropped:
            self._ledger.record.count("caller_frames_dropped", self._writer.dropped)
        record.closed_at = self._wall_clock()
        record.seconds = round(trio.current_time() - self._opened_at, 3)
        if self._acknowledged or (self._channel is not None and self._channel.close_code is not None):
            record.closing = Closing.ACKNOWLEDGED
        else:
            record.closing = Closing.TIMED_OUT if self._told else Closing.ABORTED
        self._ledger.closed(record)
