"""Callers who are put through, and what becomes of them."""

from xml.etree import ElementTree as ET

import pytest
import trio
import trio.testing

from tests.call.promises import StubCall
from tests.edges.web.stubs import BASE, post, stream_url, verbs
from trio_voice.record import CallState, EndReason, Transfer


async def put_through(client, registry, nursery):
    """A call whose caller was put through; returns its record."""
    call_id = stream_url(await (await post(client, "/twiml")).get_data(as_text=True)).rpartition("/")[2]
    call = StubCall(call_id)
    call.record = registry.take(call_id).record
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    call.record.transfers.append(Transfer("+15550002222", 3.0))
    call.record.handed_over, call.record.end_reason = True, EndReason.AGENT
    call.record.state = CallState.ENDED
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    return call.record


async def dial_status(client, call_id, **form):
    answer = await post(client, f"/dial-status/{call_id}", **{"CallStatus": "in-progress"} | form)
    assert answer.status_code in {200, 204}
    return await answer.get_data(as_text=True)


async def test_whoever_is_put_through_to_nobody_gets_another_stream(client, registry, nursery, context):
    record = await put_through(client, registry, nursery)
    twiml = await dial_status(client, record.call_id, DialCallStatus="no-answer")
    assert verbs(twiml) == ["Connect", "Hangup"]
    path = stream_url(twiml).rpartition("/")[2]
    assert path != record.call_id
    status = ET.fromstring(twiml).find("Connect/Stream").attrib["statusCallback"]
    assert status == f"{BASE}/stream-status/{record.call_id}"
    assert context.journal.began[-1] == (record.call_id, "CA1")
    assert await dial_status(client, record.call_id, DialCallStatus="no-answer") == twiml
    assert registry.take(path).record is record


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"DialCallStatus": "completed"}, ["Hangup"]),
        ({"DialCallStatus": "answered"}, ["Hangup"]),
        ({"DialCallStatus": "no-answer", "CallStatus": "completed"}, ["Hangup"]),
    ],
)
async def test_whoever_has_talked_to_a_human_or_hung_up_is_done(client, registry, nursery, form, told):
    record = await put_through(client, registry, nursery)
    assert verbs(await dial_status(client, record.call_id, **form)) == told
    assert record.as_json()["transfers"][0]["outcome"] == form["DialCallStatus"]
    assert record.state == "ended"


@pytest.mark.parametrize(
    ("status", "told", "state", "reason"),
    [("in-progress", ["Connect", "Hangup"], "live", None), ("completed", ["Hangup"], "ended", EndReason.HANGUP)],
)
async def test_whoever_picks_up_and_is_not_connected_is_nobody(client, registry, nursery, status, told, state, reason):
    record = await put_through(client, registry, nursery)
    form = {"DialCallStatus": "completed", "DialBridged": "false", "CallStatus": status}
    assert verbs(await dial_status(client, record.call_id, **form)) == told
    assert (record.transfers[0].outcome, record.state, record.end_reason) == ("no-answer", state, reason)


async def test_somebody_who_has_answered_settles_it_before_they_have_talked(client, registry, nursery):
    record = await put_through(client, registry, nursery)
    answered = {"CallSid": "CA9", "ParentCallSid": "CA1", "CallStatus": "in-progress"}
    assert await dial_status(client, record.call_id, **answered) == ""
    assert record.transfers[0].outcome == "answered"
    assert not registry.may_come_back(record.call_id)
    assert verbs(await dial_status(client, record.call_id, DialCallStatus="completed")) == ["Hangup"]
    assert record.transfers[0].outcome == "completed"


@pytest.mark.parametrize("status", ["initiated", "ringing", "busy", "no-answer", "completed", "", "of 2027"])
async def test_whoever_is_called_and_has_not_answered_settles_nothing(client, registry, nursery, status):
    record = await put_through(client, registry, nursery)
    called = {"CallSid": "CA9", "ParentCallSid": "CA1", "CallStatus": status}
    assert await dial_status(client, record.call_id, **called) == ""
    assert record.transfers[0].outcome is None
    assert verbs(await dial_status(client, record.call_id, DialCallStatus="busy")) == ["Connect", "Hangup"]


async def test_a_daemon_that_knows_nothing_of_the_transfer_says_so_and_hangs_up(client):
    assert verbs(await dial_status(client, "c9", DialCallStatus="busy")) == ["Say", "Hangup"]
    assert verbs(await dial_status(client, "c9", DialCallStatus="completed")) == ["Hangup"]


async def test_a_forged_outcome_brings_nobody_back(client, registry, nursery):
    record = await put_through(client, registry, nursery)
    answer = await client.post(f"/dial-status/{record.call_id}", form={"DialCallStatus": "busy"})
    assert answer.status_code == 403
    assert record.state == "ended"
