"""The greeting, and audio in either direction."""

import base64

import attrs
import pytest

from tests.playbook import MORE, SPEECH, START, TALKS_FIRST, Playbook
from trio_voice.audio.mulaw import PIECE_MS, encode, silence
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, PlaceMark, PlayAudio
from trio_voice.legs.caller import OUTBOX_MESSAGES
from trio_voice.limits import MAX_LEAD_SECONDS, Limits


def test_the_callers_audio_goes_through_untouched_once_the_model_is_ready(book):
    book.live()
    assert book.on(ms.CallerAudio(SPEECH)) == [c.HearCaller(SPEECH)]


def test_the_callers_audio_from_before_ready_is_dropped_and_counted_not_replayed(book):
    book.on(START)
    assert book.on(ms.CallerAudio(SPEECH)) == []
    assert book.on(c.ModelReady("s")) == []
    assert book.on(ms.CallerAudio(MORE)) == [c.HearCaller(MORE)]
    assert book.record.counters == {"caller_frames_before_ready": 1}


def test_a_greeting_that_comes_before_start_waits_and_is_not_lost(book):
    book.on(c.ModelReady("s"))
    assert book.speak("r1", SPEECH, MORE) == []
    assert book.after(0.3).on(START) == [PlayAudio(SPEECH), PlayAudio(MORE), PlaceMark("0.1")]


def test_a_model_that_does_not_speak_first_is_asked_to(book):
    book = Playbook(capabilities=attrs.evolve(TALKS_FIRST, speaks_first=False))
    book.on(START)
    (asked,) = book.on(c.ModelReady("s"))
    assert isinstance(asked, c.RequestReply)
    assert "Hello" in asked.instructions


def test_a_caller_who_was_here_before_is_met_with_the_reason_in_place_of_the_greeting_and_once():
    book = Playbook(capabilities=attrs.evolve(TALKS_FIRST, speaks_first=False), opening="They are back.", successors=1)
    book.on(START)
    assert book.on(c.ModelReady("s")) == [c.RequestReply("They are back.", kept=True)]
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ModelEnded(None))
    assert not any("back" in str(command) for command in book.on(c.ModelReady("t")))


def test_the_time_until_a_model_is_ready_is_the_first_one_s_in_milliseconds():
    book = Playbook(successors=1)
    book.on(START)
    book.after(0.123456).on(c.ModelReady("s"))
    book.after(1).on(c.ModelEnded(None))
    book.after(1).on(c.ModelReady("t"))
    assert book.record.setup_seconds == 0.123


def test_audio_is_marked_every_200_ms_and_at_the_end_of_a_reply(book):
    book.live()
    assert book.speak("r1", SPEECH, SPEECH, SPEECH) == [
        PlayAudio(SPEECH),
        PlayAudio(SPEECH),
        PlaceMark("0.1"),
        PlayAudio(SPEECH),
    ]
    assert book.on(c.ReplyDone("r1", interrupted=False)) == [PlaceMark("0.2")]


def test_twilio_gets_no_more_than_the_lead_and_the_rest_in_time():
    book = Playbook(limits=Limits(playback_lead_seconds=0.25)).live()
    played = [command for command in book.speak("r1", *[SPEECH] * 6) if isinstance(command, PlayAudio)]
    assert len(played) == 3
    assert book.bridge.wake_at == pytest.approx(book.now + 0.05)
    book.now = book.bridge.wake_at
    assert PlayAudio(SPEECH) in book.tick()


def test_a_sentence_that_comes_at_once_is_handed_over_in_pieces_and_a_barge_in_discards_the_rest():
    book = Playbook(limits=Limits(playback_lead_seconds=0.5)).live()
    sentence = bytes(range(0x80, 0xC0)) * 8 * 60  # 3.84 s
    played = [command.payload for command in book.speak("r1", encode(sentence)) if isinstance(command, PlayAudio)]
    for _ in range(10):
        book.now = book.bridge.wake_at
        played += [command.payload for command in book.tick() if isinstance(command, PlayAudio)]
    handed_over = b"".join(map(base64.b64decode, played))
    assert sentence.startswith(handed_over)
    ahead = len(handed_over) / 8_000 - (book.now - 100)
    assert 0.5 <= ahead <= 0.5 + PIECE_MS / 1_000
    assert book.on(c.CallerSpeechStarted()) == [ClearPlayback()]
    assert not book.bridge._playout.has_waiting


def test_the_longest_lead_that_may_be_configured_fits_what_may_wait_for_twilio():
    book = Playbook(limits=Limits(playback_lead_seconds=MAX_LEAD_SECONDS))
    book.on(c.ModelReady("s"))
    assert book.speak("r1", *[encode(silence(20))] * 1_000) == []
    assert len(book.on(START)) < OUTBOX_MESSAGES


def test_feeding_what_waits_never_spins():
    book = Playbook(limits=Limits(playback_lead_seconds=0.25)).live()
    book.speak("r1", *[SPEECH] * 60)
    ticks = 0
    while book.bridge._playout.has_waiting:
        assert book.bridge.wake_at > book.now
        book.now = book.bridge.wake_at
        book.tick()
        ticks += 1
    assert ticks <= 60
