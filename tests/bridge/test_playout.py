"""Sound that waits to be played, over a long call: the bridge is told, and asked what Twilio gets of it."""

import pytest

from trio_voice.audio.mulaw import base64_ms, encode, silence
from trio_voice.bridge.bridge import Bridge
from trio_voice.bridge.latency import Turns
from trio_voice.bridge.marks import MarkLog
from trio_voice.bridge.playout import LINE, MAX_QUEUED_MS, MUTED_REPLIES, Playout
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, EndCall, LegClosed, ModelReplaced, PlaceMark, PlayAudio
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines, Persona
from trio_voice.record import CallRecord

SPEECH = encode(b"\x00\x80" * 400)  # 100 ms that can be heard
WAIT = Line("One moment, please.", encode(b"\x01\x81" * 800))
TALKS = c.Capabilities(speaks_first=True, truncates=False)
LONG = {"idle_seconds": 10_000, "time_limit_seconds": 100_000}


class PlayingLine:
    """A call whose Twilio plays in real time and, while ``echoes``, says what it has played."""

    def __init__(self, *, successors=0, lines=None, **limits):
        self.record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
        self.now, self.echoes = 100.0, True
        self.played_ms, self.marks, self.ended = 0.0, 0, False
        self.plays_until = self.now
        self._pending = []
        persona = Persona(name="p", model=("a", "b"))
        more = {} if lines is None else {"lines": lines}
        limits = Limits(**{"playback_lead_seconds": 1.0} | LONG | limits)
        self.bridge = Bridge(persona, limits, TALKS, self.record, self.now, successors=successors, **more)
        self.on(ms.CallerStarted("MZ1", "CA1", {}))
        self.on(c.ModelReady("s"))

    def on(self, fact):
        commands = self.bridge.handle(fact, self.now)
        self.obey(commands)
        return commands

    def speak(self, reply, *payloads):
        """The model says all of it at once."""
        facts = [c.ReplyStarted(reply), *(c.ReplyAudio(reply, payload) for payload in payloads)]
        return [command for fact in [*facts, c.ReplyDone(reply, interrupted=False)] for command in self.on(fact)]

    def live_on(self, seconds):
        """Time passes; the caller's silence comes all the while."""
        until = self.now + seconds
        while self.now < until:
            self.now += 0.02
            self.on(ms.CallerAudio(encode(silence(20))))
            self.echo_what_was_played()
            if self.bridge.wake_at <= self.now:
                self.obey(self.bridge.tick(self.now))

    def echo_what_was_played(self):
        while self.echoes and self._pending and self._pending[0][0] <= self.now:
            self.on(ms.MarkEchoed(self._pending.pop(0)[1]))

    def obey(self, commands):
        for command in commands:
            match command:
                case PlayAudio(payload=payload):
                    self.played_ms += base64_ms(payload)
                    self.plays_until = max(self.plays_until, self.now) + base64_ms(payload) / 1000
                case PlaceMark(name=name):
                    self.marks += 1
                    self._pending.append((self.plays_until, name))
                case ClearPlayback():  # and every mark comes back at once
                    self.plays_until = self.now
                    self._pending = [(self.now, name) for _, name in self._pending]
                case EndCall():
                    self.ended = True


def test_an_agent_that_has_spoken_for_longer_than_may_wait_is_still_heard():
    line = PlayingLine()
    for number in range(12):
        line.speak(f"r{number}", *[SPEECH] * 300)
        line.live_on(31)
    assert line.played_ms == pytest.approx(12 * 30_000)
    assert line.played_ms > MAX_QUEUED_MS
    assert "reply_frames_over_the_bound" not in line.record.counters


def test_an_agent_that_was_often_interrupted_is_still_heard():
    line = PlayingLine()
    for number in range(40):
        line.speak(f"r{number}", *[SPEECH] * 300)
        line.live_on(1)
        line.on(c.CallerSpeechStarted())
        line.on(c.CallerTranscript(f"i{number}", "No, wait a moment.", final=True))
        line.on(c.CallerSpeechStopped())
    played_ms = line.played_ms
    line.speak("last", *[SPEECH] * 300)
    line.live_on(31)
    assert line.played_ms == pytest.approx(played_ms + 30_000)


def taken_back(playout, now):
    playout.pause(now)
    playout.go_on()


@pytest.mark.parametrize(
    "dealt_with",
    [
        lambda playout, now: playout.interrupt(now),
        lambda playout, now: playout.interrupt(now, keep="r"),
        lambda playout, now: playout.forget("r"),
        lambda playout, now: playout.skip("r"),
        lambda playout, now: playout.drop_waiting(),
        taken_back,
    ],
    ids=["interrupted", "interrupted, and kept", "forgotten", "skipped", "dropped", "paused"],
)
def test_a_reply_that_is_dealt_with_in_whatever_way_leaves_no_mark_on_what_may_wait(dealt_with):
    """Speech that waits has a bound: any that is wrongly counted makes an agent mute in the end."""
    now = 100.0
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
    playout = Playout(Limits(playback_lead_seconds=1.0), record, Turns(record, began=now), MarkLog(record, began=now))
    for _ in range(100):
        playout.reply_began("r", now)
        for _ in range(100):
            assert playout.add("r", SPEECH) == 100
        placed = playout.feed(now)
        now += 0.5
        dealt_with(playout, now)
        while playout.has_waiting or playout.playback.is_playing(now):
            placed += playout.feed(now)
            now = max(now, playout.playback.ends_at)
            for each in placed:
                if isinstance(each, PlaceMark):
                    playout.playback.echo(each.name, now)
        assert playout.unheard_ms(now) == pytest.approx(0, abs=1)


def test_what_waits_is_handed_over_before_twilio_has_nothing_left_and_not_too_often():
    line = PlayingLine(playback_lead_seconds=0.1)
    line.speak("r1", *[SPEECH] * 50)
    woken = 0
    while line.bridge.wake_at < 105.0 and line.played_ms < 5_000:
        assert line.bridge.wake_at <= line.plays_until + 1e-9, "the caller would hear a gap"
        line.now, woken = line.bridge.wake_at, woken + 1
        line.obey(line.bridge.tick(line.now))
        line.echo_what_was_played()
    assert line.played_ms == 5_000
    assert woken <= 5 * 50


def test_late_silence_of_a_reply_that_was_cut_is_counted_as_late_and_not_as_heard():
    line = PlayingLine()
    line.on(c.ReplyStarted("r1"))
    for _ in range(10):
        line.on(c.ReplyAudio("r1", SPEECH))
    line.live_on(0.5)
    line.on(c.CallerSpeechStarted())
    line.on(c.ReplyStarted("f1", is_filler=True))
    for _ in range(10):
        line.on(c.ReplyAudio("f1", SPEECH))
    line.on(c.ReplyStarted("r2"))
    for _ in range(30):
        line.on(c.ReplyAudio("r1", encode(silence(100))))
    assert line.record.counters["late_reply_frames"] == 30


def test_speech_beyond_what_may_wait_is_dropped_and_counted():
    line = PlayingLine()
    line.speak("r1", *[SPEECH] * 4_000)
    line.live_on(420)
    assert line.played_ms == pytest.approx(MAX_QUEUED_MS, abs=2_000)
    assert line.record.counters["reply_frames_over_the_bound"] == pytest.approx(1_000, abs=20)


def test_a_twilio_that_is_late_with_a_mark_is_asked_once_and_no_more():
    line = PlayingLine(media_gap_seconds=10)
    line.echoes = False
    line.on(c.ReplyStarted("r1"))
    for _ in range(80):
        line.on(c.ReplyAudio("r1", SPEECH))
        line.live_on(0.1)
    assert line.marks == 80 / 2 + 1
    assert not line.ended


def test_a_line_of_our_own_is_not_taken_for_the_answer():
    line = PlayingLine(successors=1, lines=Lines(WAIT, None))
    line.on(c.CallerSpeechStarted())
    line.on(c.CallerSpeechStopped())
    line.on(LegClosed("model", politely=False, detail="cut"))
    line.live_on(0.5)
    assert line.played_ms > 0
    assert line.record.turns == []
    line.on(ModelReplaced(TALKS))
    line.on(c.ModelReady("t"))
    line.live_on(0.5)
    line.speak("r1", SPEECH)
    (turn,) = line.record.turns
    assert turn.latency_ms == pytest.approx(1_000, abs=50)


def test_late_speech_of_a_reply_that_was_cut_is_not_heard_however_many_lines_are_cut_with_it():
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
    playout = Playout(Limits(), record, Turns(record, began=100.0), MarkLog(record, began=100.0))
    playout.reply_began("r", 100.0)
    playout.add("r", SPEECH)
    for number in range(MUTED_REPLIES):
        playout.add(f"{LINE}{number}", SPEECH)
    playout.interrupt(100.0)
    assert playout.add("r", SPEECH) == 0
    assert not playout.has_waiting
