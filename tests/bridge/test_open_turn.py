"""Turns of the caller's whose end nobody tells."""

import attrs
import pytest

from tests.playbook import GREETS_NOBODY, SPEECH, TALKS_FIRST, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall
from trio_voice.limits import Limits

PATIENT = Limits(media_gap_seconds=1000, idle_seconds=1000, time_limit_seconds=1000)
WRITES_AT_ONCE = attrs.evolve(TALKS_FIRST, words_while_speaking=True)


def live(capabilities=TALKS_FIRST, limits=PATIENT):
    return Playbook(capabilities=capabilities, limits=limits).live()


def asked(done):
    return [(at, command) for at, command in done if isinstance(command, c.RequestReply)]


def test_words_behind_which_nothing_more_comes_are_answered():
    book = live()
    book.on(c.CallerSpeechStarted())
    began = book.now
    book.after(1).on(c.CallerTranscript("i1", "When do you", final=False))
    ((at, request),) = asked(book.pass_time(8))
    assert at - began == pytest.approx(6)
    assert request.instead
    assert book.record.counters["turns_without_an_end"] == 1


def test_a_question_behind_which_a_noise_never_ends_is_answered():
    book = live()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "When do you open?", final=True))
    book.on(c.CallerSpeechStopped())
    book.after(0.5).on(c.CallerSpeechStarted())
    began = book.now
    ((at, _),) = asked(book.pass_time(6))
    assert at - began == pytest.approx(5)


def test_whoever_goes_on_speaking_is_listened_to():
    book = live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerTranscript("i1", "It was", final=False))
    done = []
    for _ in range(2_000):
        book.after(0.02).on(ms.CallerAudio(SPEECH))
        done += book.tick() if book.now >= book.bridge.wake_at else []
    assert done == []


def test_whoever_has_said_no_word_is_listened_to_as_well():
    book = live(limits=attrs.evolve(PATIENT, idle_seconds=6))
    book.on(c.CallerSpeechStarted())
    assert not any(isinstance(command, EndCall | c.RequestReply) for _, command in book.pass_time(60))


@pytest.mark.parametrize("owed", [False, True])
def test_speech_of_which_nothing_more_is_told_is_answered(owed):
    book = live()
    book.on(c.CallerSpeechStarted())
    if owed:
        book.on(c.CallerSpeechStopped())
        book.on(c.CallerTranscript("i1", "Hello?", final=True))
        book.on(c.CallerSpeechStarted())
    for _ in range(15):
        book.after(0.1).on(ms.CallerAudio(SPEECH))
    quiet_since = book.now
    ((at, request),) = asked(book.pass_time(12))
    assert at - quiet_since == pytest.approx(5 if owed else 9)
    assert request.instead
    assert book.bridge._silence.is_owed


def test_speech_that_was_answered_though_no_end_of_it_was_told_is_not_asked_about():
    book = Playbook(persona=GREETS_NOBODY, limits=PATIENT).live()
    book.on(c.CallerSpeechStarted())
    for _ in range(15):
        book.after(0.1).on(ms.CallerAudio(SPEECH))
    book.on(c.ReplyStarted("r1"))
    book.on(c.ReplyAudio("r1", SPEECH))
    book.on(c.ReplyDone("r1", interrupted=False))
    assert asked(book.pass_time(20)) == []


def test_a_model_that_sees_to_its_turns_is_left_alone():
    book = live(WRITES_AT_ONCE)
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerTranscript("i1", "When do you", final=False))
    assert asked(book.pass_time(20)) == []
