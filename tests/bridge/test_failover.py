"""One model session after another in one call: decisions first, then whole calls on the virtual clock."""

import base64
import json

import attrs
import pytest
import trio

from tests.calls import GREETING, live_call
from tests.playbook import Playbook
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.bridge import Bridge
from trio_voice.bridge.failover import HISTORY_LINES, KEPT_FRAMES, PIECE_FRAMES, SHORTEST_SESSION_SECONDS, TAKE_UP
from trio_voice.errors import RestError
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    ClearPlayback,
    DismissModel,
    EndCall,
    LegClosed,
    LegStalled,
    ModelReplaced,
    PlaceMark,
    PlayAudio,
    ReplaceModel,
    ToolResult,
    ToolReturned,
    TransferCall,
    TransferFailed,
)
from trio_voice.legs.model import OUTBOX_MESSAGES
from trio_voice.persona import SILENT, Limits, Line, Lines, Persona
from trio_voice.record import CallRecord, EndReason
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

SPEECH = encode(b"\x00\x80" * 400)  # 100 ms that can be heard
FRAME = encode(b"\x00\x80" * 80)
WAIT = Line("One moment, please.", encode(b"\x01\x81" * 800))
SORRY = Line("I am sorry.", encode(b"\x02\x82" * 800))
LINES = Lines(WAIT, SORRY)
TRUNCATES = c.Capabilities(speaks_first=True, truncates=True)
PLAIN = c.Capabilities(speaks_first=True, truncates=False)
OTHER = c.Capabilities(speaks_first=False, truncates=True, exact_speech=True)
DEAD = LegClosed("model", politely=False, detail="cut")


YOUNG = SHORTEST_SESSION_SECONDS / 2
"""A session of this age that fails is not opened again."""


class Book:
    """A bridge with models to spare, half a minute into its call."""

    def __init__(self, *, successors=1, lines=SILENT, **persona):
        self.record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
        self.now = 100.0
        persona = Persona(name="p", model=("a", "b"), greeting="Hello", **persona)
        limits = Limits(playback_lead_seconds=10, media_gap_seconds=1000, idle_seconds=1000)
        self.bridge = Bridge(persona, limits, PLAIN, self.record, self.now, successors=successors, lines=lines)
        self.on(ms.CallerStarted("MZ1", "CA1", {}))

    def on(self, fact):
        return self.bridge.handle(fact, self.now)

    def after(self, seconds):
        self.now += seconds
        return self.bridge.tick(self.now)

    def live(self, seconds=30):
        self.on(c.ModelReady("s"))
        self.on(c.CallerTranscript("i1", "Are you open?", final=True))
        self.on(c.ReplyStarted("r1"))
        self.on(c.ReplyAudio("r1", SPEECH))
        self.on(c.ReplyTranscript("r1", "Yes.", interrupted=False))
        self.on(c.ReplyDone("r1", interrupted=False))
        self.after(seconds)
        return self


def said(commands):
    """Sound that is played, up to its mark, which must be the last."""
    *audio, mark = commands
    assert isinstance(mark, PlaceMark)
    return "".join(piece.payload for piece in audio)


def kinds(commands):
    return [type(command) for command in commands]


@pytest.mark.parametrize(
    "failure",
    [DEAD, LegStalled("model"), c.ModelFault("oops", "it broke", fatal=True)],
    ids=["cut", "stalled", "a fatal fault"],
)
def test_the_next_model_is_told_the_conversation_and_goes_on(failure):
    book = Book(lines=LINES).live(YOUNG)
    commands = book.on(failure)
    assert commands[0] == ReplaceModel(commands[0].why, (c.Said("caller", "Are you open?"), c.Said("agent", "Yes.")))
    assert said(commands[1:]) == WAIT.payload
    assert book.on(ModelReplaced(OTHER)) == []
    assert book.on(ms.CallerAudio(FRAME)) == []
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP), c.HearCaller(FRAME)]
    assert book.on(ms.CallerAudio(FRAME)) == [c.HearCaller(FRAME)]
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2", SPEECH))
    assert c.TruncateReply("r2", 0) in book.on(c.CallerSpeechStarted())  # as the new one's capabilities are
    assert [line.text for line in book.record.transcript] == ["Are you open?", "Yes.", ""]
    assert book.record.counters["model_takeovers"] == 1


def test_a_model_that_never_greeted_leaves_the_greeting_to_the_next():
    book = Book(successors=1)
    (replaced,) = book.after(10)  # model_ready_seconds
    assert isinstance(replaced, ReplaceModel)
    assert replaced.history == ()
    book.on(ModelReplaced(OTHER))
    book.on(ms.CallerAudio(FRAME))
    assert book.on(c.ModelReady("t")) == [c.SayExactly("Hello")]  # and nothing of the past is replayed


def test_the_lines_of_this_machine_are_no_talk_that_another_model_takes_up():
    fillers = tuple(Line(text, WAIT.payload) for text in ("F1.", "F2.", "F3."))
    book = Book(successors=1, lines=attrs.evolve(LINES, fillers=fillers), fillers=("F1.", "F2.", "F3."))
    said_by_itself = [command for _ in range(510) for command in book.after(0.02)]
    assert any(isinstance(command, PlayAudio) for command in said_by_itself)
    (replaced,) = (command for command in said_by_itself if isinstance(command, ReplaceModel))
    assert replaced.history == ()
    book.on(ModelReplaced(OTHER))
    assert book.on(c.ModelReady("t")) == [c.SayExactly("Hello")]


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_greeting_that_is_owed_is_said_by_the_next_model_whatever_the_caller_has_said(interruptible):
    book = Book(successors=1, greeting_interruptible=interruptible)
    book.on(c.ModelReady("s"))
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Hello?", final=True))
    book.on(DEAD)
    book.on(ModelReplaced(OTHER))
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP) if interruptible else c.SayExactly("Hello")]


def test_what_was_asked_for_and_not_begun_is_owed_by_the_session_that_takes_over():
    book = Book().live()
    book.after(10)
    book.bridge.handle(c.SessionExpiring(0.0), book.now)
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == []  # in a quiet moment nobody need know
    book.on(ms.DigitPressed("1"))
    book.after(3)
    book.after(20)
    assert kinds(book.on(c.SessionExpiring(0.0)))[-1] is ReplaceModel
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("u")) == [c.RequestReply(TAKE_UP)]


def test_one_line_is_said_for_two_models_that_take_over_one_behind_the_other():
    book = Book(successors=2, lines=LINES).live(YOUNG)
    assert said(book.on(DEAD)[1:]) == WAIT.payload
    book.on(ModelReplaced(OTHER))
    assert kinds(book.on(DEAD)) == [ReplaceModel]


def test_each_model_has_its_own_time_to_become_ready():
    book = Book(successors=1)
    assert kinds(book.after(10)) == [ReplaceModel]
    assert book.after(9.9) == []
    (end,) = book.after(0.1)
    assert end.reason is EndReason.MODEL_FAILED


def test_a_tool_of_the_model_that_died_is_nobodys():
    book = Book().live()
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(DEAD)
    book.on(ModelReplaced(PLAIN))
    book.on(c.ModelReady("t"))
    assert book.on(ToolReturned("t1", ToolResult("{}"))) == []


def test_what_the_caller_says_meanwhile_is_bounded():
    book = Book().live(YOUNG)
    book.on(DEAD)
    for number in range(KEPT_FRAMES + 5):
        book.on(ms.CallerAudio(encode(bytes([number % 100]) * 160)))
    kept = book.on(c.ModelReady("t"))[1:]
    assert len(kept) == KEPT_FRAMES / PIECE_FRAMES < OUTBOX_MESSAGES / 2  # more would push each other out
    sound = b"".join(base64.b64decode(command.payload) for command in kept)
    assert len(sound) == KEPT_FRAMES * 160
    assert sound[:161] == bytes([5]) * 160 + bytes([6])
    assert book.record.counters["caller_frames_before_ready"] == 5


def test_the_history_is_bounded():
    book = Book().live()
    for number in range(3 * HISTORY_LINES):
        book.on(c.CallerTranscript(f"i{number}", f"{number}", final=True))
    (replaced,) = book.on(DEAD)
    assert len(replaced.history) == HISTORY_LINES
    assert replaced.history[-1] == c.Said("caller", f"{3 * HISTORY_LINES - 1}")


# When none is left


def test_without_a_line_to_say_the_call_ends_at_once():
    assert Book(successors=0).live(YOUNG).on(DEAD) == [EndCall(EndReason.MODEL_FAILED, "cut")]


def test_the_last_line_is_heard_before_the_end_and_the_session_is_left_at_once():
    book = Book(successors=0, lines=LINES).live(YOUNG)
    dismissed, *line = book.on(DEAD)
    assert (dismissed, said(line)) == (DismissModel("cut"), SORRY.payload)
    assert book.on(LegStalled("model")) == []
    assert book.after(0.2) == []
    book.on(ms.MarkEchoed("0.2"))
    assert book.after(0.5) == [EndCall(EndReason.MODEL_FAILED, "cut")]


@pytest.mark.parametrize(("pieces", "cut"), [(3, False), (15, True)])
def test_what_a_dead_model_still_had_to_say_keeps_nobody_waiting_for_the_last_line(pieces, cut):
    book = Book(successors=0, lines=LINES).live(YOUNG)
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyTranscript("r2", "One two three four five six.", interrupted=False))
    for _ in range(pieces):
        book.on(c.ReplyAudio("r2", SPEECH))
    commands = book.on(DEAD)
    assert (ClearPlayback() in commands) is cut
    assert book.record.transcript[-2].interrupted is cut


def test_the_caller_may_be_put_through_instead():
    book = Book(successors=0, lines=LINES, on_failure="transfer", transfer_to="+15550001111").live(YOUNG)
    book.on(DEAD)
    book.after(0.2)
    book.on(ms.MarkEchoed("0.2"))
    assert book.after(0.5) == [TransferCall()]
    (end,) = book.on(ms.CallerStopped())
    assert (end.reason, end.transferred) == (EndReason.MODEL_FAILED, True)
    assert end.detail == "no model was left, and the caller was put through: cut"


def test_a_transfer_that_fails_is_the_end():
    book = Book(successors=0, on_failure="transfer", transfer_to="+15550001111").live(YOUNG)
    book.on(DEAD)
    assert book.after(0.5) == [TransferCall()]
    assert book.on(TransferFailed()) == [EndCall(EndReason.MODEL_FAILED, "cut")]


# Sessions that expire


def test_an_expiring_session_is_renewed_when_nobody_speaks():
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    assert book.on(c.SessionExpiring(60, "handle")) == []
    assert book.after(5) == []
    book.on(c.CallerSpeechStopped())
    book.on(c.ReplyStarted("r2"))
    assert book.after(1) == []
    book.on(c.ReplyAudio("r2", SPEECH))
    book.on(c.ReplyDone("r2", interrupted=False))
    assert book.after(1) == []
    book.on(ms.MarkEchoed("0.2"))  # and has been heard
    (renewal,) = book.after(0.5)
    assert (renewal.renews, renewal.resume_with) == (True, "handle")
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == []  # nobody is owed an answer
    assert book.record.counters["model_renewals"] == 1
    assert kinds(book.on(DEAD)) == [ReplaceModel]  # a renewal used up no model


def test_an_end_that_is_told_early_and_is_far_away_is_no_failure():
    book = Book().live(1)
    assert book.on(c.SessionExpiring(300, "handle")) == []
    assert book.after(5) == []
    (renewal,) = book.after(5)  # it has lasted ten seconds by now
    assert (renewal.renews, renewal.resume_with) == (True, "handle")


def test_it_is_renewed_in_the_end_whoever_speaks():
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    assert book.on(c.SessionExpiring(10)) == []
    assert book.after(7.9) == []
    assert kinds(book.after(0.1)) == [ReplaceModel]
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP)]


@pytest.mark.parametrize("politely", [True, False])
def test_a_session_that_ends_before_it_was_renewed_is_renewed_then(politely):
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    book.on(c.SessionExpiring(60, "handle"))
    (renewal,) = book.on(LegClosed("model", politely=politely, detail="it went"))
    assert (renewal.renews, renewal.resume_with) == (True, "handle")


def test_a_caller_who_was_answered_without_a_word_that_they_had_stopped_is_not_waited_for():
    book = Book().live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    assert book.on(c.SessionExpiring(60)) == []
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2", SPEECH))
    book.on(c.ReplyDone("r2", interrupted=False))
    book.on(ms.MarkEchoed("0.2"))  # and they have heard it
    assert kinds(book.after(1)) == [ReplaceModel]
    assert book.record.counters["model_renewals"] == 1


def test_a_session_is_not_renewed_before_the_caller_is_answered():
    book = Book().live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    assert book.on(c.SessionExpiring(60)) == []
    book.on(c.CallerSpeechStopped())
    assert book.after(1) == []  # an answer is on its way
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2", SPEECH))
    book.on(c.ReplyDone("r2", interrupted=False))
    book.on(ms.MarkEchoed("0.2"))
    assert kinds(book.after(1)) == [ReplaceModel]


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever():
    book = Book().live()
    book.on(c.CallerSpeechStopped())
    assert book.on(c.SessionExpiring(60)) == []
    assert book.after(4.9) == []
    assert kinds(book.after(0.5)) == [ReplaceModel]


@pytest.mark.parametrize("speaks", [True, False])
def test_a_sentence_that_a_session_does_not_hear_the_end_of_is_heard_whole_by_the_next(speaks):
    book = Book().live()
    book.on(c.ReplyStarted("r2"))  # which keeps the session from being replaced before it has to be
    assert book.on(c.SessionExpiring(4)) == []
    assert book.on(ms.CallerAudio(FRAME)) == [c.HearCaller(FRAME)]
    if speaks:
        book.on(c.CallerSpeechStarted(interrupts=False))
        book.on(c.ReplyDone("r2", interrupted=False))
    assert kinds(book.after(2)) == [ReplaceModel]
    book.on(ms.CallerAudio(FRAME))
    book.on(ModelReplaced(PLAIN))
    told = book.on(c.ModelReady("t"))
    if speaks:
        assert told == [c.HearCaller(encode(b"\x00\x80" * 160))]  # and no excuses: they are still speaking
    else:
        assert told == [c.RequestReply(TAKE_UP), c.HearCaller(FRAME)]


def test_a_handle_that_is_not_taken_is_replaced_by_the_conversation_once():
    book = Book().live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    (resumed,) = book.on(c.SessionExpiring(0, "handle"))
    assert resumed.resume_with == "handle"
    book.on(ModelReplaced(PLAIN))
    book.on(ms.CallerAudio(FRAME))
    (told,) = book.on(c.SessionExpiring(0))
    assert (told.resume_with, told.history[0].text) == (None, "Are you open?")
    book.on(ModelReplaced(PLAIN))
    book.on(ms.CallerAudio(FRAME))
    (again,) = book.on(c.SessionExpiring(0))
    assert (again.renews, book.record.counters["model_takeovers"]) == (False, 1)  # that was no matter of handles
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP), c.HearCaller(encode(b"\x00\x80" * 160))]


def test_somebody_who_may_be_speaking_interrupts_nothing():
    book = Book()
    book.on(c.ModelReady("s"))
    book.on(c.ReplyStarted("r1"))
    book.on(c.ReplyAudio("r1", SPEECH))
    assert book.on(c.CallerSpeechStarted(interrupts=False)) == []
    assert "barge_ins" not in book.record.counters
    assert book.on(c.CallerSpeechStarted()) != []


def test_sessions_that_expire_as_soon_as_they_begin_have_failed():
    book = Book(successors=0).live()
    assert kinds(book.on(c.SessionExpiring(0))) == [ReplaceModel]
    book.on(ModelReplaced(PLAIN))
    book.on(c.ModelReady("t"))
    book.after(SHORTEST_SESSION_SECONDS - 1)
    (end,) = book.on(c.SessionExpiring(0))
    assert end.reason is EndReason.MODEL_FAILED


# Whole calls

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
