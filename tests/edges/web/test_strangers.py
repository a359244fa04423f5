"""Strangers at the socket: other protocols, odd requests, endless heads reach nobody else."""

import json

import pytest
import trio

from tests.edges.web.servers import HANDSHAKE, open_server
from trio_voice.edges.web import server as server_module
from trio_voice.edges.web.request_head import HEAD_BYTES

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
