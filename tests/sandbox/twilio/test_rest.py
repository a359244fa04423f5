"""The REST API of the sandbox's Twilio, asked by hand and by Twilio's own library."""

import httpx2
import pytest
import trio
import twilio.rest
from twilio.base.exceptions import TwilioRestException

from tests.sandbox.twilio.world import SITE, TOKEN, call_in, codes, response
from trio_voice.sandbox.twilio.account import Callee


async def test_completed_ends_the_call_and_its_stream_once(sandbox, streams, rest):
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    answer = await rest.post(f"Calls/{call.sid}", Status="completed")
    assert (answer.status_code, answer.json()["status"], answer.json()["sid"]) == (200, "completed", call.sid)
    await call.settled.wait()
    await streams.over.wait()
    assert (stream.end.by, streams.messages[-1]["event"], call.ended_by) == ("twilio", "stop", "rest")
    again = await rest.post(f"Calls/{call.sid}", Status="completed")
    assert (again.status_code, again.json()["code"]) == (400, 21220)
    assert again.json()["more_info"] == "https://www.twilio.com/docs/errors/21220"
    assert again.json()["status"] == 400
    assert [(request.method, request.fields, request.status) for request in sandbox.rest.requests] == [
        ("POST", {"Status": "completed"}, 200),
        ("POST", {"Status": "completed"}, 400),
    ]


async def test_new_twiml_replaces_the_stream(sandbox, site, streams, rest):
    sandbox.account.callees["+15550002222"] = Callee(talk_seconds=0.1)
    call = await call_in(sandbox)
    await call.wait_for_stream()
    answer = await rest.post(f"Calls/{call.sid}", Twiml=response("<Dial>+15550002222</Dial>"))
    assert answer.json()["status"] == "in-progress"
    await streams.over.wait()
    assert streams.messages[-1]["event"] == "stop"
    await call.settled.wait()
    assert (call.dialed, call.ended_by) == (["+15550002222"], "instructions")
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-stopped"]


async def test_a_new_url_is_asked_as_the_call_goes_on(sandbox, site, rest):
    site.answers["/other"] = response("<Say>other</Say>")
    call = await call_in(sandbox)
    await call.wait_for_stream()
    await rest.post(f"Calls/{call.sid}", Url=f"https://{SITE}/other")
    await call.settled.wait()
    assert (call.said, site.forms("/other")[0]["CallStatus"]) == (["other"], "in-progress")


async def test_a_time_limit_ends_a_live_call(sandbox, streams, rest):
    call = await call_in(sandbox)
    await call.wait_for_stream()
    await rest.post(f"Calls/{call.sid}", TimeLimit="0.3")
    await call.settled.wait()
    assert (call.status, call.ended_by, codes(call)) == ("completed", "time limit", [32015])
    assert call.streams[0].end.by == "twilio"


async def test_calls_are_fetched_and_listed_with_filters_and_pages(sandbox, site, rest):
    site.answers["/twiml"] = response("<Say>done</Say>")
    for number in range(5):
        call = await call_in(sandbox, from_=f"+1555000000{number}")
        await call.settled.wait()
    fetched = (await rest.get(f"Calls/{call.sid}")).json()
    assert fetched.items() >= {"from": "+15550000004", "status": "completed", "direction": "inbound"}.items()
    assert fetched["duration"] == str(call.duration) == "1"
    assert fetched["start_time"].endswith("+0000")
    page = (await rest.get("Calls", PageSize="2", Status="completed")).json()
    assert [each["from"] for each in page["calls"]] == ["+15550000004", "+15550000003"]
    second = (await rest.client.get(sandbox.api_url + page["next_page_uri"])).json()
    assert [each["from"] for each in second["calls"]] == ["+15550000002", "+15550000001"]
    last = (await rest.client.get(sandbox.api_url + second["next_page_uri"])).json()
    assert (len(last["calls"]), last["next_page_uri"], last["page"]) == (1, None, 2)
    assert (await rest.get("Calls", Status="in-progress")).json()["calls"] == []
    assert len((await rest.get("Calls", From="+15550000001", To="+15551234567")).json()["calls"]) == 1
    assert (await rest.get("Calls", **{"StartTime>": "2999-01-01"})).json()["calls"] == []
    assert (await rest.get("Calls", PageSize="1001")).json()["code"] == 20007


async def test_strangers_and_unknown_calls_are_turned_away(sandbox, rest):
    assert (await rest.get(f"Calls/CA{'0' * 32}")).json()["code"] == 20404
    assert (await rest.get("Messages")).status_code == 404
    call = await call_in(sandbox)
    assert (await rest.client.delete(f"{rest.root}/Calls/{call.sid}.json")).json()["code"] == 20004
    sandbox.rest.api_keys["SK1"] = "key"
    rest.client.auth = ("SK1", "key")
    assert (await rest.get("Calls")).status_code == 200
    rest.client.auth = (sandbox.account_sid, "wrong")
    refused = await rest.get("Calls")
    assert (refused.status_code, refused.json()["code"]) == (401, 20003)


def sdk_of(sandbox):
    client = twilio.rest.Client(sandbox.account_sid, TOKEN)
    client.api.base_url = sandbox.api_url
    return client


async def test_twilios_own_library_understands_it(sandbox, site):
    def use():
        client = sdk_of(sandbox)
        with client.http_client.session:
            made = client.calls.create(to="+15550009999", from_="+15551234567", twiml=response("<Say>hi</Say>"))
            for _ in range(100):
                if client.calls(made.sid).fetch().status == "completed":
                    break
            fetched = client.calls(made.sid).fetch()
            with pytest.raises(TwilioRestException) as refused:
                client.calls(made.sid).update(status="completed")
            listed = client.calls.list(status="completed", page_size=1)
            return made, fetched, refused.value, listed

    site.answers["/twiml"] = response("<Say>hi</Say>")
    await (await call_in(sandbox)).settled.wait()
    made, fetched, refused, listed = await trio.to_thread.run_sync(use)
    assert (made.status, fetched.status, fetched.direction) == ("queued", "completed", "outbound-api")
    assert fetched.start_time is not None
    assert (refused.code, refused.status) == (21220, 400)
    assert [each.direction for each in listed] == ["outbound-api", "inbound"]


# How it fails


async def test_the_next_requests_fail_as_they_are_told_to(sandbox, rest):
    sandbox.rest.fail_next(503, times=2)
    sandbox.rest.fail_next(429)
    sandbox.rest.fail_next(500, method="POST")
    got = [await rest.get("Calls") for _ in range(4)]
    assert [(each.status_code, each.json().get("code")) for each in got] == [
        (503, 20503),
        (503, 20503),
        (429, 20429),
        (200, None),
    ]
    assert "twilio-concurrent-requests" in got[2].headers
    assert (await rest.create()).status_code == 500
    assert sandbox.calls == {}


async def test_a_request_may_take_effect_though_its_answer_is_lost(sandbox, rest):
    sandbox.rest.fail_next("reset", method="POST", processed=True)
    with pytest.raises(httpx2.HTTPError):
        await rest.create()
    assert len(sandbox.calls) == 1
    sandbox.rest.fail_next("hang")
    with pytest.raises(httpx2.ReadTimeout):
        await rest.client.get(rest.root, timeout=0.2)
    assert [request.status for request in sandbox.rest.requests] == [None, None]


async def test_the_api_can_be_away_and_come_back_to_the_same_place(sandbox, rest):
    assert (await rest.get("Calls")).status_code == 200
    url = sandbox.api_url
    async with sandbox.rest.server.unreachable():
        with pytest.raises(httpx2.ConnectError):
            await rest.get("Calls")
    assert sandbox.api_url == url
    assert (await rest.get("Calls")).status_code == 200


async def test_a_client_that_speaks_no_http_is_dropped(sandbox):
    async with await trio.open_tcp_stream("127.0.0.1", sandbox.rest.server.port) as stream:
        await stream.send_all(b"\x16\x03\x01 this is TLS\r\n\r\n")
        assert await stream.receive_some() == b""
