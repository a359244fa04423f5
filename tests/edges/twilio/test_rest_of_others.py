"""Answers on the way to Twilio that are not Twilio's: a proxy that knows nothing of a call says nothing about it."""

from functools import partial

import httpx2
import pytest

from trio_voice.edges.twilio.rest import TwilioRest

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
