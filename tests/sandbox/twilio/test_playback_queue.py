"""Twilio's playback queue, with exact times: one mu-law byte lasts 125 microseconds."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.sandbox.twilio.playback_queue import PhoneLine, stereo_wav

SECOND = bytes(range(250)) * 32


def quiet(seconds):
    return b"\xff" * round(seconds * 8000)


def test_a_mark_is_due_when_the_audio_before_it_has_played():
    line = PhoneLine(0.0)
    line.play(SECOND, 10.0)
    line.mark("one", 10.1)
    line.play(SECOND, 10.2)
    line.mark("two", 10.3)
    assert line.next_due(10.3) == 11.0
    assert line.due_marks(10.999) == []
    assert line.due_marks(11.0) == ["one"]
    assert line.next_due(11.0) == 12.0
    assert line.due_marks(12.0) == ["two"]
    assert line.next_due(12.0) == math.inf


def test_a_mark_on_an_empty_queue_is_due_at_once():
    line = PhoneLine(0.0)
    line.mark("first", 1.0)
    assert line.next_due(1.0) == 1.0
    assert line.due_marks(1.0) == ["first"]
    line.play(SECOND, 2.0)
    line.mark("later", 5.0)
    assert line.due_marks(5.0) == ["later"]


def test_marks_may_share_a_name_and_come_in_the_order_they_were_sent():
    line = PhoneLine(0.0)
    line.play(SECOND, 0.0)
    for name in ("same", "same", "other"):
        line.mark(name, 0.0)
    assert line.due_marks(1.0) == ["same", "same", "other"]


def test_a_late_look_never_makes_a_mark_due_in_the_past():
    line = PhoneLine(0.0)
    line.play(SECOND, 0.0)
    line.mark("one", 0.0)
    assert line.next_due(7.0) == 7.0


def test_clear_makes_every_pending_mark_due_and_the_rest_unheard():
    line = PhoneLine(0.0)
    line.play(SECOND, 0.0)
    line.mark("one", 0.0)
    line.play(SECOND, 0.0)
    line.mark("two", 0.0)
    line.clear(0.5)
    assert line.due_marks(0.5) == ["one", "two"]
    assert line.queued_seconds(0.5) == 0
    line.play(SECOND[:800], 0.75)
    assert line.heard(2.0) == SECOND[:4000] + quiet(0.25) + SECOND[:800] + quiet(1.15)


def test_clear_with_nothing_queued_changes_nothing():
    line = PhoneLine(0.0)
    line.play(SECOND, 0.0)
    line.clear(3.0)
    assert line.due_marks(3.0) == []
    assert line.heard(3.0) == SECOND + quiet(2)


def test_what_was_heard_ends_now_whatever_waits():
    line = PhoneLine(100.0)
    line.play(SECOND, 100.5)
    assert line.heard(101.0) == quiet(0.5) + SECOND[:4000]
    assert line.heard(102.0) == quiet(0.5) + SECOND + quiet(0.5)
    assert line.heard(99.0) == b""


def test_back_to_back_audio_does_not_drift():
    line = PhoneLine(0.1)
    for frame in range(100_000):
        line.play(SECOND[:160], 0.1 + frame * 0.02)
    assert line.runs_out_at == pytest.approx(2000.1, abs=1e-9)
    assert len(line.heard(2000.1)) == 16_000_000
    assert line.heard(2000.1) == SECOND[:160] * 100_000


def test_more_than_ten_minutes_are_refused_until_some_has_played():
    line = PhoneLine(0.0)
    for _ in range(600):
        assert line.play(SECOND, 0.0)
    assert not line.play(b"\x00", 0.0)
    assert line.refused_bytes == 1
    assert line.queued_seconds(0.0) == 600
    assert line.play(SECOND, 1.0)


def test_a_line_that_does_not_record_keeps_time_but_no_audio():
    line = PhoneLine(0.0, record=False)
    line.play(SECOND, 0.0)
    line.mark("one", 0.0)
    assert line.due_marks(1.0) == ["one"]
    with pytest.raises(ValueError, match="not to record"):
        line.heard(1.0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["play", "mark", "clear"]), st.integers(0, 40), st.integers(0, 30)), max_size=30
)


@given(STEPS)
def test_it_agrees_with_a_queue_played_byte_by_byte(steps):
    """The naive model: every tick of 1/8000 s takes one byte from a queue of bytes and marks."""
    line, tick = PhoneLine(0.0), 0
    queue: list[int | str] = []
    heard: list[int] = []
    echoed: list[tuple[int | str, int]] = []
    echoed_by_line: list[tuple[int | str, int]] = []

    def echo():
        while queue and isinstance(queue[0], str):
            echoed.append((queue.pop(0), tick))

    for what, size, wait in steps:
        now = tick / 8000
        match what:
            case "play":
                audio = bytes([size + 1]) * size
                line.play(audio, now)
                queue += audio
            case "mark":
                line.mark(str(size), now)
                queue.append(str(size))
            case _:
                line.clear(now)
                queue[:] = [each for each in queue if isinstance(each, str)]
        for _ in range(wait):
            echo()
            echoed_by_line += [(name, tick) for name in line.due_marks(tick / 8000 + 1e-9)]
            heard.append(int(queue.pop(0)) if queue else 0xFF)
            tick += 1
    assert line.heard(tick / 8000) == bytes(heard)
    assert echoed_by_line == echoed


def test_a_stereo_recording_is_one_mulaw_wav():
    wav = stereo_wav(b"\x01\x02\x03", b"\x11")
    assert wav[:4] == b"RIFF"
    assert struct.unpack("<I", wav[4:8])[0] == len(wav) - 8
    assert struct.unpack("<HHIIHHH", wav[20:38]) == (7, 2, 8000, 16000, 2, 8, 0)
    assert wav[-6:] == b"\x01\x11\x02\xff\x03\xff"
