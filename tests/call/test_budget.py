"""A day's ceiling: what could pass it is refused, once for all nodes, and live calls go on."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog
import trio

from trio_voice.call.budget import LOOK_SECONDS, Budget
from trio_voice.call.registry import Registry
from trio_voice.errors import CallRefused
from trio_voice.journal import JournalUnavailable, open_journal
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallRecord
from trio_voice.session_record import ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PERSONA = Persona(name="p", model="m")


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budget(clock):
    """Of 1.00; a minute is 0.10."""
    return Budget(1.0, lambda _persona, _direction: 0.1, clock)


def a_call(call_id, **fields):
    return CallRecord(call_id=call_id, direction="inbound", persona="p", from_number="+1", to_number="+2", **fields)


def ended(call_id, cost, at=NOON):
    record = a_call(call_id, started_at=at, telephone_cost=cost / 2, currency="USD")
    record.model_sessions.append(ModelSessionRecord("x", at, cost=cost / 2))
    return record


def test_a_call_is_promised_what_it_may_come_to_within_its_time_limit(budget):
    budget.reserve("a", PERSONA, "inbound", 480)
    budget.reserve("b", PERSONA, "inbound", 61)  # 0.80 and a minute: it fits
    with pytest.raises(CallRefused) as refused:
        budget.reserve("c", PERSONA, "inbound", 10)
    assert refused.value.code == "budget"
    budget.settle(ended("a", 0.05))
    budget.reserve("c", PERSONA, "inbound", 10)


def test_what_is_spent_is_spent_until_midnight_and_the_alarm_sounds_once(budget, clock):
    with structlog.testing.capture_logs() as logged:
        budget.reserve("a", PERSONA, "inbound", 60)
        budget.settle(ended("a", 1.2))
        budget.settle(ended("a", 1.2))  # told twice, counted once
        assert budget.spent == pytest.approx(1.2)
        for _ in range(2):
            with pytest.raises(CallRefused):
                budget.reserve("b", PERSONA, "outbound", 60)
        assert budget.is_reached
        clock.now = NOON + timedelta(hours=12)
        assert not budget.is_reached
        budget.reserve("b", PERSONA, "outbound", 60)
        budget.settle(ended("c", 5, at=NOON))  # a call of yesterday
        assert budget.spent == 0
    assert [line["event"] for line in logged] == ["daily_cost_reached"]


def test_a_clock_that_goes_astray_and_comes_back_frees_nothing(budget, clock):
    budget.settle(ended("a", 0.95))
    for astray in (timedelta(days=365), timedelta(hours=-13)):
        clock.now = NOON + astray
        assert budget.spent == 0
        budget.settle(ended(f"on {clock.now}", 0.5, at=clock.now))
        clock.now = NOON
        assert budget.spent == pytest.approx(0.95)
        with pytest.raises(CallRefused):
            budget.reserve("b", PERSONA, "outbound", 60)
    for day in range(1, 10):
        budget.settle(ended(f"{day}", 0.5, at=NOON + timedelta(days=day)))
    assert budget.spent == 0, "days long gone take no memory"


def test_what_has_no_price_is_not_counted(clock):
    budget = Budget(1.0, lambda _persona, _direction: 0.0, clock)
    record = a_call("a", started_at=NOON)
    record.model_sessions.append(ModelSessionRecord("x", NOON, cost=0.25))
    budget.reserve("a", PERSONA, "inbound", 600)
    budget.settle(record)
    assert budget.spent == 0.25


async def test_what_other_nodes_spend_counts_and_without_the_journal_the_last_look_does(budget, autojump_clock):
    answers = [(0.85, 1), JournalUnavailable("gone")]

    class Elsewhere:
        async def spent_elsewhere(self, since):
            await trio.lowlevel.checkpoint()
            assert since == NOON.replace(hour=0)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

    async with trio.open_nursery() as nursery:
        nursery.start_soon(budget.watch, Elsewhere())
        await trio.sleep(LOOK_SECONDS * 2)
        with pytest.raises(CallRefused):
            budget.reserve("a", PERSONA, "inbound", 60)
        nursery.cancel_scope.cancel()


async def test_a_call_that_lives_elsewhere_counts_as_one_here_does(budget, autojump_clock):
    """Or whoever has stolen a token would have the ceiling of every process."""

    class Elsewhere:
        async def spent_elsewhere(self, since):
            await trio.lowlevel.checkpoint()
            return 0.0, 1

    budget.reserve("a", PERSONA, "inbound", 60)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(budget.watch, Elsewhere())
        await trio.sleep(1)
        with pytest.raises(CallRefused):
            budget.reserve("b", PERSONA, "inbound", 570)
        budget.reserve("c", PERSONA, "inbound", 60)
        nursery.cancel_scope.cancel()


async def test_the_journal_adds_up_what_others_have_spent(tmp_path, clock):
    async with open_journal(f"sqlite:///{tmp_path}/journal.db", node="a", clock=clock) as here:
        here.call_ended(ended("a1", 0.5))
        async with open_journal(f"sqlite:///{tmp_path}/journal.db", node="b", clock=clock) as there:
            record = ended("b1", 0.3)
            record.ended_at = NOON
            there.call_ended(record)
            there.call_began(a_call("b2"))
            await there.call("b1")
        assert await here.spent_elsewhere(NOON.replace(hour=0)) == (pytest.approx(0.3), 1)
        assert await here.spent_elsewhere(NOON + timedelta(hours=1)) == (0, 0)


async def test_a_refused_call_takes_no_seat_and_a_live_one_goes_on(budget, autojump_clock):
    registry = Registry(Limits(max_calls=5, time_limit_seconds=570), budget=budget)
    await trio.lowlevel.checkpoint()

    def expect(direction):
        return registry.expect(PERSONA, direction=direction, from_number="+1", to_number="+2", call_sid=None)

    live = expect("inbound")
    for direction in ("inbound", "outbound"):
        with pytest.raises(CallRefused) as refused:
            expect(direction)
        assert refused.value.code == "budget"
    assert registry.statistics().expected_calls == 1
    assert registry.record(live.record.call_id) is live.record
