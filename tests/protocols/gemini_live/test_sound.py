"""Gemini's Live API: sound in either direction, in its two rates."""

import base64

import numpy as np
import pytest

from tests.protocols.gemini_live.live import LOUD, hear, kinds, of_kind, said, sound
from trio_voice.audio.mulaw import base64_ms
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c


def test_no_audio_before_ready(session):
    with pytest.raises(LocalProtocolError, match="setupComplete"):
        session.encode(c.HearCaller(LOUD), 0.0)


def test_each_frame_of_the_callers_goes_out_as_it_comes_at_twice_the_rate(ready):
    for _ in range(3):
        (text,) = ready.encode(c.HearCaller(LOUD), 0.0)
        audio = said(text)["realtimeInput"]["audio"]
        assert audio["mimeType"] == "audio/pcm;rate=16000"
        assert len(base64.b64decode(audio["data"])) == 640
    assert np.frombuffer(base64.b64decode(audio["data"]), "<i2").min() < -5_000


def test_a_reply_comes_as_whole_frames_and_is_heard_to_its_end(ready):
    """However it is cut: 1919 bytes are 39.98 ms and half a sample."""
    events = hear(ready, serverContent=sound(40, cut=1))
    assert kinds(events) == ["ReplyStarted", "ReplyAudio"]
    for _ in range(4):
        events += hear(ready, serverContent=sound(40, cut=1))
    events += hear(ready, serverContent={"generationComplete": True})
    events += hear(ready, serverContent={"turnComplete": True})
    assert kinds(events)[-1] == "ReplyDone"
    assert len(of_kind(c.ReplyDone, events)) == 1
    lengths = [base64_ms(event.payload) for event in of_kind(c.ReplyAudio, events)]
    assert all(length % 20 == 0 for length in lengths)
    assert sum(lengths) == 220  # 199.9 ms, 2.5 of the filter, and silence to the end of a frame


def test_a_turn_without_generation_complete_is_done_when_the_turn_is(ready):
    hear(ready, serverContent=sound())
    events = hear(ready, serverContent={"turnComplete": True})
    assert events[-1] == c.ReplyDone("reply-1", interrupted=False)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
def test_another_rate_is_heard_at_its_pace(ready, rate):
    events = hear(ready, serverContent=sound(100, mime=f"audio/pcm;rate={rate}"))
    events += hear(ready, serverContent=sound(100))  # and back
    events += hear(ready, serverContent={"turnComplete": True})
    total = sum(base64_ms(event.payload) for event in of_kind(c.ReplyAudio, events))
    assert 200 <= total <= 220


@pytest.mark.parametrize("mime", ["audio/pcm;rate=44100", "audio/opus;rate=24000", "image/png;rate=24000"])
def test_sound_that_nobody_promised_is_garbage(ready, mime):
    (event,) = hear(ready, serverContent=sound(mime=mime))
    assert isinstance(event, c.Unrecognized)
    assert event.garbage
