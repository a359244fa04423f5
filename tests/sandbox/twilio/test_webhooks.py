"""Webhooks and callbacks: failures, fallbacks, verbs that follow one another."""

import json

import pytest
import trio

from tests.sandbox.twilio.world import SITE, call_in, codes, response
from trio_voice.sandbox.twilio import webhooks
from trio_voice.sandbox.twilio.account import Callee, Delivery
from trio_voice.sandbox.twilio.callers import Capture
from trio_voice.sandbox.twilio.http import HttpAnswer

FAILURES = {
    "an error": (HttpAnswer(503, b"", (("Content-Type", "text/xml"),)), 11200),
    "a reset": ("reset", 11205),
    "JSON": (HttpAnswer(200, b"{}"), 12300),
    "no content type": (HttpAnswer(200, b"<Response/>", ()), 12300),
    "no XML": ("<Response>", 12100),
}


@pytest.mark.parametrize("failure", FAILURES, ids=list(FAILURES))
async def test_a_webhook_that_fails_ends_the_call(sandbox, site, failure):
    site.answers["/twiml"], code = FAILURES[failure]
    call = await call_in(sandbox)
    await call.settled.wait()
    assert (codes(call), call.status, call.ended_by) == ([code], "completed", "application error")


async def test_a_webhook_that_does_not_answer_in_time(sandbox, site, monkeypatch):
    monkeypatch.setattr(webhooks, "ANSWER_SECONDS", 0.1)
    site.answers["/twiml"] = "hang"
    call = await sandbox.call_in(f"https://{SITE}/twiml")
    await call.settled.wait()
    assert codes(call) == [11205]
    assert call.requests[0].status is None


async def test_the_fallback_url_is_told_why_it_is_asked(sandbox, site):
    site.answers["/twiml"] = HttpAnswer(500, b"")
    site.answers["/fallback"] = response("<Say>fallback</Say>")
    call = await call_in(sandbox, fallback_url=f"https://{SITE}/fallback")
    await call.settled.wait()
    assert call.said == ["fallback"]
    [form] = site.forms("/fallback")
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("11200", f"https://{SITE}/twiml")


async def test_get_puts_the_fields_into_the_query_and_signs_them(sandbox, site):
    site.answers["/twiml"] = response("<Say>got</Say>")
    call = await sandbox.call_in(f"https://{SITE}/twiml?a=b", method="GET", fields=())
    await call.settled.wait()
    assert call.requests[0].method == "GET"
    assert dict(site.requests[0].query).items() >= {"a": "b", "CallSid": call.sid}.items()


@pytest.mark.parametrize(("verb", "status"), [("<Reject/>", "no-answer"), ('<Reject reason="busy"/>', "busy")])
async def test_a_rejected_call_was_never_answered(sandbox, site, verb, status):
    site.answers["/twiml"] = response(verb)
    call = await call_in(sandbox)
    await call.settled.wait()
    assert (call.status, call.start_time, call.duration, call.heard()) == (status, None, 0, b"")
    assert site.forms("/call-status")[0]["CallStatus"] == status


async def test_a_caller_who_hangs_up_while_it_rings(sandbox, site):
    site.answers["/twiml"] = "hang"
    call = await call_in(sandbox)
    await trio.sleep(0.05)
    call.hang_up()
    await call.settled.wait()
    assert (call.status, call.ended_by) == ("no-answer", "caller")


async def test_a_redirect_and_a_dial_with_its_action(sandbox, site):
    sandbox.account.callees["+15550002222"] = Callee("busy")
    sandbox.account.callees["+15550003333"] = Callee(talk_seconds=0.05)
    site.answers["/twiml"] = response("<Redirect>/next</Redirect>")
    site.answers["/next"] = response('<Dial action="/after1"><Number>+15550002222</Number></Dial>')
    site.answers["/after1"] = response('<Dial action="/after2">+15550003333</Dial>')
    call = await call_in(sandbox)
    await call.settled.wait()
    assert call.dialed == ["+15550002222", "+15550003333"]
    assert site.forms("/after1")[0]["DialCallStatus"] == "busy"
    assert site.forms("/after2")[0].items() >= {"DialCallStatus": "completed", "DialCallDuration": "1"}.items()


async def test_callbacks_come_twice_late_and_out_of_order(sandbox, site):
    sandbox.account.delivery = Delivery(times=2, late={"stream-started": 1.0})
    call = await call_in(sandbox)
    await call.wait_for_stream()
    await trio.sleep(0.05)
    call.hang_up()
    await call.settled.wait()
    seen = [dict(request.form).get("StreamEvent", "call") for request in site.requests if request.path != "/twiml"]
    assert seen[-2:] == ["stream-started"] * 2
    assert sorted(seen[:4]) == ["call", "call", "stream-stopped", "stream-stopped"]


async def test_a_callback_that_is_refused_is_a_warning(sandbox, site):
    site.answers["/call-status"] = HttpAnswer(500, b"")
    call = await call_in(sandbox)
    await call.wait_for_stream()
    call.hang_up()
    await call.settled.wait()
    assert codes(call) == [15003]


async def test_a_capture_is_replayed_with_the_sids_of_the_call(sandbox, streams):
    sids = {"accountSid": "AC0", "callSid": "CA0"}
    messages = [
        {"event": "connected", "protocol": "Call", "version": "0.2.0"},
        {"event": "start", "start": {"streamSid": "MZ0", "customParameters": {}, **sids}, "streamSid": "MZ0"},
        {"event": "stop", "streamSid": "MZ0", "stop": sids},
    ]
    lines = [json.dumps(message) for message in messages]
    call = await call_in(sandbox, capture=Capture(lines, verbatim=False))
    await call.settled.wait()
    await streams.over.wait()
    assert streams.messages[1]["start"]["callSid"] == call.sid
    assert streams.messages[1]["start"]["customParameters"] == {"k": "v"}
    assert streams.messages[2]["streamSid"] == call.streams[0].stream_sid


async def test_a_dial_tells_of_an_answer_at_once_and_of_a_caller_who_hangs_up_meanwhile(sandbox, site):
    number = f'<Number statusCallback="https://{SITE}/answered" statusCallbackEvent="answered">+15550002222</Number>'
    site.answers["/twiml"] = response(f'<Dial action="https://{SITE}/after">{number}</Dial>')
    sandbox.account.callees["+15550002222"] = Callee()
    call = await call_in(sandbox)
    while not site.forms("/answered"):
        await trio.sleep(0.01)
    (answered,) = site.forms("/answered")
    assert (answered["CallStatus"], answered["ParentCallSid"]) == ("in-progress", call.sid)
    call.hang_up()
    await call.settled.wait()
    (after,) = site.forms("/after")
    assert (after["DialCallStatus"], after["CallStatus"]) == ("completed", "completed")


async def test_a_client_cannot_be_put_through_without_a_number_to_show(sandbox, site):
    site.answers["/twiml"] = response(f'<Dial action="https://{SITE}/after">+15550002222</Dial>')
    site.answers["/after"] = response('<Dial callerId="+15551234567">+15550002222</Dial>')
    sandbox.account.callees["+15550002222"] = Callee(talk_seconds=0)
    call = await call_in(sandbox, from_="client:alice")
    await call.settled.wait()
    assert site.forms("/after")[0]["DialCallStatus"] == "failed"
    assert codes(call) == [13214]
    assert [dial.caller_id for dial in call.dials] == ["", "+15551234567"]
