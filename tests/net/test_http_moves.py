"""Answers whose heads are unusual, and servers that have moved, over raw sockets on loopback."""

import gzip
from contextlib import asynccontextmanager

import pytest
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.net.http import MAX_MOVES, open_http
from trio_voice.protocols.retry_after import wait_seconds

QUESTION = b'{"model":"m"}'
WORDS = b"We close at five."
CHUNKS = b"5;a=b\r\nWe cl\r\nc\r\nose at five.\r\n0\r\nX-Cost: 1\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(WORDS)


@asynccontextmanager
async def a_server(answer):
    """A server that answers each request, given as its target and body, with the bytes of ``answer``."""
    asked = []

    async def serve(stream):
        received = b""
        async with stream:
            while True:
                while not received.endswith(QUESTION):
                    piece = await stream.receive_some()
                    if not piece:
                        return
                    received += piece
                head, _, _ = received.partition(b"\r\n\r\n")
                target, received = head.split(b" ")[1].decode(), b""
                asked.append((target, b"authorization: bearer k" in head.lower()))
                await stream.send_all(answer(target))
                if b"keep" not in answer(target):
                    return

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield asked, listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def ask(client, port, path="/v1/chat"):
    request = ModelRequest(f"http://127.0.0.1:{port}{path}", {"Authorization": "Bearer k"}, QUESTION)
    body = b""
    async with client.post(request) as answer:
        while piece := await answer.receive():
            body += piece
        return answer.status, body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + WORDS,
        b"HTTP/1.1 200 OK\r\n\r\n" + WORDS,
        b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\n" + WORDS,
        b"HTTP/1.1 200\r\n" + LENGTH + b"\r\n" + WORDS,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + WORDS,
        b"HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n" + WORDS,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n11\r\n" + WORDS + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 20_000 + b"\r\n" + LENGTH + b"\r\n" + WORDS,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(WORDS),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n" + LENGTH + LENGTH + b"\r\n" + WORDS,
    ],
    ids=range(11),
)
async def test_an_answer_of_an_unusual_head_is_read(answer):
    with trio.fail_after(30):
        async with a_server(lambda _: answer) as (_, port), open_http() as client:
            assert await ask(client, port) == (200, WORDS)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + WORDS,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n" + WORDS + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
    ids=range(7),
)
async def test_half_an_answer_is_none(answer):
    with trio.fail_after(30):
        async with a_server(lambda _: answer) as (_, port), open_http() as client:
            with pytest.raises(ModelUnavailable):
                await ask(client, port)


def moves(status, location):
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\nX: keep\r\n\r\n".encode()


FINE = b"HTTP/1.1 200 OK\r\nX: keep\r\n" + LENGTH + b"\r\n" + WORDS


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_server_that_has_moved_within_its_host_is_followed_with_the_question_and_the_key(status):
    with trio.fail_after(30):
        async with (
            a_server(lambda target: FINE if target == "/v2/chat/" else moves(status, "/v2/chat/")) as (asked, port),
            open_http() as client,
        ):
            assert await ask(client, port) == (200, WORDS)
            assert asked == [("/v1/chat", True), ("/v2/chat/", True)]
            assert await ask(client, port) == (200, WORDS)
            again = [("/v1/chat", True)] if status in {302, 307} else []
            assert asked[2:] == [*again, ("/v2/chat/", True)]


@pytest.mark.parametrize(
    "location",
    ["http://localhost:{port}/v1", "http://127.0.0.1:1/v1", "ftp://127.0.0.1/", "http://[", "", "//localhost/"],
)
async def test_the_key_is_sent_to_no_other_host_or_port(location):
    with trio.fail_after(30):
        async with (
            a_server(lambda _: moves(307, location.format(port=port))) as (asked, port),
            open_http() as client,
        ):
            assert await ask(client, port) == (307, b"")
            assert len(asked) == 1


async def test_a_server_that_moves_for_ever_is_asked_a_few_times():
    with trio.fail_after(30):
        async with a_server(lambda target: moves(308, target + "x")) as (asked, port), open_http() as client:
            assert await ask(client, port) == (308, b"")
            assert len(asked) == MAX_MOVES + 1


@pytest.mark.parametrize(("head", "seconds"), [(b"", 0), (b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 3)])
async def test_an_answer_that_bears_no_date_gets_ours(head, seconds):
    def answer(_target):
        return (
            b"HTTP/1.1 429 Slow\r\n" + head + b"Retry-After: Sun, 06 Nov 1994 08:49:40 GMT\r\nContent-Length: 0\r\n\r\n"
        )

    async with a_server(answer) as (_, port), open_http() as client:
        request = ModelRequest(f"http://127.0.0.1:{port}/v1/chat", {}, QUESTION)
        async with client.post(request) as refused:
            assert wait_seconds(refused.headers, "") == seconds
