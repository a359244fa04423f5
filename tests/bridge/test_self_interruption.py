"""The floor, with a model that falls silent by itself, and replies that come into the caller's turn."""

import base64

import pytest

from tests.bridge.interrupted import CUTS_ITSELF, WRITES_LATE, YIELDS, said, sound_of, speaking
from tests.playbook import HUSH, MORE, SPEECH, Playbook
from trio_voice.bridge.states import Caller
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, PlayAudio, ToolResult, ToolReturned
from trio_voice.persona import Line, Lines, Persona, TurnDetection


def test_a_model_that_cuts_itself_is_asked_to_go_on_after_a_noise():
    book = speaking(CUTS_ITSELF, done=False)
    assert book.on(c.CallerSpeechStarted()) == [ClearPlayback()]
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    ((at, asked),) = book.pass_time(2)
    assert isinstance(asked, c.RequestReply)
    assert at - (book.now - 2) <= 1.5
    assert book.record.counters["false_interruptions_resumed"] == 1


@pytest.mark.parametrize("text", ["", "Uh-huh."])
@pytest.mark.parametrize("told_first", [True, False])
@pytest.mark.parametrize("filler", [True, False])
def test_the_rest_of_an_answer_that_stood_still_is_asked_for_after_a_noise(filler, told_first, text):
    lines = Lines(fillers=(Line("One moment.", SPEECH),)) if filler else Lines()
    book = Playbook(capabilities=CUTS_ITSELF, lines=lines).live()
    book.speak("r1", SPEECH)
    book.on(ms.MarkEchoed("0.1"))
    book.pass_time(2.63)  # what was made of it has been heard, and a filler is being
    facts = [c.CallerSpeechStarted(), c.ReplyDone("r1", interrupted=True)]
    for fact in facts if told_first else reversed(facts):
        book.on(fact)
    book.after(0.4).on(c.CallerSpeechStopped())
    done = book.on(said(text, final=True)) + [command for _, command in book.pass_time(1)]
    assert sum(isinstance(command, c.RequestReply) for command in done) == 1


def test_the_words_that_interrupt_an_answer_that_stood_still_are_answered_and_not_its_rest():
    book = Playbook(capabilities=CUTS_ITSELF).live()
    book.speak("r1", SPEECH)
    book.on(ms.MarkEchoed("0.1"))
    book.after(2).on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.8).on(c.CallerSpeechStopped())
    assert book.on(said("And on Sundays?", final=True)) == []
    assert not any(isinstance(command, c.RequestReply) for _, command in book.pass_time(2))


def test_an_answer_that_is_being_thought_of_survives_a_noise_over_a_filler():
    lines = Lines(fillers=(Line("One moment.", MORE),))
    book = Playbook(capabilities=CUTS_ITSELF, lines=lines).live()
    book.on(c.ReplyStarted("r1"))
    book.pass_time(2.55)
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    book.on(said("", final=True))
    assert PlayAudio(SPEECH) in book.on(c.ReplyAudio("r1", SPEECH))


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE, CUTS_ITSELF])
def test_the_rest_is_heard_though_nobody_says_that_the_noise_is_over(capabilities):
    book = speaking(capabilities)
    book.on(c.CallerSpeechStarted())
    if capabilities is CUTS_ITSELF:
        book.on(c.ReplyDone("r1", interrupted=True))
    done = [command for _, command in book.pass_time(6.5)]
    asked = sum(isinstance(command, c.RequestReply) for command in done)
    assert asked <= 1
    assert asked or sound_of(done)
    if asked:
        assert PlayAudio(MORE) in book.speak("r2", MORE)


# A reply that was asked for and comes while the caller speaks


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE])
def test_a_reply_that_comes_into_the_callers_turn_waits_until_it_is_over(capabilities):
    book = Playbook(capabilities=capabilities).live()  # the greeting is asked for
    book.on(c.CallerSpeechStarted())
    assert not sound_of(book.after(0.3).speak("r1", *[SPEECH] * 10))
    book.after(0.3).on(c.CallerSpeechStopped())
    assert sound_of(book.on(said("", final=True)))


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE])
def test_words_are_not_answered_by_what_was_asked_for_before_them(capabilities):
    book = Playbook(capabilities=capabilities).live()
    book.on(c.CallerSpeechStarted())
    book.after(0.3).speak("r1", *[SPEECH] * 10)
    book.on(c.ReplyDone("r1", interrupted=False))
    commands = book.after(1).on(c.CallerSpeechStopped()) + book.on(said("When do you open?", final=True))
    assert c.TruncateReply("r1", 0.0) in commands
    assert not sound_of(commands)
    assert book.bridge._silence.is_owed
    answer = book.after(0.5).speak("r2", MORE)
    assert PlayAudio(MORE) in answer


def test_somebody_who_only_seems_to_be_speaking_is_answered_by_what_comes():
    book = Playbook(capabilities=CUTS_ITSELF).live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    assert PlayAudio(SPEECH) in book.after(0.5).speak("r1", SPEECH)
    assert book.bridge._states.caller is Caller.QUIET


def test_what_a_server_that_tells_no_end_of_a_turn_begins_by_itself_is_the_answer():
    book = speaking(pieces=1)
    book.after(2).on(c.CallerSpeechStarted())
    book.after(1)
    assert PlayAudio(MORE) in book.speak("r2", MORE)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.on(said("When do you open?", final=True))
    assert not book.bridge._silence.is_owed


def test_it_is_not_asked_when_it_answers_or_when_there_are_words():
    book = speaking(CUTS_ITSELF, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    book.speak("r2", HUSH)
    assert not any(isinstance(each, c.RequestReply) for _, each in book.pass_time(2))
    book = speaking(CUTS_ITSELF, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(said("Stop, please.", final=True))
    assert not any(isinstance(each, c.RequestReply) for _, each in book.pass_time(2))


def cut_for_nothing():
    """A model that has fallen silent by itself for "uh-huh"."""
    book = speaking(CUTS_ITSELF, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    assert book.on(said("uh-huh", final=True)) == []
    return book


def test_a_model_that_may_go_on_by_itself_is_not_asked_at_once():
    book = cut_for_nothing()
    ((at, asked),) = book.pass_time(2)
    assert isinstance(asked, c.RequestReply)
    assert 0.3 <= at - (book.now - 2) <= 1


def test_a_model_that_goes_on_by_itself_is_not_asked_at_all():
    book = cut_for_nothing()
    book.after(0.4).speak("r2", HUSH)
    assert not any(isinstance(each, c.RequestReply) for _, each in book.pass_time(2))
    assert book.record.counters["false_interruptions_resumed"] == 1


def test_what_a_model_that_was_not_cut_answers_to_such_a_word_is_not_said():
    patient = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_words=2))
    book = speaking(CUTS_ITSELF, persona=patient)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(said("uh-huh", final=True))
    assert sound_of(book.after(0.2).speak("r2", MORE)) == b""
    book.on(c.ReplyTranscript("r2", "What else?", interrupted=False))
    book.on(c.ReplyDone("r2", interrupted=False))
    book.pass_time(5)
    assert ("agent", "What else?", False) not in book.lines()
    assert book.record.counters["answers_in_vain"] == 1
    assert sound_of(book.speak("r3", MORE)) == base64.b64decode(MORE)  # the next is wanted


def test_what_it_was_asked_for_meanwhile_is_said():
    patient = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_words=2))
    book = speaking(CUTS_ITSELF, persona=patient)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(said("uh-huh", final=True))
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(ToolReturned("t1", ToolResult("{}")))
    assert sound_of(book.speak("r2", MORE)) == base64.b64decode(MORE)


def test_the_rest_of_what_a_server_broke_off_though_it_was_told_not_to_is_asked_for():
    book = speaking(WRITES_LATE, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    resumed = book.on(said("", final=True))
    assert any(isinstance(command, PlayAudio) for command in resumed)
    assert [command.instead for command in resumed if isinstance(command, c.RequestReply)] == [True]
