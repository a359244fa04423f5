"""Admission, once and in time; and the drain."""

from datetime import UTC, datetime

import pytest
import trio

from tests.call.promises import PERSONA, StubCall, expect, refusal
from trio_voice.call.callbacks import note_status
from trio_voice.call.expected import ARRIVAL_SECONDS, EXPECTED_SECONDS, QUEUED_SECONDS
from trio_voice.call.registry import Registry
from trio_voice.call.remembered import MAX_CALLS
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallState, EndReason

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


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
        assert registry.answered(call_id, "CA1") is expected
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
    again = expect(registry)  # it is arriving
    assert (again.record, again.is_second) == (expected.record, True)
    call = StubCall(expected.record.call_id)
    call.record.end_reason = EndReason.HANGUP
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert expect(registry) is again  # it lives
    assert registry.holds("CA1")
    await trio.sleep(2 * EXPECTED_SECONDS)
    assert registry.statistics().expected_calls == 0
    assert not call.ended_for
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert not registry.holds("CA1")
    assert expect(registry).record is call.record  # whoever redirected it has sent it back


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
    for number in range(MAX_CALLS + 5):
        call = StubCall(f"c{number}")
        with registry.living(call):
            assert registry.record(f"c{number}") is call.record
    assert registry.record("c4") is None
    assert registry.record("c5") is not None
    assert registry.records()[0].call_id == f"c{MAX_CALLS + 4}"
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
