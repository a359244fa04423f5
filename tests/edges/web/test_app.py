"""The routes: who may ask, what is answered, and what it does."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
import structlog
import trio
import trio.testing

from tests.call.test_registry import StubCall
from trio_voice.call.drain import drain
from trio_voice.call.registry import Registry
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.signatures import sign
from trio_voice.edges.web import webhooks as webhooks_module
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.context import AppContext, NumberRouting
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.errors import CallRefused
from trio_voice.journal import JournalUnavailable
from trio_voice.persona import Limits, Persona
from trio_voice.record import CallRecord, CallState, EndReason, Transfer

TOKEN = "12345"
BASE = "https://voice.example.com"
PERSONAS = {name: Persona(name=name, model="m") for name in ("desk", "shop")}
FORM = {"CallSid": "CA1", "From": "+15550001111", "To": "+15551234567", "FromCity": "", "CallStatus": "ringing"}
OPERATOR = {"Authorization": "Bearer op"}


class EchoReception:
    def __init__(self, registry):
        self.registry = registry

    async def answer(self, _expected, channel, *, cancelled_because):
        assert cancelled_because is EndReason.CALLER_LOST
        try:
            while True:
                await channel.send(await channel.receive())
        except trio.BrokenResourceError:
            await channel.aclose()


class StubDialer:
    """Places calls in the registry only."""

    def __init__(self, registry):
        self.registry = registry
        self.refuses = None

    async def place(self, to_number, persona):
        if self.refuses:
            raise self.refuses
        expected = self.registry.expect(
            persona, direction="outbound", from_number="+1", to_number=to_number, call_sid=None
        )
        expected.record.call_sid, expected.record.twilio_status = "CA7", "queued"
        return expected.record


class StubJournal:
    def __init__(self):
        self.trouble = ""
        self.unread = {}
        self.list_trouble = ""
        self.began = []
        self.ended = []
        self.wanted = []
        self.over = []
        """Calls of before a restart, the newest first."""

    def call_began(self, record):
        self.began.append((record.call_id, record.call_sid))

    def call_ended(self, record):
        self.ended.append(record)

    async def call(self, call_id):
        if self.trouble:
            raise JournalUnavailable(self.trouble)
        return next((each for each in self.over if each.record.call_id == call_id), None)

    async def listed(self, wanted):
        if self.trouble:
            raise JournalUnavailable(self.trouble)
        self.wanted.append(wanted)
        ids = [each.record.call_id for each in self.over]
        after = 0 if wanted.after is None else ids.index(wanted.after) + 1
        return self.over[after : after + wanted.limit + 1]


@pytest.fixture
def registry():
    return Registry(Limits(max_calls=2))


@pytest.fixture
def context(registry):
    public_url = PublicUrl(BASE)
    return AppContext(
        authenticator=StreamAuthenticator(EchoReception(registry), public_url, TOKEN),
        public_url=public_url,
        routing=NumberRouting(PERSONAS, {"default": "desk", "+15559999999": "shop"}),
        dialer=StubDialer(registry),
        journal=StubJournal(),
        metrics=Metrics(registry, datetime.now(UTC)),
        auth_token=TOKEN,
        api_token="op",
    )


@pytest.fixture
def client(context):
    return create_app(context).test_client()


def signed(path, form, base=BASE):
    return {"X-Twilio-Signature": sign(base + path, {name: [value] for name, value in form.items()}, TOKEN)}


async def post(client, path, **fields):
    form = FORM | fields
    return await client.post(path, form=form, headers=signed(path, form))


def stream_url(xml):
    return ET.fromstring(xml).find("Connect/Stream").attrib["url"]


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


async def test_a_webhook_that_is_repeated_while_its_call_arrives_and_lives_promises_nothing(client, registry, nursery):
    first = await (await post(client, "/twiml")).get_data(as_text=True)
    call_id = stream_url(first).rpartition("/")[2]
    registry.take(call_id)
    assert await (await post(client, "/twiml")).get_data(as_text=True) == first
    call = StubCall(call_id)
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(2):
        assert await (await post(client, "/twiml")).get_data(as_text=True) == first
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


@pytest.mark.parametrize("header", ["op", "Basic op", "Bearer", "Bearer  ", "Bearer wrong"])
async def test_the_operators_token_comes_as_a_bearers(client, header):
    answer = await client.get("/calls", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["bearer op", "BEARER op", "Bearer   op"])
async def test_a_schemes_case_means_nothing(client, header):
    assert (await client.get("/calls", headers={"Authorization": header})).status_code == 200


async def test_many_wrong_tokens_are_not_all_judged_and_the_right_one_gets_in(client, autojump_clock):
    statuses = []

    async def guess(number):
        answer = await client.get("/calls", headers={"Authorization": f"Bearer {number}"})
        statuses.append(answer.status_code)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(guess, number)
        await trio.testing.wait_all_tasks_blocked()
        while (answer := await client.get("/calls", headers=OPERATOR)).status_code == 429:
            assert answer.headers["Retry-After"] == "1"
            await trio.sleep(1)
    assert answer.status_code == 200
    assert trio.current_time() - began < 15
    assert len(statuses) == 300
    assert statuses.count(401) < 40
    assert set(statuses) == {401, 429}


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


async def test_a_query_is_part_of_what_is_signed(client):
    form = dict(FORM)
    answer = await client.post("/twiml?a=b%20c", form=form, headers=signed("/twiml?a=b%20c", form))
    assert answer.status_code == 200


async def test_without_validation_anybody_is_twilio(client, context):
    context.auth_token = None
    assert (await client.post("/twiml", form=FORM)).status_code == 200


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


async def place(client, body):
    return await client.post("/call", json=body, headers=OPERATOR)


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


async def test_a_body_that_is_no_json(client):
    answer = await client.post("/call", data="to=+15557654321", headers=OPERATOR)
    assert answer.status_code == 400


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


def verbs(xml):
    return [verb.tag for verb in ET.fromstring(xml)]


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


OPERATORS = [("POST", "/call"), ("GET", "/calls"), ("GET", "/calls/c1"), ("DELETE", "/calls/c1")]


def journaled(number):
    record = CallRecord(call_id=f"{number:032x}", direction="inbound", persona="desk", from_number="+1", to_number="+2")
    record.state, record.end_reason, record.end_detail = CallState.ENDED, EndReason.IDLE, "nobody has spoken"
    return SimpleNamespace(record=record)


async def get(client, path):
    return await client.get(path, headers=OPERATOR)


async def test_calls_of_before_a_restart_are_listed_behind_those_that_live(client, context, registry, nursery):
    context.journal.over = [journaled(number) for number in range(5)]
    call = StubCall("c1")
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    first = await (await get(client, "/calls?limit=2")).get_json()
    assert [each["call_id"] for each in first["calls"]] == ["c1", f"{0:032x}", f"{1:032x}"]
    assert first["calls"][1]["end_detail"] == "nobody has spoken"
    seen, next_page = [], first["next"]
    while next_page:
        page = await (await get(client, f"/calls?limit=2&after={next_page}")).get_json()
        seen += [each["call_id"] for each in page["calls"]]
        next_page = page["next"]
    assert seen == [f"{number:032x}" for number in (2, 3, 4)]  # and nobody who lives
    nursery.cancel_scope.cancel()


async def test_a_call_of_before_a_restart_is_shown_whole(client, context):
    context.journal.over = [journaled(7)]
    shown = await (await get(client, f"/calls/{7:032x}")).get_json()
    assert (shown["end_reason"], shown["transcript"], shown["transfers"]) == ("idle", [], [])
    assert (await get(client, f"/calls/{8:032x}")).status_code == 404


async def test_without_its_journal_the_daemon_tells_what_it_knows_by_heart(client, context, registry, nursery):
    context.journal.trouble = "the disk is full"
    call = StubCall("c1")
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert [each["call_id"] for each in (await (await get(client, "/calls")).get_json())["calls"]] == ["c1"]
    assert (await get(client, "/calls/c1")).status_code == 200
    answer = await get(client, f"/calls/{8:032x}")
    assert answer.status_code == 503
    assert (await answer.get_json())["error"]["code"] == "no_journal"
    nursery.cancel_scope.cancel()


async def test_what_is_asked_of_the_list_reaches_the_journal_and_the_live(client, context, registry, nursery):
    call = StubCall("c1")
    call.record.from_number = "+15557654321"
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    query = "since=2026-01-31T09:00:00Z&until=2026-02-01T00:00:00+01:00&persona=p&number=765 4321&limit=5000"
    found = await (await get(client, f"/calls?{query}")).get_json()
    assert [each["call_id"] for each in found["calls"]] == ["c1"]
    (wanted,) = context.journal.wanted
    assert (wanted.number, wanted.limit, wanted.persona) == ("7654321", 1_000, "p")
    assert (wanted.since.isoformat(), wanted.until.isoformat()) == (
        "2026-01-31T09:00:00+00:00",
        "2026-02-01T00:00:00+01:00",
    )
    for other in ("persona=desk", "number=0000", "end_reason=idle"):
        assert (await (await get(client, f"/calls?{other}")).get_json())["calls"] == []
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "query",
    [
        "since=noon",
        "since=2026-01-31T09:00:00",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "until=7",
        "limit=0",
        "limit=x",
        "number=%25",
        "end_reason=bored",
        "after=%25",
    ],
)
async def test_what_cannot_be_meant_by_a_list_is_refused_by_its_name(client, query):
    answer = await get(client, f"/calls?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in (await answer.get_json())["error"]["message"]


@pytest.mark.parametrize(("method", "path"), OPERATORS)
async def test_the_operators_routes_need_the_token(client, context, method, path):
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "op "}):
        answer = await client.open(path, method=method, headers=headers)
        assert answer.status_code == 401
        assert (await answer.get_json())["error"]["code"] == "unauthorized"
    context.api_token = None
    answer = await client.open(path, method=method, headers=OPERATOR)
    assert answer.status_code == 403
    assert "TRIO_VOICE_API_TOKEN" in (await answer.get_json())["error"]["message"]


async def test_the_operator_lists_looks_and_hangs_up(client, registry, nursery):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    (listed,) = (await (await client.get("/calls", headers=OPERATOR)).get_json())["calls"]
    assert listed["call_id"] == "c1"
    looked = await (await client.get("/calls/c1", headers=OPERATOR)).get_json()
    assert {"model_sessions", "transcript", "turns", "end_reason", "state"} <= looked.keys()
    assert (await client.delete("/calls/c1", headers=OPERATOR)).status_code == 200
    assert call.ended_for[0][0] is EndReason.OPERATOR
    assert (await client.get("/calls/c2", headers=OPERATOR)).status_code == 404
    assert (await client.delete("/calls/c2", headers=OPERATOR)).status_code == 404


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
