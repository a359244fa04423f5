"""Answers on the way to Twilio that are not Twilio's: a proxy that knows nothing of a call says nothing about it."""

from functools import partial

import httpx2
import pytest

from trio_voice.edges.twilio.rest import CallOrder, TwilioRest
from trio_voice.errors import RestError

PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "code": 404}
OTHERS = {
    "page": httpx2.Response(404, text="<html><h1>404 Not Found</h1></html>"),
    "nothing": httpx2.Response(404),
    "json": httpx2.Response(404, json={"error": "no route"}),
    "problem": httpx2.Response(404, json=PROBLEM),
    "its own code": httpx2.Response(404, json={"code": 404, "message": "no Route matched with those values"}),
    "forbidden": httpx2.Response(403, text="blocked by policy"),
    "misdirected": httpx2.Response(421, text="no such host here"),
}
OVER = httpx2.Response(200, json={"sid": "CA1", "status": "completed"})


def asked(*answers):
    """Twilio's REST, which is answered so, one after the other; and the methods of what was asked."""
    methods, answers = [], list(answers)

    async def answer(request):
        methods.append(request.method)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    open_http = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    return TwilioRest("AC1", "token", "https://api.twilio.test", open_http), methods


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_a_call_is_over_when_twilio_says_so_and_not_when_somebody_on_the_way_does(autojump_clock, other):
    rest, methods = asked(other, other, OVER)
    assert await rest.hang_up("CA1")
    assert methods == ["POST", "POST", "POST"]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_who_is_not_twilio_has_not_seen_a_call_end(autojump_clock, other):
    rest, _ = asked(other)
    assert not await rest.is_over("CA1")
    assert not await rest.hang_up("CA1")


async def test_twilio_itself_has(autojump_clock):
    rest, _ = asked(httpx2.Response(404, json={"code": 20404, "message": "gone", "status": 404}))
    assert await rest.is_over("CA1")
    assert await rest.hang_up("CA1")


NO_CALL = {
    "nothing": {},
    "null": {"sid": None, "status": None},
    "number": {"sid": 5, "status": 7},
    "list": {"sid": ["CA1"], "status": ["completed"]},
    "path": {"sid": "../CA1", "status": "completed"},
    "long": {"sid": "C" * 100_000, "status": "completed"},
    "odd status": {"sid": "CA1", "status": "\0\n"},
}
ORDER = CallOrder(
    to_number="+15557654321",
    from_number="+15551234567",
    twiml_url="https://voice.example.com/twiml/00",
    status_url="https://voice.example.com/call-status/00",
    ring_seconds=30,
    time_limit_seconds=600,
)


@pytest.mark.parametrize("body", NO_CALL.values(), ids=NO_CALL)
async def test_what_names_no_call_tells_nothing_of_one(autojump_clock, body):
    rest, methods = asked(httpx2.Response(200, json=body))
    with pytest.raises(RestError) as unknown:
        await rest.create(ORDER)
    assert unknown.value.outcome_unknown
    with pytest.raises(RestError):
        await rest.redirect("CA1", "<Response/>")
    assert methods == ["POST", "POST"]  # nothing is placed or changed a second time
    assert not await rest.is_over("CA1")
    assert not await rest.hang_up("CA1")


async def test_what_became_of_another_call_tells_nothing_of_this_one(autojump_clock):
    rest, _ = asked(httpx2.Response(200, json={"sid": "CA2", "status": "completed"}))
    with pytest.raises(RestError):
        await rest.redirect("CA1", "<Response/>")
    assert not await rest.is_over("CA1")
    assert not await rest.hang_up("CA1")
