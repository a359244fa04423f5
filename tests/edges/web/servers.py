"""A server on a port of its own, and who may be called there."""

from contextlib import asynccontextmanager

import trio
from quart_trio import QuartTrio

from trio_voice.call.registry import Registry
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.signatures import sign
from trio_voice.edges.web.entrypoints import give_more_time
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.edges.web.server import Server
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.sandbox.transport.sockets import connect_socket

TOKEN = "12345"
HANDSHAKE = (
    b"GET /media-stream/%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)


class EchoReception:
    """Answers a stream by echoing it."""

    def __init__(self):
        self.registry = Registry(Limits())
        self.answered = []
        self.channels = []

    async def answer(self, expected, channel, **_):
        self.channels.append(channel)
        self.answered.append(expected.record.call_id)
        try:
            while True:
                await channel.send(await channel.receive())
        except (trio.EndOfChannel, trio.BrokenResourceError) as end:
            self.answered.append(type(end).__name__)
        finally:
            with trio.move_on_after(1, shield=True):
                await channel.aclose()

    def expect(self):
        persona = Persona(name="p", model="m")
        return self.registry.expect(
            persona, direction="inbound", from_number="", to_number="", call_sid=None
        ).record.call_id


class RunningServer:
    """A running server and ways to talk to it."""

    def __init__(self, nursery, port, reception, refusals, answer_now):
        self.nursery, self.port, self.reception = nursery, port, reception
        self.refusals = refusals
        self.answer_now = answer_now

    async def stream(self, call_id, *, slash="", signed=None):
        url = signed or f"wss://voice.example.com/media-stream/{call_id}{slash}"
        headers = [("X-Twilio-Signature", sign(url, {}, TOKEN))]
        return await connect_socket(self.nursery, "127.0.0.1", self.port, f"/media-stream/{call_id}", headers)

    async def exchange(self, *pieces, seconds=5.0):
        """Send bytes and return all that comes back until the server closes; fails if it does not."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        answer = b""
        with trio.fail_after(seconds):
            try:
                for piece in pieces:
                    await stream.send_all(piece)
                async for data in stream:
                    answer += data
            except trio.BrokenResourceError:
                pass
            finally:
                await trio.aclose_forcefully(stream)
        return answer

    async def is_well(self):
        assert (await self.exchange(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"hello")


@asynccontextmanager
async def open_server(*, max_connections=50):
    app = QuartTrio("test")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    @app.get("/hello")
    async def hello():
        return "hello"

    @app.post("/size")
    async def size():
        from quart import request

        return str(len(await request.get_data()))

    answer_now = trio.Event()

    @app.post("/slow")
    async def slow():
        await answer_now.wait()
        return "at last"

    @app.get("/long")
    async def long():
        from quart import request

        for _ in range(20):
            await trio.sleep(0.2)
            give_more_time(request.scope)
        return "done"

    @app.get("/large")
    async def large():
        return b"x" * 5_000_000

    @app.websocket("/ws")
    async def ws():
        from quart import websocket

        while True:
            await websocket.send(await websocket.receive())

    reception = EchoReception()
    authenticator = StreamAuthenticator(reception, PublicUrl("https://voice.example.com"), TOKEN)
    refusals = []
    server = Server(app, authenticator, max_connections=max_connections, on_refusal=refusals.append)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, listeners)
        yield RunningServer(nursery, listeners[0].socket.getsockname()[1], reception, refusals, answer_now)
        nursery.cancel_scope.cancel()
