"""Webhooks of calls that come in: who may ask, and what is answered."""

from xml.etree import ElementTree as ET

import pytest
import structlog
import trio
import trio.testing

from tests.call.promises import StubCall
from tests.edges.web.stubs import FORM, PERSONAS, post, signed, stream_url
from trio_voice.call.drain import drain
from trio_voice.edges.web import webhooks as webhooks_module
from trio_voice.edges.web.context import NumberRouting


async def test_an_inbound_call_gets_a_path_of_its_own(client, registry):
    answer = await post(client, "/twiml")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/xml")
    url = stream_url(await answer.get_data(as_text=True))
    call_id = url.rpartition("/")[2]
    assert url == f"wss://voice.example.com/media-stream/{call_id}"
    record = registry.take(call_id).record
    assert (record.call_sid, record.from_number, record.to_number) == ("CA1", "+15550001111", "+15551234567")
    assert record.persona == "desk"


async def test_a_call_that_was_promised_a_path_is_written_down_as_ours_before_its_stream_comes(client, context):
    url = stream_url(await (await post(client, "/twiml")).get_data(as_text=True))
    assert context.journal.began == [(url.rpartition("/")[2], "CA1")]


async def test_the_number_called_chooses_the_persona(client, registry):
    answer = await post(client, "/twiml", To="+15559999999")
    call_id = stream_url(await answer.get_data(as_text=True)).rpartition("/")[2]
    assert registry.take(call_id).persona.name == "shop"


@pytest.mark.parametrize("to", ["+15559999999", "15559999999", "+1 555 999 9999", "sip:+15559999999@example.com"])
async def test_a_number_is_the_same_however_it_is_spelt(client, registry, to):
    answer = await post(client, "/twiml", To=to)
    call_id = stream_url(await answer.get_data(as_text=True)).rpartition("/")[2]
    assert registry.take(call_id).persona.name == "shop"


async def test_a_number_that_nobody_answers_is_declined(client, context):
    context.routing = NumberRouting(PERSONAS, {"+15559999999": "shop"})
    answer = await post(client, "/twiml")
    assert "<Reject />" in await answer.get_data(as_text=True)
    assert b'{code="no_persona",what="call"} 1.0' in await (await client.get("/metrics")).get_data()


async def test_a_repeated_webhook_gets_the_same_answer(client):
    first = await (await post(client, "/twiml")).get_data()
    assert await (await post(client, "/twiml")).get_data() == first


async def test_a_webhook_that_is_repeated_while_its_call_arrives_and_lives_changes_nothing(client, registry, nursery):
    first = await (await post(client, "/twiml")).get_data(as_text=True)
    call_id = stream_url(first).rpartition("/")[2]
    registry.take(call_id)
    again = await (await post(client, "/twiml")).get_data(as_text=True)
    assert stream_url(again) != stream_url(first)  # which is used
    call = StubCall(call_id)
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(2):
        assert await (await post(client, "/twiml")).get_data(as_text=True) == again
    assert registry.statistics().expected_calls == 0
    assert [record.call_id for record in registry.records()] == [call_id]
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()


async def test_a_webhook_that_comes_after_its_call_is_over_promises_nothing(client, registry):
    call_id = stream_url(await (await post(client, "/twiml")).get_data(as_text=True)).rpartition("/")[2]
    await post(client, f"/call-status/{call_id}", CallStatus="completed")
    verbs = [verb.tag for verb in ET.fromstring(await (await post(client, "/twiml")).get_data(as_text=True))]
    assert verbs == ["Hangup"]
    assert registry.statistics().expected_calls == 0


@pytest.mark.parametrize("why", ["full", "draining"])
async def test_when_no_call_can_be_taken_the_caller_is_told(client, registry, why):
    if why == "full":
        await post(client, "/twiml", CallSid="CA8")
        await post(client, "/twiml", CallSid="CA9")
    else:
        await drain(registry, 0)
    answer = await post(client, "/twiml")
    assert answer.status_code == 200  # of any other Twilio plays nothing
    verbs = [verb.tag for verb in ET.fromstring(await answer.get_data(as_text=True))]
    assert verbs == ["Say", "Hangup"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": "nonsense"},
        signed("/twiml", FORM, "http://voice.example.com"),
        signed("/twiml", FORM | {"From": "+1"}),
        signed("/twiml", {name: value for name, value in FORM.items() if value}),
    ],
    ids=["none", "nonsense", "another scheme", "another caller", "without blank fields"],
)
@pytest.mark.parametrize(
    "path",
    [
        "/twiml",
        "/twiml/c1",
        "/call-status",
        "/call-status/c1",
        "/stream-status/c1",
        "/amd-status/c1",
        "/recording-status/c1",
    ],
)
async def test_a_forged_webhook_is_refused_and_does_nothing(client, registry, headers, path):
    answer = await client.post(path, form=FORM, headers=headers)
    assert answer.status_code == 403
    error = (await answer.get_json())["error"]
    assert error["code"] == "bad_signature"
    assert "public_url" in error["message"]
    assert registry.statistics().expected_calls == 0


@pytest.mark.parametrize("signature", [None, "", "x", "A" * 28, "A" * 26 + "==", "=" * 28, "A" * 27 + "=="])
async def test_a_webhook_without_a_signatures_form_is_refused_by_its_head(client, signature, monkeypatch):
    """The body costs more than the head: it is not even waited for."""
    monkeypatch.setattr(webhooks_module, "is_signed", lambda *_: pytest.fail("it was looked into"))
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    answer = await client.post("/twiml", form=FORM, headers=headers)
    assert answer.status_code == 403
    assert (await answer.get_json())["error"]["code"] == "bad_signature"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"AccountSid": "AC2"}, 403, "wrong_account"),
        ({"AccountSid": "AC1", "CallSid": ""}, 400, "no_call_sid"),
        ({"AccountSid": "AC1", "CallSid": "CA1/../../AC2"}, 400, "no_call_sid"),
        ({"AccountSid": "AC1", "CallSid": "CA1\n\0"}, 400, "no_call_sid"),
        ({"AccountSid": "AC1", "CallSid": "C" * 65}, 400, "no_call_sid"),
        ({"AccountSid": "AC1"}, 200, None),
        ({}, 200, None),
    ],
)
@pytest.mark.parametrize("path", ["/twiml", "/call-status"])
async def test_what_is_signed_must_be_of_a_call_of_our_account(client, context, registry, fields, status, code, path):
    context.account_sid = "AC1"
    answer = await post(client, path, **fields)
    assert answer.status_code in {status, 204 if status == 200 else status}
    if code is not None:
        assert (await answer.get_json())["error"]["code"] == code
        assert registry.statistics().expected_calls == 0
        assert f'code="{code}"' in context.metrics.render().decode()


async def test_refusals_are_logged_once_in_ten_seconds_and_all_counted(client, context, autojump_clock):
    with structlog.testing.capture_logs() as lines:
        for _ in range(4):
            for number in range(30):
                await client.post(f"/call-status/{number}", form=FORM)
                await client.get("/calls")
            await trio.sleep(6)
    assert [line["times"] for line in lines if line["event"] == "webhook_refused"] == [1, 60]
    assert [line["times"] for line in lines if line["event"] == "operator_refused"] == [1, 60]
    assert 'trio_voice_refusals_total{code="bad_signature",what="webhook"} 120.0' in context.metrics.render().decode()
    assert 'trio_voice_refusals_total{code="unauthorized",what="operator"} 120.0' in context.metrics.render().decode()


async def test_a_query_is_part_of_what_is_signed(client):
    form = dict(FORM)
    answer = await client.post("/twiml?a=b%20c", form=form, headers=signed("/twiml?a=b%20c", form))
    assert answer.status_code == 200


async def test_without_validation_anybody_is_twilio(client, context):
    context.auth_token = None
    assert (await client.post("/twiml", form=FORM)).status_code == 200
