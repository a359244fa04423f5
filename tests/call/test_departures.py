"""Callers whom somebody else has redirected and sends back to us: they have the agent again, in their record.

Twilio stops the stream and asks for TwiML in either order, and opens the new stream before or after it has said so.
"""

import pytest
import trio
import trio.testing

from tests.call.test_put_through import PERSONA, RegistryRig
from trio_voice.call.callbacks import note_status
from trio_voice.call.drain import drain
from trio_voice.call.expected import EXPECTED_SECONDS
from trio_voice.errors import CallRefused
from trio_voice.record import CallState, EndReason


@pytest.fixture
def rig(nursery):
    return RegistryRig(nursery)


def ask(rig, call_sid="CA1"):
    """Twilio asks for TwiML."""
    return rig.registry.expect(PERSONA, direction="inbound", from_number="+1", to_number="+2", call_sid=call_sid)


async def stop(call, reason=EndReason.HANGUP):
    """Twilio stops the stream."""
    call.record.end_reason = reason
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()


async def come_back(rig, expected):
    """A stream comes by a second path; returns the promise that it keeps."""
    return await rig.registry.resume(rig.registry.take(expected.path))


@pytest.mark.parametrize("asks_first", [True, False])
async def test_whoever_is_sent_back_goes_on_in_the_same_record(autojump_clock, rig, asks_first):
    call = await rig.begin()
    record, used = call.record, call.record.call_id
    if asks_first:
        again = ask(rig)
        await stop(call)
    else:
        await stop(call)
        await trio.sleep(60)  # it was somewhere else meanwhile
        again = ask(rig)
    assert again.path not in {used, ""}
    assert ask(rig) is again
    assert (record.state, rig.told) == (CallState.ENDED, [(record.call_id, asks_first)])
    expected = await come_back(rig, again)
    assert expected.record is record
    assert (record.state, record.end_reason, record.ended_at) == (CallState.LIVE, None, None)
    assert record.earlier_seconds == (30 if asks_first else 90)
    assert expected.limits.time_limit_seconds == 600 - record.earlier_seconds
    assert "on this one with you again" in expected.came_back.why
    for path in (used, again.path):
        with pytest.raises(CallRefused):
            rig.registry.take(path)
    note_status(rig.registry, record.call_id, "CA1", "completed")
    assert not rig.registry.may_come_back(record.call_id)


async def test_a_stream_that_comes_before_the_other_is_stopped_ends_it(autojump_clock, rig):
    call = await rig.begin()
    replaced = []

    def stream_replaced():
        replaced.append(trio.current_time())
        call.record.handed_over, call.record.end_reason = True, EndReason.HANGUP
        call.over.set()

    call.stream_replaced = stream_replaced
    expected = await come_back(rig, ask(rig))
    assert expected.record is call.record
    assert not call.record.handed_over
    assert (replaced, rig.told) == ([trio.current_time()], [(call.record.call_id, True)])


async def test_a_repeated_question_changes_nothing_of_a_live_call(autojump_clock, rig):
    call = await rig.begin()
    ask(rig)
    await trio.sleep(2 * EXPECTED_SECONDS)
    assert call.ended_for == []
    assert rig.registry.statistics().expected_calls == 0
    assert ask(rig).path != call.record.call_id
    await stop(call)
    assert rig.told == [(call.record.call_id, True)]
    await trio.sleep(EXPECTED_SECONDS)  # nobody has come
    assert rig.registry.records() == [call.record]
    assert rig.told[1:] == [(call.record.call_id, False)]


async def test_a_hang_up_after_a_repeated_question_is_told_as_soon_as_twilio_says_so(autojump_clock, rig):
    call = await rig.begin()
    again = ask(rig)
    await stop(call)
    note_status(rig.registry, call.record.call_id, "CA1", "completed")
    assert rig.told == [(call.record.call_id, True), (call.record.call_id, False)]
    with pytest.raises(CallRefused):
        await come_back(rig, again)
    with pytest.raises(CallRefused):
        ask(rig)


async def test_whoever_twilio_says_has_hung_up_is_waited_for_by_nobody(autojump_clock, rig):
    """The callback may overtake the stream's stop."""
    call = await rig.begin()
    ask(rig)
    call.phone_over = lambda detail: None
    note_status(rig.registry, call.record.call_id, "CA1", "completed")
    await stop(call)
    assert rig.told == [(call.record.call_id, False)]


@pytest.mark.parametrize("reason", [EndReason.AGENT, EndReason.OPERATOR, EndReason.TIME_LIMIT, EndReason.BUG])
async def test_a_call_that_we_have_ended_does_not_go_on(autojump_clock, rig, reason):
    call = await rig.begin()
    again = ask(rig)
    await stop(call, reason)
    with pytest.raises(CallRefused):
        await come_back(rig, again)
    with pytest.raises(CallRefused):
        ask(rig)
    assert rig.told == [(call.record.call_id, False)]  # and its phone is hung up


async def test_a_stream_that_does_not_end_lets_nobody_in_twice(autojump_clock, rig):
    call = await rig.begin()
    call.stream_replaced = lambda: None
    with pytest.raises(CallRefused):
        await come_back(rig, ask(rig))
    assert call.ended_for == []


async def test_a_call_whose_time_is_over_is_another(autojump_clock, rig):
    call = await rig.begin()
    await stop(call)
    await trio.sleep(570)
    assert ask(rig).record is not call.record


async def test_whoever_was_put_through_and_is_sent_back_by_somebody_else_has_the_agent_again(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    expected = await come_back(rig, ask(rig))
    assert (expected.record, rig.told) == (record, [(record.call_id, True)])
    assert record.transfers[0].outcome is None


async def test_a_drain_waits_for_whoever_has_a_way_back(autojump_clock, rig, nursery):
    call = await rig.begin()
    again = ask(rig)
    began = trio.current_time()
    nursery.start_soon(drain, rig.registry, 100)
    await trio.sleep(1)
    await stop(call)
    await trio.sleep(1)
    expected = await come_back(rig, again)
    rig.registry.end(expected.record.call_id, EndReason.DRAIN, "")
    await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() - began == 2


async def test_a_call_that_we_placed_comes_back_by_its_own_address(autojump_clock, rig, nursery):
    placed = rig.registry.expect(PERSONA, direction="outbound", from_number="+2", to_number="+1", call_sid="CA7")
    call_id = placed.record.call_id
    assert rig.registry.answered(call_id, "CA7") is placed
    call = await rig.live(placed.path)
    assert rig.registry.answered(call_id, "CA8") is None
    again = rig.registry.answered(call_id, "CA7")
    assert rig.registry.answered("another", "CA7") is None
    await stop(call)
    assert (await come_back(rig, again)).record is call.record
