"""One model after another, in whole calls on the virtual clock."""

import json

import attrs
import pytest
import trio

from tests.bridge.successors import LINES, SPEECH, Book
from tests.calls import GREETING, live_call
from tests.playbook import Playbook
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.failover import TAKE_UP
from trio_voice.errors import RestError
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, LegClosed, ModelReplaced, ReplaceModel
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines, Persona
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import (
    MID_REPLY,
    Close,
    Cut,
    Fail,
    Faults,
    GoSilent,
    Manner,
    Moment,
    Script,
    StopReading,
    Strike,
    Turn,
    VoiceAgentServer,
)
from trio_voice.session_record import Closing

TRUNCATES = c.Capabilities(speaks_first=True, truncates=True)
SECOND = Script(turns=(Turn(heard="Hello?", reply="I am here.", reply_ms=600),), ms_per_letter=10)
LATER = Persona(name="p", model=("a", "b"), greeting=GREETING)


def second(**faults):
    return VoiceAgentServer(SECOND.backend, **faults)


def asked_for(session):
    return [json.loads(message) for message in session.messages if '"input.audio"' not in message]


@pytest.mark.parametrize(
    ("act", "closing"),
    [
        (Cut(), Closing.ABORTED),
        (Cut(reset=True), Closing.ABORTED),
        (Close(1011, "crashed"), Closing.ACKNOWLEDGED),
        (Fail("internal_error"), Closing.ACKNOWLEDGED),
        (GoSilent(), None),
        (StopReading(), Closing.ABORTED),
    ],
    ids=str,
)
async def test_a_call_goes_on_with_the_next_model(autojump_clock, act, closing):
    agent = second()
    faults = Faults(strikes=(Strike(MID_REPLY, act),))
    limits = Limits(idle_seconds=20)
    async with live_call(persona=LATER, faults=faults, successors=[agent], lines=LINES, limits=limits) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(12)
        if closing is not None:  # silence alone is no failure; the idle limit bounds it
            assert rig.record.end_reason is None
            assert rig.model_wire[0].closed  # while the call goes on
            (session,) = agent.sessions
            update, take_up = asked_for(session)[:2]
            assert "Caller: Are you open?" in update["session"]["system_prompt"]
            assert "greeting" not in update["session"]
            assert take_up == {"type": "reply.create", "instructions": TAKE_UP}
        rig.twilio.hang_up()
    if closing is not None:
        assert rig.record.end_reason is EndReason.HANGUP
        assert [session.closing for session in rig.record.model_sessions] == [closing, Closing.ACKNOWLEDGED]
        assert not agent.open_sessions
        assert rig.record.closing_seconds < 0.1


async def test_a_model_that_is_never_ready_gives_way(autojump_clock):
    agent = second()
    async with live_call(persona=LATER, faults=Faults(never_ready=True), successors=[agent], lines=LINES) as rig:
        await trio.sleep(9.9)
        assert not agent.sessions
        await trio.sleep(3)
        assert asked_for(agent.sessions[0])[0]["session"]["greeting"] == GREETING
        rig.twilio.hang_up()
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED
    assert rig.record.counters["model_takeovers"] == 1


async def test_a_stalled_session_is_left_behind_within_the_bound(autojump_clock):
    """The call goes on meanwhile, and its end does not wait for what the old one still has."""
    faults = Faults(strikes=(Strike(MID_REPLY, Fail("made_up")), Strike(MID_REPLY, StopReading())))
    async with live_call(persona=LATER, faults=faults, successors=[second()], manner=Manner()) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        while not rig.later_wires:
            await trio.sleep(0.1)
        await trio.sleep(1.9)
        rig.twilio.hang_up()
    assert rig.model_wire[0].closed
    assert rig.record.closing_seconds <= Limits().close_seconds


class Desk:
    """Puts callers through, or refuses."""

    refuses = False
    number = None

    async def transfer(self, _call, number):
        self.number = number
        if self.refuses:
            raise RestError("no")


async def test_the_last_line_is_heard_and_the_dead_session_is_not_paid_for_meanwhile(autojump_clock):
    faults = Faults(strikes=(Strike(MID_REPLY, Fail("internal_error")),))
    long = Lines(None, Line("I am sorry.", encode(b"\x02\x82" * 12_000)))  # three seconds
    async with live_call(faults=faults, lines=long) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(3)
        assert rig.record.end_reason is None
        assert rig.model_wire[0].closed
        assert rig.record.model_sessions[0].closed_at is not None
        await trio.sleep(5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.transcript[-1].text == "I am sorry."
    assert b"\x02\x82" * 12_000 in rig.twilio.line.heard(trio.current_time())


async def test_a_caller_without_a_model_is_put_through(autojump_clock):
    desk = Desk()
    persona = Persona(name="p", model="a", greeting=GREETING, on_failure="transfer", transfer_to="+15550001111")
    faults = Faults(strikes=(Strike(Moment("reply.audio", 3), Cut()),))
    async with live_call(persona=persona, faults=faults, phone=desk) as rig:
        while desk.number is None:
            await trio.sleep(0.1)
        rig.twilio.hang_up()
    assert desk.number == "+15550001111"
    assert rig.record.handed_over
    assert rig.record.end_reason is EndReason.MODEL_FAILED


async def test_a_call_that_ends_while_sessions_change_leaves_neither(autojump_clock):
    """At every moment around a takeover."""
    faults = Faults(strikes=(Strike(MID_REPLY, Cut()),))
    for hundredth in range(0, 120, 3):
        agent = second(faults=Faults(ready_delay_seconds=0.3))
        limits = attrs.evolve(Limits(), close_seconds=1)
        async with live_call(persona=LATER, faults=faults, successors=[agent], limits=limits) as rig:
            await trio.sleep(2)
            rig.speak(0.5)
            await trio.sleep(1 + hundredth / 100)
            rig.scope.cancel()
        assert not agent.open_sessions
        assert rig.record.closing_seconds <= 1


def test_a_session_is_left_in_time_whoever_is_speaking():
    book = Book().live()
    book.on(c.ReplyStarted("r9"))
    for _ in range(40):
        book.on(c.ReplyAudio("r9", SPEECH))
    assert book.on(c.SessionExpiring(2.7)) == []  # 0.7 s before it has to be left, and the agent speaks for four
    due = book.now + 0.7
    while book.bridge.wake_at < due - 0.001:
        book.now = book.bridge.wake_at
        assert not any(isinstance(command, ReplaceModel) for command in book.bridge.tick(book.now))
    assert book.bridge.wake_at == pytest.approx(due)


def test_a_model_is_not_told_to_truncate_what_was_said_on_this_machine():
    book = Playbook(
        capabilities=TRUNCATES, lines=LINES, successors=1, persona=Persona(name="p", model=("a", "b"))
    ).live()
    book.on(LegClosed("model", politely=False, detail="cut"))
    book.on(ModelReplaced(TRUNCATES))
    book.on(c.ModelReady("t"))
    commands = book.on(c.CallerSpeechStarted())
    assert ClearPlayback() in commands
    assert not any(isinstance(command, c.TruncateReply) for command in commands)
