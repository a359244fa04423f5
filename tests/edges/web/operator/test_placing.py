"""Calls that the operator places."""

from xml.etree import ElementTree as ET

import pytest
import trio
import trio.testing

from tests.call.promises import StubCall
from tests.edges.web.stubs import place, post, stream_url
from trio_voice.errors import CallRefused


async def test_a_call_is_placed_and_answered_with_its_own_twiml(client, registry):
    answer = await place(client, {"to": "+15557654321", "persona": "shop"})
    assert answer.status_code == 201
    placed = await answer.get_json()
    assert placed == {"call_id": placed["call_id"], "call_sid": "CA7", "status": "queued"}
    twiml = await post(client, f"/twiml/{placed['call_id']}", CallSid="CA7", CallStatus="in-progress")
    assert stream_url(await twiml.get_data(as_text=True)).endswith(f"/media-stream/{placed['call_id']}")
    assert registry.take(placed["call_id"]).persona.name == "shop"


@pytest.mark.parametrize(("call_id", "sid"), [("unknown", "CA7"), (None, "CA8")])
async def test_a_call_that_we_did_not_place_gets_no_stream(client, call_id, sid):
    placed = await (await place(client, {"to": "+15557654321"})).get_json()
    twiml = await post(client, f"/twiml/{call_id or placed['call_id']}", CallSid=sid)
    assert [verb.tag for verb in ET.fromstring(await twiml.get_data(as_text=True))] == ["Hangup"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ([], 400, "bad_request"),
        ({"to": 5}, 400, "bad_request"),
        ({"to": "+15557654321", "persona": "nobody"}, 404, "unknown_persona"),
        ({"to": "+15557654321", "persona": ["desk"]}, 404, "unknown_persona"),
    ],
)
async def test_a_request_for_a_call_that_makes_no_sense(client, body, status, code):
    answer = await place(client, body)
    assert answer.status_code == status
    assert (await answer.get_json())["error"]["code"] == code


@pytest.mark.parametrize(
    ("code", "status"),
    [("bad_number", 400), ("do_not_call", 403), ("full", 503), ("twilio_refused", 502), ("unknown_outcome", 504)],
)
async def test_each_reason_not_to_call_has_its_status(client, context, code, status):
    context.dialer.refuses = CallRefused(code, "words that say what to do")
    answer = await place(client, {"to": "+15557654321"})
    assert answer.status_code == status
    assert await answer.get_json() == {"error": {"code": code, "message": "words that say what to do"}}


@pytest.mark.parametrize("path", ["", "live"])
async def test_twiml_that_is_asked_for_twice_by_a_call_that_we_placed_is_the_same(client, registry, nursery, path):
    placed = await (await place(client, {"to": "+15557654321"})).get_json()
    call_id = placed["call_id"]
    first = await (await post(client, f"/twiml/{call_id}", CallSid="CA7")).get_data(as_text=True)
    if path:
        registry.take(call_id)
        call = StubCall(call_id, "CA7")
        nursery.start_soon(call.live, registry)
        await trio.testing.wait_all_tasks_blocked()
        first = await (await post(client, f"/twiml/{call_id}", CallSid="CA7")).get_data(as_text=True)
        assert not stream_url(first).endswith(call_id)
    assert await (await post(client, f"/twiml/{call_id}", CallSid="CA7")).get_data(as_text=True) == first
    other = await (await post(client, f"/twiml/{call_id}", CallSid="CA8")).get_data(as_text=True)
    assert [verb.tag for verb in ET.fromstring(other)] == ["Hangup"]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("field", ["variables", "prompt", "From", ""])
async def test_a_field_that_nobody_knows_is_refused_by_its_name(client, registry, field):
    answer = await place(client, {"to": "+15557654321", "persona": "desk", field: 1})
    assert answer.status_code == 400
    error = (await answer.get_json())["error"]
    assert error["code"] == "unknown_field"
    assert field in error["message"]
    assert registry.records() == []
