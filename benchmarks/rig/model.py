"""A provider's server: sessions that go as a case wants them to, in the words of a family."""

from __future__ import annotations

import enum
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs
import trio
from wsproto import ConnectionType

from rig.families.family import Heard
from rig.line import Line, narrow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from rig.families.family import Family

CHUNK_MS: Final = 100
"""Of audio in a message."""
FASTER: Final = 4
"""How much faster than real time a model speaks."""


class Handshake(enum.Enum):
    """What becomes of an upgrade request."""

    ANSWERED = enum.auto()
    HELD = enum.auto()
    """The connection is accepted, and then nothing."""
    REFUSED = enum.auto()
    """With HTTP 503."""


class Goodbye(enum.Enum):
    """What becomes of a client's goodbye."""

    ANSWERED = enum.auto()
    """As the provider does it; the server closes."""
    IGNORED = enum.auto()
    """It is read, and then nothing."""
    RESET = enum.auto()
    """The connection is reset instead."""
    DROWNED = enum.auto()
    """Audio goes on coming instead of an answer."""
    GARBAGE = enum.auto()
    """What comes back is no WebSocket frame."""


@attrs.frozen(kw_only=True)
class Manner:
    """How the sessions of one case go."""

    handshake: Handshake = Handshake.ANSWERED
    becomes_ready: bool = True
    greeting_ms: int = 400
    goodbye: Goodbye = Goodbye.ANSWERED
    answers_close: bool = True


class ModelSession:
    """One connection of the server under test.

    Args:
        stream: accepted.
        family: made for this session.
        manner: how it shall go.
        nursery: outlives the session; what it says at length is said there.
    """

    def __init__(self, stream: trio.SocketStream, family: Family, manner: Manner, nursery: trio.Nursery) -> None:
        self.line = Line(stream, ConnectionType.SERVER)
        self.line.answers_close = manner.answers_close
        self.family = family
        self._manner = manner
        self._nursery = nursery
        self.open = False
        """Whether the WebSocket was ever open, so that a goodbye could be said on it."""
        self.configured = trio.Event()
        self.greeted = trio.Event()
        """Set when the greeting has been sent, all of it."""
        self.told = False
        """Whether the client's goodbye has arrived."""
        self._ready = False
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
        await self.say(self.family.welcome())
        await self.line.read(self._hear)

    async def say(self, messages: Sequence[str | bytes]) -> None:
        """Send what the family has put into words."""
        for message in messages:
            await self.line.send(message)

    async def note(self, message: str | bytes) -> None:
        """Take a message in without answering it."""
        if self._understand(message) is Heard.GOODBYE:
            self.told = True

    def _understand(self, message: str | bytes) -> Heard:
        try:
            return self.family.heard(message)
        except (ValueError, KeyError, TypeError):  # a provider would complain; here it is no more than not a goodbye
            return Heard.OTHER

    async def _hear(self, message: str | bytes) -> None:
        match self._understand(message):
            case Heard.CONFIGURES:
                self.configured.set()
                if self._manner.becomes_ready:
                    await self.say(self.family.ready())
                    self._ready = True
            case Heard.GOODBYE:
                self.told = True
                await self._be_left()
        if self._ready and self.family.asked and not self._greeting:
            self._greeting = True
            self._nursery.start_soon(self._greet)

    async def _be_left(self) -> None:
        self._mute.cancel()
        match self._manner.goodbye:
            case Goodbye.ANSWERED:
                await self.say(self.family.farewell())
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
            await self.say(self.family.reply_begins())
            due = trio.current_time()
            for _ in range(milliseconds // CHUNK_MS):
                if self.line.released_at is not None:
                    return
                await self.say(self.family.audio(CHUNK_MS))
                due += CHUNK_MS / 1000 / FASTER
                await trio.sleep_until(due)
            await self.say(self.family.reply_ends())

    def answer_at_length(self, milliseconds: int) -> None:
        """Begin to say something, and do not wait until it is said."""
        self._nursery.start_soon(self.speak, milliseconds)

    async def be_interrupted(self) -> None:
        """The caller speaks into what is being said, and is understood."""
        self._mute.cancel()
        await self.say(self.family.caller_speaks())
        await self.say(self.family.caller_spoke())

    async def ask_for_tool(self, name: str) -> None:
        """Ask the client to run one of its tools."""
        self._mute.cancel()
        await self.say(self.family.tool_call(name))

    # Faults

    def fall_silent(self) -> None:
        """Say nothing more; go on reading."""
        self._mute.cancel()

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
        self.fall_silent()
        await self.say(self.family.error())
        await self.line.close(1011, "internal error")

    async def talk_garbage(self) -> None:
        """Send what is no WebSocket frame, and stay."""
        self.fall_silent()
        await self.line.send_bytes(b"\xf7\xff" * 20)

    async def talk_nonsense(self) -> None:
        """Send well-formed frames that make no sense to anybody, and go on as before."""
        for nonsense in ("{", "null", '{"type":"future.event"}', '"\\ud800"', "[" * 500):
            await self.line.send(nonsense)


class ModelServer:
    """Accepts the sessions of one case after another."""

    def __init__(self, family: Callable[[], Family], nursery: trio.Nursery, listener: trio.SocketListener) -> None:
        self._family = family
        self._nursery = nursery
        self._listener = listener
        self.manner = Manner()
        """How the next session goes."""
        self.sessions: list[ModelSession] = []
        """Those of the case, from the first connection on."""
        self._arrived = trio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self._listener.socket.getsockname()[1]}{self._family().path}"

    async def serve(self) -> None:
        """Accept until cancelled or until nobody is to be there."""
        await trio.serve_listeners(self._take, [self._listener])

    async def _take(self, stream: trio.SocketStream) -> None:
        session = ModelSession(stream, self._family(), self.manner, self._nursery)
        self.sessions.append(session)
        self._arrived.set()
        await session.run()
        await session.line.wait_released()

    async def wait_session(self) -> ModelSession:
        """The session of the case, once it is there."""
        await self._arrived.wait()
        return self.sessions[-1]

    async def forget(self) -> None:
        """The case is over: let go of everything that is still there."""
        for session in self.sessions:
            await session.line.abandon()
        self.sessions, self._arrived = [], trio.Event()


@asynccontextmanager
async def open_model_server(family: Callable[[], Family]) -> AsyncIterator[ModelServer]:
    """A server on a port of its own."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    narrow(listener.socket)
    async with trio.open_nursery() as nursery:
        server = ModelServer(family, nursery, listener)
        nursery.start_soon(server.serve)  # noqa: ASYNC113 - the listener listens already
        try:
            yield server
        finally:
            nursery.cancel_scope.cancel(reason="the server under test is done")
