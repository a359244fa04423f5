"""Answers that stand still or break off, and the sessions that owe their rest."""

import attrs
import pytest

from tests.bridge.silences import CHAIN, HOSTED, LINES, PATIENT, WORDS, asked, pass_time
from tests.playbook import GREETS_NOBODY, HUSH, MORE, SPEECH, START, TALKS_FIRST, Playbook
from trio_voice.bridge.speaking import FINISH
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, ModelReplaced, ReplaceModel


def test_another_session_is_tried_for_a_model_that_can_be_taken_up_as_well():
    capabilities = attrs.evolve(HOSTED, resumes=True)
    book = Playbook(capabilities=capabilities, limits=PATIENT, lines=LINES).live().after(20)
    book.tick()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Are you open?", final=False))
    book.on(c.CallerSpeechStopped())
    _, rest = pass_time(book, 16)
    assert [command.renews for _, command in rest if isinstance(command, ReplaceModel)] == [True]


@pytest.mark.parametrize("yields", [True, False])
def test_an_answer_that_stands_still_is_asked_to_be_finished(yields):
    """Behind the second filler, of the same session."""
    book = asked(attrs.evolve(TALKS_FIRST, truncates=True, yields_on_request=yields))
    book.after(0.3).speak("r1", SPEECH)
    _, rest = pass_time(book, 9)
    asked_for = [(at, each) for at, each in rest if isinstance(each, c.TruncateReply | c.RequestReply)]
    cut = [(pytest.approx(7.6, abs=0.2), c.TruncateReply("r1", 100.0))] if yields else []
    assert asked_for == [*cut, (pytest.approx(7.6, abs=0.2), c.RequestReply(FINISH, instead=True))]
    heard = [line for line in book.record.transcript if line.role == "agent" and line.interrupted]
    assert heard == []  # what came of it was heard
    book.on(c.ReplyDone("r1", interrupted=yields))
    if yields:
        book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2" if yields else "r1", MORE))
    book.on(c.ReplyDone("r2" if yields else "r1", interrupted=False))
    fillers = book.record.counters["fillers"]
    _, rest = pass_time(book, 20)
    assert book.record.counters["fillers"] == fillers
    assert not [each for _, each in rest if isinstance(each, c.RequestReply)]


@pytest.mark.parametrize("expires", [False, True], ids=["nothing", "another session"])
@pytest.mark.parametrize("capabilities", [HOSTED, CHAIN], ids=["hosted", "chain"])
def test_the_rest_of_an_answer_is_owed_until_it_comes(capabilities, expires):
    """The server breaks the answer off for it, and begins no other."""
    book = asked(capabilities)
    book.after(0.3).speak("r1", SPEECH)
    before, _ = pass_time(book, 10)
    book.on(c.ReplyDone("r1", interrupted=True))
    if expires:
        book.on(c.SessionExpiring(1.0))
        book.on(c.ModelReady("t"))
    said, rest = pass_time(book, 10)
    asked_for = [each for _, each in rest if isinstance(each, ReplaceModel | c.RequestReply | c.SayExactly)]
    assert asked_for or len(said) > len(before)  # the lines of before are told again


def test_an_answer_that_is_given_up_before_it_sounds_is_still_owed():
    """A session that hangs is asked once more: that is no new wait."""
    book = Playbook(capabilities=HOSTED, limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.after(0.3).on(c.ReplyStarted("r1"))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    pass_time(book, 5.3)
    book.on(c.ReplyDone("r1", interrupted=True))
    pass_time(book, 1)
    book.on(c.ReplyStarted("r2"))
    assert book.record.counters["fillers"] == 1
    pass_time(book, 1.8)
    assert book.record.counters["fillers"] == 2


def test_the_rest_of_an_answer_is_owed_and_by_the_session_that_takes_over_too():
    book = asked()
    book.after(0.3).speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.AnswerOwed())
    pass_time(book, 5)
    assert book.record.counters["fillers"] == 1
    (replaced,) = [each for each in book.after(20).on(c.SessionExpiring(0.0)) if isinstance(each, ReplaceModel)]
    assert replaced.renews
    book.on(ModelReplaced(HOSTED))
    assert [type(each) for each in book.on(c.ModelReady("t"))] == [c.RequestReply]


def test_what_was_asked_for_is_still_owed_after_a_noise():
    """A cough while the greeting is thought of; the model may have dropped it."""
    book = Playbook(capabilities=attrs.evolve(HOSTED, speaks_first=False), limits=PATIENT, lines=LINES)
    book.on(START)
    book.on(c.ModelReady("s"))
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    pass_time(book, 4)
    assert book.record.counters["fillers"] == 1


def test_a_noise_that_is_found_to_be_one_twice_leaves_the_answer_owed():
    """By its end, and by its empty text."""
    book = asked()
    pass_time(book, 3)
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    book.after(0.2).on(c.CallerTranscript("i2", "", final=True))
    pass_time(book, 3)
    assert book.record.counters["fillers"] == 2


def test_a_reply_that_was_asked_for_and_comes_to_nothing_is_still_owed():
    """The session asks once more, and says so by no word."""
    book = Playbook(capabilities=attrs.evolve(HOSTED, speaks_first=False), limits=PATIENT, lines=LINES)
    book.on(START)
    book.on(c.ModelReady("s"))
    for number in range(5):
        book.after(0.2).on(c.ReplyStarted(f"r{number}"))
        book.after(0.2).on(c.ReplyDone(f"r{number}", interrupted=False))
    assert [text for _, text in pass_time(book, 1)[0]] == [WORDS.fillers[0]]


def sessions_of(book, play, most=6):
    """Number of sessions that a model is given which plays this in each, and then stands still, until the call ends."""
    for session in range(1, most):
        play(book, f"r{session}")
        commands = []
        while not any(isinstance(command, ReplaceModel | EndCall) for command in commands):
            commands = [command for _, command in pass_time(book, 0.1)[1]]
            assert book.now < 1_000, "it is waited for without end"
        if isinstance(commands[-1], EndCall):
            return session
        book.on(ModelReplaced(HOSTED))
        book.on(c.ModelReady(f"s{session}"))
    return most


def begin_only(book, reply):
    """Half a word; the session has been of use before it, else it has no second chance at all."""
    pass_time(book, 4)
    book.speak(reply, SPEECH)
    pass_time(book, 2)


def break_off(book, reply):
    begin_only(book, reply)
    book.on(c.ReplyDone(reply, interrupted=True))
    book.on(c.ReplyStarted(f"{reply}-more"))


def end_without_a_sound(book, reply):
    begin_only(book, f"{reply}-half")
    book.speak(reply, HUSH)
    book.on(c.ReplyDone(reply, interrupted=False))


def answer(book, reply):
    begin_only(book, reply)
    book.on(c.ReplyDone(reply, interrupted=False))
    book.on(c.ReplyStarted(f"{reply}-more"))


def ask_again(book, reply):
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript(f"i-{reply}", "And on Sundays?", final=True))


def begin_and_be_asked_again(book, reply):
    begin_only(book, reply)
    ask_again(book, reply)


@pytest.mark.parametrize("play", [begin_only, break_off, end_without_a_sound])
def test_an_answer_that_only_begins_earns_one_more_session_and_no_third(play):
    assert sessions_of(asked(), play) == 2


@pytest.mark.parametrize("play", [answer, begin_and_be_asked_again])
def test_an_answer_to_its_end_or_a_new_question_earns_another_session(play):
    assert sessions_of(asked(), play) == 6


def test_another_model_earns_a_second_session_too():
    """Two of the first, two of the one that takes over."""
    assert sessions_of(asked(successors=1), begin_only) == 4


def test_what_is_said_after_a_noise_to_another_session_is_owed_from_then_on():
    """The session that heard the beginning of it is gone; the noise was before."""
    book = Playbook(persona=GREETS_NOBODY, limits=PATIENT, lines=LINES).live()
    pass_time(book, 20)
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    pass_time(book, 2)
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.ModelFault("gone", "it is gone", fatal=True, passing=True))
    book.on(ModelReplaced(HOSTED))
    book.on(c.ModelReady("t"))
    book.after(1).on(c.CallerTranscript("i2", "Are you open?", final=True))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(2.5, abs=0.05), WORDS.fillers[0])]
