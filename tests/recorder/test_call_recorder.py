"""A recording on the virtual clock is what the fake Twilio heard and played, sample for sample."""

import base64
import itertools
import random
from functools import partial

import pytest
import trio

from tests.calls import GEMINI_LIVE, OPENAI_REALTIME, VOICE_AGENT, live_call
from tests.chains import live_chain
from trio_voice.events.call import MuteRequested, SayRequested
from trio_voice.limits import Limits
from trio_voice.record import EndReason
from trio_voice.recorder.call_recorder import CHUNK_SECONDS, CallRecorder
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

SILENCE = 0xFF
LOUD = b"\x2a" * 160
FRAME = base64.b64encode(LOUD).decode()


class Paper:
    """A file of a recording that is always there."""

    def __init__(self):
        self.began = None
        self.data = b""
        self.pieces = 0
        self.ended = False

    def begin(self, at_seconds):
        assert self.began is None
        self.began = at_seconds

    def write(self, data):
        assert self.began is not None
        assert not self.ended
        self.data += data
        self.pieces += bool(data)

    def end(self):
        self.ended = True

    @property
    def left(self):
        return self.data[0::2]

    @property
    def right(self):
        return self.data[1::2]


def assert_same(ours, theirs):
    """The same samples, but for silence behind the end of one of them, and for a frame that ends after the call."""
    ours = ours[: len(theirs)]
    length = max(len(ours), len(theirs))
    ours, theirs = ours.ljust(length, b"\xff"), theirs.ljust(length, b"\xff")
    assert [n for n in range(length) if ours[n] != theirs[n]] == []


@pytest.mark.parametrize("model", [VOICE_AGENT, OPENAI_REALTIME, GEMINI_LIVE], ids=["agent", "realtime", "gemini"])
async def test_a_call_with_interruptions_is_recorded_to_the_sample(autojump_clock, model):
    paper = Paper()
    async with live_call(model=model, record_on=paper, limits=Limits(idle_seconds=1_000)) as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(2)  # the reply has begun
        rig.speak(1)
        await trio.sleep(7)
        rig.speak(0.5)
        await trio.sleep(1.2345678)
        rig.twilio.hang_up()
    assert any(message.event == "clear" for message in rig.twilio.received)
    now = rig.ended_at
    assert_same(paper.right, rig.twilio.line.heard(now))
    assert_same(paper.left, rig.twilio.spoken.heard(now))
    assert paper.right.count(0x2A) + paper.right.count(0xD5) > 8_000 or len(set(paper.right)) > 10
    assert paper.ended
    assert paper.pieces > 3


@pytest.mark.parametrize("seconds", [0.05, 1.0, 1.5, 2.013])
async def test_an_end_in_the_middle_of_a_word_cuts_the_recording_there(autojump_clock, seconds):
    paper = Paper()
    async with live_call(record_on=paper) as rig:
        await trio.sleep(seconds)
        rig.twilio.hang_up()
    assert_same(paper.right, rig.twilio.line.heard(rig.ended_at))
    assert_same(paper.left, rig.twilio.spoken.heard(rig.ended_at))


KINDS = {
    "agent": live_call,
    "realtime": partial(live_call, model=OPENAI_REALTIME),
    "gemini": partial(live_call, model=GEMINI_LIVE),
    "chain": live_chain,
    "chain of flux and cartesia": partial(live_chain, stt="deepgram-flux", tts="cartesia"),
}
TALKATIVE = Script(
    greeting_ms=900,
    turns=tuple(Turn(heard=f"Question {n}?", reply=f"Answer {n}.", reply_ms=700 + 300 * (n % 5)) for n in range(40)),
)
MANY = [pytest.param(range(1), id="one"), pytest.param(range(1, 31), id="thirty", marks=pytest.mark.slow)]


@pytest.mark.parametrize("live", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seeds", MANY)
async def test_whatever_happens_in_a_call_its_recording_is_what_was_heard(autojump_clock, live, seeds):
    """Interruptions, short sounds that take no floor, lines that suppress silence, keys, an operator, any end."""
    heard = 0
    for seed in seeds:
        chance, paper = random.Random(seed), Paper()
        async with live(script=TALKATIVE, record_on=paper, limits=Limits(idle_seconds=1_000)) as rig:
            twilio, call = rig.twilio, rig.call
            acts = [
                lambda rig=rig, chance=chance: rig.speak(chance.uniform(0.3, 1.5)),
                lambda rig=rig: rig.speak(0.06),
                twilio.mute,
                twilio.unmute,
                partial(twilio.press, "5"),
                partial(call._on_fact, MuteRequested(muted=True)),
                partial(call._on_fact, MuteRequested(muted=False)),
                partial(call._on_fact, SayRequested("We close in ten minutes.")),
            ]
            weights = [8, 3, 1, 3, 1, 1, 3, 2]
            for _ in range(12):
                await trio.sleep(chance.choice([0.0, 0.02, chance.uniform(0, 0.5), chance.uniform(0, 3)]))
                chance.choices(acts, weights)[0]()
            chance.choice([twilio.hang_up, rig.scope.cancel, partial(call.end, EndReason.OPERATOR, "")])()
        assert_same(paper.right, twilio.line.heard(rig.ended_at))
        assert_same(paper.left, twilio.spoken.heard(rig.ended_at))
        assert paper.ended
        heard += len(paper.right) - paper.right.count(SILENCE)
    assert heard > 2_000 * len(seeds)


def test_what_is_said_right_after_a_cut_lies_there_however_much_the_cut_threw_away():
    line = Line()
    line.frames(0.1, 290)
    line.says(1.0, 150, cut=2.0)
    line.says(2.0, 25, cut=2.3, generation=1)
    assert line.heard(line.run(6)) == pytest.approx([1.0, 2.3], abs=0.001)


class Line:
    """A line of a recorder's, by hand: Twilio is so far away, in seconds each way."""

    def __init__(self, up=0.0, down=0.0, *, consented=True):
        self.now = 1_000.0
        self.paper = Paper()
        self.up, self.down = up, down
        self.recorder = CallRecorder(self.paper, lambda: self.now, consented=consented)
        self.began = self.now
        self.coming = []
        self.order = itertools.count()

    def at(self, seconds, what, *args):
        """Do something of the recorder's so long after the stream began at Twilio, in the order of time."""
        self.coming.append((self.began + seconds, next(self.order), what, args))

    def frames(self, first, count, timestamp=None, late=0.0):
        """The caller speaks, each frame being sent when it was."""
        for n in range(count):
            at = first + 0.02 * n
            stamp = round((at if timestamp is None else timestamp + 0.02 * n) * 1000)
            self.at(at + self.up + late, self.recorder.caller_audio, FRAME, stamp)

    def says(self, at, frames, *, cut=None, generation=0, late=0.0, delay_of_mark=lambda n: 0.0):
        """The agent speaks at once; marks come back when their audio was played, or cleared."""
        clear_comes = None if cut is None else cut + self.down
        for n in range(frames):
            self.at(at, self.recorder.audio_sent, FRAME)
            if n % 10 == 9 or n == frames - 1:
                name = f"{generation}.{n}"
                self.at(at, self.recorder.mark_sent, name)
                played = at + self.down + late + 0.02 * (n + 1)
                if clear_comes is not None:
                    played = min(played, max(clear_comes, at + self.down))
                self.at(played + self.up + delay_of_mark(n), self.recorder.mark_echoed, name)
        if cut is not None:
            self.at(cut, self.recorder.clear_sent)

    def run(self, until):
        for at, _, what, args in sorted(self.coming, key=lambda each: each[:2]):
            if at <= self.began + until:
                self.now = at
                what(*args)
        self.now = self.began + until
        self.recorder.over()
        return self.paper

    def heard(self, paper):
        """Places at which something was heard, in seconds: beginnings and ends."""
        loud = [sample != SILENCE for sample in paper.right]
        edges = [n for n, (a, b) in enumerate(itertools.pairwise([False, *loud, False])) if a != b]
        return [edge / 8_000 for edge in edges]


@pytest.mark.parametrize(("up", "down"), [(0, 0), (0.03, 0.05), (0.2, 0.1)])
def test_what_was_heard_lies_where_it_was_played_however_far_away_that_was(up, down):
    line = Line(up, down)
    line.frames(0.1, 490)
    line.says(2.0, 100)
    line.says(6.0, 100, cut=7.0, generation=1)
    heard = line.heard(line.run(10))
    assert heard == pytest.approx([2.0 + down, 4.0 + down, 6.0 + down, 7.0 + down], abs=0.021)


def test_the_first_words_of_all_are_cut_where_they_were_before_anything_was_known_of_the_line():
    line = Line(0.1, 0.15)
    line.frames(0.1, 200)
    line.says(0.5, 50, cut=0.55)
    begins, ends = line.heard(line.run(4))
    assert (begins, ends) == pytest.approx((0.65, 0.7), abs=0.11)
    assert ends - begins == pytest.approx(0.05, abs=0.001)


def test_a_line_that_stood_still_moves_nothing_that_was_heard():
    """For a second nothing came from Twilio; then all of it, late, in its order."""
    line = Line(0.02, 0.02)
    line.frames(0.1, 245)
    line.says(1.0, 150)
    back = line.began + 3.0
    line.coming = [
        (
            back + (at - back) * 1e-6 if back - 1 <= at < back and what.__name__ != "audio_sent" else at,
            *rest,
            what,
            args,
        )
        for at, *rest, what, args in line.coming
    ]
    assert line.heard(line.run(5)) == pytest.approx([1.02, 4.02], abs=0.041)


def test_marks_that_come_late_now_and_then_move_nothing():
    line = Line(0.05, 0.05)
    line.frames(0.1, 400)
    line.says(1.0, 200, delay_of_mark=lambda n: 0.3 if n % 30 == 9 else 0.0)
    assert line.heard(line.run(8)) == pytest.approx([1.05, 5.05], abs=0.021)


def test_a_twilio_that_echoes_nothing_is_believed_to_have_played_at_once():
    line = Line()
    line.frames(0.1, 300)
    for n in range(50):
        line.at(1.0 + n * 0.001, line.recorder.audio_sent, FRAME)
    assert line.heard(line.run(6)) == pytest.approx([1.0, 2.0], abs=0.001)


def test_a_hole_in_the_timestamps_is_silence():
    line = Line()
    line.frames(0.1, 50)
    line.frames(1.6, 50)
    paper = line.run(3)
    loud = [n for n, sample in enumerate(paper.left) if sample != SILENCE]
    assert loud == [*range(800, 8_800), *range(12_800, 20_800)]


@pytest.mark.parametrize("stamp", [None, -5.0, float("nan"), 1e15])
def test_a_timestamp_that_makes_no_sense_is_the_moment_when_it_came(stamp):
    line = Line()
    for n in range(100):
        line.at(0.1 + 0.02 * n, line.recorder.caller_audio, FRAME, stamp)
    paper = line.run(3)
    assert len(paper.left) <= 3 * 8_000 + 160
    assert next(n for n, sample in enumerate(paper.left) if sample != SILENCE) == 800


def test_frames_that_come_twice_or_out_of_order_lie_where_they_were():
    line = Line()
    for n in (0, 2, 1, 1, 3):
        line.at(0.1 + 0.001 * n, line.recorder.caller_audio, FRAME, 100 + 20 * n)
    paper = line.run(1)
    assert [n for n, sample in enumerate(paper.left) if sample != SILENCE] == [*range(800, 1_440)]


def test_nothing_from_before_the_consent_is_kept():
    line = Line(consented=False)
    line.frames(0.1, 400)
    line.says(1.0, 50)
    line.says(6.0, 50, generation=1)
    line.at(5.0, line.recorder.consent)
    paper = line.run(8)
    assert paper.began == pytest.approx(5.0, abs=0.001)
    assert len(paper.left) == pytest.approx(3 * 8_000, abs=200)
    assert line.heard(paper) == pytest.approx([1.0, 2.0], abs=0.001)


def test_without_consent_there_is_no_file():
    line = Line(consented=False)
    line.frames(0.1, 400)
    paper = line.run(8)
    assert (paper.began, paper.data, paper.ended) == (None, b"", False)


def test_what_is_held_is_bounded_though_nobody_speaks_and_no_mark_comes_back():
    line = Line()
    line.frames(0.1, 10)
    for n in range(60 * 50):
        line.at(1.0 + n * 0.02, line.recorder.audio_sent, FRAME)
    held = []
    for at, _, what, args in sorted(line.coming, key=lambda each: each[:2]):
        line.now = at
        what(*args)
        tracks = line.recorder._tracks
        held.append(tracks.ends - tracks.begins)
    assert max(held) < 20 * 8_000
    assert line.paper.pieces


def test_chunks_are_few():
    line = Line()
    line.frames(0.1, 3_000)
    assert line.run(60).pieces <= 60 / CHUNK_SECONDS * 1.2
