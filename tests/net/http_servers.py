"""A server of HTTP that answers, keeps or closes as it is told."""

from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

from trio_voice.events.stage import ModelRequest
from trio_voice.net.poller import open_poller


async def read(answer):
    body = b""
    while piece := await answer.receive():
        body += piece
    return body


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok"
NOWHERE = ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1", "ftp://x/", "http://[", "x"]


class Server:
    """Answers each request with ``ok``; what it does besides, a test does to its streams.

    With TLS it hands out two tickets, behind the handshake, as servers do.
    """

    def __init__(self, header=b""):
        self.header = header
        self.streams = []
        self.requests = self.answered = 0
        self.url = ""

    async def serve(self, tls=None, *, task_status):
        (listener, *_) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://localhost:{listener.socket.getsockname()[1]}/v1"
        task_status.started()

        async def handle(stream):
            if tls is not None:
                stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
                await stream.do_handshake()
            self.streams.append(stream)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await stream.receive_some():
                    if data.endswith(b"}"):
                        self.requests += 1
                        await stream.send_all(ANSWER % self.header)
                        self.answered += 1
            await trio.aclose_forcefully(stream)
            self.streams.remove(stream)

        await trio.serve_listeners(handle, [listener])


@asynccontextmanager
async def a_server(header=b"", tls=None):
    server = Server(header)
    with trio.fail_after(10):
        async with open_poller(), trio.open_nursery() as nursery:
            await nursery.start(partial(server.serve, tls))
            yield server
            nursery.cancel_scope.cancel()


async def ask(client, server):
    async with client.post(ModelRequest(server.url, {}, b"{}")) as answer:
        assert await read(answer) == b"ok"


async def until(condition):
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.005)
