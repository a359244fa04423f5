"""Streams that a poller serves: together, where they may wait for each other, and at once where somebody waits."""

import socket
from contextlib import ExitStack, asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from trio_voice.net import poller as under_test
from trio_voice.net.poller import adopt, open_poller


@pytest.fixture(autouse=True)
def gather_for_an_hour(monkeypatch):
    monkeypatch.setattr(under_test, "PAUSE_SECONDS", 3_600)


@asynccontextmanager
async def streams(count):
    """Polled streams and their peers' bare sockets. What is heard of each is gathered in the list."""
    heard = []
    with ExitStack() as sockets, trio.fail_after(20):
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        async with open_poller(), trio.open_nursery() as nursery:
            pairs = []
            for number in range(count):
                stream = adopt(await trio.open_tcp_stream(*listener.getsockname()))
                peer = sockets.enter_context(listener.accept()[0])
                nursery.start_soon(hear, stream, number, heard)
                pairs.append((stream, peer))
            await trio.testing.wait_all_tasks_blocked(0.01)
            yield pairs, heard
            nursery.cancel_scope.cancel()
            for stream, _ in pairs:
                stream.close_now()


async def hear(stream, number, heard):
    with suppress(trio.ClosedResourceError):
        await stream.listen(lambda data: heard.append((number, data)))


async def until(condition):
    while not condition():
        await trio.sleep(0.001)


async def begin_to_gather(pairs, heard):
    """Two have something at once: the poller lets more gather."""
    for _, peer in pairs[:2]:
        peer.send(b"a frame")
    await until(lambda: len(heard) == 2)


async def test_streams_are_let_gather_where_some_come_at_once():
    async with streams(3) as (pairs, heard):
        await begin_to_gather(pairs, heard)
        pairs[2][1].send(b"a frame")
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(heard) == 2


async def test_a_stream_of_low_latency_is_served_at_once_and_the_others_with_it():
    async with streams(3) as (pairs, heard):
        pairs[2][0].set_low_latency()
        await begin_to_gather(pairs, heard)
        pairs[0][1].send(b"another")
        pairs[2][1].send(b"the answer")
        await until(lambda: len(heard) == 4)
        assert set(heard[2:]) == {(2, b"the answer"), (0, b"another")}


async def test_a_stream_of_low_latency_no_more_waits_again_and_nothing_is_lost():
    async with streams(3) as (pairs, heard):
        stream, peer = pairs[2]
        stream.set_low_latency()
        peer.send(b"one")
        await until(lambda: heard)
        peer.send(b"two")  # has come, and nobody has read it
        stream.set_low_latency(wanted=False)
        await until(lambda: len(heard) == 2)
        assert heard == [(2, b"one"), (2, b"two")]
        heard.clear()
        await begin_to_gather(pairs, heard)
        peer.send(b"three")
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(heard) == 2


async def test_a_stream_of_low_latency_is_watched_no_more_when_it_is_closed():
    async with streams(1) as (pairs, heard):
        stream, peer = pairs[0]
        stream.set_low_latency()
        peer.send(b"one")
        await until(lambda: heard)
        poller, copy = stream._poller, stream.socket.dup()  # a child's, for which the kernel would go on telling
        with copy:
            stream.close_now()
            stream.set_low_latency(wanted=False)  # does no harm
            peer.close()
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert poller._low_latency.poll(0) == []
