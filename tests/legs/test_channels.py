"""One conformance suite for everything that carries a leg's messages."""

from contextlib import asynccontextmanager

import pytest
import trio
import trio_websocket

from tests.wires import served_channel
from trio_voice.legs.websocket import open_websocket
from trio_voice.sandbox.memory import memory_channels
from trio_voice.sandbox.sockets import serve_sockets


@asynccontextmanager
async def in_memory():
    yield memory_channels()


@asynccontextmanager
async def our_client():
    """Our WebSocket as a client, against trio-websocket's server."""
    async with trio.open_nursery() as nursery:
        arrived = trio.Event()
        peers = []

        async def hold(peer, _request):
            peers.append(peer)
            arrived.set()
            await trio.sleep_forever()

        port = await nursery.start(lambda task_status: serve_sockets(hold, task_status=task_status))
        ours = await open_websocket(f"ws://127.0.0.1:{port}/", {}, max_message_bytes=65_536)
        await arrived.wait()
        yield ours, peers[0]
        await ours.abort()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def our_server():
    """Our WebSocket as the lane accepts it, against trio-websocket's client."""
    async with served_channel() as pair:
        yield pair


WIRES = pytest.mark.parametrize("wire", [in_memory, our_client, our_server], ids=lambda wire: wire.__name__)


@WIRES
async def test_messages_arrive_whole_and_in_order(wire):
    async with wire() as (ours, peer):
        for number in range(50):
            await ours.send(f"message {number} ✓")
        assert [await peer.receive() for _ in range(50)] == [f"message {number} ✓" for number in range(50)]
        await peer.send("back")
        assert await ours.receive() == "back"


@WIRES
async def test_binary_messages_are_told_from_text(wire):
    async with wire() as (ours, peer):
        await peer.send(b"\x00\xff")
        assert await ours.receive() == b"\x00\xff"


@WIRES
async def test_what_was_sent_before_a_close_is_still_received(wire):
    async with wire() as (ours, peer), trio.open_nursery() as nursery:
        await peer.send("last words")
        nursery.start_soon(peer.aclose, 1000, "done")
        assert await ours.receive() == "last words"
        with pytest.raises(trio.EndOfChannel):
            await ours.receive()
        assert ours.close_code == 1000
        assert ours.close_reason == "done"
        await ours.aclose()


@WIRES
async def test_a_cut_is_told_from_a_close(wire):
    async with wire() as (ours, peer):
        await peer.abort()
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()
        assert ours.close_code is None
        assert "without a close frame" in ours.close_reason


@WIRES
async def test_closing_waits_for_the_peers_consent_and_is_idempotent(wire):
    async with wire() as (ours, peer), trio.open_nursery() as nursery:
        nursery.start_soon(ours.aclose, 1000, "bye")
        with pytest.raises(trio.EndOfChannel):
            await peer.receive()
        nursery.start_soon(peer.aclose)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert ours.close_code == 1000
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive()
        with pytest.raises(trio.ClosedResourceError):
            await ours.send("too late")


@WIRES
async def test_after_an_abort_nothing_can_be_done_and_it_may_be_repeated(wire):
    async with wire() as (ours, peer):
        await ours.abort()
        await ours.abort()
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive()
        with pytest.raises((trio.BrokenResourceError, trio_websocket.ConnectionClosed)):
            await peer.receive()


@WIRES
async def test_cancelling_a_receive_loses_no_message(wire):
    async with wire() as (ours, peer):
        with trio.move_on_after(0.01):
            await ours.receive()
        await peer.send("kept")
        assert await ours.receive() == "kept"


@WIRES
async def test_a_close_that_is_cancelled_has_closed(wire):
    async with wire() as (ours, _peer):
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive()


@WIRES
async def test_binary_messages_are_binary_at_the_other_end(wire):
    async with wire() as (ours, peer):
        await ours.send(b"\x00\xff")
        await ours.send("text")
        assert [await peer.receive(), await peer.receive()] == [b"\x00\xff", "text"]
