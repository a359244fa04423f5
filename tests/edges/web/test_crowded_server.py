"""More connections than there is room for."""

from contextlib import AsyncExitStack, suppress

import structlog
import trio

from tests.edges.web.servers import open_server

WITHOUT_ITS_BODY = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc"
BEING_ANSWERED = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


async def is_open(stream):
    with trio.move_on_after(0.02):
        try:
            return await stream.receive_some() != b""
        except trio.BrokenResourceError:
            return False
    return True


async def test_a_newcomer_takes_the_place_of_whoever_has_waited_longest_without_a_whole_request():
    async with open_server(max_connections=5) as server, AsyncExitStack() as held_open:
        call = await server.stream(server.reception.expect())
        held = {}

        async def hold(name, said):
            held[name] = await held_open.enter_async_context(await trio.open_tcp_stream("127.0.0.1", server.port))
            await held[name].send_all(said)
            await trio.sleep(0.05)

        await hold("answered", BEING_ANSWERED)
        await hold("no body", WITHOUT_ITS_BODY)
        await hold("nothing", b"")
        await hold("half a head", b"GET /hello HT")
        for gone in ("no body", "nothing", "half a head"):
            await hold(f"instead of {gone}", BEING_ANSWERED)
            assert not await is_open(held.pop(gone))
            assert [name for name, stream in held.items() if not await is_open(stream)] == []
        assert await server.exchange(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", seconds=1) == b""
        assert server.refusals == ["displaced", "displaced", "displaced", "full"]

        await call.send("still here")
        assert await call.receive() == "still here"
        server.answer_now.set()
        for stream in held.values():
            with trio.fail_after(20):
                assert b"".join([data async for data in stream]).endswith(b"at last")
        await server.is_well()


async def test_twilio_gets_in_however_many_strangers_hold_connections_open():
    async with open_server(max_connections=20) as server:
        call = await server.stream(server.reception.expect())

        async def hold():
            while True:
                await trio.lowlevel.checkpoint()
                with suppress(trio.BrokenResourceError):
                    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                        await stream.send_all(b"POST /twiml HTTP/1.1\r\nA: ")
                        await stream.receive_some()

        with structlog.testing.capture_logs() as log:
            for _ in range(60):
                server.nursery.start_soon(hold)
            await trio.sleep(0.1)
            for number in range(20):
                await server.is_well()
                stream = await server.stream(server.reception.expect())
                for live in (call, stream):
                    await live.send(f"frame {number}")
                    assert await live.receive() == f"frame {number}"
                await stream.aclose()
        assert set(server.refusals) == {"displaced"}
        assert len(server.refusals) > 60
        assert {line["event"] for line in log if line["log_level"] == "warning"} == {"too_many_connections"}


async def test_strangers_who_have_left_make_room():
    async with open_server(max_connections=2) as server:
        calls = [await server.stream(server.reception.expect()) for _ in range(2)]
        assert await server.exchange(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", seconds=1) == b""
        assert server.refusals == ["full"]
        await calls[0].aclose()
        with trio.fail_after(20):
            while "EndOfChannel" not in server.reception.answered:
                await trio.sleep(0.001)
        await server.is_well()
        assert server.refusals == ["full"]
