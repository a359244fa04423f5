"""Admission, once and in time; and the drain."""

from datetime import UTC, datetime

import pytest
import trio

from trio_voice.call.callbacks import note_status
from trio_voice.call.drain import drain
from trio_voice.call.expected import ARRIVAL_SECONDS, EXPECTED_SECONDS, QUEUED_SECONDS
from trio_voice.call.registry import Registry
from trio_voice.call.remembered import MOST_CALLS
from trio_voice.errors import CallRefused
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallRecord, CallState, EndReason

PERSONA = Persona(name="p", model="m")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class StubCall:
    """A call that ends when it is told to, or when it wants to."""

    def __init__(self, call_id="c1", call_sid="CA1"):
        self.record = CallRecord(
            call_id=call_id, call_sid=call_sid, direction="inbound", persona="p", from_number="", to_number=""
        )
        self.over = trio.Event()
        self.ended_for = []
        self.machines = 0
        self.last_words = []

    def machine_answered(self):
        self.machines += 1

    def say_last_words(self, reason, detail):
        self.last_words.append((trio.current_time(), reason))

    def phone_over(self, detail):
        self.end(EndReason.TWILIO_ENDED, detail)

    def end(self, reason, detail):
        self.ended_for.append((reason, detail))
        self.over.set()

    async def live(self, registry):
        with registry.living(self):
            await self.over.wait()


def expect(registry, call_sid="CA1"):
    return registry.expect(PERSONA, direction="inbound", from_number="+1", to_number="+2", call_sid=call_sid)


def refusal(action, *args):
    with pytest.raises(CallRefused) as refused:
        action(*args)
    return refused.value.code


async def test_a_promised_path_works_once():
    registry = Registry(Limits())
    call_id = expect(registry).record.call_id
    assert len(call_id) == 32
    assert registry.take(call_id).persona is PERSONA
    assert refusal(registry.take, call_id) == "unknown_call"
    assert refusal(registry.take, "made-up") == "unknown_call"


async def test_a_promise_expires(autojump_clock):
    registry = Registry(Limits(max_calls=1))
    call_id = expect(registry).record.call_id
    await trio.sleep(EXPECTED_SECONDS)
    assert refusal(registry.take, call_id) == "unknown_call"
    assert registry.record(call_id).end_reason is EndReason.START_TIMEOUT
    expect(registry, "CA2")  # and its place is free again


async def test_a_call_that_we_place_may_wait_in_twilios_queue_and_then_ring(autojump_clock):
    registry = Registry(Limits())
    expected = registry.expect(
        PERSONA,
        direction="outbound",
        from_number="+1",
        to_number="+2",
        call_sid=None,
        seconds=QUEUED_SECONDS,
        seconds_from_dialing=90,
    )
    call_id = expected.record.call_id
    await trio.sleep(QUEUED_SECONDS - 1)
    for status in ("initiated", "ringing"):
        note_status(registry, call_id, "CA1", status)
        await trio.sleep(89)
        note_status(registry, call_id, "CA1", status)  # repeated, it gives nobody more time
        note_status(registry, call_id, "CA1", "initiated")
        assert registry.answered(call_id, "CA1") is expected.record
    await trio.sleep(2)
    assert registry.answered(call_id, "CA1") is None
    assert registry.record(call_id).end_reason is EndReason.START_TIMEOUT


async def test_a_call_that_never_leaves_twilios_queue_is_given_up(autojump_clock):
    registry = Registry(Limits())
    order = {"direction": "outbound", "from_number": "+1", "to_number": "+2", "call_sid": None}
    call_id = registry.expect(PERSONA, **order, seconds=QUEUED_SECONDS, seconds_from_dialing=90).record.call_id
    await trio.sleep(QUEUED_SECONDS + 1)
    assert registry.record(call_id).end_reason is EndReason.START_TIMEOUT


async def test_a_call_has_one_record_from_its_promise_to_its_end(autojump_clock, nursery):
    registry = Registry(Limits())
    expected = expect(registry)
    registry.take(expected.record.call_id)
    assert expect(registry) is expected  # it is arriving
    call = StubCall(expected.record.call_id)
    call.record.end_reason = EndReason.HANGUP
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert expect(registry) is expected  # it lives
    assert registry.holds("CA1")
    await trio.sleep(2 * EXPECTED_SECONDS)
    assert registry.statistics().expected_calls == 0
    assert not call.ended_for
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert not registry.holds("CA1")
    assert expect(registry) is not expected  # whoever redirected it has sent it back


@pytest.mark.parametrize("status", ["completed", None])
async def test_a_call_that_is_over_is_not_promised_anything(status, nursery):
    registry = Registry(Limits())
    call = StubCall(expect(registry).record.call_id)
    registry.take(call.record.call_id)
    call.record.end_reason = EndReason.OPERATOR if status is None else EndReason.HANGUP
    call.record.twilio_status = status
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert refusal(expect, registry) == "over"


async def test_a_stream_that_was_admitted_and_came_to_nothing_leaves_its_call_sid_free(autojump_clock):
    registry = Registry(Limits())
    expected = expect(registry)
    registry.take(expected.record.call_id)
    await trio.sleep(ARRIVAL_SECONDS)
    assert expect(registry) is not expected


async def test_a_promise_that_has_expired_is_not_shown_as_a_call_though_nobody_has_called_since(autojump_clock):
    registry = Registry(Limits())
    expect(registry)
    await trio.sleep(EXPECTED_SECONDS)
    assert registry.statistics().expected_calls == 0
    assert [record.state for record in registry.records()] == [CallState.ENDED]


async def test_a_webhook_that_is_repeated_gets_the_same_promise():
    registry = Registry(Limits())
    assert expect(registry) is expect(registry)
    assert expect(registry) is not expect(registry, call_sid="CA2")


async def test_promises_count_as_calls():
    registry = Registry(Limits(max_calls=2))
    expect(registry, "CA1")
    expect(registry, "CA2")
    assert refusal(expect, registry, "CA3") == "full"
    assert registry.statistics().expected_calls == 2


async def test_calls_are_remembered_but_not_for_ever(nursery):
    registry = Registry(Limits())
    for number in range(MOST_CALLS + 5):
        call = StubCall(f"c{number}")
        with registry.living(call):
            assert registry.record(f"c{number}") is call.record
    assert registry.record("c4") is None
    assert registry.record("c5") is not None
    assert registry.records()[0].call_id == f"c{MOST_CALLS + 4}"
    assert registry.statistics().live_calls == 0


async def test_a_call_can_be_ended_by_either_name(nursery):
    registry = Registry(Limits())
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    note_status(registry, None, "CA1", "completed")
    note_status(registry, None, "CA9", "completed")
    assert registry.end("c1", EndReason.OPERATOR, "")
    assert not registry.end("other", EndReason.OPERATOR, "")
    assert [reason for reason, _ in call.ended_for] == [EndReason.TWILIO_ENDED, EndReason.OPERATOR]


async def test_a_call_that_is_ended_before_its_stream_comes_gets_none():
    registry = Registry(Limits())
    call_id = expect(registry).record.call_id
    assert registry.end(call_id, EndReason.TWILIO_ENDED, "the caller gave up")
    assert refusal(registry.take, call_id) == "unknown_call"
    assert registry.record(call_id).state is CallState.ENDED


@pytest.mark.parametrize("how", ["expired", "ended", "hung up at Twilio"])
async def test_a_call_whose_stream_never_came_has_an_end_in_time_all_the_same(autojump_clock, how):
    told = []
    registry = Registry(Limits(), told.append, lambda: NOON)
    call_id = expect(registry).record.call_id
    match how:
        case "expired":
            await trio.sleep(EXPECTED_SECONDS)
            registry.statistics()
        case "ended":
            registry.end(call_id, EndReason.OPERATOR, "")
        case "hung up at Twilio":
            note_status(registry, call_id, "CA1", "no-answer")
    assert [(record.ended_at, record.state, record.seconds) for record in told] == [(NOON, CallState.ENDED, None)]


async def test_the_end_that_a_call_has_written_itself_stays(nursery):
    registry = Registry(Limits(), clock=lambda: NOON)
    call = StubCall()
    call.record.ended_at = datetime(2026, 11, 20, 11, tzinfo=UTC)
    with registry.living(call):
        pass
    assert call.record.ended_at.hour == 11


async def test_a_drain_takes_no_more_calls_and_waits_for_the_live_ones(autojump_clock, nursery):
    registry = Registry(Limits())
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(drain, registry, 120)
    await trio.sleep(50)
    assert refusal(expect, registry) == "draining"
    assert registry.statistics().draining
    assert call.ended_for == []
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert registry.statistics().live_calls == 0


async def test_a_drain_ends_the_calls_that_do_not_end(autojump_clock, nursery):
    registry = Registry(Limits())
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    await drain(registry, 120)
    assert trio.current_time() == 120
    assert call.ended_for[0][0] is EndReason.DRAIN


@pytest.mark.parametrize(("seconds", "told"), [(14, []), (15, [10]), (120, [115])])
async def test_whoever_is_still_there_near_the_end_of_a_drain_is_told_goodbye(autojump_clock, nursery, seconds, told):
    registry = Registry(Limits())
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    await drain(registry, seconds)
    assert [(at - began, reason) for at, reason in call.last_words] == [(at, EndReason.DRAIN) for at in told]
    assert trio.current_time() - began == seconds
    assert [reason for reason, _ in call.ended_for] == [EndReason.DRAIN]


async def test_a_drain_is_over_when_the_calls_are_though_a_promised_one_came_meanwhile(autojump_clock, nursery):
    registry = Registry(Limits())
    promised = expect(registry).record
    calls = [StubCall("c1"), StubCall(promised.call_id)]
    nursery.start_soon(calls[0].live, registry)
    await trio.testing.wait_all_tasks_blocked()
    async with trio.open_nursery() as draining:
        draining.start_soon(drain, registry, 120)
        await trio.sleep(1)
        registry.take(promised.call_id)
        nursery.start_soon(calls[1].live, registry)
        await trio.sleep(1)
        for call in calls:
            call.over.set()
    assert trio.current_time() == 2


async def test_a_drain_waits_for_one_call_after_the_other_and_for_how_long_their_goodbyes_take(autojump_clock, nursery):
    registry = Registry(Limits())
    calls = [StubCall(f"c{number}") for number in range(3)]
    for call in calls:
        nursery.start_soon(call.live, registry)
    calls[2].end = lambda reason, detail: nursery.start_soon(leave, calls[2], 2)

    async def leave(call, seconds):
        await trio.sleep(seconds)
        call.over.set()

    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(leave, calls[0], 10)
    nursery.start_soon(leave, calls[1], 20)
    await drain(registry, 30)
    assert trio.current_time() == 32
    assert registry.statistics().live_calls == 0


async def test_a_drain_does_not_wait_for_a_stream_whose_call_could_not_begin(autojump_clock):
    registry = Registry(Limits())
    expected = registry.take(expect(registry).record.call_id)
    registry.remember(expected.record)
    await drain(registry, 120)
    assert trio.current_time() == 0


async def test_a_drain_waits_for_a_promised_call_and_lets_it_be_answered(autojump_clock, nursery):
    registry = Registry(Limits())
    call = StubCall(expect(registry).record.call_id)
    async with trio.open_nursery() as draining:
        draining.start_soon(drain, registry, 120)
        await trio.sleep(10)
        registry.take(call.record.call_id)
        await trio.sleep(1)  # its handshake
        assert registry.statistics().live_calls == 0
        nursery.start_soon(call.live, registry)
        await trio.sleep(20)
        assert call.ended_for == []
        call.over.set()
    assert trio.current_time() == 31


async def test_a_drain_waits_for_a_promise_no_longer_than_it_is_good(autojump_clock):
    registry = Registry(Limits())
    expect(registry)
    await trio.sleep(10)
    await drain(registry, 120)
    assert trio.current_time() == EXPECTED_SECONDS


async def test_a_promise_that_is_withdrawn_is_not_waited_for(autojump_clock):
    registry = Registry(Limits())
    call_id = expect(registry).record.call_id
    async with trio.open_nursery() as draining:
        draining.start_soon(drain, registry, 120)
        await trio.sleep(10)
        note_status(registry, call_id, "CA1", "completed")
    assert trio.current_time() == 10


async def test_a_promise_that_was_not_kept_when_the_drain_is_over_is_ended_like_the_calls(autojump_clock):
    told = []
    registry = Registry(Limits(), told.append)
    call_id = expect(registry).record.call_id
    await drain(registry, 5)
    assert trio.current_time() == 5
    assert [(record.call_id, record.end_reason) for record in told] == [(call_id, EndReason.DRAIN)]
    assert refusal(registry.take, call_id) == "unknown_call"


async def test_a_stream_that_was_admitted_as_the_drain_ended_is_ended_at_once_and_waited_for(autojump_clock, nursery):
    registry = Registry(Limits())
    late = StubCall(expect(registry).record.call_id)
    async with trio.open_nursery() as draining:
        registry.take(late.record.call_id)
        draining.start_soon(drain, registry, 0)
        await trio.sleep(1)
        await late.live(registry)
    assert [reason for reason, _ in late.ended_for] == [EndReason.DRAIN]
    assert trio.current_time() == 1


async def test_a_stream_that_was_admitted_and_never_became_a_call_holds_nobody_up(autojump_clock):
    registry = Registry(Limits(max_calls=1))
    registry.take(expect(registry).record.call_id)
    assert refusal(expect, registry, "CA2") == "full"  # it may be live any moment
    await drain(registry, 120)
    assert trio.current_time() == ARRIVAL_SECONDS


async def test_all_calls_can_be_ended_at_once(nursery):
    told = []
    registry = Registry(Limits(), told.append)
    promised = expect(registry).record
    call = StubCall("c1")
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert registry.end_all(EndReason.TWILIO_ENDED, "why") == 2
    await trio.testing.wait_all_tasks_blocked()
    assert call.ended_for == [(EndReason.TWILIO_ENDED, "why")]
    assert {record.call_id for record in told} == {"c1", promised.call_id}
    assert registry.end_all(EndReason.TWILIO_ENDED, "why") == 0


async def test_an_empty_registry_drains_at_once(autojump_clock):
    await drain(Registry(Limits()), 120)
    assert trio.current_time() == 0


async def test_a_personas_own_limits_go_before_those_of_the_daemon():
    registry = Registry(Limits(time_limit_seconds=600, idle_seconds=60))
    hasty = Persona(name="p", model="m", time_limit_seconds=120)
    expected = registry.expect(hasty, direction="inbound", from_number="", to_number="", call_sid=None)
    assert (expected.limits.time_limit_seconds, expected.limits.idle_seconds) == (120, 60)


async def test_a_promise_to_a_call_whose_stream_comes_to_another_process_is_dropped_and_hangs_up_nobody(nursery):
    ended = []
    registry = Registry(Limits(), ended.append)
    record = expect(registry).record
    assert not registry.lives("CA1")
    registry.lives_elsewhere("CA1")
    assert ended == [record]
    assert (record.end_reason, record.handed_over) == (EndReason.START_TIMEOUT, True)
    assert registry.statistics().expected_calls == 0


async def test_a_call_that_lives_here_stays_whatever_another_process_believes(nursery):
    told = []
    registry = Registry(Limits(), on_live=told.append)
    call = StubCall(expect(registry).record.call_id)
    registry.take(call.record.call_id)
    assert registry.lives("CA1")  # it is arriving
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert told == [call.record]
    registry.lives_elsewhere("CA1")
    registry.lives_elsewhere("CA9")
    assert registry.lives("CA1")
    assert not call.ended_for
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert not registry.lives("CA1")
