"""Texts of which a voice makes no sound, though it says that it is done, behind others that were heard."""

import base64

import pytest

from tests.chain.stages import SOUND, Stage, lines
from trio_voice.audio.mulaw import encode
from trio_voice.events import model as c
from trio_voice.events import stage as s

SILENCE = encode(b"\xff" * 800)
FIRST, LAST = "We close at five in the evening. ", "Come at any time."


def timed(context, text, ms_per_letter=60):
    """A text's words with their times, and its sound."""
    words, at = [], 0
    for word in text.split():
        words.append(s.SpokenWords(context, f"{word} ", at * ms_per_letter))
        at += len(word) + 1
    return [*words, *[s.Sound(context, SOUND)] * round(len(text) * ms_per_letter / 100)]


def asked():
    stage = Stage()
    stage.asked()
    stage.answered(FIRST + LAST)
    assert [speak.text for speak in stage.of(s.Speak)] == [FIRST, LAST]
    return stage


def test_a_last_text_that_was_lost_is_asked_for_once_more():
    stage = asked()
    stage.do(*timed("1", FIRST), s.SpeechOver("1"))
    assert stage.of(s.Speak) == [s.Speak("1.2", LAST, last=True)]
    assert stage.of(s.Count) == [s.Count("speech_repeated")]
    stage.do(*timed("1.2", LAST), s.SpeechOver("1.2"))
    (done,) = stage.of(c.ReplyTranscript)
    assert (done.text, done.interrupted) == (FIRST + LAST, False)
    begins = next(words.start_ms for words in stage.of(c.ReplyWords) if words.text == "Come ")
    assert begins == 100 * round(len(FIRST) * 60 / 100)


def test_what_is_lost_twice_was_not_said():
    stage = asked()
    stage.do(*timed("1", FIRST), s.SpeechOver("1"), s.SpeechOver("1.2"))
    assert [told.text for told in stage.of(c.ReplyTranscript)] == [FIRST.strip()]
    assert not stage.of(s.ChangeVoice)
    assert ("agent", FIRST.strip()) in lines(stage.asked("Hello?", "c2"))


def test_a_text_whose_words_alone_were_not_timed_was_heard():
    stage = asked()
    stage.do(*timed("1", FIRST), *[s.Sound("1", SOUND)] * 10, s.SpeechOver("1"))
    assert not stage.of(s.Speak)
    assert [told.text for told in stage.of(c.ReplyTranscript)] == [FIRST + LAST]


def test_silence_speaks_no_words_though_the_voice_has_timed_them():
    stage = Stage()
    stage.asked()
    stage.answered(LAST)
    silent = [s.SpokenWords("1", "Come ", 0.0), *[s.Sound("1", SILENCE)] * 10, s.SpeechOver("1")]
    assert not [words for words in stage.do(*silent) if isinstance(words, c.ReplyWords)]
    stage.do(*timed("1.2", LAST), s.SpeechOver("1.2"))
    told = [(words.text, words.start_ms) for words in stage.of(c.ReplyWords)]
    assert told[0] == ("Come ", 1_000)
    assert "".join(text for text, _ in told).strip() == LAST


def test_each_text_may_come_as_a_file_of_its_own():
    stage = asked()
    wave = b"RIFF\x00\x00\x00\x00WAVEfmt \x12\x00\x00\x00\x07" + bytes(17) + b"data\x00\x00\x00\x00"
    piece = base64.b64encode(wave + b"\x2a" * 800).decode()
    stage.do(s.Sound("1", piece), s.Sound("1", piece))
    assert [base64.b64decode(sound.payload) for sound in stage.of(c.ReplyAudio)] == [b"\x2a" * 800] * 2


@pytest.mark.parametrize(
    ("begins", "named"),
    [
        (b"ID3\x04" + bytes(200), "MP3"),
        (b"OggS" + bytes(200), "Ogg"),
        (b"fLaC" + bytes(200), "FLAC"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00" + bytes(200), "a WAV file of another coding"),
    ],
)
def test_what_is_no_mu_law_is_not_played(begins, named):
    stage = Stage()
    stage.asked()
    stage.answered(LAST)
    stage.do(s.Sound("1", base64.b64encode(begins).decode()))
    assert not stage.of(c.ReplyAudio)
    (change,) = stage.of(s.ChangeVoice)
    assert (change.code, named in change.message) == ("speech_format", True)
