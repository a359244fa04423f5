"""The listening sockets, Twilio's and the operator's: one server, three ways in.

Every connection is read up to the end of its first request head. A WebSocket request for ``/media-stream/`` takes the
lane (``media_stream.py``): the socket belongs to its call from then on and no server layer stands in between. A webhook
of the form that Twilio sends is answered on the socket (``webhook_exchange.py``). Everything else is served by
hypercorn and the Quart-Trio app, which has the webhooks, too.

What this file adds around hypercorn 0.18, each for a fault of that version under trio that we have seen:

- one stray byte after an upgrade request raises out of the whole server: here nothing a connection raises leaves it;
- an end of the input ends the request that it is answering: here it hears of that some seconds later;
- its sends are shielded without a deadline: here the stream under it gives up by itself;
- with quart-trio it never closes ``Connection: close``, HTTP/1.0 and idle keep-alive sockets: here every connection
  serves one request, its last body message cannot be cancelled away, and it has a deadline of its own.

One request a connection also means that no upgrade can arrive behind an earlier request, where hypercorn would get it.

There are only so many connections, and strangers may not keep Twilio out by opening them all. Where there are too many,
a new one takes the place of the oldest whose request has not arrived whole: whoever has something to ask says it in
one packet, and whoever only holds a connection has nothing to lose. A call, and a request that is being answered, keep
theirs; a newcomer is closed at once if there is nothing else.
"""

from __future__ import annotations

import logging
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from trio_voice.edges.complaints import Complaints
from trio_voice.edges.web import media_stream
from trio_voice.edges.web.entrypoints import ENTRYPOINT, MORE_TIME, Entrypoint, host_refusal
from trio_voice.edges.web.request_head import HEAD_BYTES, refusal_of
from trio_voice.edges.web.webhook_exchange import DISCARD_SECONDS, serve_webhook
from trio_voice.errors import first_cause
from trio_voice.isolation import keep_running
from trio_voice.net.tcp import finish, keep_from_children

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercorn.typing import (
        ASGIFramework,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        ASGISendEvent,
        Scope,
    )

    from trio_voice.edges.web.entrypoints import Hosts
    from trio_voice.edges.web.media_stream import StreamAuthenticator
    from trio_voice.edges.web.webhooks import Webhooks
    from trio_voice.edges.workers.handover import Colleagues

log: Final = structlog.stdlib.get_logger("trio_voice.server")

HEAD_SECONDS: Final = 10.0
"""To send a request head."""
EXCHANGE_SECONDS: Final = 30.0
"""For one HTTP exchange, from the end of its head and then from each piece of the answer. Twilio itself gives up after
15."""
SEND_SECONDS: Final = 5.0
"""For one write to an HTTP client, of ``SEND_BYTES`` at the most: whoever is slower than 6 kB a second is given up."""
SEND_BYTES: Final = 32_768
HALF_CLOSED_SECONDS: Final = 5.0
"""Between two pieces of the answer of whoever sends FIN. Where its request had come whole, the first piece may take as
long as the answer may: the same is sent by who has said all. Whoever leaves altogether looks like them until something
is sent, so who listens to ``/events`` and leaves is noticed so much later."""
SEND_BUFFER_BYTES: Final = 32_768
"""Bytes that the kernel may hold for one peer. Left alone it may take 4 MB, which is six minutes of speech that nobody
hears before a peer that has stopped reading is noticed; this is filled within seconds."""


class _HttpStream(trio.abc.HalfCloseableStream):
    """A socket as hypercorn gets it: the head that was already read comes first, and no write waits for ever.

    What need not wait takes no turn of the loop: hypercorn sends nothing four times for each request.

    Args:
        stream: the socket's.
        already_read: the request's head, and what came with it.
        give: told for how long the exchange may go on from now.
    """

    def __init__(self, stream: trio.SocketStream, already_read: bytes, give: Callable[[float], None]) -> None:
        self._stream = stream
        self._give = give
        self._already_read = already_read
        self._pieces_sent = 0
        self._closed = trio.Event()
        self._has_ended = False
        self.has_request = False
        """True once the whole request was read."""
        self.socket = stream.socket  # hypercorn asks it for the addresses

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._already_read:
            await trio.lowlevel.checkpoint_if_cancelled()
            data, self._already_read = self._already_read, b""
            return data
        data = await self._stream.receive_some(max_bytes)
        while data and self._closed.is_set():
            data = await self._stream.receive_some(max_bytes)
        if not data:
            self._has_ended = True
            # Told of the end, hypercorn forgets the request that it is answering.
            is_answering = True
            while is_answering:
                sent = self._pieces_sent
                with trio.move_on_after(HALF_CLOSED_SECONDS):
                    await self._closed.wait()
                is_unanswered = self.has_request and not self._pieces_sent
                is_answering = not self._closed.is_set() and (is_unanswered or self._pieces_sent > sent)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not data:
            await trio.lowlevel.checkpoint_if_cancelled()
            return
        whole = memoryview(data)
        for begin in range(0, len(whole), SEND_BYTES):
            with trio.move_on_after(SEND_SECONDS) as deadline:
                await self._stream.send_all(whole[begin : begin + SEND_BYTES])
            if deadline.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise trio.BrokenResourceError("the client does not read")
            self._pieces_sent += 1
            self._give(EXCHANGE_SECONDS)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close, but where the request was answered before its end: then what comes of it is read away for a moment."""
        is_first = not self._closed.is_set()
        self._closed.set()
        if is_first and not self.has_request and not self._has_ended:
            self._give(DISCARD_SECONDS)
            await trio.lowlevel.checkpoint()
            return
        finish(self.socket)
        await self._stream.aclose()


class Server:
    """Serves the app and the lane on listening sockets.

    Args:
        app: an ASGI app.
        authenticator: who may come in by the lane.
        max_connections: how many there may be at once.
        on_refusal: told of every connection beyond that, by what became of it: ``full`` where it was closed as it came,
            ``displaced`` where another made room for it.
        colleagues: the processes that share the port, if there are others.
        hosts: the names of the operator's address; ``None`` for any.
        webhooks: the answers to what Twilio usually sends, which need no app; without them the app gives all.
    """

    def __init__(
        self,
        app: ASGIFramework,
        authenticator: StreamAuthenticator,
        *,
        max_connections: int,
        on_refusal: Callable[[str], None] | None = None,
        colleagues: Colleagues | None = None,
        hosts: Hosts | None = None,
        webhooks: Webhooks | None = None,
    ) -> None:
        self._app = app
        self._webhooks = webhooks
        self._hosts = hosts
        self._colleagues = colleagues
        self._admission = authenticator
        self._max_connections = max_connections
        self._on_refusal = on_refusal
        self._connections: set[trio.SocketStream] = set()
        self._arriving: dict[trio.SocketStream, trio.CancelScope] = {}
        """Those whose request has not arrived whole, the one that waits longest first, and what ends each."""
        self._complaints = Complaints(log)
        self._config = Config()
        self._config.errorlog = logging.getLogger("hypercorn.error")
        self._config.keep_alive_max_requests = 0  # every answer says Connection: close
        self._config.include_server_header = False
        self._context = WorkerContext(None)

    async def serve(self, listeners: list[trio.SocketListener], entrypoint: Entrypoint = Entrypoint.SHARED) -> None:
        """Serve until cancelled. Every connection, and so every call on it, is a child of this task.

        The listeners listen already, so a connection made before this runs waits and is not refused. Cancelling ends
        the calls as fast as ``close_seconds`` allows; drain the registry first to end them well. The app's lifespan
        is not run: it has nothing to start. Should accepting fail, it is begun again, and no connection ends of it.
        """
        async with trio.open_nursery() as connections:
            try:
                await keep_running("accept", partial(self._accept, listeners, entrypoint, connections))
            finally:
                for listener in listeners:
                    listener.socket.close()

    async def _accept(
        self, listeners: list[trio.SocketListener], entrypoint: Entrypoint, connections: trio.Nursery
    ) -> None:
        """Accept on copies: trio closes what it has listened on."""
        copies = [trio.SocketListener(listener.socket.dup()) for listener in listeners]
        for copy in copies:
            keep_from_children(copy.socket)
            # Their connections inherit it.
            copy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        serve = partial(self.serve_connection, entrypoint)
        await trio.serve_listeners(serve, copies, handler_nursery=connections)

    async def serve_connection(self, entrypoint: Entrypoint, stream: trio.SocketStream, data: bytes = b"") -> None:
        """One connection, of which a colleague may have read something; nothing it raises leaves it."""
        keep_from_children(stream.socket)
        upgrade = b""
        try:
            if self._has_room():
                self._connections.add(stream)
                with trio.CancelScope() as self._arriving[stream]:
                    upgrade = await self._serve_request(entrypoint, stream, data)
            if upgrade:
                await media_stream.serve_media_stream(stream, upgrade, self._admission)
        except Exception as error:  # noqa: BLE001 - a stranger's bytes end their own connection and nothing else
            cause = first_cause(error)
            # Who resets has gone, with the answer (as HAProxy does) or without a word: nothing was sent that is odd.
            if not isinstance(cause, trio.BrokenResourceError):
                self._complaints.warn("connection_aborted", type(cause).__name__, error=repr(cause))
        finally:
            self._forget(stream)
            await trio.aclose_forcefully(stream)

    def _has_room(self) -> bool:
        """True if one more connection may be served, at another's expense if need be."""
        if len(self._connections) < self._max_connections:
            return True
        longest = next(iter(self._arriving), None)
        self._turn_away("full" if longest is None else "displaced")
        if longest is None:
            return False
        self._arriving[longest].cancel(reason="somebody else may have more to say")
        self._forget(longest)
        return True

    def _forget(self, stream: trio.SocketStream) -> None:
        self._connections.discard(stream)
        self._arriving.pop(stream, None)

    def _turn_away(self, code: str) -> None:
        if self._on_refusal is not None:
            self._on_refusal(code)
        if code in {"full", "displaced"}:
            self._complaints.warn("too_many_connections", code, code=code, max_connections=self._max_connections)
        else:
            self._complaints.warn("request_refused", code, code=code)

    async def _serve_request(self, entrypoint: Entrypoint, stream: trio.SocketStream, head: bytes) -> bytes:
        """Answer one request, unless it is for the lane: then it is returned, with what came behind it."""
        handed = bool(head)
        if not handed:
            with trio.move_on_after(HEAD_SECONDS):
                head = await _read_head(stream)
        if not head:
            return b""
        scope = self._arriving.pop(stream, None)
        if scope is None:
            return b""  # displaced while it was being read
        refusal = refusal_of(head) or host_refusal(head, entrypoint, self._hosts)
        if refusal is not None:
            self._turn_away(refusal.code)
            self._arriving[stream] = scope
            with trio.move_on_after(SEND_SECONDS):
                await stream.send_all(refusal.answer())
                await stream.send_eof()
            with trio.move_on_after(DISCARD_SECONDS):
                while await stream.receive_some(SEND_BYTES):
                    pass
            return b""
        if self._colleagues is not None and not handed:  # handed on once only, whatever anybody believes
            owner = self._colleagues.owner_of(head)
            if owner != self._colleagues.index and await self._colleagues.hand_over(entrypoint, stream, head, owner):
                return b""
        if media_stream.wants_media_stream(head):
            return head
        self._arriving[stream] = scope  # for its body, behind all who have said nothing yet
        on_arrival = partial(self._arriving.pop, stream, None)
        exchange = trio.CancelScope(deadline=trio.current_time() + EXCHANGE_SECONDS)
        with exchange:
            answered = self._webhooks is not None and await serve_webhook(
                stream, head, entrypoint, self._webhooks, on_arrival, SEND_SECONDS
            )
            if not answered:
                await self._serve_app(entrypoint, stream, head, on_arrival, exchange)
        return b""

    async def _serve_app(
        self,
        entrypoint: Entrypoint,
        stream: trio.SocketStream,
        head: bytes,
        on_arrival: Callable[[], object],
        exchange: trio.CancelScope,
    ) -> None:
        """Have hypercorn and the app answer one request."""

        def give(seconds: float) -> None:
            exchange.deadline = trio.current_time() + seconds

        def arrive() -> None:
            http.has_request = True
            on_arrival()

        http = _HttpStream(stream, head, give)
        connection = TCPServer(
            _one_request(self._app, {ENTRYPOINT: entrypoint, MORE_TIME: partial(give, EXCHANGE_SECONDS)}, arrive),
            self._config,
            self._context,
            ConnectionState({}),
            http,  # type: ignore[arg-type]  # it is annotated for TLS and takes any stream
        )
        await connection.run()


async def _read_head(stream: trio.SocketStream) -> bytes:
    """All bytes up to and behind the first blank line, or too many without one; nothing if the peer leaves before."""
    data = b""
    while b"\r\n\r\n" not in data[:HEAD_BYTES] and len(data) < HEAD_BYTES:
        if not (more := await stream.receive_some(HEAD_BYTES)):
            return b""
        data += more
    return data


def _one_request(app: ASGIFramework, more: Mapping[str, Any], on_arrival: Callable[[], object]) -> ASGIWrapper:
    """The app, told more of its request, watched until that is whole, and shielded in its last body message.

    Without the shield quart-trio cancels that half way, and the socket stays open.
    """

    async def wrapped(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def receive_noting() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] == "http.request" and not message["more_body"]:
                on_arrival()
            return message

        async def send_whole(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                pieces = 1 + len(message["body"]) // SEND_BYTES
                with trio.CancelScope(deadline=trio.current_time() + pieces * SEND_SECONDS, shield=True):
                    await send(message)
            else:
                await send(message)

        told: dict[str, Any] = {**scope, **more}
        await app(cast("Scope", told), receive_noting, send_whole)

    return ASGIWrapper(wrapped)
