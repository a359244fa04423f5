"""Bodies without an end, connections without room, and what comes behind a request."""

import pytest

from tests.edges.web.exchanges import PLAIN, World, both, post, what_matters
from trio_voice.edges.web.server import HALF_CLOSED_SECONDS
from trio_voice.edges.web.webhook_exchange import DISCARD_SECONDS
from trio_voice.edges.web.webhooks import BODY_SECONDS


@pytest.mark.parametrize("behind", [b"\r\n", b"\x00\xff", post("/call-status")], ids=["a line", "nonsense", "another"])
async def test_what_comes_behind_a_request_is_nobodys(monkeypatch, autojump_clock, behind):
    """By hypercorn and the app the answer is lost now and then, which is why they are not asked here."""
    found = []
    for more in (b"", behind):
        world = World(monkeypatch, is_short=True)
        answer, seconds = await world.knock([PLAIN["a call"] + more])
        found.append((what_matters(answer), seconds, world.seen()))
    assert found[0] == found[1]


async def test_one_after_the_other_until_the_house_is_full(monkeypatch, autojump_clock):
    requests = [post(fields=[("CallSid", f"CA{number}")]) for number in range(5)]
    requests += [post("/twiml?via=07", fields=[("CallSid", "CA9")]), post(fields=[("CallSid", "CA0")])]
    found = []
    for is_short in (False, True):
        world = World(monkeypatch, is_short=is_short)
        answers = [what_matters((await world.knock([request]))[0]) for request in requests]
        found.append((answers, world.seen()))
    assert found[0] == found[1]
    assert sum(b"<Redirect" in answer[-1] for answer in found[0][0]) == 3
    assert sum(b"<Say>" in answer[-1] for answer in found[0][0]) == 1


async def test_a_body_that_never_ends_is_told_so_in_time(monkeypatch, autojump_clock):
    (*by_app, _), (*by_us, not_asked) = await both(monkeypatch, [PLAIN["a call"][:-1]])
    assert by_us == by_app
    assert by_us[0][0] == b"HTTP/1.1 408"
    assert by_us[1] == BODY_SECONDS + DISCARD_SECONDS  # for the rest of it
    assert not_asked == 0


async def test_who_leaves_before_the_end_of_the_body_has_asked_nothing(monkeypatch, autojump_clock):
    """The app's server is told of the end late, for the sake of those who half-close behind a whole request."""
    by_app, by_us = await both(monkeypatch, [PLAIN["a call"][:-1]], stays=False)
    assert (by_us[0], by_us[2]) == (by_app[0], by_app[2])
    assert (by_us[1], by_app[1]) == (0, HALF_CLOSED_SECONDS)
    assert by_us[2][3] == []


async def test_who_is_refused_by_the_head_is_told_at_once_and_may_still_say_the_rest(monkeypatch, autojump_clock):
    """Else the kernel would answer the rest with a reset, which overtakes the answer."""
    world = World(monkeypatch, is_short=True)
    head, blank, body = PLAIN["no signature"].partition(b"\r\n\r\n")
    answer, seconds = await world.knock([head + blank, body])
    assert answer.startswith(b"HTTP/1.1 403")
    assert seconds == 0
    answer, seconds = await world.knock([head + blank])
    assert answer.startswith(b"HTTP/1.1 403")
    assert seconds == DISCARD_SECONDS
