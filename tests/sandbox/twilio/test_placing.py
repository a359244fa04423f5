"""Calls that are placed by REST."""

import pytest
import trio

from tests.sandbox.twilio.world import SITE, STREAM, call_in, eventually, response
from trio_voice.sandbox.twilio.account import Callee


async def place(rest, sandbox, to="+15550009999", **form):
    answer = await rest.create(
        to,
        StatusCallback=f"https://{SITE}/call-status",
        StatusCallbackEvent=["initiated", "ringing", "answered", "completed"],
        **form,
    )
    assert answer.status_code == 201
    return sandbox.calls[answer.json()["sid"]], answer.json()


async def test_a_placed_call_is_answered_and_then_asks_for_its_twiml(sandbox, site, streams, rest):
    del site.answers["/twiml"]
    site.answers["/twiml/one"] = response(STREAM)
    call, answer = await place(rest, sandbox, Url=f"https://{SITE}/twiml/one", Twiml="ignored")
    assert (answer["status"], answer["direction"], answer["queue_time"]) == ("queued", "outbound-api", "0")
    await call.wait_for_stream()
    [asked] = site.forms("/twiml/one")
    assert (asked["CallStatus"], asked["Direction"]) == ("in-progress", "outbound-api")
    call.hang_up()
    await call.settled.wait()
    told = site.forms("/call-status")
    assert [form["CallStatus"] for form in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
    assert ["CallDuration" in form for form in told] == [False, False, False, True]


@pytest.mark.parametrize(
    ("callee", "status", "sip"),
    [(Callee("busy"), "busy", "486"), (Callee("nobody"), "no-answer", "487"), (Callee("failed"), "failed", "404")],
    ids=["busy", "nobody", "failed"],
)
async def test_a_placed_call_that_nobody_takes(sandbox, site, rest, callee, status, sip):
    sandbox.account.callees["+15550009999"] = callee
    call, _ = await place(rest, sandbox, Timeout="0.1")
    await call.settled.wait()
    assert (call.status, call.start_time, call.duration) == (status, None, 0)
    last = site.forms("/call-status")[-1]
    assert (last["CallStatus"], last["SipResponseCode"], last["CallDuration"]) == (status, sip, "0")
    assert "Duration" not in last


@pytest.mark.parametrize("word", ["canceled", "completed"])
async def test_a_ringing_call_is_canceled(sandbox, rest, word):
    sandbox.account.callees["+15550009999"] = Callee("nobody")
    call, _ = await place(rest, sandbox)
    await eventually(lambda: call.status == "ringing")
    redirected = await rest.post(f"Calls/{call.sid}", Twiml=response(""))
    assert redirected.json()["code"] == 21220
    await rest.post(f"Calls/{call.sid}", Status=word)
    assert call.status == "canceled"
    await call.settled.wait()


async def test_canceled_leaves_a_call_alone_that_somebody_has_answered(sandbox, rest):
    call = await call_in(sandbox)
    await call.wait_for_stream()
    assert (await rest.post(f"Calls/{call.sid}", Status="canceled")).json()["status"] == "in-progress"
    assert (await rest.post(f"Calls/{call.sid}", Status="over")).json()["code"] == 20001


async def test_detection_of_machines_before_the_twiml(sandbox, site, rest):
    sandbox.account.callees["+15550009999"] = Callee("machine", detection_seconds=0.1)
    site.answers["/twiml"] = response("<Say>hi</Say>")
    call, _ = await place(rest, sandbox, Url=f"https://{SITE}/twiml", MachineDetection="Enable")
    await call.settled.wait()
    assert site.forms("/twiml")[0]["AnsweredBy"] == call.answered_by == "machine_start"
    assert (await rest.get(f"Calls/{call.sid}")).json()["answered_by"] == "machine_start"


async def test_detection_of_machines_meanwhile(sandbox, site, rest):
    sandbox.account.callees["+15550009999"] = Callee("machine", detection_seconds=0.1)
    call, _ = await place(
        rest,
        sandbox,
        Url=f"https://{SITE}/twiml",
        MachineDetection="DetectMessageEnd",
        AsyncAmd="true",
        AsyncAmdStatusCallback=f"https://{SITE}/amd-status",
    )
    await call.wait_for_stream()
    await eventually(lambda: site.forms("/amd-status"))
    assert "AnsweredBy" not in site.forms("/twiml")[0]
    [form] = site.forms("/amd-status")
    assert form == {
        "AccountSid": sandbox.account_sid,
        "CallSid": call.sid,
        "AnsweredBy": "machine_end_beep",
        "MachineDetectionDuration": "100",
    }
    call.hang_up()
    await call.settled.wait()


async def test_one_call_a_second_leaves_the_queue(sandbox, rest):
    account = sandbox.account
    account.calls_per_second = 10
    soon = trio.current_time() + 0.2
    assert [account.take_slot(soon) for _ in range(3)] == pytest.approx([soon, soon + 0.1, soon + 0.2])
    call, _ = await place(rest, sandbox)
    await call.settled.wait()
    assert call.requests[0].at > soon + 0.29


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": ""}, 21201),
        ({"From": ""}, 21213),
        ({"to": "15550009999"}, 21211),
        ({"to": "+15551234567"}, 21211),
        ({"From": "bank"}, 21212),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15550005555"}, 21219),
        ({"From": "+15557777777"}, 21210),
        ({"Url": "ftp://x"}, 21205),
        ({"Url": "https://x/", "Method": "PUT"}, 21209),
        ({"Timeout": "long"}, 21208),
        ({"MachineDetection": "Enable", "MachineDetectionTimeout": "90"}, 21234),
    ],
)
async def test_a_call_that_cannot_be_placed(sandbox, rest, form, code):
    sandbox.rest.refused_numbers["+15550005555"] = 21219
    sandbox.rest.own_numbers = {"+15551234567", "bank"}
    answer = await rest.create(**form)
    assert (answer.status_code, answer.json()["code"], sandbox.calls) == (400, code, {})


async def test_a_call_without_instructions_cannot_be_placed(rest):
    answer = await rest.post("Calls", To="+15550009999", From="+15551234567")
    assert answer.json()["code"] == 21205
