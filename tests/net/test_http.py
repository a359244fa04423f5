"""The HTTP client of the language model, against a server on loopback."""

import os
from contextlib import asynccontextmanager, nullcontext, suppress

import pytest
import trio

from tests.net.http_servers import NOWHERE, a_server, ask, read, until
from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.net.http import open_http
from trio_voice.net.http_connection import LOW_LATENCY_PIECES
from trio_voice.net.poller import open_poller
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainManner, open_chain, scripted
from trio_voice.sandbox.providers.chain.faults import ChainFaults

BODY = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Grüß Gott"}]}'.encode()
SCRIPT = Script(turns=(Turn(heard="Gott", reply="Willkommen, schöne Größe. " * 40, thinks_seconds=0.0),))


@asynccontextmanager
async def server_and_client(*whims, **manner):
    async with (
        open_chain(scripted(SCRIPT), manner=ChainManner(**manner), faults=ChainFaults(thinking=whims)) as chain,
        open_http() as client,
    ):
        request = ModelRequest(f"{chain.urls['llm.url']}/chat/completions", {"Authorization": "Bearer k"}, BODY)
        yield chain, client, request


async def test_an_answer_comes_in_pieces_to_its_end_and_the_connection_is_used_again():
    with trio.fail_after(10):
        async with server_and_client(piece_bytes=500) as (chain, client, request):
            for _ in range(2):
                async with client.post(request) as answer:
                    assert answer.status == 200
                    assert (await read(answer)).endswith(b"data: [DONE]\n\n")
            assert [each.complete for each in chain.thinking.exchanges] == [True, True]
            assert client.used == {"new": 1, "warm": 1}


async def test_a_refusal_is_an_answer():
    with trio.fail_after(10):
        async with server_and_client("refuse") as (_, client, request), client.post(request) as answer:
            assert answer.status == 401
            assert b"Incorrect API key" in await read(answer)


async def test_leaving_closes_the_answer_and_the_server_sees_it_at_once():
    with trio.fail_after(10):
        async with server_and_client("hang") as (chain, client, request):
            with trio.move_on_after(0.2):
                async with client.post(request):
                    raise AssertionError("it hangs")
            (exchange,) = chain.thinking.exchanges
            with trio.fail_after(20):
                while exchange.closed_at is None:
                    await trio.sleep(0.01)
            assert not exchange.complete
            assert client._idle == []


@pytest.mark.parametrize("around", [open_poller, nullcontext])
async def test_leaving_reaches_the_server_though_a_child_that_c_code_forked_has_a_copy_of_the_socket(around):
    """Else it would go on to think, and to bill, for whoever has left."""
    left = trio.Event()

    async def serve(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass
        left.set()

    async with around(), trio.open_nursery() as nursery, open_http() as client:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        async with client.post(ModelRequest(url, {}, b"{}")) as answer:
            assert await answer.receive() == b"half"
            copy = os.dup(answer._connection._stream.socket.fileno())
        try:
            with trio.fail_after(20):
                await left.wait()
        finally:
            os.close(copy)
        nursery.cancel_scope.cancel()


async def test_an_answer_that_breaks_off_says_so():
    with trio.fail_after(10):
        async with server_and_client("cut", piece_bytes=100) as (_, client, request), client.post(request) as answer:
            with pytest.raises(ModelUnavailable, match="broke off"):
                await read(answer)


@pytest.mark.parametrize("url", NOWHERE)
async def test_nobody_there_is_model_unavailable(url):
    with trio.fail_after(10):
        async with open_http() as client:
            with pytest.raises(ModelUnavailable) as raised:
                async with client.post(ModelRequest(url, {"Authorization": "Bearer secret"}, b"{}")):
                    pass
    assert "secret" not in str(raised.value)


async def test_no_answer_at_all_is_model_unavailable():
    async with a_server() as server, open_http() as client:
        server.header = b"\xff\xff bad\r\n"
        with pytest.raises(ModelUnavailable, match="localhost cannot be asked"):
            await ask(client, server)


async def test_a_connection_has_low_latency_from_the_question_until_the_answer_has_begun():
    """Its news would else wait for others', before a caller hears something."""
    with trio.fail_after(20):
        async with (
            open_poller(),
            open_chain(scripted(SCRIPT), manner=ChainManner(piece_bytes=100)) as chain,
            open_http() as client,
        ):
            address = f"{chain.urls['llm.url']}/chat/completions"
            client.warm(address)
            await until(lambda: client._idle)
            stream = client._idle[0]._stream
            assert not stream.low_latency
            async with client.post(ModelRequest(address, {"Authorization": "Bearer k"}, BODY)) as answer:
                pieces = 0
                while await answer.receive():
                    pieces += 1
                    assert stream.low_latency == (pieces < LOW_LATENCY_PIECES)
                assert pieces > LOW_LATENCY_PIECES
            assert not stream.low_latency
