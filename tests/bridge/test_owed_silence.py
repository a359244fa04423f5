"""No caller who is owed an answer hears nothing for more than six seconds, nor is hung up on without a word."""

import random

import attrs
import pytest

from tests.bridge.silences import HOSTED, LINES, PATIENT
from tests.playbook import HUSH, SPEECH, START, Playbook
from trio_voice.bridge.states import Model
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    EndCall,
    LegClosed,
    ModelReplaced,
    PlaceMark,
    ReplaceModel,
    RunTool,
    ToolResult,
    ToolReturned,
)

MOST_SECONDS = 6.0
STEP = 0.02
DROPPED = LegClosed("model", politely=False, detail="cut")
ANSWERS = ["good", "slow", "nothing", "begins", "empty", "silent", "stops", "fails", "drops", "cancelled", "tool"]


class Caller:
    """Somebody who asks, and is answered by a model that does what models do; deterministic by its seed."""

    def __init__(self, seed, capabilities):
        self.chance = random.Random(seed)
        self.book = Playbook(capabilities=capabilities, limits=PATIENT, lines=LINES, successors=seed % 3)
        self.due = []
        self.replies = self.turns = 0
        self.speaks, self.is_answered, self.over = False, True, None
        self.silent_since = self.book.now
        self.do([START])

    def do(self, facts):
        for fact in facts:
            if self.over is None:
                self.obey(self.book.on(fact))

    def later(self, seconds, *facts):
        self.due.append((self.book.now + seconds, facts))

    def obey(self, commands):
        for command in commands:
            match command:
                case PlaceMark(name=name):
                    self.later(0.0, ms.MarkEchoed(name))
                case ReplaceModel():
                    self.due = [(at, facts) for at, facts in self.due if not isinstance(facts[0], c.ReplyStarted)]
                    self.do([ModelReplaced(self.book.bridge._context.capabilities)])
                    ready = [c.ModelReady("s")] if self.chance.random() < 0.8 else [DROPPED]
                    self.later(self.chance.choice([0.1, 1.5, 4.0]), *ready)
                case c.RequestReply() | c.SendToolResult():
                    self.answer()
                case RunTool(call_id=call_id):
                    result = ToolReturned(call_id, ToolResult("{}"))
                    self.later(self.chance.choice([0.3, 4.0, 9.0]), result)
                case EndCall():
                    self.over = command

    def answer(self):
        """Have the model do whatever it does about it."""
        self.replies += 1
        reply, wait = f"r{self.replies}", self.chance.uniform(0.1, 1.5)
        began, done = c.ReplyStarted(reply), c.ReplyDone(reply, interrupted=False)
        sound = c.ReplyAudio(reply, SPEECH)
        match self.chance.choice(ANSWERS):
            case "good":
                self.later(wait, began, *[sound] * 10, done)
            case "slow":
                self.later(self.chance.uniform(3, 12), began, *[sound] * 10, done)
            case "begins":
                self.later(wait, began)
            case "empty":
                self.later(wait, began, done)
            case "silent":
                self.later(wait, began, *[c.ReplyAudio(reply, HUSH)] * 80, done)
            case "stops":
                self.later(wait, began, *[sound] * 5)
            case "fails":
                self.later(wait, c.ModelFault("oops", "it broke", fatal=True, passing=True))
            case "drops":
                self.later(wait, DROPPED)
            case "cancelled":
                self.later(wait, began, c.ReplyDone(reply, interrupted=True))
            case "tool":
                self.later(wait, began, c.ToolCalled(f"t{reply}", "look_up", {}), done)

    def ask(self):
        self.turns += 1
        item = f"i{self.turns}"
        self.speaks = True
        self.do([c.CallerSpeechStarted(item_id=item)])
        words = c.CallerTranscript(item, f"Are you open on day {self.turns}?", final=True)
        self.later(1.0, c.CallerSpeechStopped(), words)

    def live(self, seconds):
        """Let time pass; returns the longest silence in which an answer was owed, in seconds."""
        longest = 0.0
        for _ in range(round(seconds / STEP)):
            book = self.book.after(STEP)
            ripe = sorted((each for each in self.due if each[0] <= book.now), key=lambda each: each[0])
            self.due = [each for each in self.due if each[0] > book.now]
            for _, facts in ripe:
                self.do(facts)
                if isinstance(facts[0], c.CallerSpeechStopped) and self.over is None:
                    self.speaks, self.is_answered, self.silent_since = False, False, book.now
                    self.answer()
                if any(isinstance(fact, c.ReplyAudio) and fact.payload == SPEECH for fact in facts):
                    self.is_answered = self.is_answered or not self.speaks
            if self.over is not None:
                return longest
            if book.now >= book.bridge.wake_at:
                self.obey(book.tick())
            if not self.is_answered and not self.speaks:
                heard_until = max(self.silent_since, book.bridge._playout.playback.ends_at)
                longest = max(longest, book.now - heard_until)
        return longest


@pytest.mark.parametrize("yields", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_no_silence_of_ours_is_longer_than_six_seconds(seed, yields):
    caller = Caller(seed, attrs.evolve(HOSTED, truncates=yields, yields_on_request=yields))
    caller.do([c.ModelReady("s"), c.ReplyStarted("r0"), c.ReplyAudio("r0", SPEECH), c.ReplyDone("r0", False)])
    caller.live(15)
    for _ in range(3):
        if caller.book.bridge._states.model is Model.LOST:
            caller.live(5)  # the last line is heard; nobody is left to hear a question
        if caller.over is None:
            caller.ask()
            assert caller.live(45) <= MOST_SECONDS + 2 * STEP
    if caller.over is not None:
        agents = [line for line in caller.book.record.transcript if line.role == "agent"]
        assert agents[-1].text == LINES.failure.text
