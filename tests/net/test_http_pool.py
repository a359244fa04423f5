"""Connections that are open before they are needed, kept between requests and between calls."""

import ssl
from functools import partial

import pytest
import trio
import trustme

from tests.net.http_servers import NOWHERE, a_server, ask, until
from trio_voice.errors import ModelUnavailable
from trio_voice.events.stage import ModelRequest
from trio_voice.net import http as under_test
from trio_voice.net.connect import Unreachable, connect
from trio_voice.net.http import KEPT_A_HOST, KEPT_SECONDS, open_http, open_http_pool
from trio_voice.net.http_connection import EARLY_SECONDS
from trio_voice.net.poller import open_poller


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
