"""A call is struck at each of its scheduling steps, and leaves nothing each time.

A sample runs always; the whole, every step, is marked slow.
"""

import itertools
from operator import attrgetter

import pytest
import trio

from tests.calls import live_call
from tests.overriding import override
from tests.sweep import (
    AT_ONCE,
    KINDS,
    LIMITS,
    Steps,
    assert_model_was_told,
    case,
    framed_channels,
    how_often,
    play,
    raise_in,
)
from trio_voice.edges.web.answers import STATUSES
from trio_voice.errors import CallRefused
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested
from trio_voice.record import EndReason
from trio_voice.sandbox.transport.memory import MemoryChannel

pytestmark = pytest.mark.usefixtures("logs")
EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def cancel(rig, _task=None):
    rig.scope.cancel()


def operator(rig, _task=None):
    rig.call.end(EndReason.OPERATOR, "")


def bug(_rig, task):
    if task.name.endswith(("live", "_run_tool")):  # what waits for the call, and what a tool does wrong is its answer
        return False
    return raise_in(task, ZeroDivisionError())


ENDS = {"cancelled": (cancel, EndReason.DRAIN), "ended": (operator, EndReason.OPERATOR), "a bug": (bug, EndReason.BUG)}


@EACH_KIND
@how_often(1)
@pytest.mark.parametrize(("strike", "reason"), ENDS.values(), ids=ENDS)
async def test_a_call_may_end_at_any_step(autojump_clock, logs, kind, every, strike, reason):
    """Nobody is hostile, so it ends at once, and the model is told at once."""
    for nth in itertools.count(1, every):
        with case(nth):
            steps = Steps(nth, strike)
            rig = await play(kind, steps.watch)
            if steps.struck_at is None:
                assert nth > 200
                break
            assert rig.ended_at - steps.struck_at <= AT_ONCE
            assert steps.left == set()
            if not steps.after_goodbye:
                assert rig.record.end_reason is reason
            if strike is not bug or not steps.after_goodbye:
                assert_model_was_told(rig)
            bugs = [entry for entry in logs if entry["event"] in {"call_bug", "close_bug"}]
            assert len(bugs) == (strike is bug)
            logs.clear()


def says(rig, _task=None):
    return wishes(rig, SayRequested("We close in ten minutes."))


def mutes(rig, _task=None):
    return wishes(rig, MuteRequested(muted=True))


def transfers(rig, _task=None):
    return wishes(rig, TransferRequested("+15550100"))


def wishes(rig, wish):
    """Have the call do it, whether or not it would have been refused: the route asks before, and may be too late."""
    rig.call._on_fact(wish)


@EACH_KIND
@how_often(1)
@pytest.mark.parametrize("strike", [says, mutes, transfers])
async def test_an_operator_may_wish_for_something_at_any_step(autojump_clock, logs, kind, every, strike):
    """The call goes on, and ends as if nobody had."""
    for nth in itertools.count(1, every):
        with case(nth):
            steps = Steps(nth, strike)
            rig = await play(kind, steps.watch)
            assert steps.left == set()
            assert_model_was_told(rig)
            # A stream that stops while Twilio is being asked to put the caller through was, as far as we know.
            races = strike is transfers and steps.struck_at is not None and rig.ended_at - steps.struck_at <= AT_ONCE
            assert rig.record.end_reason in ({EndReason.HANGUP, EndReason.OPERATOR} if races else {EndReason.HANGUP})
            assert not [entry for entry in logs if entry["event"] in {"call_bug", "close_bug"}]
            logs.clear()
            if steps.struck_at is None:
                assert nth > 200
                break


WISHES = {
    "say": SayRequested("We close in ten minutes."),
    "mute": MuteRequested(muted=True),
    "unmute": MuteRequested(muted=False),
    "transfer": TransferRequested("+15550100"),
}


@EACH_KIND
@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
async def test_a_wish_is_granted_or_refused_in_words_at_any_step(autojump_clock, logs, kind, wish):
    """As the route asks. There is no telephone here to put through, and the route has a status for each refusal."""
    granted, refusals = 0, []

    def ask(rig, _task):
        nonlocal granted
        try:
            rig.call.ask(wish)
        except CallRefused as refused:
            refusals.append(refused)
        else:
            granted += 1

    for nth in itertools.count(1, 7):
        with case(nth):
            steps = Steps(nth, ask)
            rig = await play(kind, steps.watch)
            assert steps.left == set()
            assert rig.record.end_reason is EndReason.HANGUP
            assert not [entry for entry in logs if entry["event"] in {"call_bug", "close_bug"}]
            logs.clear()
            if steps.struck_at is None:
                break
    codes = {refused.code for refused in refusals}
    assert codes <= STATUSES.keys()
    assert all(len(str(refused).split()) > 3 for refused in refusals)
    if isinstance(wish, TransferRequested):
        assert (granted, codes) == (0, {"not_supported", "not_live"})
    else:
        assert granted
        assert codes == {"not_live"}


@EACH_KIND
@how_often(4)
async def test_a_call_may_be_cancelled_at_any_step_of_its_sockets(autojump_clock, monkeypatch, kind, every):
    """The same over real framing, where half a frame may be on its way and a close has an answer of its own."""
    monkeypatch.setattr("tests.calls.memory_channels", framed_channels)
    for nth in itertools.count(1, every):
        with case(nth):
            steps = Steps(nth, cancel)
            rig = await play(kind, steps.watch)
            if steps.struck_at is None:
                assert nth > 500
                break
            assert rig.ended_at - steps.struck_at <= AT_ONCE
            assert steps.left == set()
            assert_model_was_told(rig)
            if not steps.after_goodbye:
                assert rig.record.end_reason is EndReason.DRAIN
                assert (rig.twilio.end.by, rig.twilio.end.code) == ("server", 1000)


def caller_stalls(rig):
    rig.caller_wire[0].stall_sends()
    rig.caller_wire[1].mute_close()


def model_stalls(rig):
    for ours, theirs in rig.wires.values():
        ours.stall_sends()
        theirs.mute_close()


def both_stall(rig):
    caller_stalls(rig)
    model_stalls(rig)


@EACH_KIND
@how_often(3)
@pytest.mark.parametrize("hostile", [caller_stalls, model_stalls, both_stall])
async def test_a_peer_may_stall_at_any_step_and_the_end_come_just_then(autojump_clock, kind, every, hostile):
    """Something is on its way to a peer that takes nothing when the call ends: the other one does not wait for it."""
    for nth in itertools.count(1, every):
        strike, reason = (cancel, EndReason.DRAIN) if nth % 2 else (operator, EndReason.OPERATOR)
        with case(nth):
            stalled, reasons = trio.Event(), []

            def stall(rig, _task, stalled=stalled):
                hostile(rig)
                stalled.set()

            steps = Steps(nth, stall)

            def arm(rig, nursery, stalled=stalled, steps=steps, strike=strike, reason=reason, reasons=reasons):
                async def end():
                    await stalled.wait()
                    await trio.sleep(0.025)
                    reasons.append(EndReason.HANGUP if rig.twilio._hanging_up else reason)
                    strike(rig)

                steps.watch(rig)
                nursery.start_soon(end)

            rig = await play(kind, arm)
            if steps.struck_at is None:
                assert nth > 200
                break
            assert steps.left == set()
            assert rig.ended_at - steps.struck_at <= 0.025 + LIMITS.close_seconds + AT_ONCE
            assert rig.record.end_reason is (reasons[0] if reasons else EndReason.HANGUP)
            if hostile is caller_stalls:
                assert_model_was_told(rig)
            if hostile is model_stalls:
                assert rig.twilio.end.at <= rig.ended_at - rig.record.closing_seconds + AT_ONCE


@pytest.mark.parametrize("where", ["_model._leg._session.receive", "_bridge.handle"])
async def test_a_bug_ends_both_legs_at_once_though_the_peer_that_brought_it_has_stalled(autojump_clock, logs, where):
    async with live_call() as rig:
        await trio.sleep(2.5)
        rig.model_wire[0].stall_sends()
        await trio.sleep(0.03)

        def broken(*_):
            raise ZeroDivisionError

        place, _, name = where.rpartition(".")
        override(attrgetter(place)(rig.call), **{name: broken})
        began = trio.current_time()
        await MemoryChannel.send(rig.model_wire[1], "#")
        await rig.twilio.ended.wait()
        assert trio.current_time() - began <= AT_ONCE
    assert rig.record.end_reason is EndReason.BUG
    assert rig.ended_at - began == pytest.approx(2, abs=AT_ONCE)


async def test_a_bug_beside_a_cancellation_stays_in_the_call(autojump_clock, logs):
    async with live_call() as rig:

        async def broken(*_):
            try:
                await trio.sleep_forever()
            finally:
                raise ZeroDivisionError

        override(rig.call._caller, run=broken)
        await trio.sleep(1)
        rig.scope.cancel()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["call_bug"]
    assert rig.session.told_goodbye
