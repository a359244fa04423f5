"""Barge-in, and its place on the timeline."""

import pytest

from tests.playbook import MORE, SPEECH, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, MuteRequested, PlayAudio
from trio_voice.limits import Limits
from trio_voice.persona import Persona, TurnDetection


def test_the_caller_starting_to_speak_clears_what_plays(book):
    book.live().speak("r1", SPEECH, SPEECH)
    assert book.after(0.1).on(c.CallerSpeechStarted()) == [ClearPlayback()]


def test_the_caller_starting_to_speak_into_silence_clears_nothing(book):
    book.live().speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.after(0.5).on(c.CallerSpeechStarted()) == []


def test_the_tail_of_a_finished_reply_is_cleared_too(book):
    book.live().speak("r1", SPEECH, SPEECH, SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.after(0.1).on(c.CallerSpeechStarted()) == [ClearPlayback()]


def test_an_interrupted_reply_is_cleared(book):
    book.live().speak("r1", SPEECH, SPEECH)
    assert book.after(0.1).on(c.ReplyDone("r1", interrupted=True)) == [ClearPlayback()]


@pytest.mark.parametrize("speech_first", [True, False])
def test_both_signs_of_one_interruption_clear_once(book, speech_first):
    book.live().speak("r1", SPEECH, SPEECH)
    signs = [c.CallerSpeechStarted(), c.ReplyDone("r1", interrupted=True)]
    if not speech_first:
        signs.reverse()
    book.after(0.1)
    assert book.on(signs[0]) + book.on(signs[1]) == [ClearPlayback()]


def test_late_audio_of_an_interrupted_reply_is_dropped(book):
    book.live().speak("r1", SPEECH)
    book.on(c.CallerSpeechStarted())
    assert book.on(c.ReplyAudio("r1", MORE)) == []
    assert book.record.counters["late_reply_frames"] == 1


def test_the_reply_after_an_interrupted_one_is_heard(book):
    book.live().speak("r1", SPEECH)
    book.on(c.CallerSpeechStarted())
    assert book.speak("r2", MORE) == [PlayAudio(MORE)]


def test_a_reply_that_was_begun_and_silent_when_the_caller_took_the_floor_is_not_spoken_after_it(book):
    book.live().speak("r1", *[SPEECH] * 4)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ReplyStarted("r2"))
    assert ClearPlayback() in book.after(0.1).on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "No, wait, I meant Monday.", final=True))
    assert not any(isinstance(command, PlayAudio) for command in book.on(c.ReplyAudio("r2", MORE)))


def test_a_model_that_does_not_number_its_replies_is_heard_again_after_a_barge_in(book):
    book.live().speak("", SPEECH)
    book.on(c.CallerSpeechStarted())
    assert book.on(c.ReplyAudio("", MORE)) == []
    assert book.speak("", MORE) == [PlayAudio(MORE)]


def test_what_waits_here_is_discarded_by_a_barge_in():
    book = Playbook(limits=Limits(playback_lead_seconds=0.15)).live()
    book.speak("r1", *[SPEECH] * 10)
    assert book.after(0.05).on(c.CallerSpeechStarted()) == [ClearPlayback()]
    assert book.after(1).tick() == []


def test_a_persona_that_may_not_be_interrupted_is_not():
    persona = Persona(name="p", model="m", turn_detection=TurnDetection(interrupt_response=False))
    book = Playbook(persona=persona).live()
    book.speak("r1", SPEECH)
    assert book.on(c.CallerSpeechStarted()) == []


def test_a_model_that_can_be_told_learns_how_much_was_heard():
    book = Playbook(capabilities=c.Capabilities(speaks_first=True, truncates=True)).live()
    book.speak("r1", SPEECH, SPEECH)
    cut, cleared = book.after(0.125).on(c.CallerSpeechStarted())
    assert cut == c.TruncateReply("r1", pytest.approx(125))
    assert cleared == ClearPlayback()


def test_echoes_of_the_cleared_marks_do_not_count_as_heard(book):
    book.live().speak("r1", *[SPEECH] * 4)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.speak("r2", SPEECH)
    book.on(ms.MarkEchoed("0.1"))
    book.on(ms.MarkEchoed("0.2"))
    assert book.bridge._playback.heard_of("r2", book.now) == pytest.approx(0, abs=1e-6)


# The timeline


def test_a_barge_in_a_noise_and_the_operators_wishes_are_on_the_timeline(book):
    book.live().speak("r1", SPEECH, SPEECH)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(MuteRequested(True))
    book.on(MuteRequested(True))
    book.after(0.5).on(MuteRequested(False))
    began = [round(event.at, 1) for event in book.record.timeline]
    assert [(event.kind, event.detail) for event in book.record.timeline] == [
        ("barge_in", "0.1 s of it were heard"),
        ("operator", "the agent is muted"),
        ("operator", "the agent is heard again"),
    ]
    assert began == [began[0], began[0], pytest.approx(began[0] + 0.5)]


def test_who_takes_the_floor_from_nobody_barges_in_on_nobody(book):
    book.live().on(c.CallerSpeechStarted())
    assert book.record.timeline == []
