"""Ways to the sandbox's servers of HTTP: in memory, for a virtual clock, or over HTTP on loopback."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

import h11
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.sandbox.providers.chain.thinking import Sink
from trio_voice.sandbox.transport.memory import MemoryChannel, memory_channels

NO_HEADERS: Final[Mapping[str, str]] = {}
LONGEST_BODY = 4_000_000


class Answerer(Protocol):
    """Whoever answers it."""

    async def answer(self, target: str, headers: Mapping[str, str], body: bytes, sink: Sink, /) -> None:
        """Answer one request; ``headers`` with their names in lower case."""


class MemoryAnswer:
    """An answer that comes through a channel in memory."""

    def __init__(self, channel: MemoryChannel, status: int, headers: Mapping[str, str]) -> None:
        self._channel = channel
        self.status = status
        self.headers = headers

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end."""
        try:
            piece = await self._channel.receive()
        except trio.EndOfChannel:
            return b""
        except trio.BrokenResourceError as broken:
            raise ModelUnavailable(f"the answer broke off: {broken}") from broken
        return piece if isinstance(piece, bytes) else piece.encode()


class MemoryHttp:
    """In place of an HTTP client: each request is a pair of channels in memory.

    Args:
        answerer: who answers.
        nursery: where the answers are made.
        on_exchange: told of each pair, our end first, before it is used.
    """

    def __init__(
        self,
        answerer: Answerer,
        nursery: trio.Nursery,
        on_exchange: Callable[[tuple[MemoryChannel, MemoryChannel]], None],
    ) -> None:
        self._answerer = answerer
        self._nursery = nursery
        self._on_exchange = on_exchange
        self.warmed: list[str] = []
        """The addresses that a connection was wanted for ahead of a request."""

    def warm(self, url: str) -> None:
        """Memory needs no connection."""
        self.warmed.append(url)

    @asynccontextmanager
    async def post(self, request: ModelRequest) -> AsyncIterator[MemoryAnswer]:
        """Send a request; leaving the block closes the answer."""
        ours, theirs = memory_channels()
        self._on_exchange((ours, theirs))
        self._nursery.start_soon(self._serve, theirs, request)
        try:
            try:
                await ours.send(request.body)
                status, *headers = str(await ours.receive()).splitlines()
                answer = MemoryAnswer(ours, int(status), dict(header.split(": ", 1) for header in headers))
            except (trio.EndOfChannel, trio.BrokenResourceError, ValueError) as broken:  # ValueError: not HTTP
                raise ModelUnavailable(f"no answer: {broken!r}") from broken
            yield answer
        finally:
            await ours.abort()  # noqa: ASYNC102 - never waits

    async def _serve(self, channel: MemoryChannel, request: ModelRequest) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            body = await channel.receive()
            assert isinstance(body, bytes)  # noqa: S101 - as it was sent above
            target = urlsplit(request.url)._replace(scheme="", netloc="").geturl()
            await self._answerer.answer(target, headers, body, _MemorySink(channel))
            await channel.aclose()
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has closed it
        finally:
            await channel.abort()  # noqa: ASYNC102 - never waits


class _MemorySink:
    def __init__(self, channel: MemoryChannel) -> None:
        self._channel = channel

    async def start(self, status: int, headers: Mapping[str, str] = NO_HEADERS) -> None:
        lines = (f"{name.lower()}: {value}" for name, value in headers.items())
        await self._channel.send("\n".join((str(status), *lines)))

    async def send(self, piece: bytes) -> None:
        await self._channel.send(piece)

    async def cut(self) -> None:
        self._channel.cut()
        await trio.lowlevel.checkpoint()


async def serve_http(
    answerer: Answerer, *, port: int = 0, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve over HTTP/1.1 on loopback until cancelled; starts with the port."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await _serve_connection(stream, answerer)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass  # the client has gone, in the middle of an answer, too, or is none
        finally:
            await trio.aclose_forcefully(stream)

    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(serve, listeners)


async def _serve_connection(stream: trio.SocketStream, answerer: Answerer) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(65_536)))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data) and len(body) < LONGEST_BODY:
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                return
        if request is None:
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        target = request.target.decode("latin-1")
        sink = _HttpSink(stream, connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_notice_leaving, stream, nursery.cancel_scope)
            await answerer.answer(target, headers, body, sink)
            nursery.cancel_scope.cancel()
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
        connection.start_next_cycle()


async def _notice_leaving(stream: trio.SocketStream, answering: trio.CancelScope) -> None:
    """A client that closes its answer, or drops it, is not answered any further."""
    with suppress(OSError):  # it has reset the connection
        await stream.socket.recv(1, trio.socket.MSG_PEEK)
    answering.cancel(reason="the client has gone")


class _HttpSink:
    def __init__(self, stream: trio.SocketStream, connection: h11.Connection) -> None:
        self._stream = stream
        self._connection = connection

    async def start(self, status: int, headers: Mapping[str, str] = NO_HEADERS) -> None:
        kind = "text/event-stream" if status == 200 else "application/json"
        fields = {"Content-Type": kind, "Transfer-Encoding": "chunked"} | dict(headers)
        response = h11.Response(status_code=status, headers=[*fields.items()])
        await self._stream.send_all(self._connection.send(response) or b"")

    async def send(self, piece: bytes) -> None:
        await self._stream.send_all(self._connection.send(h11.Data(data=piece)) or b"")

    async def cut(self) -> None:
        await trio.aclose_forcefully(self._stream)
