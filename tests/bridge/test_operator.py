"""Wishes of an operator about a live call: say something, be silent, be put through."""

import attrs
import pytest

from tests.playbook import SPEECH, START, TALKS_FIRST, Playbook
from trio_voice.bridge.caller_turn import NUDGE
from trio_voice.bridge.operator import MOST_TO_SAY
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    ClearPlayback,
    EndCall,
    LegClosed,
    MachineAnswered,
    MuteRequested,
    PlaceMark,
    PlayAudio,
    ReplaceModel,
    SayRequested,
    Then,
    ToolResult,
    ToolReturned,
    TransferCall,
    TransferFailed,
    TransferRequested,
)
from trio_voice.limits import Limits
from trio_voice.record import EndReason

EXACT = attrs.evolve(TALKS_FIRST, exact_speech=True)
TRUNCATES = attrs.evolve(TALKS_FIRST, truncates=True)
QUIET_LINE = Limits(media_gap_seconds=1000, idle_seconds=1000)


def of_kind(commands, kind):
    return [command for command in commands if isinstance(command, kind)]


def test_a_model_that_can_says_it_to_the_letter():
    book = Playbook(capabilities=EXACT).live()
    assert book.on(SayRequested("We close now.")) == [c.SayExactly("We close now.")]


def test_another_is_asked_to():
    (asked,) = Playbook().live().on(SayRequested("We close now."))
    assert isinstance(asked, c.RequestReply)
    assert asked.instructions.endswith("We close now.")


def test_the_operators_words_go_before_what_the_agent_is_saying():
    book = Playbook(capabilities=EXACT).live()
    book.speak("r1", SPEECH, SPEECH)
    commands = book.after(0.05).on(SayRequested("Wait."))
    assert commands == [ClearPlayback(), c.SayExactly("Wait.")]
    assert "barge_ins" not in book.record.counters


def test_what_is_to_be_said_waits_for_a_model_and_not_without_bound():
    book = Playbook(capabilities=EXACT)
    book.on(START)
    for number in range(MOST_TO_SAY):
        assert book.bridge.refusal_of(SayRequested(str(number))) is None
        assert book.on(SayRequested(str(number))) == []
    assert book.bridge.refusal_of(SayRequested("one more"))[0] == "not_live"
    assert [each.text for each in of_kind(book.on(c.ModelReady("s")), c.SayExactly)] == ["0", "1", "2", "3", "4"]


def test_without_a_model_nothing_can_be_said():
    book = Playbook(limits=Limits()).live()
    book.on(LegClosed("model", politely=False, detail="gone"))
    refusal = book.bridge.refusal_of(SayRequested("Hello?"))
    assert refusal is not None
    assert refusal[0] in ("not_supported", "not_live")


def test_nothing_of_a_muted_agent_is_sent_until_it_may_speak_again():
    book = Playbook().live()
    book.speak("r1", SPEECH)
    assert book.after(0.05).on(MuteRequested(muted=True)) == [ClearPlayback()]
    assert book.bridge.is_silenced
    commands = book.speak("r2", SPEECH, SPEECH) + book.on(c.ReplyDone("r2", interrupted=False)) + book.after(1).tick()
    assert of_kind(commands, PlayAudio | PlaceMark) == []
    assert book.bridge.forward_reply_audio("r2", SPEECH, book.now) is None
    assert book.record.counters["muted_reply_frames"] == 2
    assert book.on(MuteRequested(muted=False)) == []
    assert of_kind(book.speak("r3", SPEECH), PlayAudio) == [PlayAudio(SPEECH)]


def test_muting_twice_is_muting_once():
    book = Playbook().live()
    assert book.on(MuteRequested(muted=True)) == book.on(MuteRequested(muted=True)) == []
    book.on(MuteRequested(muted=False))
    assert not book.bridge.is_silenced


def test_a_model_that_can_be_told_knows_that_it_was_not_heard():
    book = Playbook(capabilities=TRUNCATES).live()
    book.on(MuteRequested(muted=True))
    book.speak("r1", SPEECH)
    assert c.TruncateReply("r1", 0.0) in book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ReplyTranscript("r1", "Nobody hears this.", interrupted=False))


def test_what_a_muted_agent_said_is_in_the_record_as_unheard():
    book = Playbook().live()
    book.on(MuteRequested(muted=True))
    book.speak("r1", SPEECH)
    book.on(c.ReplyTranscript("r1", "Nobody hears this.", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    (line,) = book.record.transcript
    assert (line.interrupted, line.heard_ms) == (True, 0.0)


def asked_while_muted():
    """A call whose caller has just spoken to a muted agent."""
    book = Playbook(limits=Limits(idle_seconds=300)).live()
    book.on(MuteRequested(muted=True))
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i", "Hello?", final=True))
    book.on(c.CallerSpeechStopped())
    return book


def test_nothing_is_owed_to_a_caller_whose_agent_is_muted():
    book = asked_while_muted()
    for _ in range(50):
        book.on(ms.CallerAudio(SPEECH))
        assert of_kind(book.after(1).tick(), c.SayExactly | c.RequestReply | PlayAudio | ReplaceModel) == []
    assert "fillers" not in book.record.counters


def test_an_answer_that_was_lost_while_the_agent_was_muted_is_asked_for():
    book = asked_while_muted()
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    (asked,) = book.after(2).on(MuteRequested(muted=False))
    assert asked == c.RequestReply(NUDGE, instead=True)
    assert book.on(MuteRequested(muted=False)) == []


def test_an_agent_that_is_unmuted_while_nobody_waits_is_asked_for_nothing():
    book = Playbook().live()
    book.on(MuteRequested(muted=True))
    assert book.after(2).on(MuteRequested(muted=False)) == []


def test_a_muted_agent_can_be_told_nothing_to_say():
    book = Playbook().live()
    book.on(MuteRequested(muted=True))
    assert book.bridge.refusal_of(SayRequested("Hello?"))[0] == "muted"
    assert book.on(SayRequested("Hello?")) == []


def test_the_caller_is_put_through_at_once_and_the_record_says_by_whom():
    book = Playbook().live()
    book.speak("r1", SPEECH)
    assert book.after(0.02).on(TransferRequested("+15550100")) == [ClearPlayback(), TransferCall("+15550100")]
    assert book.bridge.refusal_of(TransferRequested("+15550100"))[0] == "not_live"
    assert book.on(TransferRequested("+15550199")) == []
    (end,) = book.on(ms.CallerStopped())
    assert (end.reason, end.transferred) == (EndReason.OPERATOR, True)
    assert end.detail == "the operator put the caller through"


@pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])
def test_a_caller_who_is_being_put_through_is_neither_hung_up_nor_put_through_twice(then):
    """Whatever the agent, which does not know of it, asks for meanwhile."""
    book = Playbook(limits=QUIET_LINE).live()
    book.on(c.ToolCalled("t1", "end_call", {}))
    book.on(TransferRequested("+15550100"))
    book.on(ToolReturned("t1", ToolResult("{}", then=then)))
    assert of_kind([command for _, command in book.pass_time(20)], EndCall | TransferCall) == []
    assert book.on(ms.CallerStopped())[-1].transferred


def test_a_machines_verdict_on_a_call_that_is_being_put_through_is_too_late():
    book = Playbook(limits=QUIET_LINE, direction="outbound").live()
    book.on(TransferRequested("+15550100"))
    assert book.on(MachineAnswered()) == []
    assert book.record.counters["machine_verdicts_too_late"] == 1


def test_a_transfer_that_fails_gives_the_caller_back_to_the_agent():
    book = Playbook().live()
    book.on(TransferRequested("+15550100"))
    (asked,) = book.on(TransferFailed())
    assert isinstance(asked, c.RequestReply)
    assert book.bridge.refusal_of(SayRequested("Sorry.")) is None


def test_a_transfer_by_the_agent_is_its_own_though_one_by_the_operator_has_failed():
    book = Playbook(limits=QUIET_LINE).live()
    book.on(TransferRequested("+15550100"))
    book.on(TransferFailed())
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "transfer_to_human", {}))
    book.on(ToolReturned("t1", ToolResult("{}", then=Then.TRANSFER)))
    book.on(c.ReplyDone("r1", interrupted=False))
    assert of_kind([command for _, command in book.pass_time(20)], TransferCall) == [TransferCall()]
    (end,) = book.on(ms.CallerStopped())
    assert (end.reason, end.transferred) == (EndReason.AGENT, True)


def test_a_transfer_that_fails_before_there_is_a_model_asks_nothing_of_it():
    book = Playbook()
    book.on(START)
    book.on(TransferRequested("+15550100"))
    assert book.on(TransferFailed()) == []


@pytest.mark.parametrize("wish", [SayRequested("x"), MuteRequested(muted=True), TransferRequested("+15550100")])
def test_a_call_that_ends_does_nothing_more(wish):
    book = Playbook().live()
    book.on(ms.CallerStopped())
    assert book.bridge.refusal_of(wish)[0] == "not_live"
    assert book.on(wish) == []


# What is told of lines


class Listener:
    def __init__(self):
        self.told = []

    def line(self, line, *, settled):
        self.told.append((line.role, line.text, settled))

    def turn(self, turn):
        self.told.append(("turn", round(turn.latency_ms)))

    def tool(self, use):
        self.told.append(use)

    def state(self):
        pass


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def book(listener):
    return Playbook(watcher=listener).live()


def test_words_of_the_caller_are_told_as_they_come_and_once_they_are_certain(book, listener):
    book.on(c.CallerTranscript("i", "Are you", final=False))
    book.on(c.CallerTranscript("i", "Are you open?", final=True))
    assert listener.told == [("caller", "Are you", False), ("caller", "Are you open?", True)]


def test_words_of_the_agent_are_certain_once_they_were_heard(book, listener):
    book.speak("r1", SPEECH)
    book.on(c.ReplyWords("r1", "Good ", 0))
    book.on(c.ReplyWords("r1", "day.", 50))
    (*_, mark) = of_kind(book.on(c.ReplyDone("r1", interrupted=False)), PlaceMark)
    assert [told[2] for told in listener.told] == [False, False]
    book.after(0.2).on(ms.MarkEchoed(mark.name))
    assert listener.told[-1] == ("agent", "Good day.", True)


def test_words_that_are_cut_are_told_as_they_were_heard_and_the_rest_is_kept(book, listener):
    book.speak("r1", SPEECH, SPEECH)
    for at, word in enumerate(("Good ", "day, ", "how ", "are you?")):
        book.on(c.ReplyWords("r1", word, 50.0 * at))
    book.after(0.07).on(c.CallerSpeechStarted())
    assert listener.told[-1] == ("agent", "Good day,", True)
    (line,) = book.record.transcript
    assert book.record.unheard_of(line) == "how are you?"


def test_every_line_is_certain_once_and_at_the_end_all_of_them(book, listener):
    book.on(c.ReplyStarted("r1"))
    book.on(c.ReplyWords("r1", "Good day.", None))
    book.on(c.CallerTranscript("i", "Hel", final=False))
    book.bridge.close(book.now)
    book.bridge.close(book.now)
    assert [told for told in listener.told if told[2]] == [("agent", "Good day.", True), ("caller", "Hel", True)]


def test_the_timeline_has_what_the_operator_had_the_agent_do():
    book = Playbook(capabilities=EXACT).live()
    book.on(SayRequested("We close now."))
    book.on(MuteRequested(muted=True))
    book.on(MuteRequested(muted=False))
    assert [event.detail for event in book.record.timeline] == [
        "the agent is told what to say",
        "the agent is muted",
        "the agent is heard again",
    ]
