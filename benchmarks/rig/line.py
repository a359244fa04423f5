"""One end of a WebSocket that can misbehave. Framing is wsproto's."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from rig.wire import RECEIVE_BYTES, Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from wsproto.events import Event

NO_CLOSE_FRAME: Final = 1006
"""wsproto's code for a connection that ended without a close frame (RFC 6455, 7.4.1)."""
LEFTOVER_SECONDS: Final = 0.1


class Line(Wire):
    """A connection to the server under test, ours to break.

    Args:
        stream: a TCP connection, which belongs to this line from now on.
        kind: which side of the WebSocket we are.
        tls: our side of TLS, if it is spoken on it.
    """

    def __init__(self, stream: trio.SocketStream, kind: ConnectionType, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(stream, tls)
        self._tls = tls
        self._ws = WSConnection(kind)
        self._fragments: list[str | bytes] = []
        self.answers_close = True
        """True if a close frame of the other end is answered, as RFC 6455 wants it."""
        self.close_code: int | None = None
        """Of the close frame that was received."""
        self.close_frame_at: float | None = None

    # Reading

    async def read(self, hear: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Hear each message until the line is over. Stops while reading is suspended; never raises about the line."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, RemoteProtocolError, LocalProtocolError):
            while True:
                self._ws.receive_data(await self.receive() or None)
                for event in self._ws.events():
                    if await self._take(event, hear):
                        return

    async def _take(self, event: Event, hear: Callable[[str | bytes], Awaitable[None]]) -> bool:
        """One event; whether the line is over."""
        match event:
            case TextMessage() | BytesMessage():
                whole = self._whole(event)
                if whole is not None:
                    await hear(whole)
            case Ping():
                await self.send_bytes(self._ws.send(event.response()))
            case CloseConnection():
                if event.code != NO_CLOSE_FRAME:
                    self.close_code, self.close_frame_at = int(event.code), trio.current_time()
                if self.answers_close and not self.left:
                    with suppress(LocalProtocolError):  # it is the answer to ours
                        await self.send_bytes(self._ws.send(event.response()))
                    await self.finish()
                return True
        return False

    def _whole(self, event: TextMessage | BytesMessage) -> str | bytes | None:
        data = event.data
        self._fragments.append(data if isinstance(data, str) else bytes(data))
        if not event.message_finished:
            return None
        pieces, self._fragments = self._fragments, []
        if isinstance(event, TextMessage):
            return "".join(map(str, pieces))
        return b"".join(piece for piece in pieces if not isinstance(piece, str))

    async def read_leftovers(self, hear: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Hear what lies in the kernel's buffer, without answering anything: what a stalled end had been told."""
        if self._resume.is_set() or self._tls is not None:
            return  # it was read as it came, or cannot be read beneath TLS
        self.answers_close = False
        with suppress(OSError, RemoteProtocolError, LocalProtocolError), trio.move_on_after(LEFTOVER_SECONDS):
            while data := await self._tcp.socket.recv(RECEIVE_BYTES):
                self._ws.receive_data(data)
                for event in self._ws.events():
                    if not isinstance(event, Ping):
                        await self._take(event, hear)

    # Writing

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message; quietly nothing if the line is over."""
        with suppress(LocalProtocolError):
            framed = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
            await self.send_bytes(self._ws.send(framed))

    # Ending

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin a WebSocket closing handshake; the answer is heard by ``read``."""
        with suppress(LocalProtocolError):
            await self.send_bytes(self._ws.send(CloseConnection(code, reason)))

    # Beginning

    async def accept(self) -> str:
        """Read the upgrade request of a client and answer it with 101; its path.

        Raises:
            EOFError: it left before it had asked.
        """
        path = await self.read_request()
        await self.send_bytes(self._ws.send(AcceptConnection()))
        return path

    async def read_request(self) -> str:
        """Read the upgrade request of a client and leave it unanswered; its path."""
        match await self._first_event():
            case Request(target=target):
                return target
            case other:
                raise EOFError(f"no upgrade request but {other!r}")

    async def refuse(self, status: int) -> None:
        """Answer the upgrade request with something else than 101, and close."""
        await self.send_bytes(self._ws.send(RejectConnection(status_code=status, headers=[(b"content-length", b"0")])))
        await self.finish()

    async def ask(self, host: str, path: str, headers: dict[str, str]) -> int:
        """Ask a server to upgrade; the status of its answer.

        Raises:
            EOFError: it closed without an answer.
        """
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send_bytes(self._ws.send(Request(host=host, target=path, extra_headers=fields)))
        answer = await self._first_event()
        if isinstance(answer, AcceptConnection):
            return 101
        return answer.status_code if isinstance(answer, RejectConnection) else 0

    async def _first_event(self) -> Event:
        while True:
            for event in self._ws.events():
                return event
            data = await self.receive()
            if not data:
                raise EOFError("closed without a word")
            self._ws.receive_data(data)
