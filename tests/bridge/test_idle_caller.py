"""The caller's silence is asked about, and ends the call."""

import attrs
import pytest

from tests.bridge.silences import LINES, PATIENT, WORDS, pass_time
from tests.playbook import GREETS_NOBODY, SPEECH, START, Playbook, end_of
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason


def idle(persona=GREETS_NOBODY, **rest):
    limits = Limits(idle_seconds=30, media_gap_seconds=1000, time_limit_seconds=1000, playback_lead_seconds=10)
    return Playbook(persona=persona, limits=limits, **rest).live()


def test_a_silent_caller_is_asked_and_then_told_goodbye():
    book = idle(lines=LINES)
    (at, asked_for), *_ = [(at, command) for at, command in pass_time(book, 21)[1]]
    assert at == pytest.approx(20, abs=0.05)
    assert WORDS.still_there in asked_for.instructions
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    _, rest = pass_time(book, 20)
    assert rest[0][0] == pytest.approx(9, abs=0.1)  # the question has made the caller no less silent
    assert WORDS.idle_goodbye in rest[0][1].instructions
    assert end_of([command for _, command in rest]) is EndReason.IDLE
    assert rest[-1][1].detail == "nobody has spoken: idle_seconds = 30"


def test_a_model_that_does_not_ask_is_spoken_for_by_this_machine():
    book = idle(lines=LINES)
    heard, rest = pass_time(book, 40)
    assert [text for _, text in heard] == [WORDS.still_there, WORDS.idle_goodbye]
    assert end_of([command for _, command in rest]) is EndReason.IDLE


def test_what_was_said_on_this_machine_is_not_said_by_a_slow_model_as_well():
    book = idle(lines=LINES)
    heard, _ = pass_time(book, 24)
    assert [text for _, text in heard] == [WORDS.still_there]
    assert book.speak("r1", SPEECH) == []
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.speak("r2", SPEECH) != []  # whatever that is, it is something else


def test_an_answer_to_whoever_answers_such_a_line_is_heard():
    book = idle(lines=LINES)
    pass_time(book, 24)
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    assert book.speak("r1", SPEECH) != []


def test_the_persona_words_what_a_silent_caller_is_asked():
    persona = Persona(name="p", model="m", still_there="Noch da?", idle_goodbye="Tschüss.")
    _, rest = pass_time(idle(persona=persona), 40)
    told = [command.instructions for _, command in rest if isinstance(command, c.RequestReply)]
    assert ["Noch da?" in told[0], "Tschüss." in told[1]] == [True, True]


@pytest.mark.parametrize(
    "facts",
    [
        [c.CallerSpeechStarted()],
        [c.ReplyStarted("r1"), c.ToolCalled("t1", "look_up", {})],
        [c.CallerSpeechStarted(), c.CallerSpeechStopped(), c.AnswerOwed()],
    ],
    ids=["they think aloud", "something is looked up", "an answer is owed"],
)
def test_a_call_is_not_idle_while_somebody_has_the_floor(facts):
    limits = Limits(idle_seconds=5, media_gap_seconds=1000, time_limit_seconds=1000)
    book = Playbook(limits=limits).live()
    for fact in facts:
        book.on(fact)
    _, rest = pass_time(book, 12)
    assert not any(isinstance(command, EndCall) for _, command in rest)
    assert not any(WORDS.still_there in str(command) for _, command in rest)


def test_a_caller_who_answers_the_question_is_there():
    book = idle()
    pass_time(book, 21)
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i", "Yes, I am looking for my card.", final=False))
    book.after(2).on(c.CallerSpeechStopped())
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    assert pass_time(book, 19)[1] == []


def test_a_reply_that_came_to_nothing_has_answered_nobody():
    """Its text may come behind such a reply, or before it."""
    book = Playbook(limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.ReplyStarted("r1"))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.on(c.ReplyDone("r1", interrupted=False))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(2.5, abs=0.05), WORDS.fillers[0])]


def test_a_caller_is_not_silent_while_the_model_is_opened():
    limits = attrs.evolve(PATIENT, idle_seconds=30, model_ready_seconds=20)
    book = Playbook(persona=GREETS_NOBODY, limits=limits)
    book.on(START)
    book.after(12).on(c.ModelReady("s"))
    _, rest = pass_time(book, 19.5)
    assert not any(isinstance(command, c.RequestReply) for _, command in rest)
    _, rest = pass_time(book, 1)
    assert any(isinstance(command, c.RequestReply) for _, command in rest)
