"""One end of a WebSocket over TCP that can misbehave, and that sees when the other end lets go.

Framing is wsproto's. When the other end is gone is read from the kernel (``TCP_INFO``) and not from the bytes, because
an end that has stopped reading must notice it, too.
"""

from __future__ import annotations

import socket
import struct
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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wsproto.events import Event

ESTABLISHED: Final = 1
FIN_WAIT_1: Final = 4
FIN_WAIT_2: Final = 5
"""TCP states in which the other end has not closed (``include/net/tcp_states.h``)."""
LOOK_SECONDS: Final = 0.01
"""How often the kernel is asked."""
NO_CLOSE_FRAME: Final = 1006
"""wsproto's code for a connection that ended without a close frame (RFC 6455, 7.4.1)."""
LEFTOVER_SECONDS: Final = 0.1
RECEIVE_BYTES: Final = 65_536
BUFFER_BYTES: Final = 8_192
SEGMENT_BYTES: Final = 536
"""What a kernel keeps for an end that does not read. Over loopback, with its segments of 64 KiB, that is megabytes, and
over the internet some tens of kilobytes: with these it is no more than that, so that it is full within the run."""


def narrow(connection: trio.socket.SocketType) -> None:
    """Make a socket one of the internet's. Before it connects, or listens: a window must not shrink later."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


class Line:
    """A connection to the server under test, ours to break.

    Args:
        stream: a TCP connection, which belongs to this line from now on.
        kind: which side of the WebSocket we are.
    """

    def __init__(self, stream: trio.SocketStream, kind: ConnectionType) -> None:
        self._stream = stream
        self._ws = WSConnection(kind)
        self._fragments: list[str | bytes] = []
        self._resume = trio.Event()
        self._resume.set()
        self._read_scope = trio.CancelScope()
        self._writing = trio.Lock()
        self._released = trio.Event()
        self.answers_close = True
        """Whether a close frame of the other end is answered, as RFC 6455 wants it."""
        self.released_at: float | None = None
        """When the other end was seen to have let go of the connection; in trio's time."""
        self.left = False
        """Whether we have cut it ourselves, so that nothing more can be seen of the other end."""
        self.close_code: int | None = None
        """Of the close frame that was received."""
        self.close_frame_at: float | None = None

    # Seeing

    async def watch(self) -> None:
        """See the other end let go; run this once, as a task. Returns when it has, or when we have cut the line."""
        while self.released_at is None:
            if self.left or self._stream.socket.fileno() < 0:
                self._release()
            else:
                info = self._stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
                if info[0] not in {ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2}:
                    self._release()
            await trio.sleep(LOOK_SECONDS)

    def _release(self) -> None:
        if self.released_at is None:
            self.released_at = trio.current_time()
            self._released.set()

    async def wait_released(self) -> None:
        """Wait until the other end has let go."""
        await self._released.wait()

    # Reading

    async def read(self, hear: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Hear each message until the line is over. Stops while reading is suspended; never raises about the line."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, RemoteProtocolError, LocalProtocolError):
            while True:
                await self._resume.wait()
                with trio.CancelScope() as self._read_scope:
                    data = await self._stream.receive_some(RECEIVE_BYTES)
                    self._ws.receive_data(bytes(data) or None)
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
                await self._write(self._ws.send(event.response()))
            case CloseConnection():
                if event.code != NO_CLOSE_FRAME:
                    self.close_code, self.close_frame_at = int(event.code), trio.current_time()
                if self.answers_close and not self.left:
                    with suppress(LocalProtocolError):  # it is the answer to ours
                        await self._write(self._ws.send(event.response()))
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

    def stop_reading(self) -> None:
        """Read nothing more: what comes fills the kernel's buffers, and then the other end's."""
        self._resume = trio.Event()
        self._read_scope.cancel()

    async def read_leftovers(self, hear: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Hear what lies in the kernel's buffer, without answering anything: what a stalled end had been told."""
        if self._resume.is_set():
            return  # it was read as it came
        self.answers_close = False
        with suppress(OSError, RemoteProtocolError, LocalProtocolError), trio.move_on_after(LEFTOVER_SECONDS):
            while data := await self._stream.socket.recv(RECEIVE_BYTES):
                self._ws.receive_data(data)
                for event in self._ws.events():
                    if not isinstance(event, Ping):
                        await self._take(event, hear)

    # Writing

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message; quietly nothing if the line is over."""
        with suppress(LocalProtocolError):
            framed = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
            await self._write(self._ws.send(framed))

    async def send_bytes(self, data: bytes) -> None:
        """Send anything at all, past the framing."""
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_all(data)

    # Ending

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin a WebSocket closing handshake; the answer is heard by ``read``."""
        with suppress(LocalProtocolError):
            await self._write(self._ws.send(CloseConnection(code, reason)))

    async def finish(self) -> None:
        """Send FIN. The descriptor is kept, so that the other end's own close is seen."""
        async with self._writing:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                await self._stream.send_eof()

    def reset(self) -> None:
        """Send RST, as a machine does that knows nothing of the connection."""
        self.left = True
        if self._stream.socket.fileno() >= 0:
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._stream.socket.close()
        self._release()

    async def abandon(self) -> None:
        """The case is over: let go, whatever the other end does."""
        if self._stream.socket.fileno() >= 0:
            self.left = True
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)

    # Beginning

    async def accept(self) -> str:
        """Read the upgrade request of a client and answer it with 101; its path.

        Raises:
            EOFError: it left before it had asked.
        """
        path = await self.read_request()
        await self._write(self._ws.send(AcceptConnection()))
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
        await self._write(self._ws.send(RejectConnection(status_code=status, headers=[(b"content-length", b"0")])))
        await self.finish()

    async def ask(self, host: str, path: str, headers: dict[str, str]) -> int:
        """Ask a server to upgrade; the status of its answer.

        Raises:
            EOFError: it closed without an answer.
        """
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._write(self._ws.send(Request(host=host, target=path, extra_headers=fields)))
        answer = await self._first_event()
        if isinstance(answer, AcceptConnection):
            return 101
        return answer.status_code if isinstance(answer, RejectConnection) else 0

    async def _first_event(self) -> Event:
        while True:
            for event in self._ws.events():
                return event
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise EOFError("closed without a word")
            self._ws.receive_data(bytes(data))
