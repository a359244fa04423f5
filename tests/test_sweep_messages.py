"""A call is struck at each message on each wire, and leaves nothing each time.

A sample runs always; the whole, every message, is marked slow.
"""

import itertools
from collections import Counter
from contextlib import suppress

import pytest
import trio

from tests.sweep import AT_ONCE, CHAIN, LIMITS, WIRES, assert_model_was_told, case, how_often, play, strike_before
from trio_voice.bridge.losses import MAX_GARBAGE
from trio_voice.record import EndReason
from trio_voice.sandbox.transport.memory import MemoryChannel

pytestmark = pytest.mark.usefixtures("logs")
CONVERSATION_SECONDS = 1.3


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
