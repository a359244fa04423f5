"""A call is struck at each of its scheduling steps and at each message on each wire, and leaves nothing each time.

A sample runs always; the whole, every step and every message, is marked slow.
"""

import itertools
from collections import Counter
from contextlib import suppress
from operator import attrgetter

import pytest
import trio
from structlog.testing import capture_logs

from tests.calls import live_call
from tests.overriding import override
from tests.sweep import CHAIN, KINDS, LIMITS, Steps, case, framed_channels, play, raise_in, strike_before
from trio_voice.bridge.losses import MAX_GARBAGE
from trio_voice.edges.web.steering import STATUSES
from trio_voice.errors import CallRefused
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested
from trio_voice.record import EndReason
from trio_voice.sandbox.transport.memory import MemoryChannel
from trio_voice.session_record import Closing

EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


SAMPLE = 37
"""In the quick suite one case in so many: a prime, so that it does not keep step with what comes again and again."""


def how_often(whole):
    """A sample of the cases, and all of them, or as many of them as there is time for."""
    words = "every one" if whole == 1 else f"one in {whole}"
    # A chain takes some 600 steps, each of them a call: minutes, where others work beside it.
    slowly = pytest.param(whole, id=words, marks=[pytest.mark.slow, pytest.mark.timeout(1_200)])
    return pytest.mark.parametrize("every", [pytest.param(SAMPLE, id="a sample"), slowly])


SOCKETLESS = {"openai-chat"}
"""Nothing of these is open between requests."""
CONVERSATION_SECONDS = 1.3
AT_ONCE = 0.001
"""Seconds of virtual time: nothing but the rounding of the record's own."""


def assert_model_was_told(rig):
    """The provider was told of the end at its first sign, and acknowledged it at once."""
    assert all(session.told_goodbye for session in rig.agent.sessions)
    reached = {session.provider for session in rig.agent.sessions} | SOCKETLESS
    for session in rig.record.model_sessions:
        assert session.closing is (Closing.ACKNOWLEDGED if session.provider in reached else Closing.ABORTED)
        assert session.seconds <= rig.record.seconds + AT_ONCE


@pytest.fixture(autouse=True)
def logs():
    """Lines that were logged, and not written: thousands of calls, and a traceback for each bug, take their time."""
    with capture_logs() as entries:
        yield entries


# At every step


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


# At every message


def closes(wire, _row, nursery):
    nursery.start_soon(wire[1].aclose, 1000)


def crashes(wire, _row, nursery):
    nursery.start_soon(wire[1].aclose, 1011)


def is_cut(wire, _row, _nursery):
    wire[1].cut()


def stops_reading(wire, _row, _nursery):
    wire[0].stall_sends()


def leaves_deaf(wire, row, nursery):
    """It stops reading, so that what is being sent will never be taken, and closes; its kernel stays."""
    stops_reading(wire, row, nursery)
    wire[1].cut = lambda: None
    closes(wire, row, nursery)


def falls_silent(wire, _row, _nursery):
    """Half-open: nothing comes any more, not even the answer to a close."""

    async def vanish(*_):
        await trio.sleep_forever()

    wire[1].send = wire[1].aclose = vanish
    wire[1].mute_close()


def babbles(wire, _row, nursery, messages=("#",) * (MAX_GARBAGE + 1)):
    async def babble():
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the call is over
            for message in messages:
                await MemoryChannel.send(wire[1], message)

    nursery.start_soon(babble)


def gives_up(wire, row, nursery):
    row.gives_up(wire, nursery)


def is_ready(rig):
    """True if the model has said so, as far as we know."""
    return any(session.session_id is not None for session in rig.record.model_sessions)


def was_tried_again(rig):
    """True if a provider's session was opened a second time; that of a language model is one for all its requests."""
    return max(Counter(session.provider for session in rig.record.model_sessions).values(), default=0) > 1


ENDED: set[EndReason] = set()
"""Stands for how the call ends when this socket is closed politely."""
MISDEEDS = [
    # Whose peer, what it does, why the call ends, in how many seconds that is noticed at the latest, and how many it
    # takes to close. A peer that is not missed, because there is nothing to be done with it, is met at the hang-up.
    ("caller", closes, {EndReason.CALLER_LOST}, 0, 0),
    ("caller", is_cut, {EndReason.CALLER_LOST}, 0, 0),
    ("caller", babbles, {EndReason.CALLER_LOST}, 0, 0),
    ("caller", stops_reading, {EndReason.CALLER_STALLED, EndReason.HANGUP}, 3.3, 2),
    ("caller", leaves_deaf, {EndReason.CALLER_LOST}, 0, 2),
    ("caller", falls_silent, {EndReason.CALLER_STALLED, EndReason.START_TIMEOUT}, 5, 2),
    ("model", closes, ENDED, 0, 0),
    ("model", crashes, {EndReason.MODEL_FAILED}, 0, 0),
    ("model", is_cut, {EndReason.MODEL_FAILED}, 0, 0),
    ("model", babbles, {EndReason.MODEL_FAILED}, 0, 0),
    ("model", gives_up, {EndReason.MODEL_FAILED}, 0, 0),
    ("model", stops_reading, {EndReason.MODEL_FAILED}, 5.2, 2),
    ("model", leaves_deaf, ENDED, 0, 2),
    ("model", falls_silent, {EndReason.HANGUP}, 1.3, 2),
]
STALL_SECONDS = {"caller": 2, "model": 5}


WIRES = [(kind, row) for kind in KINDS for row in (None, *kind.wires)]
"""Every socket of every kind of call; ``None`` is the caller's."""


@how_often(1)
@pytest.mark.parametrize(
    ("kind", "row", "misdeed", "reasons", "noticed", "closing"),
    [
        pytest.param(
            kind, row, *rest, id=f"{kind.name} {row.name if row else leg} {getattr(rest[0], '__name__', rest[0])}"
        )
        for kind, row in WIRES
        for leg, *rest in MISDEEDS
        if (row is None) == (leg == "caller")
    ],
)
async def test_a_peer_may_fail_at_any_message(autojump_clock, kind, row, every, misdeed, reasons, noticed, closing):
    """Just before it is put on the wire, be it ours or theirs. The other peer is told at the first sign, to the ms."""
    leg = "caller" if row is None else "model"
    if row is not None:
        reasons = reasons or {row.ended}
    idles = row is not None and not row.always_busy
    if idles and misdeed is stops_reading:
        noticed += CONVERSATION_SECONDS
    patience = STALL_SECONDS[leg] + 0.1 if misdeed is stops_reading else 0
    for ours in (True, False):
        for nth in itertools.count(1, every):
            with case(nth, "of ours" if ours else "of theirs"):
                struck = []

                def arm(rig, nursery, ours=ours, nth=nth, struck=struck):
                    wire = rig.caller_wire if row is None else rig.wires[row.name]

                    def strike():
                        struck.append((trio.current_time(), rig.twilio._hanging_up, is_ready(rig)))
                        if misdeed is falls_silent and leg == "caller":
                            rig.twilio.vanish()
                        misdeed(wire, row, nursery)

                    strike_before(wire[0 if ours else 1], nth, strike)

                rig = await play(kind, arm, struck=struck, patience=patience)
                if not struck:
                    assert nth > (row.fewest if row is not None else 20)
                    break
                ((struck_at, after_goodbye, was_ready),) = struck
                noticed_after = rig.ended_at - rig.record.closing_seconds - struck_at
                if after_goodbye:
                    assert noticed_after <= AT_ONCE
                    continue
                if leg == "model" and (row.is_renewed or not was_ready) and was_tried_again(rig):
                    # The caller of ``play`` says nothing while a stall is waited for, longer than media may pause.
                    lost = {EndReason.CALLER_STALLED} if misdeed is stops_reading else set()
                    assert rig.record.end_reason in {EndReason.HANGUP, *lost}
                    longest = LIMITS.close_seconds + CONVERSATION_SECONDS + patience
                    assert all(session.seconds <= longest for session in rig.record.model_sessions)
                    continue
                if idles and misdeed is stops_reading and rig.record.end_reason is EndReason.HANGUP:
                    continue  # nothing more was to be sent: that nobody reads was not to be noticed
                assert rig.record.end_reason in reasons
                assert noticed_after <= noticed + AT_ONCE
                unanswered = misdeed is falls_silent and rig.record.closing_seconds < AT_ONCE
                # A Twilio that has not answered a mark is not asked for a close either.
                assert unanswered or rig.record.closing_seconds == pytest.approx(closing, abs=AT_ONCE)
                if misdeed is stops_reading and ours:  # it is this message that is not taken
                    assert noticed_after == pytest.approx(STALL_SECONDS[leg], abs=AT_ONCE)
                if leg == "caller":
                    assert_model_was_told(rig)
                elif rig.record.end_reason is not EndReason.HANGUP:
                    assert (rig.twilio.end.by, rig.twilio.end.code) == ("server", 1000)
                    assert rig.twilio.end.at - struck_at <= noticed_after + AT_ONCE


# At every piece of the language model's answers, which come over no socket that stays


def error_in(wire, nursery):
    babbles(wire, None, nursery, [b'data: {"error":{"message":"made to fail"}}\n\n'])


def babbles_data(wire, nursery):
    babbles(wire, None, nursery, [b"data: {not JSON\n\n"] * (MAX_GARBAGE + 1))


ANSWER_MISDEEDS = [
    # What a language model does once in the call, and what becomes of the call. Asked again, it answers.
    (lambda wire, _nursery: wire[1].cut(), EndReason.HANGUP),
    (error_in, EndReason.HANGUP),
    (lambda wire, nursery: falls_silent(wire, None, nursery), EndReason.HANGUP),
    (lambda wire, _nursery: wire[0].stall_sends(), EndReason.HANGUP),
    (babbles_data, None),
]


@how_often(1)
@pytest.mark.parametrize(
    ("misdeed", "reason"), ANSWER_MISDEEDS, ids=["cut", "error", "falls silent", "stops reading", "babbles"]
)
async def test_a_language_model_may_fail_at_any_piece_of_its_answers(autojump_clock, every, misdeed, reason):
    """Both sockets are told at once when the call ends, whatever an answer that is still open does."""
    for ours in (True, False):
        for nth in itertools.count(1, every):
            with case(nth, "of ours" if ours else "of theirs"):
                struck = []

                def arm(rig, nursery, ours=ours, nth=nth, struck=struck):
                    numbers = itertools.count(1)

                    def tap(wire):
                        end = wire[0 if ours else 1]
                        send = end.send

                        async def tapped(message):
                            if next(numbers) == nth:
                                struck.append(trio.current_time())
                                misdeed(wire, nursery)
                            await send(message)

                        end.send = tapped

                    rig.on_exchange = tap

                rig = await play(CHAIN, arm)
                if not struck:
                    assert nth > (2 if ours else 20)
                    break
                assert rig.record.end_reason in ({reason} if reason else {EndReason.HANGUP, EndReason.MODEL_FAILED})
                assert rig.record.closing_seconds <= AT_ONCE
                assert_model_was_told(rig)
