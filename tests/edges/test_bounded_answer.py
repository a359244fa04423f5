"""Answers of anybody: read whole up to a bound, never unpacked."""

import gzip

import httpx2
import pytest
import trio

from trio_voice.edges.bounded_answer import ask

MOST = 1_000


async def answer_to(respond, **how):
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        return await ask(client, "GET", "http://peer.test/", most_bytes=MOST, **how)


@pytest.mark.parametrize("length", [0, MOST])
async def test_an_answer_is_whole_as_it_came(length):
    asked = []

    async def respond(request):
        asked.append(request.headers)
        return httpx2.Response(503, content=b"x" * length, headers={"Retry-After": "7"})

    answer = await answer_to(respond, headers={"A": "b"})
    assert (answer.status_code, answer.content, answer.headers["Retry-After"]) == (503, b"x" * length, "7")
    assert (asked[0]["A"], asked[0]["Accept-Encoding"]) == ("b", "identity")


async def test_an_answer_without_end_is_left_at_the_bound():
    sent = []

    async def endless():  # noqa: ASYNC900 - a body: httpx2 closes it
        while True:
            sent.append(100)
            yield b"x" * 100

    async def respond(_request):
        return httpx2.Response(200, content=endless())

    with pytest.raises(httpx2.RemoteProtocolError, match="longer than 1000 bytes"):
        await answer_to(respond)
    assert sum(sent) <= MOST + 200


async def test_others_have_their_turn_between_the_pieces_of_an_answer():
    """Ten thousand pieces may have been read at once."""

    async def crumbs():  # noqa: ASYNC900 - a body: httpx2 closes it
        for _ in range(500):
            yield b"x"

    async def respond(_request):
        return httpx2.Response(200, content=crumbs())

    turns = 0

    async def somebody_else():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(somebody_else)
        assert (await answer_to(respond)).content == b"x" * 500
        nursery.cancel_scope.cancel()
    assert turns > 400


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "gzip, gzip", "\xff"])
async def test_what_is_compressed_is_not_unpacked(coding):
    """A kilobyte may be a megabyte."""

    async def bomb():  # noqa: ASYNC900 - a body: httpx2 closes it
        yield gzip.compress(bytes(1_000_000))

    async def respond(_request):
        return httpx2.Response(200, content=bomb(), headers=[(b"Content-Encoding", coding.encode("latin-1"))])

    with pytest.raises(httpx2.DecodingError, match="compressed"):
        await answer_to(respond)
