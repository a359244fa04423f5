"""Handshakes with servers that refuse, are no model, or are not there."""

import ssl

import pytest
import trio
import trio.testing
import trustme
from websockets.utils import accept_key

from tests.net.test_websocket import CLOSE, TEXT
from tests.wires import frame
from trio_voice.errors import ModelUnavailable
from trio_voice.net.websocket import open_websocket


async def serve_bytes(nursery, answer, *, tls=None):
    """A server that answers any request with these bytes and closes."""

    async def handle(stream):
        try:
            if tls is not None:
                stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
            await stream.receive_some()
            await stream.send_all(answer)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, handle, listeners)
    return listeners[0].socket.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP 200"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak WebSocket"),
        (b"", "does not speak WebSocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "does not speak WebSocket"),
        (b"\xff" * 20_000, "does not speak WebSocket"),
    ],
)
async def test_servers_that_are_no_model(nursery, answer, words):
    port = await serve_bytes(nursery, answer)
    with pytest.raises(ModelUnavailable, match=words):
        await open_websocket(f"ws://127.0.0.1:{port}/", {"Authorization": "Bearer s3cret"}, max_message_bytes=1_000)


@pytest.mark.parametrize(
    ("answer", "passing", "retry_after"),
    [
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", True, 3.0),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n", True, 0.0),
        (
            (
                b"HTTP/1.1 429 Slow\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                b"Retry-After: Sun, 06 Nov 1994 08:49:40 GMT\r\nContent-Length: 0\r\n\r\n"
            ),
            True,
            3.0,
        ),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 27\r\n\r\nPlease try again in 1500ms.", True, 1.5),
        (b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n", False, None),
        (b"HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n", False, None),
        (b"", True, None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, None),
    ],
    ids=["503", "429 of the past", "429 with a date", "429 in words", "401", "404", "cut", "no HTTP"],
)
async def test_a_refusal_says_whether_it_may_pass_and_when(nursery, answer, passing, retry_after):
    port = await serve_bytes(nursery, answer)
    with pytest.raises(ModelUnavailable) as refused:
        await open_websocket(f"ws://127.0.0.1:{port}/", {}, max_message_bytes=1_000)
    assert (refused.value.passing, refused.value.retry_after) == (passing, retry_after)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://[::1/", "ws://a:99999/", "ws://a..b/", "wss://.a/"])
async def test_an_address_that_cannot_be_one(url):
    with pytest.raises(ModelUnavailable):
        await open_websocket(url, {}, max_message_bytes=1_000)


async def test_nobody_listens_or_the_name_means_nothing():
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        await open_websocket("ws://127.0.0.1:1/", {}, max_message_bytes=1_000)
    with pytest.raises(ModelUnavailable, match="no ws://"):
        await open_websocket("http://127.0.0.1/", {}, max_message_bytes=1_000)


async def test_a_certificate_that_nobody_vouches_for_is_refused(nursery):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    port = await serve_bytes(nursery, b"", tls=context)
    with pytest.raises(ModelUnavailable, match="certificate"):
        await open_websocket(f"wss://127.0.0.1:{port}/", {}, max_message_bytes=1_000)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_handshake_that_is_cancelled_leaves_no_socket(nursery, scheme):
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    accepted = []

    async def silent(stream):
        accepted.append(stream)
        await stream.receive_some()
        assert await stream.receive_some() == b""

    nursery.start_soon(trio.serve_listeners, silent, listeners)
    with trio.move_on_after(0.1):
        await open_websocket(f"{scheme}://127.0.0.1:{port}/", {}, max_message_bytes=1_000)
    with trio.fail_after(20):
        while accepted[0].socket.fileno() != -1:
            await trio.sleep(0.01)


async def test_a_refusal_in_words_that_comes_with_the_handshake_is_heard(nursery):
    """A wrong key: the 101, what is wrong with it and the close, all in one read."""

    async def refuse(stream):
        request = await stream.receive_some()
        key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        )
        words = frame(TEXT, b"unauthorized", mask=False) + frame(CLOSE, b"\x03\xf0", mask=False)
        await stream.send_all(answer.encode() + words)
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, refuse, listeners)
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(20):
        channel = await open_websocket(f"ws://127.0.0.1:{port}/", {}, max_message_bytes=1_000)
        assert await channel.receive() == "unauthorized"
        with pytest.raises(trio.EndOfChannel):
            await channel.receive()
        assert channel.close_code == 1008
        await channel.aclose()
