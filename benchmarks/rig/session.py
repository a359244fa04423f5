"""One connection to a provider: what the server under test has opened, and what can be done to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

import trio
from wsproto import ConnectionType

from rig import outcome
from rig.line import Line
from rig.manner import Goodbye, Handshake
from rig.protocols.protocol import Heard

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from rig.manner import Manner
    from rig.protocols.protocol import ModelProtocol
    from rig.wire import Wire

CHUNK_MS: Final = 100
"""Of audio in a message."""
FASTER: Final = 4
"""Times faster than real time that a model speaks."""
REPLY_MS: Final = 400
"""Milliseconds that a voice says which has not been told how much."""


class Session(ABC):
    """Common parts of all connections.

    Args:
        stage: of the model; see ``protocols``.
        line: the connection.
    """

    def __init__(self, stage: str, line: Wire) -> None:
        self.stage = stage
        self.line = line

    @abstractmethod
    async def run(self) -> None:
        """Live the session to its end."""

    @abstractmethod
    async def goodbye(self, *, tellable: bool) -> outcome.Goodbye:
        """Goodbye that the provider knows of, also one that it has not read yet."""


class SocketSession(Session):
    """A WebSocket.

    Args:
        stream: accepted.
        protocol: made for this session.
        manner: how it shall go.
        nursery: outlives the session; what it says at length is said there.
        tls: our side of TLS, if it is spoken.
    """

    line: Line

    def __init__(
        self,
        stage: str,
        stream: trio.SocketStream,
        protocol: ModelProtocol,
        manner: Manner,
        nursery: trio.Nursery,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(stage, Line(stream, ConnectionType.SERVER, tls))
        self.line.answers_close = manner.answers_close
        self.protocol = protocol
        self._manner = manner
        self._nursery = nursery
        self.open = False
        """True if the WebSocket was ever open, so that a goodbye could be said on it."""
        self.configured = trio.Event()
        self.greeted = trio.Event()
        """Set when the greeting has been sent, all of it."""
        self.told = False
        """True if the client's goodbye has arrived."""
        self.reply_ms: int | None = None
        """Milliseconds that a voice says next, whatever it is; ``None`` for its greeting, or a short reply."""
        self.replies = 0
        """Number of replies that have been said to the end."""
        self._ready = False
        self._is_silent = False
        self._greeting = False
        self._mute = trio.CancelScope()

    async def run(self) -> None:
        """Live the session to its end."""
        self._nursery.start_soon(self.line.watch)
        try:
            match self._manner.handshake:
                case Handshake.ANSWERED:
                    await self.line.accept()
                case Handshake.HELD:
                    await self.line.read_request()
                    return
                case Handshake.REFUSED:
                    await self.line.read_request()
                    await self.line.refuse(503)
                    return
        except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
            return
        self.open = True
        await self.say(self.protocol.welcome())
        if self.protocol.configured_by_url:
            await self._be_configured()
        await self.line.read(self._hear)

    async def say(self, messages: Sequence[str | bytes]) -> None:
        """Send what the protocol has put into words."""
        if self._is_silent:
            return
        for message in messages:
            await self.line.send(message)

    async def goodbye(self, *, tellable: bool) -> outcome.Goodbye:
        """See ``Session``."""
        await self.line.read_leftovers(self._note)
        closed = self.line.close_frame_at is not None
        if not tellable or not self.open:
            return outcome.Goodbye.NONE
        if self.told or (closed and not self.protocol.has_goodbye):
            return outcome.Goodbye.SAID
        return outcome.Goodbye.CLOSE_FRAME if closed else outcome.Goodbye.CUT

    async def _note(self, message: str | bytes) -> None:
        if self._understand(message) is Heard.GOODBYE:
            self.told = True

    def _understand(self, message: str | bytes) -> Heard:
        try:
            return self.protocol.heard(message)
        except (ValueError, KeyError, TypeError):  # a provider would complain; here it is no more than not a goodbye
            return Heard.OTHER

    async def _hear(self, message: str | bytes) -> None:
        match self._understand(message):
            case Heard.CONFIGURES:
                await self._be_configured()
            case Heard.WORDS:
                self._nursery.start_soon(self._say_words)
            case Heard.FINISHES:
                await self.say(self.protocol.reply_ends())
            case Heard.GOODBYE:
                self.told = True
                await self._be_left()
        if self._ready and self.protocol.asked and not self._greeting:
            self._greeting = True
            self._nursery.start_soon(self._greet)

    @property
    def greets(self) -> bool:
        """True if it has begun to say something: a chain's greeting may have been kept from the call before."""
        return self._greeting

    async def _be_configured(self) -> None:
        self.configured.set()
        if self._manner.becomes_ready:
            await self.say(self.protocol.ready())
            self._ready = True

    async def _say_words(self) -> None:
        milliseconds, self.reply_ms = self.reply_ms, None
        if self._greeting or milliseconds is not None:
            await self.speak(milliseconds or REPLY_MS)
        else:
            self._greeting = True
            await self._greet()

    async def _be_left(self) -> None:
        self.be_quiet()
        match self._manner.goodbye:
            case Goodbye.ANSWERED:
                await self.say(self.protocol.farewell())
                await self.line.close(1000)
            case Goodbye.RESET:
                self.line.reset()
            case Goodbye.DROWNED:
                self._nursery.start_soon(self.speak, 60_000)
            case Goodbye.GARBAGE:
                await self.talk_garbage()

    async def _greet(self) -> None:
        await self.speak(self._manner.greeting_ms)
        self.greeted.set()

    async def speak(self, milliseconds: int) -> None:
        """Say something so long, a few times faster than it can be heard. Cancelled when the line is over."""
        with trio.CancelScope() as self._mute:
            await self.say(self.protocol.reply_begins())
            due = trio.current_time()
            for _ in range(milliseconds // CHUNK_MS):
                if self.line.released_at is not None:
                    return
                await self.say(self.protocol.audio(CHUNK_MS))
                due += CHUNK_MS / 1000 / FASTER
                await trio.sleep_until(due)
            await self.say(self.protocol.reply_ends())
            self.replies += 1

    def answer_at_length(self, milliseconds: int) -> None:
        """Begin to say something, and do not wait until it is said."""
        self._nursery.start_soon(self.speak, milliseconds)

    async def be_interrupted(self) -> None:
        """The caller speaks into what is being said, and is understood."""
        self.be_quiet()
        await self.say(self.protocol.caller_speaks())
        await self.say(self.protocol.caller_spoke())

    async def ask_for_tool(self, name: str) -> None:
        """Ask the client to run one of its tools."""
        self.be_quiet()
        await self.say(self.protocol.tool_call(name))

    def be_quiet(self) -> None:
        """Leave the rest of what is being said unsaid."""
        self._mute.cancel()

    # Faults

    def fall_silent(self) -> None:
        """Say nothing more, whatever is asked; go on reading."""
        self._is_silent = True
        self.be_quiet()

    def stop_reading(self) -> None:
        """Take nothing more; what is being said goes on."""
        self.line.stop_reading()

    def vanish(self) -> None:
        """Neither read, speak nor answer, as a machine without power."""
        self.line.answers_close = False
        self.fall_silent()
        self.stop_reading()

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket."""
        self.fall_silent()
        await self.line.close(code, reason)

    async def fail(self) -> None:
        """Say that something went wrong, and close."""
        self.be_quiet()
        await self.say(self.protocol.error())
        await self.line.close(1011, "internal error")

    async def talk_garbage(self) -> None:
        """Send what is no WebSocket frame, and stay."""
        self.fall_silent()
        await self.line.send_bytes(b"\xf7\xff" * 20)

    async def talk_nonsense(self) -> None:
        """Send well-formed frames that make no sense to anybody, and go on as before."""
        for nonsense in ("{", "null", '{"type":"future.event"}', '"\\ud800"', "[" * 500):
            await self.line.send(nonsense)
