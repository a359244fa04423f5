"""The listening socket: two ways in, and nothing a stranger sends that reaches anybody else."""

import json
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import structlog
import trio
import trio_websocket
from quart_trio import QuartTrio

from trio_voice.call.registry import Registry
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.signatures import sign
from trio_voice.edges.web import server as server_module
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.edges.web.request_head import HEAD_BYTES
from trio_voice.edges.web.server import SEND_BUFFER_BYTES, Server
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


async def test_http_goes_to_the_app_and_the_connection_is_closed_after_it():
    async with open_server() as server:
        for version, extra in ((b"1.1", b""), (b"1.1", b"Connection: keep-alive\r\n"), (b"1.0", b"")):
            answer = await server.exchange(b"GET /hello HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, extra), seconds=1)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"hello")


async def test_a_body_that_comes_with_its_head_and_one_that_comes_after_it():
    async with open_server() as server:
        head = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
        assert (await server.exchange(head + b"abcdef")).endswith(b"6")
        assert (await server.exchange(head, b"abc", b"def")).endswith(b"6")


async def test_a_stream_takes_the_lane():
    async with open_server() as server:
        call_id = server.reception.expect()
        stream = await server.stream(call_id)
        for number in range(20):
            await stream.send(f"frame {number}")
            assert await stream.receive() == f"frame {number}"
        await stream.aclose()
        with trio.fail_after(20):
            while server.reception.answered != [call_id, "EndOfChannel"]:
                await trio.sleep(0.001)


async def test_the_kernel_holds_little_for_a_peer_that_does_not_read():
    async with open_server() as server:
        await server.stream(server.reception.expect())
        (channel,) = server.reception.channels
        held = channel._stream.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert held <= 2 * SEND_BUFFER_BYTES < 100_000  # Linux counts its bookkeeping, and doubles it for that


async def test_a_trailing_slash_may_be_signed():
    async with open_server() as server:
        stream = await server.stream(server.reception.expect(), slash="/")
        await stream.send("x")
        assert await stream.receive() == "x"


async def test_nobody_gets_in_without_a_signature_and_an_expected_call():
    async with open_server() as server:
        call_id = server.reception.expect()
        for path, signed, status, code in [
            (call_id, f"https://voice.example.com/media-stream/{call_id}", 403, "bad_signature"),
            (call_id, "wss://voice.example.com/media-stream/other", 403, "bad_signature"),
            ("unknown", None, 404, "unknown_call"),
            ("", None, 404, "unknown_call"),
            ("a/b", None, 404, "unknown_call"),
        ]:
            with pytest.raises(trio_websocket.ConnectionRejected) as refused:
                await server.stream(path, signed=signed)
            assert refused.value.status_code == status
            assert json.loads(refused.value.body)["error"]["code"] == code
        assert server.reception.answered == []

        assert await server.stream(call_id)  # the path was not used up by those who may not use it
        with pytest.raises(trio_websocket.ConnectionRejected):
            await server.stream(call_id)


async def test_frames_that_come_right_behind_the_handshake_are_not_lost():
    async with open_server() as server:
        call_id = server.reception.expect()
        signature = sign(f"wss://voice.example.com/media-stream/{call_id}", {}, TOKEN)
        header = f"X-Twilio-Signature: {signature}\r\n".encode()
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(HANDSHAKE % (call_id.encode(), header) + b"\x81\x82\0\0\0\0hi")
        answer = b""
        with trio.fail_after(20):
            while not answer.endswith(b"\x81\x02hi"):
                answer += await stream.receive_some()
        await stream.aclose()
        assert answer.startswith(b"HTTP/1.1 101")


async def upgrade_with(server, behind):
    """A signed handshake for an expected call, and these bytes right behind it; what comes back."""
    call_id = server.reception.expect()
    signature = sign(f"wss://voice.example.com/media-stream/{call_id}", {}, TOKEN)
    answer = await server.exchange(
        HANDSHAKE % (call_id.encode(), f"X-Twilio-Signature: {signature}\r\n".encode()) + behind
    )
    return call_id, answer


@pytest.mark.parametrize("behind", [b"XX", b"\x81\x82\0\0\0\0\xff\xff", b"\x89\x80\0\0\0\0" * 200])
async def test_a_promise_is_lived_to_its_end_though_garbage_came_right_behind_the_handshake(behind):
    """It is used up: the call must be written down and its phone hung up, which only those do who answer it."""
    async with open_server() as server:
        call_id, _ = await upgrade_with(server, behind)
        assert server.reception.answered == [call_id, "BrokenResourceError"]


async def test_a_promise_is_lived_to_its_end_though_the_peer_is_gone_before_the_handshake_is_answered(monkeypatch):
    async def gone(_stream, _data):
        raise trio.BrokenResourceError

    async with open_server() as server:
        monkeypatch.setattr(trio.SocketStream, "send_all", gone)
        call_id = server.reception.expect()
        signature = sign(f"wss://voice.example.com/media-stream/{call_id}", {}, TOKEN)
        request = HANDSHAKE % (call_id.encode(), f"X-Twilio-Signature: {signature}\r\n".encode())
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.socket.send(request)
        with trio.fail_after(20):
            while server.reception.answered != [call_id, "BrokenResourceError"]:
                await trio.sleep(0.001)
        await stream.aclose()


HTTP_2 = {
    "by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505),
    "behind empty lines": (b"\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "by an upgrade": (
        b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        400,
    ),
    "by an upgrade of the lane": ((HANDSHAKE % (b"x", b"")).replace(b"websocket", b"h2c"), 400),
}


@pytest.mark.parametrize(("request_bytes", "status"), HTTP_2.values(), ids=HTTP_2)
async def test_http_2_is_refused_at_once_and_counted(request_bytes, status):
    async with open_server() as server:
        answer = await server.exchange(request_bytes, seconds=1)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "http2"
        assert server.refusals == ["http2"]
        await server.is_well()


async def test_a_body_whose_end_is_told_twice_is_refused():
    async with open_server() as server:
        head = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await server.exchange(head + b"3\r\nabc\r\n0\r\n\r\n", seconds=1)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert server.refusals == ["two_lengths"]


async def test_an_answer_that_is_read_slowly_comes_whole(monkeypatch):
    """The deadline is for each piece of it, not for all of it."""
    monkeypatch.setattr(server_module, "SEND_SECONDS", 0.4)
    monkeypatch.setattr(server_module, "EXCHANGE_SECONDS", 0.6)
    async with open_server() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        began, received = trio.current_time(), b""
        with trio.fail_after(30):
            while data := await stream.receive_some(100_000):
                received += data
                await trio.sleep(0.03)
        assert trio.current_time() - began > 1
        assert len(received.partition(b"\r\n\r\n")[2]) == 5_000_000
        await stream.aclose()


async def test_connections_that_are_broken_off_are_logged_once_in_ten_seconds(monkeypatch):
    async def broken(*_):
        raise ValueError("no HTTP")

    monkeypatch.setattr(server_module, "_read_head", broken)
    with structlog.testing.capture_logs() as lines:
        async with open_server() as server:
            for _ in range(20):
                await server.exchange(b"x")
    assert [line["event"] for line in lines].count("connection_aborted") == 1


@pytest.mark.parametrize("behind", [b"", b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_who_has_said_all_and_sends_fin_has_its_answer_all_the_same(behind):
    """Also if another request came behind the first: that one is not answered, and costs the first nothing."""
    async with open_server() as server:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + behind)
            await stream.send_eof()
            await trio.testing.wait_all_tasks_blocked(0.05)
            server.answer_now.set()
            answer = b""
            with trio.fail_after(5):
                async for data in stream:
                    answer += data
        assert answer.endswith(b"at last")
        await server.is_well()


@pytest.mark.parametrize("whole", [True, False])
async def test_who_has_said_all_may_wait_as_long_as_an_answer_may_take(monkeypatch, whole):
    """And who has left in the middle of a request keeps nothing."""
    monkeypatch.setattr(server_module, "HALF_CLOSED_SECONDS", 0.05)
    async with open_server() as server:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            length = 0 if whole else 5
            await stream.send_all(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
            await stream.send_eof()
            if whole:
                await trio.sleep(0.3)
                server.answer_now.set()
            answer = b""
            with trio.fail_after(5):
                async for data in stream:
                    answer += data
        assert answer.endswith(b"at last") is whole
        await server.is_well()


async def test_a_large_body_may_come_in_the_same_packet_as_the_end_of_its_head():
    async with open_server() as server:
        rest = b"st: x\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000
        assert (await server.exchange(b"POST /size HTTP/1.1\r\nHo", rest)).endswith(b"40000")


STRANGERS = {
    "nothing": [b""],
    "a blank line": [b"\r\n\r\n"],
    "no HTTP": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    "zeros": [b"\0" * 4_000 + b"\r\n\r\n"],
    "high bytes": [b"\xff" * 4_000 + b"\r\n\r\n"],
    "an endless line": [b"GET /" + b"a" * (HEAD_BYTES + 10)],
    "endless headers": [b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 4_000],
    "HTTP/2 without asking": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "an h2c upgrade": [b"GET /hello HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"],
    "a host that is no ASCII": [b"GET /hello HTTP/1.1\r\nHost: \xc3\xbc\xff\r\n\r\n"],
    "a target that is no ASCII": [b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n"],
    "two lengths": [b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    "no length": [b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"],
    "a broken chunk": [b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    "two requests at once": [b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 2],
    # The one packet that ends a whole hypercorn 0.18 under trio:
    "a stray byte behind an upgrade": [(HANDSHAKE % (b"x", b"")).replace(b"/media-stream/x", b"/ws") + b"X"],
    "an upgrade behind a request": [
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" + HANDSHAKE % (b"x", b""),
    ],
    "a lane without upgrade": [b"GET /media-stream/x HTTP/1.1\r\nHost: x\r\n\r\n"],
    "a lane of an old version": [(HANDSHAKE % (b"x", b"")).replace(b": 13", b": 8")],
    "a lane with a bad key": [(HANDSHAKE % (b"x", b"")).replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"\xff\xff")],
    "a lane with a host that is no ASCII": [(HANDSHAKE % (b"x", b"")).replace(b"Host: x", b"Host: \xff")],
    "a lane and a stray byte": [HANDSHAKE % (b"x", b"") + b"X"],
    "a lane with broken headers": [b"GET /media-stream/x HTTP/1.1\r\n: :\r\n\x00\r\n\r\n"],
    "a lane with a path that is no ASCII": [HANDSHAKE % (b"\xff\xfe", b"")],
    "a lane with too many headers": [HANDSHAKE % (b"x", b"A: b\r\n" * 500)],
    "a lane by HTTP/1.0": [(HANDSHAKE % (b"x", b"")).replace(b"HTTP/1.1", b"HTTP/1.0")],
}


@pytest.mark.parametrize("pieces", STRANGERS.values(), ids=STRANGERS)
async def test_no_bytes_of_a_stranger_reach_anybody_else(pieces, monkeypatch):
    """A live stream and the next request do not notice, and the stranger's connection is closed in its time."""
    monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(server_module, "EXCHANGE_SECONDS", 0.5)
    async with open_server() as server:
        stream = await server.stream(server.reception.expect())
        await server.exchange(*pieces, seconds=3)
        await stream.send("still here")
        assert await stream.receive() == "still here"
        await server.is_well()


@pytest.mark.parametrize(("length", "status"), [(HEAD_BYTES, b" 200 "), (HEAD_BYTES + 1, b" 431 "), (10**6, b" 431 ")])
async def test_a_head_may_have_so_many_bytes_and_no_more(length, status):
    begin, end = b"GET /hello HTTP/1.1\r\nHost: x\r\nA: ", b"\r\n\r\n"
    head = begin + b"a" * (length - len(begin) - len(end)) + end
    async with open_server() as server:
        assert status in await server.exchange(head[:9_000], head[9_000:])


@pytest.mark.parametrize("refused", [b"Content-Length: 1\r\nContent-Length: 9000000", b"Content-Length: 9000000"])
async def test_who_is_refused_in_the_middle_of_a_large_body_has_the_answer(refused, monkeypatch):
    """A socket that is closed with bytes unread is reset, and the sender hears nothing but that."""
    monkeypatch.setattr(server_module, "DISCARD_SECONDS", 20)
    async with open_server() as server:
        answer = await server.exchange(
            b"POST /size HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % refused, *[bytes(100_000)] * 30, seconds=30
        )
        assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 413"}
        await server.is_well()


async def test_a_head_that_never_ends_is_given_its_time_and_no_more(monkeypatch):
    monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.2)
    async with open_server() as server:
        began = trio.current_time()
        assert await server.exchange(b"GET /hello HTTP/1.1\r\nHo", seconds=2) == b""
        assert trio.current_time() - began >= 0.2


async def test_a_client_that_does_not_read_its_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(server_module, "SEND_SECONDS", 0.2)
    async with open_server(max_connections=2) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.sleep(0.6)
        received = 0
        with trio.fail_after(20):
            try:
                async for data in stream:
                    received += len(data)
            except trio.BrokenResourceError:
                pass
        await trio.aclose_forcefully(stream)
        assert received < 5_000_000
        await server.is_well()


WITHOUT_ITS_BODY = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc"
BEING_ANSWERED = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


async def is_open(stream):
    with trio.move_on_after(0.02):
        try:
            return await stream.receive_some() != b""
        except trio.BrokenResourceError:
            return False
    return True


async def test_a_newcomer_takes_the_place_of_whoever_has_waited_longest_without_a_whole_request():
    async with open_server(max_connections=5) as server, AsyncExitStack() as held_open:
        call = await server.stream(server.reception.expect())
        held = {}

        async def hold(name, said):
            held[name] = await held_open.enter_async_context(await trio.open_tcp_stream("127.0.0.1", server.port))
            await held[name].send_all(said)
            await trio.sleep(0.05)

        await hold("answered", BEING_ANSWERED)
        await hold("no body", WITHOUT_ITS_BODY)
        await hold("nothing", b"")
        await hold("half a head", b"GET /hello HT")
        for gone in ("no body", "nothing", "half a head"):
            await hold(f"instead of {gone}", BEING_ANSWERED)
            assert not await is_open(held.pop(gone))
            assert [name for name, stream in held.items() if not await is_open(stream)] == []
        assert await server.exchange(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", seconds=1) == b""
        assert server.refusals == ["displaced", "displaced", "displaced", "full"]

        await call.send("still here")
        assert await call.receive() == "still here"
        server.answer_now.set()
        for stream in held.values():
            with trio.fail_after(20):
                assert b"".join([data async for data in stream]).endswith(b"at last")
        await server.is_well()


async def test_twilio_gets_in_however_many_strangers_hold_connections_open():
    async with open_server(max_connections=20) as server:
        call = await server.stream(server.reception.expect())

        async def hold():
            while True:
                await trio.lowlevel.checkpoint()
                with suppress(trio.BrokenResourceError):
                    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                        await stream.send_all(b"POST /twiml HTTP/1.1\r\nA: ")
                        await stream.receive_some()

        with structlog.testing.capture_logs() as log:
            for _ in range(60):
                server.nursery.start_soon(hold)
            await trio.sleep(0.1)
            for number in range(20):
                await server.is_well()
                stream = await server.stream(server.reception.expect())
                for live in (call, stream):
                    await live.send(f"frame {number}")
                    assert await live.receive() == f"frame {number}"
                await stream.aclose()
        assert set(server.refusals) == {"displaced"}
        assert len(server.refusals) > 60
        assert {line["event"] for line in log if line["log_level"] == "warning"} == {"too_many_connections"}


async def test_strangers_who_have_left_make_room():
    async with open_server(max_connections=2) as server:
        calls = [await server.stream(server.reception.expect()) for _ in range(2)]
        assert await server.exchange(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", seconds=1) == b""
        assert server.refusals == ["full"]
        await calls[0].aclose()
        with trio.fail_after(20):
            while "EndOfChannel" not in server.reception.answered:
                await trio.sleep(0.001)
        await server.is_well()
        assert server.refusals == ["full"]
