"""Our WebSocket against peers that break the rules, stall, flood or vanish."""

from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from tests.wires import frame, raw_pair, reset, served_channel
from trio_voice.legs.pumps import run_pair
from trio_voice.legs.writer import Writer
from trio_voice.net.flood import FLOOD_BURST, FLOOD_PER_SECOND
from trio_voice.net.poller import adopt, open_poller
from trio_voice.net.websocket import MAX_PENDING_CONTROL, WebSocketChannel
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
        # Pings of several sends may come in one read, and more of them than may be answered then.
        assert "floods" in told[0].detail or (flood == NO_MESSAGES["pings"] and "pings without" in told[0].detail)
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
