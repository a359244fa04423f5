"""Hanging up by REST: idempotent, confirmed, patient, bounded."""

import zlib
from functools import partial

import httpx2
import pytest
import stamina
import trio

from trio_voice.edges.twilio.rest import HANG_UP_SECONDS, MAX_ANSWER_BYTES, TwilioRest

API = "https://api.twilio.test"


class Account:
    """Answers the SDK's requests from a list; the last answer is repeated."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    async def __call__(self, request):
        self.requests.append((request.method, str(request.url), (await request.aread()).decode()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await trio.sleep_forever()
        status, body = answer
        return httpx2.Response(status, json=body)


def call(status):
    return 200, {"sid": "CA1", "status": status}


def error(status, code):
    return status, {"code": code, "message": "words", "more_info": "", "status": status}


async def hang_up(*answers, on_failure=None):
    account = Account(*answers)
    open_http = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(account))
    done = await TwilioRest("AC1", "token", API, open_http, on_failure).hang_up("CA1")
    return done, account.requests


async def test_a_live_call_is_completed(autojump_clock):
    done, requests = await hang_up(call("completed"))
    assert done
    assert requests == [("POST", f"{API}/2010-04-01/Accounts/AC1/Calls/CA1.json", "Status=completed")]


@pytest.mark.parametrize("api_url", [API, f"{API}/proxy/", "http://127.0.0.1:8081"])
async def test_the_address_that_is_configured_goes_before_edge_and_region_of_the_environment(monkeypatch, api_url):
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    account = Account(call("completed"))
    open_http = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(account))
    assert await TwilioRest("AC1", "token", api_url, open_http).hang_up("CA1")
    ((_, url, _),) = account.requests
    assert url == f"{api_url.rstrip('/')}/2010-04-01/Accounts/AC1/Calls/CA1.json"


async def test_a_call_whose_resource_lags_is_looked_at_again(autojump_clock):
    done, requests = await hang_up(call("in-progress"), call("in-progress"), call("in-progress"), call("completed"))
    assert done
    assert [method for method, _, _ in requests] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize("answer", [error(404, 20404), error(400, 21220)])
async def test_a_call_that_is_over_is_a_success(autojump_clock, answer):
    done, requests = await hang_up(answer)
    assert done
    assert len(requests) == 1


@pytest.mark.parametrize(
    "trouble", [error(500, 20500), error(503, 20503), error(429, 20429), httpx2.ConnectError("refused"), None]
)
async def test_trouble_at_twilio_is_waited_out(autojump_clock, trouble):
    done, requests = await hang_up(trouble, trouble, call("completed"))
    assert done
    assert len(requests) == 3


async def test_a_refusal_is_not_repeated(autojump_clock):
    done, requests = await hang_up(error(401, 20003))
    assert not done
    assert len(requests) == 1


async def test_trouble_without_end_ends(autojump_clock):
    done, _ = await hang_up(error(503, 20503))
    assert not done
    assert trio.current_time() == HANG_UP_SECONDS


async def test_an_answer_that_is_no_json(autojump_clock):
    async def answer(_request):
        return httpx2.Response(418, text="<html>teapot</html>")

    open_http = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    assert not await TwilioRest("AC1", "token", API, open_http).hang_up("CA1")


def test_stamina_is_not_switched_off():
    assert stamina.is_active()


async def test_failures_are_told_but_not_that_a_call_was_over(autojump_clock):
    failed = []
    await hang_up(error(503, 20503), call("in-progress"), error(500, 0), call("completed"), on_failure=failed.append)
    assert failed == ["complete", "fetch"]
    await hang_up(error(404, 20404), on_failure=failed.append)
    assert failed == ["complete", "fetch"]


@pytest.mark.parametrize(
    "odd",
    [{"status_code": 200, "text": "<html>"}, {"status_code": 200, "text": "[]"}, {"status_code": 204}],
    ids=["no JSON", "no call", "nothing"],
)
async def test_an_answer_that_makes_no_sense_is_waited_out_and_reaches_nobody_else(autojump_clock, odd):
    answers = [httpx2.Response(**odd), httpx2.Response(200, json={"sid": "CA1", "status": "completed"})]

    async def answer(_request):
        return answers.pop(0)

    open_http = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    assert await TwilioRest("AC1", "token", API, open_http).hang_up("CA1")
    assert answers == []


async def test_a_request_that_is_cancelled_as_its_connection_is_made_leaves_none(monkeypatch):
    """As when a stream stops before Twilio has answered that it stops it. The pool of httpx2 would keep it for ever."""
    connect, scope, left = trio.open_tcp_stream, trio.CancelScope(), trio.Event()

    async def connect_and_be_cancelled(host, port, **how):
        stream = await connect(host, port, **how)
        scope.cancel()
        return stream

    async def serve(stream):
        assert await stream.receive_some() == b""
        left.set()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        rest = TwilioRest("AC1", "token", url, httpx2.AsyncClient)
        monkeypatch.setattr(trio, "open_tcp_stream", connect_and_be_cancelled)
        with scope:
            await rest.redirect("CA1", "<Response/>")
        assert scope.cancelled_caught
        with trio.fail_after(2):
            await left.wait()
        nursery.cancel_scope.cancel()


NESTED = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "odd",
    [
        httpx2.Response(200, content=NESTED),
        httpx2.Response(500, content=NESTED),
        httpx2.Response(503, json={"code": [1], "message": {"a": 1}, "status": "x"}),
        httpx2.Response(200, content=b"{}", headers={"content-type": "application/json; charset=base64"}),
        httpx2.Response(503, content=b"{}", headers={"content-type": "application/json; charset=base64"}),
        httpx2.Response(200, content=zlib.compress(bytes(1_000)), headers={"content-encoding": "deflate"}),
        httpx2.Response(200, content=b" " * (MAX_ANSWER_BYTES + 1)),
        RuntimeError("can't start new thread"),
        ImportError("socksio"),
        httpx2.InvalidURL("proxy"),
    ],
    ids=[
        "nested",
        "nested_500",
        "code_list",
        "base64",
        "base64_503",
        "packed",
        "very_long",
        "no_thread",
        "no_library",
        "bad_url",
    ],
)
async def test_whatever_comes_of_a_request_it_is_repeated_and_nothing_leaves_the_hang_up(autojump_clock, odd):
    answers = [odd, httpx2.Response(200, json={"sid": "CA1", "status": "completed"})]

    async def answer(_request):
        await trio.lowlevel.checkpoint()
        next_one = answers.pop(0)
        if isinstance(next_one, Exception):
            raise next_one
        return next_one

    open_http = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    assert await TwilioRest("AC1", "token", API, open_http).hang_up("CA1")
    assert answers == []
