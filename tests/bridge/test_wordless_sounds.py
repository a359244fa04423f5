"""Sounds of the caller's of which no words come: they make nobody less silent, and a thinker is let think.

Each kind of model tells of them in its own way.
"""

import pytest

from tests.bridge.goodbyes import GOODBYE
from tests.playbook import GREETS_NOBODY, SPEECH, Playbook
from trio_voice.bridge.deadlines import WORDLESS_SECONDS
from trio_voice.events import call as f
from trio_voice.events import model as c
from trio_voice.events.caller import MarkEchoed
from trio_voice.limits import Limits
from trio_voice.persona import Lines
from trio_voice.record import EndReason
from trio_voice.speech_text.languages import phrases_of

OPENAI = c.Capabilities(speaks_first=False, truncates=True, yields_on_request=True)
AGENT = c.Capabilities(speaks_first=True, truncates=False, protects_replies=True)
GEMINI = c.Capabilities(speaks_first=False, truncates=False, withdraws_tools=True)
CHAIN = c.Capabilities(
    speaks_first=False, truncates=True, yields_on_request=True, words_while_speaking=True, speaks_meanwhile=True
)
SAID = phrases_of("en")


class Line:
    """A call without a greeting whose model obeys, heard by one kind of model."""

    def __init__(self, kind, idle=12.0):
        limits = Limits(idle_seconds=idle, media_gap_seconds=10_000, time_limit_seconds=10_000)
        self.kind, self.number, self.asked, self.reason = kind, 0, [], None
        self.book = Playbook(persona=GREETS_NOBODY, limits=limits, capabilities=kind).live()
        self.began = self.book.now

    def on(self, fact):
        self._obey(self.book.now, self.book.on(fact))

    def wait(self, seconds):
        until = self.book.now + seconds
        while self.book.now < until:
            step = min(0.25, until - self.book.now)
            for at, command in self.book.pass_time(step):
                self._obey(at, [command])

    def _obey(self, at, commands):
        for command in commands:
            if isinstance(command, f.PlaceMark):
                self.on(MarkEchoed(command.name))
            elif isinstance(command, f.EndCall):
                self.reason = command.reason
            elif isinstance(command, c.RequestReply):
                told = [name for name in ("still_there", "idle_goodbye") if getattr(SAID, name) in command.instructions]
                self.asked += [(name, round(at - self.began, 2)) for name in told]
                if told:
                    self.reply(f"asked {at}")

    def reply(self, reply):
        for fact in (c.ReplyStarted(reply), c.ReplyAudio(reply, SPEECH), c.ReplyDone(reply, interrupted=False)):
            self.on(fact)

    def sound(self, seconds, words=None, late=0.3):
        """A sound that the model takes for speech, of which these words come, or are told to be none, or nothing is."""
        self.begin()
        self.wait(seconds)
        self.end(words, late)

    def begin(self):
        self.number += 1
        named = self.kind is OPENAI
        self.on(c.CallerSpeechStarted(self.kind is not GEMINI, item_id=f"i{self.number}" if named else ""))

    def end(self, words, late):
        self.on(c.CallerSpeechStopped())
        if words is not None:
            self.wait(late)
            self.on(c.CallerTranscript(f"i{self.number}", words, final=True))


@pytest.fixture(params=[OPENAI, AGENT, GEMINI, CHAIN], ids=["openai", "assemblyai", "gemini", "chain"])
def line(request):
    return Line(request.param)


@pytest.mark.parametrize("words", ["", None], ids=["told to be nothing", "untold"])
@pytest.mark.parametrize("every", [1.7, 3.0, 5.0])
def test_coughs_put_nothing_off(line, words, every):
    for _ in range(20):
        line.wait(every)
        if line.reason is None:
            line.sound(0.4, words, late=0.2)
    (first, asked_at), (second, told_at) = line.asked[:2]
    assert (first, second) == ("still_there", "idle_goodbye")
    assert 8.0 <= asked_at < 9.5
    assert 4.0 <= told_at - asked_at < 5.5
    line.wait(5)
    assert line.reason is EndReason.IDLE


def test_a_minute_in_one_breath_is_no_silence(line):
    line.wait(5)
    line.sound(60, "So that is the whole of my story.", late=1.5)
    line.wait(0.5)
    line.reply("a")
    line.wait(7.5)
    assert line.asked == []
    line.wait(1)
    assert line.asked[0][0] == "still_there"  # eight seconds after the answer, as ever


def test_a_minute_in_pieces_is_no_silence(line):
    for _ in range(15):
        line.sound(2.5, "hm, let me think")
        line.reply(f"a{line.number}")
        line.wait(1.5)
    assert line.asked == []


@pytest.mark.parametrize("pauses", [None, 1.0], ids=["in one", "with pauses"])
def test_a_noise_without_end_is_nobody_who_thinks(line, pauses):
    if pauses is None:
        line.begin()
        line.wait(WORDLESS_SECONDS + 45)
    while line.book.now - line.began < WORDLESS_SECONDS + 45 and line.reason is None:
        line.sound(3.0)
        line.wait(pauses)
    (first, asked_at), (second, told_at) = line.asked[:2]
    assert (first, second) == ("still_there", "idle_goodbye")
    assert asked_at == pytest.approx(WORDLESS_SECONDS, abs=0.5)
    assert told_at - asked_at == pytest.approx(4.0, abs=0.5)
    line.wait(35)
    assert line.reason is EndReason.IDLE


def test_a_longer_patience_is_as_long_with_a_noise():
    line = Line(AGENT, idle=600.0)
    line.begin()
    line.wait(399)
    assert line.asked == []
    line.wait(2)
    assert line.asked == [("still_there", pytest.approx(400, abs=0.5))]


def test_a_caller_whose_words_nobody_writes_down_is_there_when_they_are_answered(line):
    for _ in range(6):
        line.sound(1.5)
        line.wait(0.4)
        line.reply(f"a{line.number}")
        line.wait(7)
    assert line.asked == []


def test_whoever_is_asked_and_answers_unwritten_is_there(line):
    line.wait(9)
    assert [name for name, _ in line.asked] == ["still_there"]
    line.sound(1.0)
    line.wait(0.6)
    line.reply("great")
    line.wait(7.5)
    assert [name for name, _ in line.asked] == ["still_there"]
    assert line.reason is None


def test_nobody_is_asked_while_something_is_looked_up_though_it_is_noisy():
    line = Line(OPENAI)
    line.on(c.ReplyStarted("r"))
    line.on(c.ToolCalled("t", "look_up", {}))
    line.begin()
    line.wait(WORDLESS_SECONDS + 30)
    assert line.asked == []


@pytest.mark.parametrize("words", ["", "Bye bye."], ids=["a noise", "their goodbye"])
def test_a_goodbye_that_was_said_on_this_machine_is_not_waited_for_again(words):
    limits = Limits(media_gap_seconds=1000, idle_seconds=30, playback_lead_seconds=10)
    book = Playbook(persona=GREETS_NOBODY, lines=Lines(idle_goodbye=GOODBYE), limits=limits).live()
    book.pass_time(33)
    book.on(MarkEchoed("0.1"))
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i", words, final=True))
    ended = [at for at, command in book.pass_time(5) if isinstance(command, f.EndCall)]
    assert ended[0] - book.now + 5 == pytest.approx(0.5)
