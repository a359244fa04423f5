"""A peer that is one socket for each session: how it keeps them, serves them, and listens for them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, TypeVar

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.transport.record import SocketRecord
from trio_voice.sandbox.transport.sockets import SandboxSocket, serve_sockets
from trio_voice.sandbox.transport.wire import CLOSE_SECONDS

Record = TypeVar("Record", bound=SocketRecord)


class SocketServer(Generic[Record]):
    """What a server of any family knows of every session it has had."""

    def __init__(self) -> None:
        self.url = ""
        """Where it listens, if it does."""
        self.sessions: list[Record] = []
        """All sessions, in the order in which their sockets were opened."""
        self._opened = trio.Event()

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
    async def _keep(self, record: Record, channel: Channel) -> AsyncIterator[None]:
        """Count a session among ours; when the block is left, however, it is over and its channel closed."""
        self.sessions.append(record)
        self._opened.set()
        self._opened = trio.Event()
        try:
            yield
        finally:
            record.close(trio.current_time())
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await channel.abort()


@asynccontextmanager
async def listening(
    serve: Callable[[SandboxSocket, trio_websocket.WebSocketRequest], Awaitable[None]], path: str, port: int, name: str
) -> AsyncIterator[str]:
    """Have WebSockets at a path on loopback served until the block is left; gives the URL.

    A socket at another path is closed with words that say where to go. Needs the real clock.
    """

    async def serve_path(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
        if request.path.partition("?")[0] == path:
            await serve(socket, request)
        else:
            await socket.aclose(1008, f"{name} is at {path}")

    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve_sockets, serve_path, port=port))
        yield f"ws://127.0.0.1:{port}{path}"
        nursery.cancel_scope.cancel()


def headers_of(request: trio_websocket.WebSocketRequest) -> dict[str, str]:
    """Their names in lower case."""
    return {name.lower().decode(): value.decode("latin-1") for name, value in request.headers}
