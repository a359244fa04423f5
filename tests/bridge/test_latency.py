"""Time that the caller waits for an answer, by the audio and by what the model tells."""

import pytest

from tests.playbook import HUSH, SPEECH, Playbook
from trio_voice.audio.mulaw import encode, is_speech, silence
from trio_voice.bridge.latency import Turns
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.limits import Limits
from trio_voice.record import CallRecord

LOUD = encode(b"\x2a" * 160)
QUIET = encode(silence(20))
HISS = encode(bytes(range(0xE4, 0xF4)) * 10)
A_CLICK = encode(b"\x2a" * 8 + silence(19))


@pytest.fixture
def record():
    return CallRecord(call_id="1", direction="inbound", persona="p", from_number="+1555", to_number="+1556")


@pytest.fixture
def turns(record):
    return Turns(record, began=100.0)


def test_what_is_as_loud_as_somebody_who_speaks():
    assert is_speech(LOUD)
    assert not is_speech(QUIET)
    assert not is_speech(HISS)
    assert not is_speech(A_CLICK)
    assert not is_speech("")
    assert not is_speech("no base64!")


def test_the_pause_is_from_the_callers_last_sound_to_the_first_that_they_hear(turns, record):
    turns.caller_audio(LOUD, 101.0)
    turns.caller_audio(LOUD, 101.5)
    turns.caller_audio(QUIET, 101.52)
    turns.caller_finished(102.0)
    turns.sound_sent(102.3, ahead_ms=40.0)
    turns.frame_sent(102.3, position_ms=0.0)
    (turn,) = record.turns
    assert turn.latency_ms == pytest.approx(300)
    assert turn.heard_after_ms == pytest.approx(840)


def test_what_is_said_while_the_answer_is_still_thought_of_is_the_first_sound(turns, record):
    turns.caller_audio(LOUD, 101.0)
    turns.caller_finished(101.5)
    turns.sound_sent(102.0, ahead_ms=0.0)  # a filler
    turns.sound_sent(105.0, ahead_ms=0.0)
    turns.frame_sent(105.0, position_ms=0.0)
    assert record.turns[0].heard_after_ms == pytest.approx(1_000)
    assert record.turns[0].latency_ms == pytest.approx(3_500)


def test_each_turn_has_its_own_silence(turns, record):
    for began in (101.0, 110.0):
        turns.caller_audio(LOUD, began)
        turns.caller_finished(began + 0.5)
        turns.sound_sent(began + 0.7, ahead_ms=0.0)
        turns.frame_sent(began + 0.7, position_ms=0.0)
    assert [turn.heard_after_ms for turn in record.turns] == [pytest.approx(700)] * 2


def test_noise_behind_the_decision_does_not_shorten_the_pause(turns, record):
    turns.caller_audio(LOUD, 101.0)
    turns.caller_finished(101.5)
    turns.caller_audio(LOUD, 101.9)
    turns.sound_sent(102.0, ahead_ms=0.0)
    turns.frame_sent(102.0, position_ms=0.0)
    assert record.turns[0].heard_after_ms == pytest.approx(1_000)


def test_of_a_caller_who_made_no_sound_nothing_is_known(turns, record):
    turns.caller_finished(101.5)
    turns.sound_sent(102.0, ahead_ms=0.0)
    turns.frame_sent(102.0, position_ms=0.0)
    assert record.turns[0].heard_after_ms is None
    assert record.turns[0].latency_ms == pytest.approx(500)


def test_the_first_mark_counts_that_lies_in_the_answer(turns, record):
    turns.caller_finished(101.5)
    turns.frame_sent(102.0, position_ms=400.0)
    turns.mark_heard(102.1, heard_ms=400.0)  # of what was said before it
    assert "first_mark" not in record.turns[0].stages
    turns.mark_heard(102.3, heard_ms=400.5)
    turns.mark_heard(102.5, heard_ms=600.0)
    assert record.turns[0].stages["first_mark"] == pytest.approx(800)


def test_a_stage_that_a_model_names_at_length_is_written_with_a_bounded_name(turns, record):
    turns.caller_finished(101.5)
    turns.reached("x" * 1_000, 101.7)
    turns.frame_sent(102.0, position_ms=0.0)
    assert record.turns[0].stages == {"x" * 40: pytest.approx(200), "first_frame": pytest.approx(500)}


def test_a_turn_has_the_pause_from_the_callers_last_sound_on():
    book = Playbook().live()
    book.on(c.CallerSpeechStarted())
    book.on(ms.CallerAudio(SPEECH))
    book.after(0.5).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.after(0.25).speak("r1", SPEECH)
    assert book.record.turns[0].stages == {
        "caller_stopped": pytest.approx(-500),
        "final_transcript": pytest.approx(0),
        "first_audio": pytest.approx(250),
        "first_frame": pytest.approx(250),
    }


def test_a_turns_latency_runs_to_the_first_sound_that_can_be_heard(book):
    book.live().on(c.CallerSpeechStopped())
    book.after(0.3).speak("r1", HUSH)
    assert book.record.turns == []
    book.after(0.1).on(c.ReplyAudio("r1", SPEECH))
    assert [turn.latency_ms for turn in book.record.turns] == [pytest.approx(400)]


def test_a_turn_says_where_its_time_went():
    book = Playbook(limits=Limits(playback_lead_seconds=0.15)).live()
    book.speak("r0", SPEECH, SPEECH)
    book.after(0.5).on(ms.MarkEchoed("0.1"))
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.after(0.1).on(c.CallerSpeechStopped())
    book.after(0.2).on(c.StageReached("first_token"))
    book.after(0.1).on(c.StageReached("first_token"))
    book.after(0.1).speak("r1", HUSH, SPEECH, SPEECH)
    book.after(0.05).tick()
    book.after(0.3).on(ms.MarkEchoed("0.2"))
    (turn,) = book.record.turns
    assert turn.stages == {
        "final_transcript": pytest.approx(-100),
        "first_token": pytest.approx(200),
        "first_audio": pytest.approx(400),
        "first_frame": pytest.approx(400),
        "first_mark": pytest.approx(750),
    }
    assert turn.latency_ms == pytest.approx(400)
