"""A small HTTP server on loopback that can fail on purpose: the front of the sandbox's REST API.

On h11 rather than on a web framework, because its faults are the point: it never answers, resets, or is not there, at
a word, and when it stops nothing of it is left.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import attrs
import h11
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.sandbox.twilio.webhooks import Form

REQUEST_SECONDS: Final = 15.0
"""Time that a request may take to arrive, and a client to take its answer."""
IDLE_SECONDS: Final = 60.0
LONGEST_BODY: Final = 1_000_000


@attrs.frozen
class HttpRequest:
    """A request, with its query and its form decoded, and its headers by their names in lower case."""

    method: str
    path: str
    query: Form
    form: Form
    headers: dict[str, str]


@attrs.frozen
class HttpAnswer:
    """An answer; its length is told by the server."""

    status: int
    body: bytes
    headers: Form = (("Content-Type", "application/json"),)


Misbehaviour = Literal["hang", "reset"]
"""Instead of an answer: none, ever; or a reset connection."""

Handler = Callable[[HttpRequest], HttpAnswer | Misbehaviour]


class LoopbackServer:
    """Serves one handler on one port of this machine, which stays the same while the server is away."""

    def __init__(self, handle: Handler) -> None:
        self.port = 0
        self._handle = handle
        self._wanted = trio.Event()
        self._wanted.set()
        self._up = trio.Event()
        self._down = trio.Event()
        self._serving = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; starts with the port."""
        while True:
            await self._wanted.wait()
            self._down = trio.Event()
            with trio.CancelScope() as self._serving:
                listeners = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
                self.port = listeners[0].socket.getsockname()[1]
                task_status.started(self.port)
                task_status = trio.TASK_STATUS_IGNORED
                self._up.set()
                await trio.serve_listeners(self._serve, listeners)
            self._down.set()

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Be gone for as long as this lasts: connections are cut, and new ones refused."""
        self._wanted, self._up = trio.Event(), trio.Event()
        self._serving.cancel()
        await self._down.wait()
        try:
            yield
        finally:
            self._wanted.set()
        await self._up.wait()

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                request = await _receive_request(connection, stream)
                if request is None:
                    return
                match self._handle(request):
                    case HttpAnswer() as answer:
                        await _send_answer(connection, stream, answer)
                        if connection.our_state is not h11.DONE:
                            return  # the client asked for no more than one answer
                        connection.start_next_cycle()
                    case "hang":
                        await _wait_for_the_end(stream)
                        return
                    case _:
                        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
        except (h11.ProtocolError, trio.BrokenResourceError, trio.TooSlowError):
            pass  # a client that breaks HTTP, or is gone, or asleep, is not served on
        finally:
            await trio.aclose_forcefully(stream)


async def _receive_request(connection: h11.Connection, stream: trio.SocketStream) -> HttpRequest | None:
    """The next request, or None when the client has closed."""
    head: h11.Request | None = None
    body = bytearray()
    with trio.fail_after(IDLE_SECONDS) as patience:  # noqa: ASYNC912 - what is here already needs no waiting
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                head = event
                patience.deadline = trio.current_time() + REQUEST_SECONDS
                if connection.they_are_waiting_for_100_continue:
                    informed = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
                    await stream.send_all(informed or b"")
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > LONGEST_BODY:
                    raise h11.RemoteProtocolError("a request of more than a megabyte")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                break
            else:
                return None
    target = urlsplit(head.target.decode("ascii"))
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return HttpRequest(
        head.method.decode(),
        target.path,
        tuple(parse_qsl(target.query, keep_blank_values=True)),
        tuple(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)),
        headers,
    )


async def _send_answer(connection: h11.Connection, stream: trio.SocketStream, answer: HttpAnswer) -> None:
    headers = [("Content-Length", str(len(answer.body))), *answer.headers]
    parts = (
        connection.send(h11.Response(status_code=answer.status, headers=headers)),
        connection.send(h11.Data(data=answer.body)),
        connection.send(h11.EndOfMessage()),
    )
    with trio.fail_after(REQUEST_SECONDS):
        await stream.send_all(b"".join(part or b"" for part in parts))


async def _wait_for_the_end(stream: trio.SocketStream) -> None:
    while await stream.receive_some():
        pass
