"""Ends of a call: each sign, each limit, and a line that sends nothing."""

import math

import attrs
import pytest

from tests.playbook import GREETS_NOBODY, HUSH, SPEECH, START, Playbook, end_of
from trio_voice.bridge.media_gap import MediaGap
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, EndRequested, LegClosed, LegStalled, PlaceMark
from trio_voice.limits import Limits
from trio_voice.record import EndReason


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
