"""The HTTP client of the language model, against a server on loopback."""

from contextlib import asynccontextmanager

import pytest
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.net.http import open_http
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


async def read(answer):
    body = b""
    while piece := await answer.receive():
        body += piece
    return body


async def test_an_answer_comes_in_pieces_to_its_end_and_the_connection_is_used_again():
    with trio.fail_after(10):
        async with server_and_client(piece_bytes=500) as (chain, client, request):
            for _ in range(2):
                async with client.post(request) as answer:
                    assert answer.status == 200
                    assert (await read(answer)).endswith(b"data: [DONE]\n\n")
            assert [each.complete for each in chain.thinking.exchanges] == [True, True]
            (only,) = client._client._transport._pool.connections
            assert only.is_idle()


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
            with trio.fail_after(1):
                while exchange.closed_at is None:
                    await trio.sleep(0.01)
            assert not exchange.complete
            assert client._client._transport._pool.connections == []


async def test_an_answer_that_breaks_off_says_so():
    with trio.fail_after(10):
        async with server_and_client("cut", piece_bytes=100) as (_, client, request), client.post(request) as answer:
            with pytest.raises(ModelUnavailable, match="broke off"):
                await read(answer)


NOWHERE = ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1", "ftp://x/", "http://[", "x"]


@pytest.mark.parametrize("url", NOWHERE)
async def test_nobody_there_is_model_unavailable(url):
    with trio.fail_after(10):
        async with open_http() as client:
            with pytest.raises(ModelUnavailable) as raised:
                async with client.post(ModelRequest(url, {"Authorization": "Bearer secret"}, b"{}")):
                    pass
    assert "secret" not in str(raised.value)
