"""The HTTP client of the language model, against a server on loopback."""

import os
import ssl
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial

import pytest
import trio
import trustme

from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.net import http as under_test
from trio_voice.net.connect import Unreachable, connect
from trio_voice.net.http import KEPT_A_HOST, KEPT_SECONDS, open_http, open_http_pool
from trio_voice.net.http_connection import EARLY_SECONDS, LOW_LATENCY_PIECES
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


NOWHERE = ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1", "ftp://x/", "http://[", "x"]


@pytest.mark.parametrize("url", NOWHERE)
async def test_nobody_there_is_model_unavailable(url):
    with trio.fail_after(10):
        async with open_http() as client:
            with pytest.raises(ModelUnavailable) as raised:
                async with client.post(ModelRequest(url, {"Authorization": "Bearer secret"}, b"{}")):
                    pass
    assert "secret" not in str(raised.value)


# Connections that are open before they are needed

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok"


class Server:
    """Answers each request with ``ok``; what it does besides, a test does to its streams.

    With TLS it hands out two tickets, behind the handshake, as servers do.
    """

    def __init__(self, header=b""):
        self.header = header
        self.streams = []
        self.requests = self.answered = 0
        self.url = ""

    async def serve(self, tls=None, *, task_status):
        (listener, *_) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://localhost:{listener.socket.getsockname()[1]}/v1"
        task_status.started()

        async def handle(stream):
            if tls is not None:
                stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
                await stream.do_handshake()
            self.streams.append(stream)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await stream.receive_some():
                    if data.endswith(b"}"):
                        self.requests += 1
                        await stream.send_all(ANSWER % self.header)
                        self.answered += 1
            await trio.aclose_forcefully(stream)
            self.streams.remove(stream)

        await trio.serve_listeners(handle, [listener])


@asynccontextmanager
async def a_server(header=b"", tls=None):
    server = Server(header)
    with trio.fail_after(10):
        async with open_poller(), trio.open_nursery() as nursery:
            await nursery.start(partial(server.serve, tls))
            yield server
            nursery.cancel_scope.cancel()


async def ask(client, server):
    async with client.post(ModelRequest(server.url, {}, b"{}")) as answer:
        assert await read(answer) == b"ok"


async def until(condition):
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.005)


async def test_a_warm_connection_is_the_one_that_the_next_request_goes_over():
    async with a_server() as server, open_http() as client:
        client.warm(server.url)
        client.warm(server.url)  # one is enough
        await until(lambda: client._idle)
        assert len(server.streams) == 1
        assert server.requests == 0  # nothing is said on it, not even a HEAD
        await ask(client, server)
        assert client.used == {"warm": 1}
        assert len(server.streams) == 1


async def test_a_request_waits_for_the_connection_that_is_being_opened():
    async with a_server() as server, open_http() as client:
        client.warm(server.url)
        await ask(client, server)
        assert client.used == {"warm": 1}
        assert len(server.streams) == 1


async def test_a_connection_is_kept_between_requests_however_long_the_caller_talks(monkeypatch):
    async with a_server() as server, open_http() as client:
        await ask(client, server)
        at = trio.current_time()
        monkeypatch.setattr(under_test.trio, "current_time", lambda: at + 3_600)
        await ask(client, server)
        assert client.used == {"new": 1, "warm": 1}


async def test_one_that_the_server_has_closed_is_noticed_when_the_caller_begins_to_speak():
    async with a_server() as server, open_http() as client:
        await ask(client, server)
        await trio.aclose_forcefully(server.streams[0])
        await until(lambda: not client._idle[0].is_good(trio.current_time()))
        client.warm(server.url)
        await until(lambda: client._idle)
        await ask(client, server)
        assert client.used == {"new": 1, "warm": 1}


async def test_one_that_the_server_closes_under_the_request_is_replaced_and_nothing_is_asked_twice():
    async with a_server() as server, open_http() as client:
        await ask(client, server)
        (kept,) = client._idle
        await trio.aclose_forcefully(server.streams[0])
        await until(lambda: not kept.is_good(trio.current_time()))
        kept.is_good = lambda _now: True  # it looked good a moment ago
        await ask(client, server)
        assert client.used == {"new": 1, "again": 1}
        assert server.requests == 2


async def test_one_is_given_up_before_the_server_does_by_its_own_word(monkeypatch):
    async with a_server(b"Keep-Alive: timeout=5, max=100\r\n") as server, open_http() as client:
        await ask(client, server)
        (kept,) = client._idle
        now = trio.current_time()
        assert kept.is_good(now + 4.9 - EARLY_SECONDS)
        assert not kept.is_good(now + 5.1 - EARLY_SECONDS)


async def test_one_that_the_server_will_close_is_not_kept():
    async with a_server(b"Connection: close\r\n") as server, open_http() as client:
        await ask(client, server)
        assert client._idle == []


async def test_bytes_that_nobody_asked_for_end_a_connection():
    async with a_server() as server, open_http() as client:
        await ask(client, server)
        await until(lambda: server.answered == 1)
        await server.streams[0].send_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await until(lambda: not client._idle[0].is_good(trio.current_time()))
        await ask(client, server)
        assert client.used == {"new": 2}


async def test_tickets_of_tls_do_not_make_an_idle_connection_look_dead(monkeypatch):
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("localhost").configure_cert(theirs)
    monkeypatch.setattr(under_test, "connect", partial(connect, tls=ours))
    async with a_server(tls=theirs) as server, open_http() as client:
        client.warm(server.url)
        await until(lambda: client._idle)
        await trio.sleep(0.1)
        (kept,) = client._idle
        assert kept._stream._tls._tls.version() == "TLSv1.3"
        await ask(client, server)
        await ask(client, server)
        assert client.used == {"warm": 2}


async def test_what_nobody_can_be_warmed_up_for_is_told_by_the_request_alone():
    with trio.fail_after(10):
        async with open_http() as client:
            for url in NOWHERE:
                client.warm(url)
            await until(lambda: not client._opening)
            with pytest.raises(ModelUnavailable):
                async with client.post(ModelRequest(NOWHERE[0], {}, b"{}")):
                    pass


async def test_no_answer_at_all_is_model_unavailable():
    async with a_server() as server, open_http() as client:
        server.header = b"\xff\xff bad\r\n"
        with pytest.raises(ModelUnavailable, match="localhost cannot be asked"):
            await ask(client, server)


# Between calls


async def test_what_is_good_at_the_end_of_a_call_is_the_next_calls():
    async with a_server() as server, open_http_pool() as pool:
        for _ in range(2):
            async with open_http() as client:
                await ask(client, server)
        assert pool.used == {"new": 1, "warm": 1}
        assert len(server.streams) == 1


async def test_it_is_kept_for_seconds_and_a_few_of_a_host(monkeypatch):
    assert KEPT_SECONDS < 2  # what the promise allows a call
    monkeypatch.setattr(under_test, "KEPT_SECONDS", 0.2)
    async with a_server() as server, open_http_pool() as pool:
        async with open_http() as client, trio.open_nursery() as calls:
            for _ in range(KEPT_A_HOST + 2):
                calls.start_soon(ask, client, server)
        assert len(pool._kept) == KEPT_A_HOST
        await until(lambda: not server.streams)
        assert pool._kept == []


async def test_a_drain_closes_it_and_nothing_is_kept_any_more():
    async with a_server() as server, open_http_pool() as pool:
        async with open_http() as client:
            await ask(client, server)
        pool.close()
        await until(lambda: not server.streams)
        async with open_http() as client:
            await ask(client, server)
        await until(lambda: not server.streams)


async def test_without_a_pool_nothing_outlives_the_call():
    async with a_server() as server:
        async with open_http() as client:
            await ask(client, server)
            client.warm("http://127.0.0.1:1/")
        await until(lambda: not server.streams)


async def test_connecting_to_nobody_says_why_and_leaves_nothing_open():
    with trio.fail_after(10):
        async with open_poller():
            with pytest.raises(Unreachable):
                await connect("127.0.0.1", 1, secure=False)


async def test_a_server_that_closes_idle_connections_soon_has_a_fresh_one_opened_for_the_next_request(monkeypatch):
    monkeypatch.setattr(under_test, "STALE_SECONDS", 0.05)
    monkeypatch.setattr(under_test, "PATIENT_SECONDS", 0.05)
    async with a_server() as server, open_http() as client:
        await ask(client, server)
        await trio.sleep(0.1)
        client.warm(server.url)
        await trio.sleep(0.1)
        assert len(server.streams) == 1  # it has kept one for long enough
        await trio.aclose_forcefully(server.streams[0])
        await until(lambda: not client._idle[0].is_good(trio.current_time()))
        await ask(client, server)
        await trio.sleep(0.1)
        client.warm(server.url)
        client.warm(server.url)
        await until(lambda: len(server.streams) == 2)
        await trio.aclose_forcefully(server.streams[0])
        await ask(client, server)
        assert client.used == {"new": 2, "warm": 1}


async def test_a_server_of_which_nothing_is_known_has_a_fresh_one_opened_until_it_has_kept_one(monkeypatch):
    """Else the first turn would wait for a handshake, where the server closes between the words and the question."""
    monkeypatch.setattr(under_test, "STALE_SECONDS", 0.05)
    async with a_server() as server, open_http_pool() as pool, open_http() as client:
        client.warm(server.url)
        await until(lambda: client._idle)
        client.warm(server.url)
        assert not client._opening  # it is fresh
        await trio.sleep(0.1)
        client.warm(server.url)
        await until(lambda: len(client._idle) == 2)
        old = min(client._idle, key=lambda kept: kept.idle_since)
        await trio.aclose_forcefully(server.streams[0])
        await until(lambda: not old.is_good(trio.current_time()))
        await ask(client, server)
        assert pool.used == {"warm": 1}
        monkeypatch.setattr(under_test, "PATIENT_SECONDS", 0.05)
        pool.hasty.clear()
        await trio.sleep(0.1)
        client.warm(server.url)
        assert pool.patient
        assert not client._opening


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
