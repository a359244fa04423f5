"""The sandbox's sockets: trio-websocket behind the same channel that the daemon uses, and its ways to fail."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import trio
import trio_websocket

from trio_voice.net.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

CLOSE_SECONDS = 2.0
QUEUED_MESSAGES = 200
"""Messages that trio-websocket may hold for us. With its default of one, a busy reader also answers no ping."""
MAX_MESSAGE_BYTES = 1_048_576


class SandboxSocket(Channel):
    """A trio-websocket connection as a channel, and the stream under it for the faults.

    ``cut_with_reset`` and ``cut_with_fin`` do to the connection what networks do.
    """

    def __init__(self, connection: trio_websocket.WebSocketConnection, stream: trio.SocketStream) -> None:
        self._connection = connection
        self._stream = stream

    async def receive(self) -> str | bytes:
        try:
            message: str | bytes = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as closed:
            self._note(closed)
            if self.close_code is None:
                raise trio.BrokenResourceError(self.close_reason) from closed
            raise trio.EndOfChannel from closed
        return message

    def _note(self, closed: trio_websocket.ConnectionClosed) -> None:
        reason = closed.reason
        if reason is None or reason.code == 1006:  # RFC 6455: no close frame came
            self.close_reason = self.close_reason or "it was cut without a close frame"
        else:
            self.close_code, self.close_reason = reason.code, reason.reason or ""

    async def send(self, message: str | bytes) -> None:
        try:
            await self._connection.send_message(message)
        except trio_websocket.ConnectionClosed as closed:
            self._note(closed)
            raise trio.BrokenResourceError("the connection is closed") from closed
        except trio.ClosedResourceError as closed:
            raise trio.BrokenResourceError("the connection is closed") from closed

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        with trio.move_on_after(CLOSE_SECONDS):
            await self._connection.aclose(code, reason)
        await self.abort()

    async def abort(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def cut_with_fin(self) -> None:
        """End the TCP connection without a close frame."""
        await trio.aclose_forcefully(self._stream)

    async def cut_with_reset(self) -> None:
        """Reset the TCP connection."""
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)


async def connect_socket(
    nursery: trio.Nursery, host: str, port: int, path: str, headers: Iterable[tuple[str, str]]
) -> SandboxSocket:
    """Open a WebSocket over plain TCP; its reader lives in ``nursery``.

    Raises:
        trio_websocket.ConnectionRejected: the answer was not 101; it has ``status_code`` and ``body``.
        OSError: nobody listens.
    """
    stream = await trio.open_tcp_stream(host, port)

    async def live(*, task_status: trio.TaskStatus[SandboxSocket]) -> None:
        # A nursery of its own: trio-websocket raises a refusal in the reader's nursery, which is not the caller's.
        try:
            async with trio.open_nursery() as inner:
                connection = await trio_websocket.wrap_client_stream(
                    inner,
                    stream,
                    f"{host}:{port}",
                    path,
                    extra_headers=[(name.encode(), value.encode()) for name, value in headers],
                    message_queue_size=QUEUED_MESSAGES,
                    max_message_size=MAX_MESSAGE_BYTES,
                )
                task_status.started(SandboxSocket(connection, stream))
        except* trio_websocket.ConnectionRejected as refused:
            raise refused.exceptions[0] from None
        finally:
            await trio.aclose_forcefully(stream)

    opened: SandboxSocket = await nursery.start(live)
    return opened


async def serve_sockets(
    handle: Callable[[SandboxSocket, trio_websocket.WebSocketRequest], Awaitable[None]],
    *,
    refuse: Callable[[trio_websocket.WebSocketRequest], tuple[int, str] | None] = lambda _request: None,
    port: int = 0,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve WebSockets on loopback until cancelled; starts with the port.

    Every request is accepted, as most providers do, but for those that ``refuse`` has an HTTP status and words for. A
    connection's failure is contained: peers of a sandbox are cut and flooded on purpose.
    """

    async def serve(stream: trio.SocketStream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                if (refusal := refuse(request)) is not None:
                    await request.reject(refusal[0], body=refusal[1].encode())
                else:
                    await handle(SandboxSocket(await request.accept(), stream), request)
                nursery.cancel_scope.cancel()
        except* (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    listeners: list[Any] = await trio.open_tcp_listeners(port, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(serve, listeners)
