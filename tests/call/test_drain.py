"""A drain: who is waited for, who is told goodbye, who is ended."""

import pytest
import trio

from tests.call.promises import StubCall, expect, refusal
from trio_voice.call.callbacks import note_status
from trio_voice.call.drain import drain
from trio_voice.call.expected import ARRIVAL_SECONDS, EXPECTED_SECONDS
from trio_voice.call.registry import Registry
from trio_voice.limits import Limits
from trio_voice.record import EndReason


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
