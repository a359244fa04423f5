"""One conformance suite for everything that carries a leg's messages."""

import ssl
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
import trio
import trio_websocket
import trustme

from tests.edges.web.test_quart_channel import route
from tests.wires import served_channel
from trio_voice.legs.writer import Writer
from trio_voice.net.poller import open_poller
from trio_voice.net.websocket import open_websocket
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.transport.sockets import SandboxSocket, serve_sockets


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


@asynccontextmanager
async def our_polled_client():
    """The same on a socket of the poller's."""
    async with open_poller(), our_client() as pair:
        assert pair[0]._polled is not None
        yield pair


@asynccontextmanager
async def our_polled_server():
    async with open_poller(), our_server() as pair:
        assert pair[0]._polled is not None
        yield pair


@asynccontextmanager
async def our_tls_client():
    """Our WebSocket as a client over TLS, as it is towards a provider."""
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours_trusts = ssl.create_default_context()
    authority.configure_trust(ours_trusts)
    async with trio.open_nursery() as nursery:
        arrived = trio.Event()
        peers = []

        async def hold(stream):
            secured = trio.SSLStream(stream, theirs, server_side=True, https_compatible=True)
            request = await trio_websocket.wrap_server_stream(nursery, secured)
            peers.append(SandboxSocket(await request.accept(), stream))
            arrived.set()
            await trio.sleep_forever()

        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, hold, listeners)
        url = f"wss://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        ours = await open_websocket(url, {}, max_message_bytes=65_536, tls=ours_trusts)
        await arrived.wait()
        yield ours, peers[0]
        await ours.abort()
        await peers[0].abort()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def our_polled_tls_client():
    async with open_poller(), our_tls_client() as pair:
        assert pair[0]._polled is not None
        yield pair


EVERY_WIRE = [
    in_memory,
    our_client,
    our_server,
    our_tls_client,
    our_polled_client,
    our_polled_server,
    our_polled_tls_client,
]
WIRES = pytest.mark.parametrize("wire", EVERY_WIRE, ids=lambda wire: wire.__name__)


@asynccontextmanager
async def quart_route():
    """While both stay, it is a channel as the others are; of how it ends only its handler hears: test_quart_channel."""
    channels, over = [], trio.Event()
    arrived = trio.Event()

    async def handle(channel):
        channels.append(channel)
        arrived.set()
        await over.wait()

    async with route(handle) as peer:
        await arrived.wait()
        yield channels[0], peer
        over.set()


WIRES_AND_ROUTE = pytest.mark.parametrize("wire", [*EVERY_WIRE, quart_route], ids=lambda wire: wire.__name__)


@WIRES_AND_ROUTE
async def test_messages_arrive_whole_and_in_order(wire):
    async with wire() as (ours, peer):
        for number in range(50):
            await ours.send(f"message {number} ✓")
        assert [await peer.receive() for _ in range(50)] == [f"message {number} ✓" for number in range(50)]
        await peer.send("back")
        assert await ours.receive() == "back"


@WIRES_AND_ROUTE
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


@WIRES_AND_ROUTE
async def test_cancelling_a_receive_loses_no_message(wire):
    async with wire() as (ours, peer):
        with trio.move_on_after(0.01):
            await ours.receive()
        await peer.send("kept")
        assert await ours.receive() == "kept"


@WIRES_AND_ROUTE
async def test_a_close_that_is_cancelled_has_closed(wire):
    async with wire() as (ours, _peer):
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive()


@WIRES_AND_ROUTE
async def test_binary_messages_are_binary_at_the_other_end(wire):
    async with wire() as (ours, peer):
        await ours.send(b"\x00\xff")
        await ours.send("text")
        assert [await peer.receive(), await peer.receive()] == [b"\x00\xff", "text"]


@WIRES
async def test_a_listener_hears_every_message_and_then_how_it_ended(wire):
    async with wire() as (ours, peer), trio.open_nursery() as nursery:
        heard = []

        async def listen():
            with pytest.raises(trio.EndOfChannel):
                await ours.listen(heard.append)
            heard.append(ours.close_code)

        await peer.send("before")
        await trio.sleep(0.01)
        nursery.start_soon(listen)
        for number in range(50):
            await peer.send(f"message {number} ✓")
        await peer.send("x" * 60_000)
        nursery.start_soon(peer.aclose, 1000, "done")
        with trio.fail_after(20):
            while heard[-1:] != [1000]:
                await trio.sleep(0.01)
        assert heard == ["before", *(f"message {number} ✓" for number in range(50)), "x" * 60_000, 1000]
        await ours.aclose()


@WIRES
async def test_a_listener_hears_of_a_cut(wire):
    async with wire() as (ours, peer), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def listen():
            with pytest.raises(trio.BrokenResourceError):
                await ours.listen(lambda _: None)

        await trio.testing.wait_all_tasks_blocked(0.01)
        await peer.abort()


@WIRES_AND_ROUTE
async def test_what_a_listener_raises_is_raised_where_it_listens_and_nothing_is_heard_after_it(wire):
    async with wire() as (ours, peer):
        heard = []

        def hear(message):
            heard.append(message)
            raise ZeroDivisionError

        async def send():
            await trio.sleep(0.01)
            await peer.send("1")
            await peer.send("2")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            with pytest.raises(ZeroDivisionError), trio.fail_after(20):
                await ours.listen(hear)
        assert heard == ["1"]


@WIRES_AND_ROUTE
async def test_what_a_cancelled_listener_has_not_heard_can_be_received(wire):
    async with wire() as (ours, peer):
        heard = []
        for number in range(3):
            await peer.send(str(number))
        await trio.sleep(0.02)
        with trio.CancelScope() as scope:

            def hear(message):
                heard.append(message)
                scope.cancel()

            await ours.listen(hear)
        with trio.fail_after(20):
            while len(heard) < 3:
                heard.append(await ours.receive())
        assert heard == ["0", "1", "2"]


@WIRES_AND_ROUTE
async def test_a_listener_is_called_in_the_context_of_its_task(wire):
    variable = ContextVar("variable", default="nobody's")
    async with wire() as (ours, peer), trio.open_nursery() as nursery:
        heard = []

        @nursery.start_soon
        async def listen():
            variable.set("the listener's")
            await ours.listen(lambda _: heard.append(variable.get()))

        await trio.testing.wait_all_tasks_blocked(0.01)
        await peer.send("x")
        with trio.fail_after(20):
            while not heard:
                await trio.sleep(0.01)
        assert heard == ["the listener's"]
        nursery.cancel_scope.cancel()


@WIRES_AND_ROUTE
async def test_what_is_sent_at_once_comes_in_order_with_what_waits(wire):
    """A peer that reads late: some of it the socket takes, the rest waits, and nothing overtakes anything."""
    async with wire() as (ours, peer):
        writer = Writer(2_000, stall_seconds=30)
        got = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run, ours)
            await trio.testing.wait_all_tasks_blocked(0.01)
            for number in range(0, 400, 2):
                writer.post(f"{number} " + "x" * 20_000, f"{number + 1} and what goes with it")
                if number % 50 == 0:
                    await trio.lowlevel.checkpoint()
            with trio.fail_after(20):
                while len(got) < 400:
                    got.append(int((await peer.receive()).split()[0]))
            nursery.cancel_scope.cancel()
        assert got == list(range(400))
