"""Our WebSocket against peers that break the rules, stall, flood or vanish."""

import ssl
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing
import trustme
from websockets.utils import accept_key

from tests.wires import frame, raw_pair, reset, served_channel
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.pumps import run_pair
from trio_voice.legs.writer import Writer
from trio_voice.net.flood import FLOOD_BURST, FLOOD_PER_SECOND
from trio_voice.net.poller import adopt, open_poller
from trio_voice.net.websocket import MAX_PENDING_CONTROL, WebSocketChannel, open_websocket
from trio_voice.protocols.websocket import WebSocket

TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA


async def test_fragments_are_joined_with_control_frames_between_them():
    async with raw_pair() as (ours, peer):
        await peer.send_all(
            frame(TEXT, "grü".encode()[:3], fin=False) + frame(PING, b"?") + frame(CONT, "grü".encode()[3:] + b"n")
        )
        assert await ours.receive() == "grün"
        await ours.flush()
        assert await peer.receive_some() == frame(PONG, b"?", mask=False)


@pytest.mark.parametrize(
    "wrong",
    [
        frame(TEXT, b"x", mask=False),
        frame(CONT, b"x"),
        frame(TEXT, b"x", rsv=0x40),
        frame(0x3, b"x"),
        frame(PING, b"x" * 126),
        frame(PING, b"x", fin=False),
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
        frame(TEXT, b"\xff\xfe"),
        frame(TEXT, b"x" * 65_537),
        frame(TEXT, b"x" * 40_000, fin=False) + frame(CONT, b"x" * 40_000),
        frame(CLOSE, b"\x00"),
        frame(CLOSE, b"\x03\xe8\xff"),
    ],
    ids=["unmasked", "stray continuation", "reserved bit", "opcode 3", "long ping", "fragmented ping",
         "text in text", "no UTF-8", "too long", "too long in pieces", "short close", "close without UTF-8"],
)  # fmt: skip
async def test_a_peer_that_breaks_the_rules_breaks_its_connection(wrong):
    async with raw_pair() as (ours, peer):
        await peer.send_all(wrong)
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()
        assert ours.close_reason


async def test_the_length_of_a_message_is_known_before_it_is_read():
    async with raw_pair() as (ours, peer):
        await peer.send_all(frame(TEXT, b"x" * 65_537)[:10])
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()


async def test_what_came_before_a_breach_is_delivered():
    async with raw_pair() as (ours, peer):
        await peer.send_all(frame(TEXT, b"good") + frame(0x3))
        assert await ours.receive() == "good"
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()


async def test_what_came_before_a_text_that_is_none_is_delivered_and_nothing_after_it():
    async with raw_pair() as (ours, peer):
        await peer.send_all(frame(TEXT, b"good") + frame(TEXT, b"\xff") + frame(TEXT, b"too late"))
        assert await ours.receive() == "good"
        with pytest.raises(trio.BrokenResourceError, match="UTF-8"):
            await ours.receive()
        await ours.aclose()


async def test_fragments_without_end_and_without_content_take_no_room():
    async with raw_pair() as (ours, peer):
        await peer.send_all(frame(TEXT, b"x", fin=False) + frame(CONT, b"", fin=False) * 10_000)
        await ours._read_more()
        assert len(ours._protocol._fragments) == 1


@asynccontextmanager
async def polled_pair():
    """A channel of ours on a polled socket, a writer and a listener that echo, and the peer's bare socket."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with open_poller(), trio.open_nursery() as nursery:
        stream = await trio.open_tcp_stream(*listener.socket.getsockname())
        peer = await listener.accept()
        ours = WebSocketChannel(adopt(stream), WebSocket(client=False, max_message_bytes=65_536))
        writer, told = Writer(100, 1.0), []

        @nursery.start_soon
        async def live():
            try:
                await run_pair("caller", ours, writer, writer.post, told.append)
            finally:
                await ours.abort()  # noqa: ASYNC102 - never waits

        await trio.testing.wait_all_tasks_blocked(0.01)
        async with peer, listener:
            yield peer, told
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("together", [True, False], ids=["in one packet", "in two"])
@pytest.mark.parametrize("pings", [1, 5])
async def test_a_pong_stands_before_what_is_said_to_a_message_behind_its_ping(together, pings):
    """Autobahn's cases 5.6, 5.7, 5.19 and 5.20."""
    async with polled_pair() as (peer, _):
        before, after = frame(TEXT, b"fragment", fin=False), frame(PING, b"?") * pings + frame(CONT, b"ed")
        for packet in [before + after] if together else [before, after]:
            await peer.send_all(packet)
            await trio.sleep(0.01)
        wanted = frame(PONG, b"?", mask=False) * pings + frame(TEXT, b"fragmented", mask=False)
        heard = b""
        with trio.fail_after(20):
            while len(heard) < len(wanted):
                heard += await peer.receive_some()
        assert heard == wanted


async def test_what_came_before_a_breach_is_answered_before_the_connection_is_closed():
    """Autobahn's case 5.15, all in one packet."""
    async with polled_pair() as (peer, told):
        await peer.send_all(frame(TEXT, b"good") + frame(CONT, b"continues nothing") + frame(TEXT, b"too late"))
        heard = bytearray()
        with trio.fail_after(20), suppress(trio.BrokenResourceError):  # the end, or a reset: what came before is kept
            while piece := await peer.receive_some():
                heard += piece
        assert heard.startswith(frame(TEXT, b"good", mask=False))
        assert "continues nothing" in told[0].detail


async def test_a_long_message_in_many_small_pieces_is_no_flood():
    """Autobahn's case 9.3.1."""
    async with raw_pair(max_size=2**23) as (ours, peer):
        pieces = frame(TEXT, b"x" * 64, fin=False) + frame(CONT, b"x" * 64, fin=False) * 65_534 + frame(CONT, b"x" * 64)
        await peer.send_all(pieces)
        assert await ours.receive() == "x" * 4_194_304


NO_MESSAGES = {
    "pongs": frame(PONG, b""),
    "long pongs": frame(PONG, b"x" * 125),
    "empty pieces": frame(CONT, b"", fin=False),
    "pieces of one byte": frame(CONT, b"x", fin=False),
    "pings": frame(PING, b""),
}


@pytest.mark.parametrize("flood", NO_MESSAGES.values(), ids=NO_MESSAGES)
async def test_frames_without_a_message_are_counted_as_messages_are(flood):
    async with polled_pair() as (peer, told):
        if flood[0] & 0x0F == CONT:
            await peer.send_all(frame(TEXT, b"", fin=False))
        reading = trio.CancelScope()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def read():
                with reading, suppress(trio.BrokenResourceError):
                    async for _ in peer:
                        pass

            await peer.send_all(flood * 40)
            await trio.sleep(0.05)
            assert not told
            with trio.fail_after(10), suppress(trio.BrokenResourceError):
                while not told:
                    await peer.send_all(flood * 50)
                    await trio.sleep(0.001)
            reading.cancel()
        assert "floods" in told[0].detail
        assert not told[0].politely


async def test_frames_without_a_message_may_come_as_often_as_messages_may(autojump_clock):
    async with raw_pair() as (ours, peer):
        for _ in range(20):
            await peer.send_all(frame(PONG) * FLOOD_PER_SECOND + frame(TEXT, b"still here"))
            assert await ours.receive() == "still here"
            await trio.sleep(1)


async def test_a_burst_of_frames_without_a_message_is_one_burst(autojump_clock):
    async with raw_pair() as (ours, peer):
        await peer.send_all(frame(PONG) * FLOOD_BURST + frame(TEXT, b"still here"))
        assert await ours.receive() == "still here"
        await peer.send_all(frame(PONG) * 100 + frame(TEXT, b"too much"))
        with pytest.raises(trio.BrokenResourceError, match="floods"):
            while True:
                await ours.receive()


async def test_pongs_are_left_to_the_writer():
    async with raw_pair() as (ours, peer):
        woken = []
        ours.wake_writer = lambda: woken.append(True)
        await peer.send_all(frame(PING, b"1") + frame(TEXT, b"x"))
        await ours.receive()
        assert woken


async def test_a_peer_that_pings_without_reading_is_cut_off():
    async with raw_pair() as (ours, peer):
        await peer.send_all(frame(PING, b"1") * (MAX_PENDING_CONTROL + 1))
        with pytest.raises(trio.BrokenResourceError, match="pings"):
            await ours.receive()


async def test_a_send_that_was_cut_short_leaves_nothing_but_an_abort(autojump_clock):
    """Half a frame is on the wire: a goodbye would be read as its second half."""
    async with raw_pair() as (ours, peer):
        sending = ours._stream.send_stream
        pump, sending.send_all_hook = sending.send_all_hook, trio.sleep_forever
        with trio.move_on_after(1):
            await ours.send("x")
        sending.send_all_hook = pump
        with pytest.raises(trio.BrokenResourceError):
            await ours.send("y")
        await ours.aclose()
        assert await peer.receive_some() == frame(TEXT, b"x", mask=False)
        with trio.move_on_after(1):
            pytest.fail(f"something was said after half a frame: {await peer.receive_some()!r}")


async def test_closing_gives_up_at_the_callers_deadline(autojump_clock):
    async with raw_pair() as (ours, _peer):
        started = trio.current_time()
        with trio.move_on_after(2):
            await ours.aclose()
        assert trio.current_time() - started == 2
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive()


async def test_an_abort_frees_a_socket_whose_peer_reads_nothing():
    """Over a real socket with full buffers: the descriptor is closed at once and the peer sees a reset."""
    async with served_channel() as (ours, peer):
        peer._connection._message_size = 0
        with trio.move_on_after(5) as patience:
            async with trio.open_nursery() as nursery:

                async def fill():
                    with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
                        while True:
                            await ours.send("x" * 60_000)

                nursery.start_soon(fill)
                await trio.sleep(0.2)
                await ours.abort()
        assert not patience.cancelled_caught
        assert ours._stream.socket.fileno() == -1


async def test_a_reset_is_a_break():
    async with served_channel() as (ours, peer):
        reset(peer._stream)
        await trio.aclose_forcefully(peer._stream)
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()


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
