"""Host names of which some are never answered."""

import socket
import threading

import pytest
import trio

from trio_voice.net.lookups import MAX_NAMES, THREADS_A_NAME, Lookups


@pytest.fixture
async def names(monkeypatch):
    """A resolver that answers for one name, and not for another until it is told to."""
    answers = threading.Event()
    asked = []

    def getaddrinfo(host, _port, _family, _kind, _protocol, flags):
        if flags & socket.AI_NUMERICHOST:  # trio looks first whether it is an address already
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        asked.append(host)
        if host == b"silent.example":
            answers.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    old = trio.socket.set_custom_hostname_resolver(Lookups())
    yield asked
    answers.set()
    trio.socket.set_custom_hostname_resolver(old)


async def test_a_name_that_is_answered_waits_for_no_look_up_of_one_that_is_not(names):
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(trio.socket.getaddrinfo, "silent.example", 443)
        await trio.sleep(0.1)
        with trio.fail_after(20):
            assert (await trio.socket.getaddrinfo("api.example", 443))[0][4] == ("127.0.0.1", 443)
        nursery.cancel_scope.cancel()
    assert names.count(b"silent.example") == THREADS_A_NAME


async def test_names_without_end_take_no_room_without_end(names):
    resolver = Lookups()
    for number in range(MAX_NAMES + 20):
        await resolver.getaddrinfo(f"{number}.example".encode(), 443)
    assert len(resolver._limits) == MAX_NAMES
