"""Calls that we place: no request that fails a check reaches Twilio, and none is repeated."""

import httpx2
import pytest
import trio

from trio_voice.call.callbacks import note_status
from trio_voice.call.registry import Registry
from trio_voice.edges.twilio.dialer import Dialer
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.rest import TwilioRest
from trio_voice.errors import CallRefused
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallState, EndReason
from trio_voice.sandbox.twilio.account import Callee
from trio_voice.sandbox.twilio.server import open_sandbox_twilio

REMINDER = Persona(name="reminder", model="m", greeting="This is the automated assistant of the bakery.")
NUMBER = "+15557654321"


class NumberList:
    def __init__(self, *numbers):
        self.numbers = set(numbers)
        self.readable = True
        self.began = []

    def call_began(self, record):
        self.began.append(record)

    async def is_do_not_call(self, number):
        if not self.readable:
            await trio.sleep_forever()
        return number in self.numbers


class Desk:
    """A dialer at the sandbox's Twilio."""

    def __init__(self, twilio):
        self.twilio = twilio
        self.registry = Registry(Limits(max_calls=2, ring_seconds=20, time_limit_seconds=300))
        self.numbers = NumberList("+15550000000")
        self._rest = TwilioRest(twilio.account_sid, twilio.auth_token, twilio.api_url, httpx2.AsyncClient)

    def dialer(self, **settings):
        wanted = {
            "registry": self.registry,
            "rest": self._rest,
            "public_url": PublicUrl("https://voice.example.com"),
            "from_number": "+15551234567",
            "allowed_prefixes": ["+1"],
            "journal": self.numbers,
        }
        return Dialer(**wanted | settings)

    async def refusal(self, number=NUMBER, **settings):
        with pytest.raises(CallRefused) as refused:
            await self.dialer(**settings).place(number, REMINDER)
        return refused.value

    @property
    def created(self):
        return [request for request in self.twilio.rest.requests if request.method == "POST"]


def fields(request):
    grouped = {}
    for name, value in request.form:
        grouped.setdefault(name, []).append(value)
    return grouped


@pytest.fixture
async def desk():
    async with open_sandbox_twilio() as twilio:
        twilio.account.anybody = Callee(answers="nobody")
        yield Desk(twilio)


async def test_a_call_is_placed_with_every_bound(desk):
    record = await desk.dialer().place(NUMBER, REMINDER)
    assert (record.direction, record.state, record.persona) == ("outbound", CallState.DIALING, "reminder")
    assert record.call_sid in desk.twilio.calls
    assert desk.numbers.began == [record, record]  # before Twilio was asked, and with the call SID
    form = fields(desk.created[0])
    assert form["TimeLimit"] == ["300"]
    assert form["Timeout"] == ["20"]
    assert form["Url"] == [f"https://voice.example.com/twiml/{record.call_id}"]
    assert form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert not {"Record", "MachineDetection"} & form.keys()


async def test_recording_and_machine_detection_are_asked_for_when_the_persona_wants_them(desk):
    persona = Persona(name="r", model="m", record=True, voicemail="Call us back.")
    record = await desk.dialer().place(NUMBER, persona)
    form = fields(desk.created[0])
    assert form["Record"] == ["true"]
    assert form["RecordingChannels"] == ["dual"]
    assert form["RecordingStatusCallback"] == [f"https://voice.example.com/recording-status/{record.call_id}"]
    assert form["MachineDetection"] == ["DetectMessageEnd"]
    assert form["AsyncAmd"] == ["true"]
    assert form["AsyncAmdStatusCallback"] == [f"https://voice.example.com/amd-status/{record.call_id}"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "bad_number"),
        ("5557654321", "bad_number"),
        ("+1 555 765 4321", "bad_number"),
        ("+1555765432", "bad_number"),
        ("+15557654321123456", "bad_number"),
        ("anonymous", "bad_number"),
        ("+442071234567", "not_allowed"),
        ("+15550000000", "do_not_call"),
    ],
)
async def test_a_number_that_may_not_be_called(desk, number, code):
    refusal = await desk.refusal(number)
    assert refusal.code == code
    assert "(" not in str(refusal)  # a library's own words
    assert desk.created == []
    assert desk.registry.statistics().expected_calls == 0


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"public_url": PublicUrl("http://voice.example.com")}, "bad_public_url"),
        ({"public_url": PublicUrl("https://localhost:8080")}, "bad_public_url"),
        ({"rest": None}, "no_account"),
        ({"from_number": None}, "no_from_number"),
    ],
)
async def test_what_is_missing_is_said_before_anybody_is_dialed(desk, settings, code):
    assert (await desk.refusal(**settings)).code == code
    assert desk.created == []


async def test_a_list_that_cannot_be_read_is_no_permission(desk, monkeypatch):
    monkeypatch.setattr("trio_voice.edges.twilio.dialer.LIST_SECONDS", 0.05)
    desk.numbers.readable = False
    assert (await desk.refusal()).code == "no_list"
    assert desk.created == []


async def test_lines_that_are_busy(desk):
    await desk.dialer().place(NUMBER, REMINDER)
    await desk.dialer().place("+15557654322", REMINDER)
    assert (await desk.refusal("+15557654323")).code == "full"


@pytest.mark.parametrize(
    ("twilio_code", "advice"),
    [(21219, "upgrade the account"), (21215, "Geo Permissions"), (21211, "not valid"), (21216, "does not allow")],
)
async def test_twilios_refusals_become_advice(desk, twilio_code, advice):
    desk.twilio.rest.refused_numbers[NUMBER] = twilio_code
    refused = await desk.refusal()
    assert refused.code == "twilio_refused"
    assert advice in str(refused)
    assert str(twilio_code) in str(refused)
    assert desk.registry.statistics().expected_calls == 0


async def test_wrong_credentials(desk):
    rest = TwilioRest(desk.twilio.account_sid, "wrong", desk.twilio.api_url, httpx2.AsyncClient)
    assert "TWILIO_AUTH_TOKEN" in str(await desk.refusal(rest=rest))


@pytest.mark.parametrize(
    ("trouble", "code"), [(429, "twilio_refused"), (500, "unknown_outcome"), ("reset", "unknown_outcome")]
)
async def test_a_create_is_never_repeated(desk, trouble, code):
    desk.twilio.rest.fail_next(trouble, times=5)
    assert (await desk.refusal()).code == code
    assert len(desk.created) == 1


async def test_a_call_that_was_ended_while_it_was_being_placed_does_not_go_on_ringing(desk, monkeypatch):
    """Nobody could hang it up before: nobody knew its name."""
    create = TwilioRest.create

    async def create_slowly(rest, order):
        placed = await create(rest, order)
        desk.registry.end_all(EndReason.DRAIN, "the server went down")
        return placed

    monkeypatch.setattr(TwilioRest, "create", create_slowly)
    record = await desk.dialer().place(NUMBER, REMINDER)
    assert record.end_reason is EndReason.DRAIN
    assert desk.twilio.calls[record.call_sid].status == "canceled"


async def test_what_a_quicker_callback_has_said_stays_said(desk, monkeypatch):
    create = TwilioRest.create

    async def create_slowly(rest, order):
        placed = await create(rest, order)
        [record] = desk.registry.records()
        note_status(desk.registry, record.call_id, placed[0], "busy")
        return placed

    monkeypatch.setattr(TwilioRest, "create", create_slowly)
    record = await desk.dialer().place(NUMBER, REMINDER)
    assert (record.twilio_status, record.end_reason) == ("busy", EndReason.TWILIO_ENDED)
    assert len(desk.created) == 1  # and nothing was hung up


async def test_a_create_whose_answer_is_lost_keeps_its_path(desk):
    """Twilio may have placed the call, and then its stream must find the path that it was promised."""
    desk.twilio.rest.fail_next("reset", times=1, processed=True)
    assert (await desk.refusal()).code == "unknown_outcome"
    assert desk.registry.statistics().expected_calls == 1


async def test_a_twilio_that_cannot_be_reached_has_placed_nothing(desk):
    async with desk.twilio.rest.server.unreachable():
        refused = await desk.refusal()
    assert refused.code == "twilio_refused"
    assert "cannot be reached" in str(refused)
