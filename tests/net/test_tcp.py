"""The end of a connection of which a forked child has a copy."""

import os
import socket
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tests.net.test_channels import our_client, our_polled_client, our_polled_server, our_polled_tls_client, our_server
from trio_voice.net.poller import adopt, open_poller
from trio_voice.net.tcp import PrivateSockets, finish, reset

TCP_WIRES = pytest.mark.parametrize(
    "wire",
    [our_client, our_server, our_polled_client, our_polled_server, our_polled_tls_client],
    ids=lambda wire: wire.__name__,
)
CLOSED = 7
"""TCP_CLOSE, in ``TCP_INFO``."""


@asynccontextmanager
async def copied(sock):
    """Another descriptor of the same connection, which is what a child has that was forked."""
    copy = os.dup(sock.fileno())
    try:
        yield
    finally:
        os.close(copy)


def socket_of(channel):
    stream = channel._stream
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return stream.socket


@TCP_WIRES
async def test_an_abort_reaches_the_peer_though_a_child_has_a_copy_of_the_socket(wire):
    async with wire() as (ours, peer), copied(socket_of(ours)):
        await ours.abort()
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError):
            await peer.receive()


@TCP_WIRES
async def test_a_close_reaches_the_peer_though_a_child_has_a_copy_of_the_socket(wire):
    async with wire() as (ours, peer), copied(socket_of(ours)), trio.open_nursery() as nursery:
        nursery.start_soon(ours.aclose)
        with trio.fail_after(20), pytest.raises(trio.EndOfChannel):
            await peer.receive()
        nursery.start_soon(peer.aclose)


@asynccontextmanager
async def connected(*, polled):
    """Our stream, and the peer's bare socket, which reads nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        if polled:
            await nursery.start(hold_poller)
        stream = await trio.open_tcp_stream(*listener.getsockname())
        peer, _ = listener.accept()
        with listener, peer:
            yield adopt(stream), peer
        nursery.cancel_scope.cancel()


async def hold_poller(task_status):
    async with open_poller():
        task_status.started()
        await trio.sleep_forever()


async def test_a_stalled_peer_is_cut_at_once_though_a_child_has_a_copy():
    """Not when it reads again, and not when the kernel has lost its patience with it."""
    async with connected(polled=True) as (ours, peer), copied(ours.socket):
        with trio.move_on_after(0.2):
            await ours.send_all(bytes(20_000_000))
        ours.abort()
        await trio.sleep(0.05)
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == CLOSED


async def test_a_plain_close_of_a_polled_stream_is_seen_and_what_was_sent_before_it_arrives():
    async with connected(polled=True) as (ours, peer), copied(ours.socket):
        assert ours.send_now(b"last words")
        await ours.aclose()
        peer.settimeout(1)
        assert peer.recv(100) == b"last words"
        assert peer.recv(100) == b""


async def test_a_cut_that_a_send_has_found_is_told_to_who_reads():
    """The kernel tells of a reset once, and of an end from then on."""
    async with open_poller():
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        ours = adopt(await trio.open_tcp_stream(*listener.socket.getsockname()[:2]))
        theirs = await listener.accept()
        reset(theirs.socket)  # on loopback it is here before this returns
        assert not ours.send_now(b"a frame")
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError, match="reset"):
            await ours.listen(lambda _: None)
        for each in (ours, theirs, listener):
            await each.aclose()


async def test_an_end_that_comes_with_the_last_words_is_heard_behind_them():
    """The kernel tells of both at once, and no more."""
    async with connected(polled=True) as (ours, peer), trio.open_nursery() as nursery:
        heard = []

        async def hear():
            await ours.listen(heard.append)
            heard.append(b"")

        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked(0.01)
        peer.sendall(b"last words")
        peer.shutdown(socket.SHUT_WR)  # the poller has not looked in between
        with trio.move_on_after(20):
            while len(heard) < 2:
                await trio.sleep(0.001)
        assert heard == [b"last words", b""]
        ours.close_now()


async def test_an_end_is_no_cut_though_somebody_has_sent_after_it():
    async with connected(polled=True) as (ours, peer):
        peer.sendall(b"last words")
        peer.close()
        with trio.fail_after(20):
            while ours.send_now(b"a frame"):  # a reset answers the first
                await trio.sleep(0.001)
            assert await ours.receive_some() == b"last words"
            assert await ours.receive_some() == b""
        ours.close_now()


async def test_a_socket_that_is_closed_is_watched_no_more_though_a_child_has_a_copy():
    """Its number belongs to the next socket, which is not to be woken by what the old one hears."""
    async with connected(polled=True) as (ours, peer), copied(ours.socket):
        poller, number = ours._poller, ours.socket.fileno()
        ours.abort()
        peer.close()
        await trio.sleep(0.01)
        assert [each for each in poller._epoll.poll(0) if each[0] == number] == []


def test_ending_what_is_gone_does_no_harm():
    one, other = socket.socketpair()
    other.close()
    for _ in range(2):
        finish(one)
        reset(one)
    one.close()
    finish(one)
    reset(one)


def test_a_forked_child_keeps_no_socket_of_ours_and_its_parent_keeps_them_all():
    """In a process of its own: whoever forks has no other threads."""
    script = """
        import os, socket, trio
        from trio_voice.net.poller import adopt, open_poller
        from trio_voice.net.tcp import PrivateSockets, keep_from_children

        async def main():
            trio.socket.set_custom_socket_factory(PrivateSockets())
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            keep_from_children(listener.socket)
            plain = await trio.open_tcp_stream(*listener.socket.getsockname())
            (await listener.accept())
            async with open_poller():
                leg = adopt(await trio.open_tcp_stream(*listener.socket.getsockname()))
                theirs = await listener.accept()
                own = socket.socket()  # the tool's own business
                numbers = [listener.socket.fileno(), plain.socket.fileno(), leg.socket.fileno()]
                child = os.fork()
                if child == 0:
                    open_there = [number for number in numbers if os.path.exists(f"/proc/self/fd/{number}")]
                    os._exit(1 if open_there or own.getsockname() is None else 0)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                assert status == 0, "the child has a socket of ours"
                assert leg.send_now(b"still there")
                assert await theirs.receive_some() == b"still there"
                leg.abort()

        trio.run(main)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


async def test_what_a_library_opens_through_trio_is_kept_from_children_too():
    old = trio.socket.set_custom_socket_factory(PrivateSockets())
    try:
        with trio.socket.socket() as made:
            from trio_voice.net.tcp import _kept

            assert made in _kept
            await trio.lowlevel.checkpoint()
    finally:
        trio.socket.set_custom_socket_factory(old)


@pytest.mark.parametrize("chosen", ["", "spawn"])
def test_a_tools_processes_begin_without_our_sockets_unless_it_has_chosen_otherwise(chosen):
    script = f"""
        import multiprocessing, trio
        if {chosen!r}:
            multiprocessing.set_start_method({chosen!r})
        from trio_voice.daemon.daemon import keep_to_ourselves

        async def main():
            keep_to_ourselves()
            keep_to_ourselves()

        trio.run(main)
        assert multiprocessing.get_start_method() == ({chosen!r} or "forkserver")
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
