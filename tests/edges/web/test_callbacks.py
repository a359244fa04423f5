"""Callbacks of Twilio: what a call has come to, and what that does."""

import pytest
import trio
import trio.testing

from tests.call.promises import StubCall
from tests.edges.web.stubs import PERSONAS, place, post
from trio_voice.record import CallState, EndReason


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
@pytest.mark.parametrize("path", ["/call-status", "/call-status/c1"])
async def test_a_terminal_call_status_ends_the_call(client, registry, nursery, status, path):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(2):  # callbacks come twice
        assert (await post(client, path, CallStatus=status)).status_code == 204
    assert call.ended_for[0][0] is EndReason.TWILIO_ENDED
    assert call.record.twilio_status == status


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "", "new"])
async def test_other_call_statuses_end_nothing(client, registry, nursery, status):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert (await post(client, "/call-status/c1", CallStatus=status)).status_code == 204
    assert call.ended_for == []
    call.over.set()


async def test_a_status_that_comes_late_does_not_take_back_the_end(client, registry, nursery):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    await post(client, "/call-status/c1", CallStatus="completed")
    await post(client, "/call-status/c1", CallStatus="in-progress")
    assert call.record.twilio_status == "completed"


async def test_callbacks_are_on_the_timeline_of_their_call_in_the_order_in_which_they_came(client, registry, nursery):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    await post(client, "/call-status/c1", CallStatus="ringing")
    await post(client, "/call-status", CallStatus="in-progress")  # a number's own
    await post(client, "/stream-status/c1", StreamEvent="x" * 1_000)
    await post(client, "/amd-status/c1", AnsweredBy="human")
    assert [(event.kind, event.detail[:30]) for event in call.record.timeline] == [
        ("callback", "call-status: ringing"),
        ("callback", "call-status: in-progress"),
        ("callback", "stream-status: xxxxxxxxxxxxxxx"),
        ("callback", "amd-status: human"),
    ]
    assert len(call.record.timeline[2].detail) == 200
    call.over.set()


async def test_callbacks_for_a_call_that_nobody_knows(client):
    assert (await post(client, "/call-status/other", CallStatus="completed")).status_code == 204
    assert (await post(client, "/stream-status/other", StreamEvent="stream-error")).status_code == 204


@pytest.mark.parametrize(("event", "ends"), [("stream-started", 0), ("stream-stopped", 0), ("stream-error", 1)])
async def test_only_a_stream_error_ends_the_call(client, registry, nursery, event, ends):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    answer = await post(client, "/stream-status/c1", StreamEvent=event, StreamError="31924")
    assert answer.status_code == 204
    assert len(call.ended_for) == ends
    call.over.set()


async def test_callbacks_out_of_order_take_nothing_back(client, registry):
    placed = await (await place(client, {"to": "+15557654321"})).get_json()
    for status in ("ringing", "initiated", "queued", "nonsense", "ringing"):
        await post(client, f"/call-status/{placed['call_id']}", CallStatus=status)
    assert registry.record(placed["call_id"]).state == "ringing"
    assert registry.record(placed["call_id"]).twilio_status == "ringing"


async def test_a_call_rings_and_its_state_says_so(client, registry):
    placed = await (await place(client, {"to": "+15557654321"})).get_json()
    assert registry.record(placed["call_id"]).state == "dialing"
    await post(client, f"/call-status/{placed['call_id']}", CallStatus="ringing")
    assert registry.record(placed["call_id"]).state == "ringing"
    await post(client, f"/call-status/{placed['call_id']}", CallStatus="no-answer")
    record = registry.record(placed["call_id"])
    assert (record.state, record.end_reason) == ("ended", EndReason.TWILIO_ENDED)
    assert "no-answer" in record.end_detail


@pytest.mark.parametrize(
    ("answered_by", "told"),
    [("human", 0), ("unknown", 0), ("machine_start", 1), ("machine_end_beep", 1), ("fax", 1)],
)
async def test_only_a_machine_is_acted_on_and_once(client, registry, nursery, answered_by, told):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(2):
        assert (await post(client, "/amd-status/c1", AnsweredBy=answered_by)).status_code == 204
    assert call.machines == told
    assert call.record.answered_by == answered_by
    call.over.set()


async def test_a_recording_is_remembered(client, registry, nursery):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    url = "https://api.twilio.com/recordings/RE1"
    await post(client, "/recording-status/c1", RecordingStatus="completed", RecordingUrl=url)
    await post(client, "/recording-status/other", RecordingStatus="completed", RecordingUrl=url)
    assert call.record.as_json()["recording_url"] == url
    call.over.set()


@pytest.mark.parametrize(
    ("path", "form", "found"),
    [
        ("/recording-status/c1", {"RecordingStatus": "completed", "RecordingUrl": "https://x/RE1"}, "https://x/RE1"),
        ("/amd-status/c1", {"AnsweredBy": "human"}, "human"),
    ],
)
async def test_what_twilio_says_of_a_call_that_is_over_is_written_down_once_more(
    client, registry, nursery, context, path, form, found
):
    """A recording is made when the call is over, and never before."""
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    call.record.state = CallState.ENDED
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    await post(client, path, **form)
    (written,) = context.journal.ended
    assert found in (written.recording_url, written.answered_by)


async def test_a_call_whose_create_was_never_answered_has_its_name_from_the_first_callback(client, registry, context):
    """So whoever hangs it up while it rings can."""
    record = registry.expect(
        PERSONAS["desk"], direction="outbound", from_number="+1", to_number="+2", call_sid=None
    ).record
    for status in ("initiated", "ringing"):
        await post(client, f"/call-status/{record.call_id}", CallSid="CA8", CallStatus=status)
    assert record.call_sid == "CA8"
    assert registry.holds("CA8")
    assert context.journal.began == [(record.call_id, "CA8")]
