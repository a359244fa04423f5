"""The routes: bodies, health, metrics, errors."""

import json

import pytest

from tests.edges.web.stubs import FORM, OPERATOR, PERSONAS, TOKEN, post
from trio_voice.call.drain import drain
from trio_voice.edges.twilio.signatures import sign
from trio_voice.record import EndReason


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"to":' * 10_000,
        b'{"to": "\xff\xfe"}',
        b'"\xed\xa0\x80"',
        b"",
        b"\x00",
        b'{"to": 1e999}',
        b"NaN",
    ],
)
async def test_a_body_that_cannot_be_read_is_the_askers_mistake(client, body):
    answer = await client.post("/call", data=body, headers=OPERATOR)
    assert answer.status_code == 400
    assert (await answer.get_json())["error"]["code"] == "bad_request"


async def test_metrics_are_prometheus_text(client):
    await client.post("/twiml", form=FORM)
    answer = await client.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    text = await answer.get_data(as_text=True)
    assert 'trio_voice_refusals_total{code="bad_signature",what="webhook"} 1.0' in text


async def test_health_says_that_nothing_can_be_written_down(client, context):
    context.journal.unread = {"c7": ["calls: ValueError"]}
    health = await (await client.get("/healthz")).get_json()
    assert (health["journal"], health["unread_rows"]) == ("unread_rows", ["c7"])
    context.journal.trouble = "the disk is full"
    assert (await (await client.get("/healthz")).get_json())["journal"] == "failing"


async def test_a_balancer_learns_whether_new_calls_are_taken(client, context, registry):
    async def ready():
        answer = await client.get("/readyz")
        return answer.status_code, (await answer.get_json())["status"]

    assert await (await client.get("/readyz")).get_json() == {
        "status": "ready",
        "node": None,
        "live_calls": 0,
        "max_calls": 2,
    }
    await post(client, "/twiml", CallSid="CA8")
    assert await ready() == (200, "ready")
    await post(client, "/twiml", CallSid="CA9")  # promised is taken
    assert await ready() == (503, "full")
    registry.end_all(EndReason.OPERATOR, "")
    assert await ready() == (200, "ready")
    context.journal.trouble = "the disk is full"
    assert await ready() == (503, "no_journal")
    await drain(registry, 0)
    assert await ready() == (503, "draining")
    assert (await client.get("/healthz")).status_code == 200


async def test_health_needs_no_key(client, registry):
    assert await (await client.get("/healthz")).get_json() == {"status": "ok", "live_calls": 0, "journal": "ok"}
    await drain(registry, 0)
    assert (await (await client.get("/healthz")).get_json())["status"] == "draining"


async def test_a_body_that_is_no_json(client):
    answer = await client.post("/call", data="to=+15557654321", headers=OPERATOR)
    assert answer.status_code == 400


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/twiml", 405)])
async def test_errors_are_json(client, method, path, status):
    answer = await client.open(path, method=method)
    assert answer.status_code == status
    assert (await answer.get_json())["error"]["code"]


async def test_a_body_that_is_too_large_is_refused(client):
    answer = await client.post("/twiml", form={"x": "y" * 100_000}, headers={"X-Twilio-Signature": "A" * 27 + "="})
    assert answer.status_code == 413


async def test_the_stream_route_for_other_servers(client, registry):
    call_id = registry.expect(
        PERSONAS["desk"], direction="inbound", from_number="", to_number="", call_sid=None
    ).record.call_id
    path = f"/media-stream/{call_id}"
    headers = {"X-Twilio-Signature": sign(f"wss://voice.example.com{path}", {}, TOKEN)}
    async with client.websocket(path, headers=headers) as stream:
        await stream.send("one")
        assert await stream.receive() == "one"
        await stream.send(json.dumps({"event": "x"}))
        assert await stream.receive() == '{"event": "x"}'
