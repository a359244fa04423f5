"""The listening socket: two ways in, and nothing a stranger sends that reaches anybody else."""

import socket

import pytest
import structlog
import trio

from tests.edges.web.servers import open_server
from trio_voice.edges.web import server as server_module
from trio_voice.edges.web.server import SEND_BUFFER_BYTES


async def test_http_goes_to_the_app_and_the_connection_is_closed_after_it():
    async with open_server() as server:
        for version, extra in ((b"1.1", b""), (b"1.1", b"Connection: keep-alive\r\n"), (b"1.0", b"")):
            answer = await server.exchange(b"GET /hello HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, extra), seconds=1)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"hello")


async def test_a_body_that_comes_with_its_head_and_one_that_comes_after_it():
    async with open_server() as server:
        head = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
        assert (await server.exchange(head + b"abcdef")).endswith(b"6")
        assert (await server.exchange(head, b"abc", b"def")).endswith(b"6")


async def test_the_kernel_holds_little_for_a_peer_that_does_not_read():
    async with open_server() as server:
        await server.stream(server.reception.expect())
        (channel,) = server.reception.channels
        held = channel._stream.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert held <= 2 * SEND_BUFFER_BYTES < 100_000  # Linux counts its bookkeeping, and doubles it for that


async def test_an_answer_that_is_read_slowly_comes_whole(monkeypatch):
    """The deadline is for each piece of it, not for all of it."""
    monkeypatch.setattr(server_module, "SEND_SECONDS", 0.4)
    monkeypatch.setattr(server_module, "EXCHANGE_SECONDS", 0.6)
    async with open_server() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        began, received = trio.current_time(), b""
        with trio.fail_after(30):
            while data := await stream.receive_some(100_000):
                received += data
                await trio.sleep(0.03)
        assert trio.current_time() - began > 1
        assert len(received.partition(b"\r\n\r\n")[2]) == 5_000_000
        await stream.aclose()


async def test_connections_that_are_broken_off_are_logged_once_in_ten_seconds(monkeypatch):
    async def broken(*_):
        raise ValueError("no HTTP")

    monkeypatch.setattr(server_module, "_read_head", broken)
    with structlog.testing.capture_logs() as lines:
        async with open_server() as server:
            for _ in range(20):
                await server.exchange(b"x")
    assert [line["event"] for line in lines].count("connection_aborted") == 1


@pytest.mark.parametrize("behind", [b"", b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_who_has_said_all_and_sends_fin_has_its_answer_all_the_same(behind):
    """Also if another request came behind the first: that one is not answered, and costs the first nothing."""
    async with open_server() as server:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + behind)
            await stream.send_eof()
            await trio.testing.wait_all_tasks_blocked(0.05)
            server.answer_now.set()
            answer = b""
            with trio.fail_after(5):
                async for data in stream:
                    answer += data
        assert answer.endswith(b"at last")
        await server.is_well()


@pytest.mark.parametrize("whole", [True, False])
async def test_who_has_said_all_may_wait_as_long_as_an_answer_may_take(monkeypatch, whole):
    """And who has left in the middle of a request keeps nothing."""
    monkeypatch.setattr(server_module, "HALF_CLOSED_SECONDS", 0.05)
    async with open_server() as server:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            length = 0 if whole else 5
            await stream.send_all(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
            await stream.send_eof()
            if whole:
                await trio.sleep(0.3)
                server.answer_now.set()
            answer = b""
            with trio.fail_after(5):
                async for data in stream:
                    answer += data
        assert answer.endswith(b"at last") is whole
        await server.is_well()


async def test_a_large_body_may_come_in_the_same_packet_as_the_end_of_its_head():
    async with open_server() as server:
        rest = b"st: x\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000
        assert (await server.exchange(b"POST /size HTTP/1.1\r\nHo", rest)).endswith(b"40000")


async def test_a_client_that_does_not_read_its_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(server_module, "SEND_SECONDS", 0.2)
    async with open_server(max_connections=2) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.sleep(0.6)
        received = 0
        with trio.fail_after(20):
            try:
                async for data in stream:
                    received += len(data)
            except trio.BrokenResourceError:
                pass
        await trio.aclose_forcefully(stream)
        assert received < 5_000_000
        await server.is_well()
