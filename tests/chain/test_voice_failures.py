"""A voice without sound, and the one that goes on in its place."""

import struct

import pytest

from tests.chain.failing import faults
from tests.chain.stages import SOUND, Stage, lines
from trio_voice.audio.mulaw import encode
from trio_voice.chain.voicing import OTHER_WORDS
from trio_voice.events import model as c
from trio_voice.events import stage as s


def test_a_voice_that_says_nothing_has_failed():
    stage = Stage(sound_seconds=5.0)
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. "))
    assert stage.turns.wake_at == 5.0
    stage.wait(5.0)
    assert stage.of(s.ChangeVoice) == [s.ChangeVoice("speech_timeout", "the speech stage has made no sound in time")]


def test_a_voice_that_falls_silent_in_the_middle_of_a_text_has_failed():
    stage = Stage(sound_seconds=5.0)
    stage.asked()
    stage.answered("Yes. Until six.")
    stage.wait(1.0)
    stage.do(s.Sound("1", SOUND))
    assert stage.turns.wake_at == stage.now + 5.0
    stage.wait(4.9)
    assert stage.of(s.ChangeVoice) == []
    stage.wait(0.1)
    assert [change.code for change in stage.of(s.ChangeVoice)] == ["speech_timeout"]


@pytest.mark.parametrize("timed", [True, False])
def test_a_voice_that_does_not_tell_the_end_of_a_reply_has_not_failed(timed):
    stage = Stage(timed_words=timed)
    stage.asked()
    stage.answered("We close at five.")
    context = stage.spoken(made_ms=1_000, over=False)
    if timed:
        words = [("We ", 0.0), ("close ", 200.0), ("at ", 500.0), ("five. ", 700.0)]
        stage.do(*(s.SpokenWords(context, word, at) for word, at in words))
    stage.wait(6)
    assert not stage.of(s.ChangeVoice)
    assert [done.interrupted for done in stage.of(c.ReplyDone)] == [False]
    stage.do(s.SpeechOver(context))
    assert not stage.of(c.ReplyDone)


def test_a_voice_that_makes_no_sound_of_a_text_is_given_it_once_more_then_it_has_failed():
    stage = Stage()
    stage.asked()
    stage.answered("Yes. Until six.")
    stage.do(s.SpeechOver("1"))
    assert stage.of(s.Speak) == [s.Speak("1.2", "Yes. "), s.Speak("1.2", "Until six. ", last=True)]
    assert stage.of(s.Count) == [s.Count("speech_repeated")]
    assert stage.of(c.ReplyDone) == []
    stage.do(s.SpeechOver("1.2"))
    (change,) = stage.of(s.ChangeVoice)
    assert change == s.ChangeVoice("speech_silent", "the speech stage has made no sound of a text, twice")


def test_a_text_of_which_there_was_no_sound_is_not_in_the_history():
    stage = Stage()
    stage.asked()
    stage.answered("Until six.")
    stage.do(s.SpeechOver("1"), s.SpeechOver("1.2"))
    stage.do(c.TruncateReply("1", 0.0))
    assert "agent" not in [role for role, _ in lines(stage.asked("Hello?", "c2"))]


def test_what_a_voice_has_not_spoken_the_next_one_does():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. Until six. Or"), s.SpokenWords("1", "Yes. ", 0.0), *[s.Sound("1", SOUND)] * 3)
    stage.do(s.VoiceChanged())
    assert stage.of(s.Speak) == [s.Speak("1.2", "Until six. ")]
    stage.do(s.Thought(number, " seven."), s.ThoughtOver(number))
    assert stage.do(s.Sound("1", SOUND)) == []  # what still comes of the one before
    stage.do(s.SpokenWords("1.2", "Until six. Or seven.", 50.0), s.Sound("1.2", SOUND), s.SpeechOver("1.2"))
    assert stage.of(c.ReplyWords) == [c.ReplyWords("1", "Until six. Or seven.", 350.0)]
    assert stage.of(c.ReplyDone) == [c.ReplyDone("1", interrupted=False)]


TIMED = [s.SpokenWords("1", "We ", 0.0), s.SpokenWords("1", "close ", 200.0), s.SpokenWords("1", "at ", 600.0)]


@pytest.mark.parametrize(
    ("made_ms", "rest"),
    [
        (100, "We close at six."),  # no word is whole
        (200, "close at six."),
        (300, "close at six."),  # half of it
        (600, "at six."),
        (900, "six."),  # whose time was not told
    ],
)
def test_what_a_voice_has_broken_off_in_is_begun_anew_with_that_word(made_ms, rest):
    stage = Stage()
    stage.asked()
    stage.answered("We close at six.")
    stage.do(*TIMED, *[s.Sound("1", SOUND)] * (made_ms // 100), s.VoiceChanged())
    assert [speak.text for speak in stage.of(s.Speak)] == [rest]
    stage.do(*[s.SpokenWords("1.2", rest.split()[0], 0.0), s.Sound("1.2", SOUND)], s.VoiceChanged())
    assert [speak.text for speak in stage.of(s.Speak)] == [rest]  # of that one no word was whole


def test_words_of_which_a_voice_that_broke_off_made_no_sound_are_not_told_twice():
    stage = Stage()
    stage.asked()
    stage.answered("We close at six.")
    words = [s.SpokenWords("1", word, 300.0 * at) for at, word in enumerate(("We ", "close ", "at ", "six."))]
    told = []
    for fact in (*words, *[s.Sound("1", SOUND)] * 6, s.VoiceChanged()):
        stage.do(fact)
        told += [each.text for each in stage.of(c.ReplyWords)]
    assert told == ["We ", "close "]
    for fact in (s.SpokenWords("1.2", "at ", 0.0), s.SpokenWords("1.2", "six.", 300.0), *[s.Sound("1.2", SOUND)] * 2):
        stage.do(fact)
        told += [each.text for each in stage.of(c.ReplyWords)]
    assert told == ["We ", "close ", "at "]
    stage.do(s.SpeechOver("1.2"))
    assert [each.text for each in stage.of(c.ReplyWords)] == ["six."]


def test_a_voice_that_tells_the_times_of_parts_of_words_has_spoken_no_more_words_for_it():
    stage = Stage()
    stage.asked()
    stage.answered("We close at six.")
    parts = [s.SpokenWords("1", part, 100.0 * at) for at, part in enumerate(("W", "e ", "cl", "ose "))]
    stage.do(*parts, *[s.Sound("1", SOUND)] * 6, s.VoiceChanged())
    assert [speak.text for speak in stage.of(s.Speak)] == ["at six."]


def test_a_voice_that_tells_no_times_is_taken_to_have_come_as_far_as_its_sound_is_long():
    stage = Stage(timed_words=False)
    stage.asked()
    stage.answered("We close at six in the evening.")
    stage.do(*[s.Sound("1", SOUND)] * 6, s.VoiceChanged(timed_words=False))
    assert [speak.text for speak in stage.of(s.Speak)] == ["at six in the evening."]


def test_a_voice_that_drops_when_all_was_heard_is_asked_for_nothing_more():
    stage = Stage()
    stage.asked()
    stage.answered("At six.")
    words = [s.SpokenWords("1", "At ", 0.0), s.SpokenWords("1", "six.", 200.0)]
    stage.do(*words, *[s.Sound("1", SOUND)] * 5, s.VoiceChanged())
    assert stage.of(s.Speak) == []
    assert stage.of(c.ReplyDone) == [c.ReplyDone("1", interrupted=False)]


def test_a_text_that_a_voice_refuses_is_tried_plainly_and_then_that_reply_s_loss_alone():
    stage = Stage()
    stage.asked()
    stage.answered("Yes; you can.")
    stage.do(s.SpeechFailed("1", "cartesia_400", "no"))
    (speak,) = stage.of(s.Speak)
    assert (speak.context_id, ";" in speak.text) == ("1.2", False)
    stage.do(s.SpeechFailed("1.2", "cartesia_400", "no"))
    assert faults(stage) == [False]
    assert stage.of(c.ReplyDone)
    assert lines(stage.question) == [("caller", "Are you open?"), ("instruction", OTHER_WORDS)]


def test_a_voice_that_has_spoken_between_two_refusals_has_not_failed():
    stage = Stage()
    stage.asked()
    for refuses in (True, False, True):
        stage.answered("Yes you can.")
        context = next(speak.context_id for speak in stage.of(s.Speak))
        if refuses:
            stage.do(s.SpeechFailed(context, "cartesia_500", "no"))
            stage.do(s.SpeechFailed(f"{context}.2", "cartesia_500", "no"))
            assert stage.of(s.ChangeVoice) == []
        else:
            stage.spoken()
            stage.asked("And on Sunday?", "c2")


def test_a_voice_that_refuses_one_reply_after_the_other_has_failed():
    stage = Stage()
    stage.asked()
    for reply in ("1", "3"):
        stage.answered("Yes you can.")
        stage.do(s.SpeechFailed(reply, "cartesia_500", "no"))
        stage.do(s.SpeechFailed(f"{reply}.2", "cartesia_500", "no"))
    (change,) = stage.of(s.ChangeVoice)
    assert change == s.ChangeVoice("speech_refused", "the speech stage has refused one reply after the other")


def test_a_context_that_the_voice_closes_in_a_pause_goes_on_in_another_where_it_stopped():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "The flute. "), s.SpokenWords("1", "The flute. ", 0.0), s.Sound("1", SOUND))
    assert stage.do(s.SpeechOver("1")) == []
    stage.do(s.Thought(number, "The grape."), s.ThoughtOver(number))
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "The grape."
    assert {speak.context_id for speak in stage.of(s.Speak)} == {"1.2"}
    stage.do(s.SpokenWords("1.2", "The grape.", 0.0), s.Sound("1.2", SOUND))
    assert stage.of(c.ReplyWords) == [c.ReplyWords("1", "The grape.", 100.0)]
    stage.do(c.TruncateReply("1", 80.0))
    assert lines(stage.asked("Hm?", "c2"))[1] == ("agent", "The flute. —")


def test_nothing_without_a_letter_or_digit_is_sent_to_a_voice():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "... "), s.Thought(number, "Yes! 🥐"), s.ThoughtOver(number))
    assert [speak.text.strip() for speak in stage.of(s.Speak) if not speak.last] == ["Yes!"]


def test_what_follows_an_aside_is_spoken():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Good.\n*Smiles.*\nYes!\nBye now. "), s.ThoughtOver(number))
    assert "".join(speak.text for speak in stage.of(s.Speak)).split() == ["Good.", "Yes!", "Bye", "now."]


def test_nothing_is_told_before_there_is_a_voice_and_then_the_greeting_first():
    stage = Stage(has_voice=False)
    stage.do(c.SayExactly("Hello."), s.SpeechBegan(), s.TurnOver("c1", "Hi?"))
    stage.wait(0.3)
    number = stage.question.number
    stage.do(s.Thought(number, "Yes."), s.ThoughtOver(number))
    assert stage.of(c.ReplyStarted, s.Speak) == []
    stage.do(s.VoiceChanged())
    assert stage.of(s.Speak) == [s.Speak("1", "Hello.", last=True)]
    stage.spoken()
    assert [speak.text.strip() for speak in stage.of(s.Speak)] == ["Yes."]


def test_a_filler_is_not_kept_for_a_voice_that_is_not_open_yet():
    stage = Stage(has_voice=False)
    stage.do(c.SayExactly("One moment.", is_filler=True))
    assert stage.out == [c.FillerUnspoken()]
    stage.do(s.VoiceChanged())
    assert stage.of(c.ReplyStarted, s.Speak) == []


def test_the_header_of_a_wav_file_is_not_played():
    stage = Stage()
    stage.asked()
    stage.answered("Yes.")
    form = struct.pack("<IHHIIHH", 16, 7, 1, 8_000, 8_000, 1, 8)  # mu-law, mono
    header = b"RIFF\0\0\0\0WAVEfmt " + form + b"data\0\0\0\0"
    stage.do(s.Sound("1", encode(header + b"\x2a" * 800)), s.Sound("1", SOUND))
    assert stage.of(c.ReplyAudio) == [c.ReplyAudio("1", SOUND)] * 2
