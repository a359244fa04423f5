"""The bridge's decisions, as dialogues: this happens, that must be done."""

import base64
import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.playbook import GREETS_NOBODY, HUSH, MORE, SPEECH, START, TALKS_FIRST, Playbook, end_of
from trio_voice.audio.mulaw import PIECE_MS, encode, silence
from trio_voice.bridge.digits import LONGEST_ENTRY
from trio_voice.bridge.losses import MAX_GARBAGE
from trio_voice.bridge.media_gap import MediaGap
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    ClearPlayback,
    EndCall,
    EndRequested,
    LegClosed,
    LegStalled,
    MachineAnswered,
    ModelReplaced,
    MuteRequested,
    PlaceMark,
    PlayAudio,
    ReplaceModel,
    RunTool,
    Then,
    ToolResult,
    ToolReturned,
    TransferCall,
    TransferFailed,
)
from trio_voice.legs.caller import OUTBOX_MESSAGES
from trio_voice.persona import MOST_LEAD_SECONDS, Limits, Persona, TurnDetection
from trio_voice.record import EndReason


@pytest.fixture
def book():
    return Playbook()


# The greeting, and audio in either direction


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
    book = Playbook(limits=Limits(playback_lead_seconds=MOST_LEAD_SECONDS))
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


# Barge-in


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


# The transcript


def test_what_was_said_is_written_down(book):
    book.live()
    book.on(c.CallerTranscript("i1", "Are you", final=False))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.speak("r1", SPEECH)
    book.on(c.ReplyTranscript("r1", "Yes, until six.", interrupted=False))
    assert book.lines() == [("caller", "Are you open?", False), ("agent", "Yes, until six.", False)]


def test_a_reply_is_cut_to_the_words_that_were_heard(book):
    book.live().speak("r1", *[SPEECH] * 10)
    for text, start in [("We ", 0.0), ("open ", 300.0), ("at ", 500.0), ("seven.", 700.0)]:
        book.on(c.ReplyWords("r1", text, start))
    book.on(c.ReplyTranscript("r1", "We open at seven.", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    book.after(0.2).on(ms.MarkEchoed("0.2"))
    book.after(0.15).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "We open at", True)]
    assert book.record.transcript[0].heard_ms == pytest.approx(550)


def test_without_word_times_a_reply_is_cut_by_proportion_between_words(book):
    book.live().speak("r1", *[SPEECH] * 2)
    book.on(c.ReplyTranscript("r1", "one two three four", interrupted=False))
    book.after(0.1).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "one two", True)]


def test_text_that_comes_after_the_interruption_is_cut_as_well(book):
    book.live().speak("r1", *[SPEECH] * 2)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(c.ReplyTranscript("r1", "one two three four", interrupted=False))
    assert book.lines() == [("agent", "one two", True)]


def test_a_text_that_the_model_has_cut_itself_is_believed(book):
    book.live().speak("r1", *[SPEECH] * 2)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(c.ReplyTranscript("r1", "one two", interrupted=True))
    assert book.lines() == [("agent", "one two", True)]


def test_a_reply_that_was_heard_to_its_end_is_whole(book):
    book.live().speak("r1", SPEECH)
    book.on(c.ReplyTranscript("r1", "Goodbye", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(5).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "Goodbye", False)]


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


def test_what_is_cleared_is_never_heard(book):
    book.live().on(c.CallerSpeechStopped())
    book.speak("r1", SPEECH, SPEECH)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(ms.MarkEchoed("0.1"))
    assert [turn.stages.keys() for turn in book.record.turns] == [{"first_audio", "first_frame"}]


# Tools that are withdrawn


def test_a_tool_that_the_model_withdraws_is_let_finish_and_not_answered(book):
    book.live().on(c.ToolCalled("t1", "look_up", {}))
    assert book.on(c.ToolWithdrawn("t1")) == []
    assert book.on(c.ToolWithdrawn("never asked for")) == []
    assert book.on(ToolReturned("t1", ToolResult("{}"))) == []


# Ends


@pytest.mark.parametrize(
    ("fact", "reason", "detail"),
    [
        (ms.CallerStopped(), EndReason.HANGUP, "Twilio sent stop"),
        (LegClosed("caller", politely=True, detail="1000"), EndReason.CALLER_LOST, "1000"),
        (LegClosed("caller", politely=False, detail="cut"), EndReason.CALLER_LOST, "cut"),
        (LegStalled("caller"), EndReason.CALLER_STALLED, "the caller's peer stopped reading"),
        (LegClosed("model", politely=True, detail="1000"), EndReason.MODEL_ENDED, "1000"),
        (LegClosed("model", politely=False, detail="1011"), EndReason.MODEL_FAILED, "1011"),
        (LegStalled("model"), EndReason.MODEL_FAILED, "the model's peer stopped reading"),
        (c.ModelEnded(12.0), EndReason.MODEL_ENDED, "the model ended the session"),
        (c.ModelFault("unauthorized", "check the key", fatal=True), EndReason.MODEL_FAILED, "check the key"),
        (EndRequested(EndReason.OPERATOR, "they asked"), EndReason.OPERATOR, "they asked"),
        (EndRequested(EndReason.DRAIN, ""), EndReason.DRAIN, ""),
        (EndRequested(EndReason.TWILIO_ENDED, "completed"), EndReason.TWILIO_ENDED, "completed"),
    ],
)
def test_each_sign_of_the_end_has_its_reason_and_the_first_one_wins(book, fact, reason, detail):
    book.live()
    end = book.on(fact)[-1]
    assert (end.reason, end.detail) == (reason, detail)
    assert (end.transferred, end.deaf) == (False, False)
    assert book.on(ms.CallerStopped()) == []
    assert book.after(1_000).tick() == []
    assert book.bridge.wake_at == math.inf or book.tick() == []


@pytest.mark.parametrize(
    ("limit", "facts", "reason", "words"),
    [
        (
            "start_seconds",
            [c.ModelReady("s")],
            EndReason.START_TIMEOUT,
            "Twilio opened the stream and did not start it",
        ),
        ("model_ready_seconds", [START], EndReason.MODEL_FAILED, "the model was not ready in time"),
        (
            "time_limit_seconds",
            [START, c.ModelReady("s")],
            EndReason.TIME_LIMIT,
            "the call has lasted as long as it may",
        ),
    ],
)
def test_each_limit_ends_the_call_exactly_when_it_is_reached(limit, facts, reason, words):
    forever = {field.name: 10_000.0 for field in attrs.fields(Limits) if field.name.endswith("_seconds")}
    book = Playbook(limits=Limits(**forever | {limit: 3.0}))
    for fact in facts:
        book.on(fact)
    while (wake_at := book.bridge.wake_at) < 102.999:
        book.now = wake_at
        assert book.tick() == []
    assert wake_at == pytest.approx(103.0)
    book.now = 102.999
    assert book.tick() == []
    book.now = 103.0
    (end,) = book.tick()
    assert end.reason is reason
    assert end.detail == f"{words}: {limit} = 3"


def silent_frames(commands):
    return sum(isinstance(command, c.HearCaller) for command in commands)


def besides_silence(commands):
    return [command for command in commands if not isinstance(command, c.HearCaller)]


def test_media_and_voices_put_their_limits_off():
    book = Playbook(limits=Limits(media_gap_seconds=3, idle_seconds=6)).live()
    for _ in range(10):
        book.after(2).on(ms.CallerAudio(HUSH))
        book.on(c.CallerTranscript("i", "still here", final=False))
        assert book.tick() == []
    book.after(2.9)
    assert besides_silence(book.tick()) == []
    (asked,) = besides_silence(book.after(0.2).tick())
    assert isinstance(asked, PlaceMark)
    assert end_of(book.after(2).tick()) is EndReason.CALLER_STALLED


def test_a_caller_whose_line_sends_nothing_stays_as_long_as_twilio_answers_for_them():
    book = Playbook(persona=GREETS_NOBODY, limits=Limits(media_gap_seconds=3, idle_seconds=100)).live()
    book.on(ms.CallerAudio(HUSH))
    for _ in range(5):
        (asked,) = besides_silence(book.after(3).tick())
        assert besides_silence(book.after(1.9).tick()) == []
        assert book.on(ms.MarkEchoed(asked.name)) == []
    (asked,) = besides_silence(book.after(3).tick())
    assert besides_silence(book.after(1.9).tick()) == []
    ended = book.after(0.2).tick()[-1]
    assert ended.reason is EndReason.CALLER_STALLED
    assert ended.deaf
    assert "media_gap_seconds = 3" in ended.detail


def test_media_that_comes_back_is_as_good_as_an_answer():
    book = Playbook(limits=Limits(media_gap_seconds=3, idle_seconds=100)).live()
    book.after(3).tick()
    book.after(1).on(ms.CallerAudio(HUSH))
    assert besides_silence(book.after(2.9).tick()) == []
    (asked_again,) = besides_silence(book.after(0.2).tick())
    assert isinstance(asked_again, PlaceMark)


def test_what_twilio_still_has_to_play_is_played_before_its_answer_is_missed():
    gap = MediaGap(3, 100)
    assert gap.ask(102.9, 107) is None
    assert gap.ask(103, 107) == "trio-voice-there-1"
    assert gap.dead_at == 109


def test_a_line_that_sends_nothing_more_sounds_silent_to_the_model():
    book = Playbook(limits=Limits(media_gap_seconds=100, idle_seconds=100)).live()
    book.after(1).on(ms.CallerAudio(SPEECH))
    frames = 0
    while book.now < 103.75:
        book.now = book.bridge.wake_at
        frames += silent_frames(book.tick())
    assert frames == pytest.approx(100, abs=2)  # two seconds of them, after 0.75


def test_silence_makes_room_for_media_and_comes_in_no_burst():
    book = Playbook(limits=Limits(media_gap_seconds=100, idle_seconds=100)).live()
    book.after(1).on(ms.CallerAudio(SPEECH))
    assert silent_frames(book.after(2).tick()) == 5  # not all of what was missed
    book.after(0.1).on(ms.CallerAudio(SPEECH))
    assert book.after(0.7).tick() == []
    assert silent_frames(book.after(0.1).tick()) == 2


def test_a_line_that_has_sent_nothing_yet_and_a_model_that_is_not_ready_get_no_silence():
    book = Playbook(limits=Limits(media_gap_seconds=100, idle_seconds=100))
    book.on(START)
    book.after(1).on(ms.CallerAudio(SPEECH))
    assert book.after(2).tick() == []
    assert Playbook().live().after(2).tick() == []


# Keys


def test_keys_are_told_as_one_entry_once_it_is_over(book):
    book.live()
    for key in "4711":
        assert book.after(0.5).on(ms.DigitPressed(key)) == []
    assert book.after(1.7).tick() == []
    (told,) = book.after(0.2).tick()
    assert told.kept
    assert told.instructions.endswith(" 4711")
    assert book.lines() == [("caller", "[pressed 4711]", False)]
    assert book.after(5).tick() == []


def test_a_hash_ends_an_entry_and_so_does_its_length(book):
    book.live()
    book.on(ms.DigitPressed("4"))
    (told,) = book.on(ms.DigitPressed("#"))
    assert told.instructions.endswith(" 4#")
    told = [book.on(ms.DigitPressed("1")) for _ in range(LONGEST_ENTRY)]
    assert [len(commands) for commands in told] == [0] * (LONGEST_ENTRY - 1) + [1]


def test_what_is_on_no_telephone_is_no_key(book):
    book.live()
    book.on(ms.DigitPressed("\x1b]0;"))
    book.on(ms.DigitPressed(""))
    assert book.after(5).tick() == []


def test_keys_wait_for_a_model_that_is_not_ready(book):
    book.on(START)
    book.on(ms.DigitPressed("7"))
    assert book.after(5).tick() == []
    assert any("keys" in told.instructions for told in book.on(c.ModelReady("s")))


def live_on(book, seconds, echo=lambda name: False):
    """Media comes, and marks come back that ``echo`` says come back, at once; what was done, and when."""
    done, until = [], book.now + seconds
    while book.now < until and not any(isinstance(command, EndCall) for _, command in done):
        commands = book.after(0.02).on(ms.CallerAudio(HUSH))
        if book.now >= book.bridge.wake_at:
            commands = commands + book.tick()
        done += [(book.now, command) for command in commands if not isinstance(command, c.HearCaller)]
        for command in commands:
            if isinstance(command, PlaceMark) and echo(command.name):
                book.on(ms.MarkEchoed(command.name))
    return done


def test_a_twilio_that_plays_nothing_is_asked_once_more_and_then_is_not_there():
    """It sends the caller's voice as ever: nothing else would end this call but silence or its length."""
    book = Playbook(limits=Limits(media_gap_seconds=4, idle_seconds=100)).live()
    (_, mark) = book.speak("r1", *[SPEECH] * 2)[-2:]
    assert mark == PlaceMark("0.1")
    began = book.now
    (asked_at, asked), (ended_at, ended) = live_on(book, 20)
    assert asked == PlaceMark("0.2")
    assert asked_at - began == pytest.approx(0.2 + 2, abs=0.03)
    assert ended.reason is EndReason.CALLER_STALLED
    assert ended.detail == "Twilio does not say that it has played what it was sent: media_gap_seconds = 4"
    assert ended_at - began == pytest.approx(0.2 + 4, abs=0.03)


def test_one_mark_that_was_lost_ends_no_call():
    book = Playbook(limits=Limits(media_gap_seconds=4, idle_seconds=100)).live()
    book.speak("r1", *[SPEECH] * 2)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert [command for _, command in live_on(book, 20, echo={"0.2"}.__contains__)] == [PlaceMark("0.2")]
    book.speak("r2", *[SPEECH] * 2)  # and the next that is lost is asked after likewise
    book.on(c.ReplyDone("r2", interrupted=False))
    assert [command for _, command in live_on(book, 20, echo={"0.4"}.__contains__)] == [PlaceMark("0.4")]


def test_a_stream_that_starts_late_has_the_whole_gap_for_its_first_media():
    book = Playbook(limits=Limits(start_seconds=5, media_gap_seconds=1))
    book.on(c.ModelReady("s"))
    assert book.after(3).on(START) == []
    assert book.tick() == []
    assert book.after(0.9).tick() == []
    book.on(ms.CallerAudio(HUSH))
    assert besides_silence(book.after(0.9).tick()) == []


def test_a_caller_who_waits_for_a_slow_model_is_not_idle():
    book = Playbook(limits=Limits(model_ready_seconds=60, idle_seconds=50, media_gap_seconds=1_000))
    book.on(START)
    book.after(40).on(c.ModelReady("s"))
    assert not any(isinstance(command, EndCall) for command in book.after(20).tick())


def test_an_agent_that_is_heard_speaking_is_not_idle():
    book = Playbook(limits=Limits(idle_seconds=1, media_gap_seconds=100, playback_lead_seconds=10)).live()
    book.speak("r1", *[SPEECH] * 30)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.after(3.5).tick() == []
    (asked,) = book.after(0.2).tick()
    assert "still there" in asked.instructions


def test_a_stream_of_another_call_is_not_taken():
    book = Playbook(call_sid="CA9")
    (end,) = book.on(START)
    assert end.reason is EndReason.CALLER_LOST
    assert end.detail == "the stream belongs to another call than its path was made for"


def test_a_fault_that_is_not_fatal_is_counted_and_the_call_goes_on(book):
    book.live()
    assert book.on(c.ModelFault("immutable_field", "", fatal=False)) == []
    assert book.record.counters == {"model_faults": 1}


def test_unknown_events_are_ignored_however_many(book):
    book.live()
    for _ in range(10 * MAX_GARBAGE):
        assert book.on(c.Unrecognized("future.event")) == []
    assert book.record.counters == {"unknown_model_messages": 10 * MAX_GARBAGE}


@pytest.mark.parametrize(("leg", "reason"), [("caller", EndReason.CALLER_LOST), ("model", EndReason.MODEL_FAILED)])
def test_garbage_is_ignored_until_there_is_too_much_of_it(book, leg, reason):
    book.live()
    for _ in range(MAX_GARBAGE):
        assert book.on(c.Unrecognized("#", garbage=True, leg=leg)) == []
    assert book.record.counters == {f"{leg}_garbage": MAX_GARBAGE}
    end = book.on(c.Unrecognized("#", garbage=True, leg=leg))[-1]
    detail = f"the {leg}'s peer sent over {MAX_GARBAGE} messages of garbage; the last: #"
    assert (end.reason, end.detail) == (reason, detail)


def test_the_garbage_of_one_model_is_not_held_against_the_next():
    book = Playbook(successors=1).live()
    for _ in range(MAX_GARBAGE + 1):
        commands = book.on(c.Unrecognized("#", garbage=True))
    assert isinstance(commands[0], ReplaceModel)
    book.on(ModelReplaced(TALKS_FIRST))
    book.on(c.ModelReady("t"))
    assert all(book.on(c.Unrecognized("#", garbage=True)) == [] for _ in range(MAX_GARBAGE))
    assert end_of(book.on(c.Unrecognized("#", garbage=True))) is EndReason.MODEL_FAILED


# Tools


def test_a_model_that_withdraws_requests_itself_gets_the_results_of_an_interrupted_reply():
    book = Playbook(capabilities=attrs.evolve(TALKS_FIRST, withdraws_tools=True)).live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "roll", {}))
    book.on(c.ReplyDone("r1", interrupted=True))
    assert book.on(ToolReturned("t1", ToolResult("4"))) == [c.SendToolResult("t1", "4")]
    book.on(c.ToolCalled("t2", "roll", {}))
    book.on(c.ToolWithdrawn("t2"))
    assert book.on(ToolReturned("t2", ToolResult("4"))) == []


def test_a_tool_is_run_and_its_result_told(book):
    book.live().speak("r1", HUSH)
    assert book.on(c.ToolCalled("t1", "roll", {"max": 6})) == [RunTool("t1", "roll", {"max": 6})]
    assert book.on(ToolReturned("t1", ToolResult("4"))) == [c.SendToolResult("t1", "4")]


@pytest.mark.parametrize("done_first", [True, False])
def test_a_result_may_come_before_or_after_its_reply_is_done(book, done_first):
    book.live().speak("r1", HUSH)
    book.on(c.ToolCalled("t1", "roll", {}))
    done = c.ReplyDone("r1", interrupted=False)
    finished = ToolReturned("t1", ToolResult("4", failed=True))
    commands = [command for fact in ((done, finished) if done_first else (finished, done)) for command in book.on(fact)]
    assert c.SendToolResult("t1", "4", failed=True) in commands


def test_nothing_is_answered_into_an_interrupted_reply(book):
    book.live().speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "roll", {}))
    book.on(c.ReplyDone("r1", interrupted=True))
    assert book.on(ToolReturned("t1", ToolResult("4"))) == []
    assert book.record.counters["tool_results_not_wanted"] == 1


def test_a_result_that_nobody_asked_for_is_not_told(book):
    book.live()
    assert book.on(ToolReturned("t9", ToolResult("4"))) == []


# The goodbye


def asked_to_end(book, then=Then.END_CALL):
    book.on(c.ToolCalled("t1", "end_call", {}))
    return book.on(ToolReturned("t1", ToolResult("{}", then=then)))


def run_until_end(book, limit=60.0):
    """Let time pass as the driver does; returns the last commands."""
    stop = book.now + limit
    while book.now < stop:
        book.now = max(book.bridge.wake_at, book.now)
        commands = book.tick()
        if commands and isinstance(commands[-1], EndCall | TransferCall):
            return commands
    pytest.fail("it never came")


def test_the_goodbye_is_heard_to_its_end_by_mark(book):
    book.live().speak("r1", *[SPEECH] * 4)
    assert asked_to_end(book) == [c.SendToolResult("t1", "{}", go_on=False)]
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.after(0.4).tick() == []  # by the clock it has been played; its mark is not back
    book.after(0.3).on(ms.MarkEchoed("0.2"))
    heard_at = book.now
    assert end_of(run_until_end(book)) is EndReason.AGENT
    assert book.now == pytest.approx(heard_at + 0.5)


def test_a_goodbye_that_comes_after_the_request_is_waited_for(book):
    book.live().speak("r1", HUSH)
    asked_to_end(book)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert book.after(2).tick() == []
    book.speak("r2", *[SPEECH] * 10)
    book.on(c.ReplyDone("r2", interrupted=False))
    assert book.after(0.9).tick() == []
    for number in range(2, 8):
        book.on(ms.MarkEchoed(f"0.{number}"))
    book.after(0.2)
    assert end_of(run_until_end(book)) is EndReason.AGENT


def test_an_agent_that_says_no_goodbye_gets_a_few_seconds(book):
    book.live()
    asked_to_end(book)
    began = book.now
    assert end_of(run_until_end(book)) is EndReason.AGENT
    assert book.now - began == pytest.approx(4)


def test_a_mark_that_never_comes_back_is_not_waited_for_for_ever(book):
    book.live().speak("r1", SPEECH)
    asked_to_end(book)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert end_of(run_until_end(book, 4)) is EndReason.AGENT


def test_a_caller_who_speaks_into_the_goodbye_is_answered_once_more(book):
    book.live().speak("r1", *[SPEECH] * 10)
    asked_to_end(book)
    book.after(0.2).on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(1).on(c.CallerSpeechStopped())
    assert book.tick() == []
    book.speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("1.3"))
    assert end_of(run_until_end(book, 3)) is EndReason.AGENT


def test_a_caller_who_speaks_into_the_goodbye_is_not_cut_off_before_the_answer_begins(book):
    book.live().speak("r1", *[SPEECH] * 10)
    asked_to_end(book)
    book.after(0.2).on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.on(c.CallerTranscript("i1", "Oh, one more thing.", final=True))
    book.after(1).on(c.CallerSpeechStopped())
    for _ in range(20):  # two seconds until the model has its answer
        assert not any(isinstance(command, EndCall) for command in book.after(0.1).tick())
    assert PlayAudio(SPEECH) in book.speak("r2", SPEECH)


def test_no_goodbye_lasts_for_ever():
    book = Playbook(limits=Limits(media_gap_seconds=1_000, idle_seconds=1_000)).live()
    book.speak("r1", SPEECH)
    asked_to_end(book)
    began = book.now
    for _ in range(40):
        commands = book.after(1).on(c.ReplyAudio("r1", SPEECH)) + book.tick()
        if commands and isinstance(commands[-1], EndCall):
            break
    assert book.now - began == pytest.approx(30, abs=1)


def test_a_transfer_waits_for_its_announcement_and_then_for_twilios_stop(book):
    book.live().speak("r1", SPEECH)
    asked_to_end(book, Then.TRANSFER)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    assert run_until_end(book, 3) == [TransferCall()]
    (end,) = book.on(ms.CallerStopped())
    assert (end.reason, end.detail, end.transferred) == (EndReason.AGENT, "the agent put the caller through", True)


def test_a_transfer_that_fails_is_apologised_for(book):
    book.live()
    asked_to_end(book, Then.TRANSFER)
    run_until_end(book, 6)
    (apology,) = book.on(TransferFailed())
    assert isinstance(apology, c.RequestReply)
    assert end_of(book.on(ms.CallerStopped())) is EndReason.HANGUP


# Machines


def test_a_machine_ends_a_call_that_has_no_message_for_it(book):
    book.live()
    (end,) = book.on(MachineAnswered())
    assert (end.reason, end.detail) == (EndReason.TWILIO_ENDED, "Twilio says that a machine answered")


def test_a_fax_ends_the_call_whatever_message_a_machine_would_be_left():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    ended = book.on(MachineAnswered(is_fax=True))[-1]
    assert (ended.reason, ended.detail) == (EndReason.TWILIO_ENDED, "Twilio says that a fax answered")


@pytest.mark.parametrize("voicemail", [None, "Please call us back."])
@pytest.mark.parametrize("is_fax", [False, True])
def test_who_has_been_talked_with_is_no_machine_whatever_twilio_says(voicemail, is_fax):
    book = Playbook(persona=Persona(name="p", model="m", voicemail=voicemail)).live()
    for reply in ("r1", "r2"):
        book.after(1).on(c.CallerSpeechStarted())
        book.after(1).on(c.CallerSpeechStopped())
        book.speak(reply, SPEECH)
        book.on(c.ReplyDone(reply, interrupted=False))
    assert len(book.record.turns) == 2
    assert book.on(MachineAnswered(is_fax)) == []
    assert book.record.counters["machine_verdicts_too_late"] == 1


def test_a_message_of_which_nothing_is_heard_is_asked_for_again_and_not_recorded_as_left():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    book.on(MachineAnswered())
    commands = []
    while not (commands and isinstance(commands[-1], EndCall)):
        commands += book.after(0.1).on(ms.CallerAudio(HUSH)) + book.tick()
    (again,) = [command for command in commands if isinstance(command, c.RequestReply)]
    assert "Please call us back." in again.instructions
    assert (commands[-1].reason, commands[-1].detail) == (
        EndReason.AGENT,
        "a machine answered, and no message was left",
    )


def test_a_machine_that_makes_noises_does_not_interrupt_the_message_that_it_is_left():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    book.on(MachineAnswered())
    book.speak("r2", *[SPEECH] * 10)
    assert book.after(0.1).on(c.CallerSpeechStarted()) == []
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(1).on(ms.MarkEchoed("0.5"))
    ended = run_until_end(book, 10)[-1]
    assert ended.detail == "a machine answered, and the message was left"
    assert "barge_ins" not in book.record.counters


def test_a_machine_is_left_the_message_and_then_the_call_ends():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    book.speak("r1", *[SPEECH] * 10)
    cleared, asked = book.after(0.2).on(MachineAnswered())
    assert cleared == ClearPlayback()
    assert "Please call us back." in asked.instructions
    assert "machine" in asked.instructions  # or a model takes what it hears for a caller's words
    book.speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("1.3"))
    assert end_of(run_until_end(book, 3)) is EndReason.AGENT


FACTS = st.sampled_from(
    [
        START,
        ms.CallerAudio(SPEECH),
        ms.MarkEchoed("0.1"),
        ms.MarkEchoed("1.2"),
        ms.DigitPressed("1"),
        ms.DigitPressed("#"),
        ms.MarkEchoed("trio-voice-there-1"),
        c.ModelReady("s"),
        c.CallerSpeechStarted(),
        c.CallerSpeechStopped(),
        c.CallerTranscript("i", "words", final=False),
        c.CallerTranscript("i", "words", final=True),
        c.ReplyStarted("r1"),
        c.ReplyStarted("r2"),
        c.ReplyAudio("r1", SPEECH),
        c.ReplyAudio("r2", SPEECH),
        c.ReplyWords("r1", "word ", 10.0),
        c.ReplyTranscript("r1", "some words", interrupted=False),
        c.ReplyTranscript("r2", "some words", interrupted=True),
        c.ReplyDone("r1", interrupted=False),
        c.ReplyDone("r2", interrupted=True),
        c.ToolCalled("t", "x", {}),
        ToolReturned("t", ToolResult("{}")),
        ToolReturned("t", ToolResult("{}", then=Then.END_CALL)),
        ToolReturned("t", ToolResult("{}", then=Then.TRANSFER)),
        TransferFailed(),
        c.ModelFault("x", "", fatal=False),
        c.Usage({"audio_in_tokens": 1}),
        c.Unrecognized("x"),
        ms.CallerStopped(),
        LegClosed("model", politely=False, detail=""),
    ]
)


FRAME = encode(b"\x00\x80" * 80)


def test_a_frame_in_the_middle_of_a_reply_passes(book):
    book.live().speak("r1", SPEECH)
    assert book.bridge.forward_reply_audio("r1", FRAME, book.now) == ""
    assert book.bridge.forward_caller_audio(FRAME, book.now)


def test_a_mark_that_is_due_behind_a_frame_is_named(book):
    book.live().speak("r1", FRAME)
    names = [book.bridge.forward_reply_audio("r1", FRAME, book.now) for _ in range(10)]
    assert [bool(name) for name in names] == [False] * 8 + [True, False]
    book.after(0.2).on(ms.MarkEchoed(names[8]))
    assert book.bridge._playback.heard_ms(book.now) == pytest.approx(200)


@pytest.mark.parametrize(
    ("before", "payload"),
    [
        ([c.ReplyStarted("r1")], FRAME),
        ([], encode(b"\x00\x80" * 500)),
        ([c.CallerSpeechStarted()], FRAME),
        ([c.CallerSpeechStopped()], FRAME),
        ([LegClosed("caller", politely=True, detail="")], FRAME),
    ],
    ids=["first of a reply", "in pieces", "interrupted", "first of an answer", "after the end"],
)
def test_a_frame_that_asks_for_more_does_not_pass(book, before, payload):
    book.live().speak("r1", SPEECH)
    for fact in before:
        book.on(fact)
    assert book.bridge.forward_reply_audio("r1", payload, book.now) is None


def test_nothing_passes_beyond_the_lead_or_when_a_mark_is_long_overdue():
    book = Playbook(limits=Limits(playback_lead_seconds=0.25, media_gap_seconds=15)).live()
    book.speak("r1", SPEECH, SPEECH, SPEECH)
    assert book.bridge.forward_reply_audio("r1", FRAME, book.now) is None
    assert book.bridge.forward_reply_audio("r1", FRAME, book.after(0.1).now) is not None
    assert book.bridge.forward_reply_audio("r1", FRAME, book.after(7.7).now) is None


def test_what_has_passed_counts_for_how_much_of_a_reply_was_heard(book):
    book.live().speak("r1", SPEECH)
    assert all(book.bridge.forward_reply_audio("r1", FRAME, book.now) is not None for _ in range(4))
    book.on(c.ReplyTranscript("r1", "one two three four five six seven eight nine", interrupted=False))
    book.after(0.09).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "one two three four", True)]


FRAMES = st.sampled_from(
    [
        ms.CallerAudio(FRAME),
        c.ReplyAudio("r1", FRAME),
        c.ReplyAudio("r2", FRAME),
        c.ReplyAudio("r1", encode(silence(20))),
    ]
)


@given(st.lists(st.tuples(FRAMES | FRAMES | FACTS, st.sampled_from([0, 0.02, 0.3]) | st.floats(0, 8)), max_size=60))
def test_what_passes_is_what_would_have_been_decided(steps):
    """The short way of a frame, either way, leaves everything as the long one does."""
    told, passing = (Playbook(limits=Limits(playback_lead_seconds=0.3, media_gap_seconds=15)) for _ in range(2))
    for book in told, passing:
        book.live().after(0.02).on(ms.CallerAudio(FRAME))
        book.speak("r1", FRAME)
    for fact, pause in steps:
        assert passing.after(pause).tick() == told.after(pause).tick()
        expected = told.on(fact)
        if isinstance(fact, ms.CallerAudio):
            done = (
                [c.HearCaller(fact.payload)] if passing.bridge.forward_caller_audio(fact.payload, passing.now) else []
            )
        else:
            mark = None
            if isinstance(fact, c.ReplyAudio):
                mark = passing.bridge.forward_reply_audio(fact.reply_id, fact.payload, passing.now)
            done = passing.on(fact) if mark is None else [PlayAudio(fact.payload), *([PlaceMark(mark)] if mark else [])]
        assert done == expected
        assert passing.bridge.wake_at <= told.bridge.wake_at + 1e-9  # woken early, it does nothing
    assert passing.record == told.record


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
