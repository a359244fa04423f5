"""Frames that pass the bridge the short way: the ones that it would have let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.playbook import SPEECH, START, Playbook
from trio_voice.audio.mulaw import encode, silence
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import LegClosed, PlaceMark, PlayAudio, Then, ToolResult, ToolReturned, TransferFailed
from trio_voice.limits import Limits

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
