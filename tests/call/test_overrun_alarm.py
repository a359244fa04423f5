"""Every call is reckoned up, and a session that outlives its call is heard of while its meter runs."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
import structlog
import trio

from tests.billing.test_cost import AGENT, TODAY, TWILIO
from tests.calls import live_call
from trio_voice.billing.prices import ModelPrices, Prices
from trio_voice.call.overrun_alarm import OverrunAlarm
from trio_voice.errors import ModelUnavailable
from trio_voice.journal import JournaledCall, Run
from trio_voice.legs.model import SocketModelLeg
from trio_voice.limits import Limits
from trio_voice.record import CallRecord, CallState, EndReason
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.session_record import Closing, ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PRICES = Prices(as_of=TODAY, twilio=TWILIO, models={"assemblyai-agent": AGENT})
LONG = Limits(idle_seconds=1_000, media_gap_seconds=1_000)


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as lines:
        yield lines


def lines_of(logged, event):
    return [line for line in logged if line["event"] == event]


@attrs.define
class Office:
    """An alarm, and whom it has told of alarms."""

    alarm: OverrunAlarm
    alarms: list[ModelSessionRecord]


@pytest.fixture
def office():
    alarms = []
    return Office(OverrunAlarm(PRICES, alarms.append), alarms)


def answers(_rig):
    """A model that does what it should."""


def never_answers(rig):
    rig.session.faults = f.Faults(never_acknowledges_end=True, ignores_close=True)
    rig.model_wire[1].mute_close()


def does_not_read(rig):
    rig.model_wire[0].stall_sends()


async def a_call(office, manner, *, seconds=90.0, limits=LONG):
    """Live a call with such a model, watched, and have it audited; returns its record and when it ended."""
    async with live_call(limits=limits) as rig, trio.open_nursery() as watching:
        watching.start_soon(office.alarm.watch, lambda: [] if rig.over.is_set() else [rig.call])
        await trio.sleep(seconds)
        manner(rig)
        rig.twilio.hang_up()
        await rig.over.wait()
        office.alarm.audit(rig.record)
        watching.cancel_scope.cancel()
    return rig.record


@pytest.mark.parametrize(
    ("manner", "closing", "overrun"),
    [
        (answers, Closing.ACKNOWLEDGED, 0.0),
        (never_answers, Closing.TIMED_OUT, 2.0),
        (does_not_read, Closing.ABORTED, 2.0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_however_the_model_behaves_its_session_overruns_by_close_seconds_at_most_and_nobody_is_alarmed(
    autojump_clock, office, logged, manner, closing, overrun
):
    record = await a_call(office, manner)
    (session,) = record.model_sessions
    assert session.closing is closing
    assert session.overrun_seconds == pytest.approx(overrun, abs=0.002)
    assert record.model_seconds - record.seconds == pytest.approx(overrun, abs=0.002)
    assert (office.alarms, lines_of(logged, "session_outlived_call")) == ([], [])


async def test_the_line_says_what_both_meters_come_to(autojump_clock, office, logged):
    record = await a_call(office, never_answers)
    (line,) = lines_of(logged, "call_audited")
    (session,) = line["sessions"]
    assert line["call_seconds"] == record.seconds == pytest.approx(90, abs=0.03)
    assert line["model_seconds"] == session["seconds"] == pytest.approx(92, abs=0.03)
    assert line["model_minus_call_seconds"] == session["overrun_seconds"] == 2.0
    assert (line["currency"], line["telephone_cost"]) == ("USD", 2 * 0.0125)
    assert line["model_cost"] == pytest.approx((session["seconds"] + 30) / 60 * 0.075, abs=1e-6)
    assert line["cost"] == pytest.approx(line["telephone_cost"] + line["model_cost"])
    assert (session["provider"], session["closing"], session["billed_seconds"]) == (
        "assemblyai-agent",
        "timed_out",
        None,
    )
    assert (line["call_id"], line["end_reason"], line["log_level"]) == ("c1", "hangup", "info")
    assert "prices_missing" not in line


async def test_an_acknowledged_session_costs_what_its_provider_bills(autojump_clock, office, logged):
    record = await a_call(office, answers)
    (session,) = record.model_sessions
    assert session.billed_seconds is not None
    assert session.cost == pytest.approx(session.billed_seconds / 60 * 0.075, abs=1e-6)
    assert record.as_json()["model_sessions"][0]["overrun_seconds"] == session.overrun_seconds


def slow_close(monkeypatch, seconds):
    """A leg with a bug: its close does not end when it should."""
    close = SocketModelLeg.close

    async def closes_late(self):
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        await close(self)

    monkeypatch.setattr(SocketModelLeg, "close", closes_late)


@pytest.mark.parametrize(("seconds", "alarms"), [(2.09, 0), (2.11, 1), (60.0, 1)])
async def test_a_session_that_is_open_for_over_two_seconds_after_its_call_sets_off_the_alarm_once(
    autojump_clock, office, logged, monkeypatch, seconds, alarms
):
    slow_close(monkeypatch, seconds)
    record = await a_call(office, answers)
    (session,) = record.model_sessions
    assert session.overrun_seconds == pytest.approx(seconds, abs=0.002)
    assert office.alarms == [session] * alarms
    found = lines_of(logged, "session_outlived_call")
    assert len(found) == alarms
    for line in found:
        assert (line["call_id"], line["session_id"], line["log_level"]) == ("c1", session.session_id, "error")
        assert 2.1 < line["overrun_seconds"] <= seconds


async def test_the_alarm_does_not_wait_for_a_session_that_is_never_closed(autojump_clock, office, logged, monkeypatch):
    slow_close(monkeypatch, 600)
    async with live_call(limits=LONG) as rig, trio.open_nursery() as watching:
        watching.start_soon(office.alarm.watch, lambda: [rig.call])
        await trio.sleep(10)
        assert office.alarms == []
        rig.twilio.hang_up()
        await trio.sleep(3.2)
        (line,) = lines_of(logged, "session_outlived_call")
        assert (line["still_open"], line["closing"], office.alarms) == (True, None, rig.record.model_sessions)
        await trio.sleep(30)
        assert len(office.alarms) == 1
        watching.cancel_scope.cancel()


async def test_the_alarm_does_not_need_anybody_to_watch(autojump_clock, office, logged, monkeypatch):
    slow_close(monkeypatch, 3)
    async with live_call(limits=LONG) as rig:
        await trio.sleep(10)
        rig.twilio.hang_up()
    office.alarm.audit(rig.record)
    (line,) = lines_of(logged, "session_outlived_call")
    assert (line["overrun_seconds"], line["still_open"]) == (pytest.approx(3, abs=0.002), False)


async def test_a_model_that_fails_early_is_over_with_its_call_and_costs_what_it_lasted(autojump_clock, office, logged):
    async def nobody():
        await trio.sleep(3)
        raise ModelUnavailable("nobody is there")

    async with live_call(limits=LONG, connect=nobody) as rig:
        pass
    office.alarm.audit(rig.record)
    (session,) = rig.record.model_sessions
    assert (session.seconds, session.overrun_seconds) == (3, 0)
    assert session.cost == pytest.approx(3 / 60 * 0.075)  # and no goodbye is billed where there was no session
    assert rig.record.end_reason is EndReason.MODEL_FAILED


def a_record(**fields):
    known = {"call_id": "c1", "call_sid": "CA1", "direction": "inbound", "persona": "p"}
    return CallRecord(**(known | {"from_number": "+15550001111", "to_number": "+15551234567"} | fields))


def test_a_session_that_its_call_has_left_open_is_an_alarm_and_of_unknown_cost(office, logged):
    call = a_record(seconds=10.0, model_sessions=[ModelSessionRecord("assemblyai-agent", NOON)])
    office.alarm.audit(call)
    (line,) = lines_of(logged, "session_outlived_call")
    assert (line["still_open"], office.alarms) == (True, call.model_sessions)
    assert (call.telephone_cost, call.model_cost, call.cost) == (0.0125, None, None)


def test_a_call_that_was_never_answered_has_its_line_too(office, logged):
    office.alarm.audit(a_record(direction="outbound", twilio_status="no-answer", end_reason=EndReason.TWILIO_ENDED))
    (line,) = lines_of(logged, "call_audited")
    assert (line["call_seconds"], line["model_minus_call_seconds"], line["cost"]) == (None, None, 0)


def test_what_has_no_price_is_unknown_and_the_line_says_which(office, logged):
    def closed():
        return ModelSessionRecord("assemblyai-agent", NOON, closed_at=NOON, seconds=9.0, opened_after_seconds=0.0)

    session = closed()
    session.add_usage({"characters": 5})
    for prices in (None, attrs.evolve(PRICES, models={}), attrs.evolve(PRICES, models={"assemblyai-agent": AGENT})):
        office.alarm.prices = prices
        office.alarm.audit(a_record(seconds=10.0, model_sessions=[attrs.evolve(session)]))
    unpriced, no_table, no_key = lines_of(logged, "call_audited")
    assert (unpriced["currency"], unpriced["cost"], unpriced["telephone_cost"]) == (None, None, None)
    assert (no_table["telephone_cost"], no_table["model_cost"], no_table["cost"]) == (0.0125, None, None)
    assert no_table["prices_missing"] == ["prices.assemblyai-agent"]
    assert no_key["prices_missing"] == ["prices.assemblyai-agent.thousand_characters"]
    office.alarm.prices = attrs.evolve(PRICES, models={"assemblyai-agent": ModelPrices(thousand_characters=1)})
    office.alarm.audit(a_record(seconds=10.0, model_sessions=[session]))
    assert lines_of(logged, "call_audited")[-1]["model_cost"] == 0.005


def test_a_session_that_a_dead_daemon_had_open_is_an_alarm_with_the_most_that_it_can_have_been(office, logged):
    call = a_record(state=CallState.LIVE, model_sessions=[ModelSessionRecord("assemblyai-agent", NOON)])
    closed = ModelSessionRecord("assemblyai-agent", NOON, closed_at=NOON, closing=Closing.ACKNOWLEDGED)
    call.model_sessions.append(closed)
    beat = NOON + timedelta(seconds=300)
    run = Run("r1", "node", 7, started_at=NOON, beat_at=beat)
    office.alarm.settled(JournaledCall(call, NOON, run, None), beat + timedelta(seconds=25))
    (line,) = lines_of(logged, "session_outlived_call")
    assert (line["overrun_seconds_at_most"], line["still_open"]) == (25, True)
    assert office.alarms == call.model_sessions[:1]


def test_no_line_has_a_number_in_it(office, logged):
    call = a_record(seconds=10.0, model_sessions=[ModelSessionRecord("assemblyai-agent", NOON)])
    office.alarm.audit(call)
    assert "+1555" not in repr(logged)
