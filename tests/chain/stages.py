"""Drives the decisions of a chain without any of its stages."""

from trio_voice.audio.mulaw import encode
from trio_voice.chain.turns import VERDICT_SECONDS, ChainTurns
from trio_voice.events import stage as s

SOUND = encode(b"\x2a" * 800)
"""100 ms."""


class Stage:
    """Drives one ``ChainTurns`` and keeps what it says."""

    def __init__(self, **more):
        self.turns = ChainTurns(**{"filler": "One moment."} | more)
        self.out = []
        self.now = 0.0

    def do(self, *facts):
        """Commands that come of these facts."""
        self.out = [output for fact in facts for output in self.turns.handle(fact, self.now)]
        return self.out

    def wait(self, seconds):
        self.now += seconds
        self.out = self.turns.tick(self.now)
        return self.out

    def of(self, *kinds):
        return [output for output in self.out if isinstance(output, kinds)]

    @property
    def question(self):
        """The request that the last facts brought."""
        (think,) = self.of(s.Think)
        return think

    def asked(self, text="Are you open?", item="c1"):
        """The question that comes of a turn of which the bridge says nothing."""
        self.do(s.SpeechBegan(), s.TurnOver(item, text))
        if not self.of(s.Think):
            self.wait(VERDICT_SECONDS)
        return self.question

    def answered(self, text, *calls):
        """An answer to the question that the last facts brought."""
        number = self.question.number
        return self.do(*([s.Thought(number, text)] if text else []), s.ThoughtOver(number, calls))

    def spoken(self, *, made_ms=100, over=True):
        """Make the sound of what is to be spoken; returns the context's id."""
        context = [output.context_id for output in self.out if isinstance(output, s.Speak)][-1]
        facts = [s.Sound(context, SOUND)] * (made_ms // 100)
        self.do(*facts, *([s.SpeechOver(context)] if over else []))
        return context


def lines(think):
    """Words that are told with a question."""
    return [(entry.role, entry.text) for entry in think.conversation]


A, B = s.ToolCall("a", "look_up", {"day": 1}), s.ToolCall("b", "look_up", {"day": 2})
