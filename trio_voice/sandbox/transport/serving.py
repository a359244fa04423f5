"""A peer that is one socket for each session: how it keeps them, serves them, and listens for them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend, AgentBackendFactory
from trio_voice.sandbox.transport.record import SocketRecord
from trio_voice.sandbox.transport.sockets import SandboxSocket, serve_sockets
from trio_voice.sandbox.transport.wire import CLOSE_SECONDS

Record = TypeVar("Record", bound=SocketRecord)
Server = TypeVar("Server", bound="SocketServer[Any]")


class Served(Protocol):
    """One session, from the server's side."""

    async def run(self) -> None:
        """Serve until either side ends it, and close the socket. Cancelling is safe, and takes two seconds at most."""


class SocketServer(ABC, Generic[Record]):
    """A server of any family that anybody may call, and what it knows of every session it has had.

    Args:
        make_backend: makes ears, voice and generator of each session: ``Script(...).backend`` or ``speaking(...)``.
        api_key: the one that is let in; who is without it each family knows. ``None`` lets every key in.
        manner: of the sessions to come, and may be exchanged between them, as may ``faults``.
        keeps_audio: see ``SocketRecord``; false for a benchmark.
    """

    path: ClassVar[str]
    """Path of its address."""
    name: ClassVar[str]
    """For whoever looks for it elsewhere."""
    usual: ClassVar[Any]
    """Its manner, and ``no_faults``, unless it is told otherwise."""
    no_faults: ClassVar[Any]

    def __init__(
        self,
        make_backend: AgentBackendFactory,
        *,
        api_key: str | None = None,
        manner: Any = None,
        faults: Any = None,
        keeps_audio: bool = True,
    ) -> None:
        self.manner = manner or self.usual
        self.faults = faults or self.no_faults
        self.url = ""
        """Address on which it listens, if it does."""
        self.sessions: list[Record] = []
        """All sessions, in the order in which their sockets were opened."""
        self._make_backend = make_backend
        self._api_key = api_key
        self._keeps_audio = keeps_audio
        self._opened = trio.Event()

    @abstractmethod
    def handshake_of(self, request: trio_websocket.WebSocketRequest) -> dict[str, Any]:
        """The parts of an upgrade that count, as ``serve_session`` takes them."""

    @abstractmethod
    def _record(self, **known: Any) -> Record:
        """The record of a new session, of what is known of every one, and of its handshake."""

    @abstractmethod
    def _session(self, channel: Channel, record: Record, backend: AgentBackend) -> Served:
        """A new session, which says for itself why it is not let in, if it is not."""

    async def serve_session(
        self, channel: Channel, *, manner: Any = None, faults: Any = None, **handshake: Any
    ) -> None:
        """Serve the other end of a channel until either side ends it, and close it.

        ``handshake`` is what stood in the upgrade. Cancelling is safe and takes at most two seconds. What the backend
        raises comes through: a sandbox that hides its mistakes proves nothing.
        """
        record = self._record(
            opened_at=trio.current_time(),
            manner=manner or self.manner,
            faults=faults or self.faults,
            keeps_audio=self._keeps_audio,
            **handshake,
        )
        async with kept(record, channel, self.sessions):
            self._opened.set()
            self._opened = trio.Event()
            async with self._make_backend() as backend:
                await self._session(channel, record, backend).run()

    @property
    def urls(self) -> Mapping[str, str]:
        """The same, by the path of the key in a table of ``[models]``."""
        return {"url": self.url}

    @property
    def open_sessions(self) -> list[Record]:
        """Those whose socket is not known to be gone."""
        return [session for session in self.sessions if session.is_open]

    async def wait_session(self, number: int = 1) -> Record:
        """The session that is the ``number``-th to be opened, once it is. Cancelling is safe."""
        while len(self.sessions) < number:
            await self._opened.wait()
        return self.sessions[number - 1]


@asynccontextmanager
async def kept(record: Record, channel: Channel, among: list[Record], *, remembers: bool = True) -> AsyncIterator[None]:
    """Count a session among these; when the block is left, however, it is over and its channel closed."""
    among.append(record)
    try:
        yield
    finally:
        record.close(trio.current_time())
        if not remembers:
            among.remove(record)
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await channel.abort()


@asynccontextmanager
async def opened(server: Server, port: int = 0) -> AsyncIterator[Server]:
    """A server that listens on loopback, at its ``url``, until the block is left. Needs the real clock.

    Sessions still open then are closed. A socket at another path is closed with words that say where to go.
    """

    async def serve(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
        if request.path.partition("?")[0] == server.path:
            await server.serve_session(socket, **server.handshake_of(request))
        else:
            await socket.aclose(1008, f"{server.name} is at {server.path}")

    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve_sockets, serve, port=port))
        server.url = f"ws://127.0.0.1:{port}{server.path}"
        yield server
        nursery.cancel_scope.cancel()


def headers_of(request: trio_websocket.WebSocketRequest) -> dict[str, str]:
    """Their names in lower case."""
    return {name.lower().decode(): value.decode("latin-1") for name, value in request.headers}
