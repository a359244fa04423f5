"""Say, mute, transfer: what is asked for badly is told so, and what cannot be done now is, too."""

import json

import pytest
import trio
import trio.testing

from tests.call.promises import StubCall
from trio_voice.errors import CallRefused
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested

OPERATOR = {"Authorization": "Bearer op"}
LIVE = "0" * 32


class SteeredCall(StubCall):
    def __init__(self, call_id):
        super().__init__(call_id)
        self.wishes = []
        self.refuses = None

    def ask(self, wish):
        if self.refuses:
            raise self.refuses
        self.wishes.append(wish)


async def allowed(number):
    if not number.startswith("+"):
        raise CallRefused("bad_number", "the number must be like +15551234567")
    return number


@pytest.fixture
async def call(registry, nursery, context):
    context.dialer.allowed = allowed
    call = SteeredCall(LIVE)
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    yield call
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()


async def steer(client, verb, body, call_id=LIVE):
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = await client.post(f"/calls/{call_id}/{verb}", data=data, headers=OPERATOR)
    return answer.status_code, (await answer.get_json()).get("error", {})


@pytest.mark.parametrize(
    ("verb", "body", "wish"),
    [
        ("say", {"text": " We close\nin ten minutes. "}, SayRequested("We close in ten minutes.")),
        ("mute", {"muted": True}, MuteRequested(muted=True)),
        ("mute", {"muted": False}, MuteRequested(muted=False)),
        ("transfer", {"to": "+14155550100"}, TransferRequested("+14155550100")),
    ],
)
async def test_what_is_asked_for_is_done(client, call, verb, body, wish):
    assert await steer(client, verb, body) == (202, {})
    assert call.wishes == [wish]


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("say", b"", "send JSON"),
        ("say", b"\xff{", "send JSON"),
        ("say", b"[" * 10_000, "send JSON"),
        ("say", [], "send JSON"),
        ("say", {}, "send JSON"),
        ("say", {"text": 1}, "send JSON"),
        ("say", {"text": None}, "send JSON"),
        ("say", {"text": ""}, "a word in it"),
        ("say", {"text": " \n…"}, "a word in it"),
        ("say", {"text": "a" * 1_001}, "at most 1000"),
        ("say", b'{"text": "Hi \\ud83d"}', "half a character"),
        ("say", {"text": "Hi", "loud": True}, "no field loud"),
        ("mute", {}, "send JSON"),
        ("mute", {"muted": 1}, "send JSON"),
        ("mute", {"muted": "true"}, "send JSON"),
        ("transfer", {}, "send JSON"),
        ("transfer", {"to": 14155550100}, "send JSON"),
        ("transfer", {"to": "the boss"}, "number"),
    ],
)
async def test_what_is_asked_for_badly_is_told_so(client, call, verb, body, words):
    status, error = await steer(client, verb, body)
    assert status == 400
    assert words in error["message"]
    assert call.wishes == []


async def test_what_is_far_too_long_is_not_read(client, call):
    status, error = await steer(client, "say", {"text": "a" * 100_000})
    assert (status, bool(error["message"])) == (413, True)


@pytest.mark.parametrize(
    ("code", "status"), [("not_live", 409), ("muted", 409), ("not_supported", 422), ("something", 409)]
)
async def test_what_cannot_be_done_is_told_why(client, call, code, status):
    call.refuses = CallRefused(code, "in words")
    assert await steer(client, "say", {"text": "Hi"}) == (status, {"code": code, "message": "in words"})


async def test_a_call_that_is_over_or_not_answered_does_nothing(client, context, registry, call):
    expected = registry.expect(
        context.routing.personas["desk"], direction="inbound", from_number="", to_number="", call_sid=None
    )
    assert (await steer(client, "say", {"text": "Hi"}, expected.record.call_id))[1]["code"] == "not_live"
    assert (await steer(client, "say", {"text": "Hi"}, "f" * 32))[0] == 404
    context.journal.trouble = "it cannot be asked"
    assert (await steer(client, "say", {"text": "Hi"}, "f" * 32))[0] == 409
    assert (await client.post(f"/calls/{LIVE}/say", data=b"{}")).status_code == 401
