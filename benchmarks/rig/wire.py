"""One end of a TCP connection that can misbehave, and that sees when the other end lets go.

When the other end is gone is read from the kernel (``TCP_INFO``) and not from the bytes, because an end that has
stopped reading must notice it, too.
"""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from typing import Final

import trio

ESTABLISHED: Final = 1
FIN_WAIT_1: Final = 4
FIN_WAIT_2: Final = 5
"""TCP states in which the other end has not closed (``include/net/tcp_states.h``)."""
LOOK_SECONDS: Final = 0.01
"""Interval at which the kernel is asked."""
RECEIVE_BYTES: Final = 65_536
BUFFER_BYTES: Final = 8_192
SEGMENT_BYTES: Final = 536
"""Bytes that a kernel keeps for an end that does not read. Over loopback, with its segments of 64 KiB, that is
megabytes, and over the internet some tens of kilobytes: with these it is no more than that, so that it is full within
the run."""


def narrow(connection: trio.socket.SocketType) -> None:
    """Make a socket one of the internet's. Before it connects, or listens: a window must not shrink later."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


class Wire:
    """A connection to the server under test, ours to break.

    Args:
        stream: a TCP connection, which belongs to this object from now on.
        tls: our side of TLS, if it is spoken on it.
    """

    def __init__(self, stream: trio.SocketStream, tls: ssl.SSLContext | None = None) -> None:
        self._tcp = stream
        self._stream: trio.abc.HalfCloseableStream | trio.SSLStream[trio.SocketStream] = (
            stream if tls is None else trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        )
        self._resume = trio.Event()
        self._resume.set()
        self._read_scope = trio.CancelScope()
        self._writing = trio.Lock()
        self._released = trio.Event()
        self.released_at: float | None = None
        """Time at which the other end was seen to have let go of the connection; trio's."""
        self.left = False
        """True if we have cut it ourselves, so that nothing more can be seen of the other end."""

    # Seeing

    async def watch(self) -> None:
        """See the other end let go; run this once, as a task. Returns when it has, or when we have cut the line."""
        while self.released_at is None:
            if self.left or self._tcp.socket.fileno() < 0:
                self._release()
            else:
                info = self._tcp.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
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

    # Reading and writing

    async def receive(self) -> bytes:
        """The bytes that come next, not before reading goes on; empty at the end. Raises as trio's streams do."""
        while True:
            await self._resume.wait()
            with trio.CancelScope() as self._read_scope:
                return bytes(await self._stream.receive_some(RECEIVE_BYTES))

    def stop_reading(self) -> None:
        """Read nothing more: what comes fills the kernel's buffers, and then the other end's."""
        self._resume = trio.Event()
        self._read_scope.cancel()

    async def send_bytes(self, data: bytes) -> None:
        """Send anything at all; quietly nothing if the connection is over."""
        async with self._writing:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_all(data)

    async def send_beneath(self, data: bytes) -> None:
        """Send bytes beneath TLS, which are no record of it, or one in clear."""
        with suppress(OSError):
            await self._tcp.socket.send(data)

    # Ending

    async def finish(self) -> None:
        """Send FIN. The descriptor is kept, so that the other end's own close is seen."""
        async with self._writing:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                await self._tcp.send_eof()

    def reset(self) -> None:
        """Send RST, as a machine does that knows nothing of the connection."""
        self.left = True
        if self._tcp.socket.fileno() >= 0:
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._tcp.socket.close()
        self._release()

    async def abandon(self) -> None:
        """The case is over: let go, whatever the other end does."""
        if self._tcp.socket.fileno() >= 0:
            self.left = True
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._tcp)
