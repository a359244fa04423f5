"""Compressed answers that nobody asked for."""

import gzip
import zlib

import pytest
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.net.content_coding import PIECE_BYTES, Decoder
from trio_voice.net.http import open_http

BODY = b"data: We close at five.\n\n" * 1_000


def plain(coding, data, size):
    decoder, out = Decoder(coding), []
    for at in range(0, len(data), size):
        out.append(decoder.take(data[at : at + size]))
        while decoder.rest:
            out.append(decoder.take(decoder.rest))
    return out


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("coding", "data"),
    [("gzip", gzip.compress(BODY)), ("x-gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY)), ("", BODY)],
)
def test_a_body_is_plain_again_wherever_its_pieces_end(coding, data, size):
    assert b"".join(plain(coding, data, size)) == BODY


def test_a_bomb_comes_in_pieces():
    pieces = plain("gzip", gzip.compress(b"\0" * 10_000_000), 1_000_000)
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_what_cannot_be_read_says_so():
    with pytest.raises(ModelUnavailable, match="compressed as 'br'"):
        Decoder("br")
    with pytest.raises(ModelUnavailable, match="not compressed as it says"):
        Decoder("gzip").take(b"data: plain after all\n\n")


async def test_a_server_that_compresses_all_the_same_is_understood():
    asked = []

    async def serve(stream):
        asked.append(bytes(await stream.receive_some()))
        body = gzip.compress(BODY)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        await stream.send_all(head.encode() + body)
        await trio.sleep_forever()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, open_http() as client:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            port = listener.socket.getsockname()[1]
            received = b""
            async with client.post(ModelRequest(f"http://127.0.0.1:{port}/v1", {}, b"{}")) as answer:
                while piece := await answer.receive():
                    received += piece
            nursery.cancel_scope.cancel()
    assert received == BODY
    assert b"accept-encoding: identity" in asked[0].lower()
