"""Talks made up by Hypothesis: whatever a chain's stages do, in whatever order, replies and tools come to their end.

What is drawn fits what is open: a thought answers a question that was asked, sound is of a text that was to be spoken,
a result is of a tool that was wanted. What comes late comes as well. ``make properties`` makes up many more.

Every fact that a chain knows is told in such a talk, and every output given: whatever is added to ``events`` and has no
rule here fails.

Numbers are drawn by ``sampled_from``: ``integers`` would also draw constants of whatever modules are loaded,
and the examples would differ from process to process.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.reached import Reached, run_until_reached
from trio_voice.audio.mulaw import encode
from trio_voice.chain.replies import Output
from trio_voice.chain.turns import ChainTurns
from trio_voice.events import model as c
from trio_voice.events import stage as s

SOUND = encode(b"\x2a" * 800)  # 100 ms
WORDS = st.sampled_from(["Are you open?", "Yes.", "Well, that would be very fine. Or"])
TEXTS = WORDS | st.just("")
BOOLEANS = st.booleans()
PAUSES = st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 9.0])
FAILURES = st.sampled_from(
    [
        {"code": "unavailable", "retryable": True},
        {"code": "http_429", "retryable": True, "wait_seconds": 2.0},
        {"code": "http_401", "retryable": False},
        {"code": "context_length", "retryable": True, "remedy": "shorten"},
        {"code": "content_filter", "retryable": True, "remedy": "rephrase"},
        {"code": "unsupported", "retryable": True, "remedy": "adapted"},
    ]
)
CUT_SHORT = st.sampled_from(["", "", "length", "content_filter"])
OF_THE_LEG = {
    *("ModelReady", "SessionExpiring", "SessionExpiring.is_silent=False", "SessionExpiring.is_silent=True"),
    *("ModelEnded", "Usage", "Unrecognized", "Unrecognized.garbage=False", "Unrecognized.garbage=True"),
    *("CallerSpeechStarted.interrupts=False", "ReplyTranscript.interrupted=True", "ModelFault.passing=True"),
    "ToolWithdrawn",  # a tool that has begun is let finish
}
"""Outputs that are no decision of a chain's: its leg tells them, or hosted models do."""

reached = Reached()


class Talk(RuleBasedStateMachine):
    """One chain's decisions and its three stages, and a bridge that says what was heard."""

    @initialize(
        interruptible=BOOLEANS,
        timed_words=BOOLEANS,
        filler=st.sampled_from(["", "One moment."]),
        members=st.sampled_from([1, 2]),
        has_voice=BOOLEANS,
    )
    def begin(self, interruptible, timed_words, filler, members, has_voice):
        self.turns = ChainTurns(
            interruptible=interruptible, timed_words=timed_words, filler=filler, members=members, has_voice=has_voice
        )
        self.now = 0.0
        self.turn = self.calls = 0
        self.questions, self.asked = [], set()
        self.texts, self.silenced = [], []
        self.voice_is_wanted = not has_voice
        self.open_replies, self.fillers, self.replies = [], set(), []
        self.tools, self.wanted = [], set()
        self.failed = False

    def tell(self, *facts):
        for fact in facts:
            reached.add(fact)
            for output in self.turns.handle(fact, self.now):
                self.take(output)

    def take(self, output):
        reached.add(output)
        match output:
            case s.Think(number=number, conversation=conversation):
                assert number not in self.asked
                self.asked.add(number)
                self.questions.append(number)
                for entry, after in zip(conversation, (*conversation, None)[1:], strict=True):
                    if entry.calls:
                        answered = [answer.call_id for answer in after.results]
                        assert answered == list(dict.fromkeys(call.call_id for call in entry.calls))
            case s.StopThinking(number=number):
                assert number in self.asked
                self.questions = [question for question in self.questions if question != number]
            case s.Speak(context_id=context_id):
                before = self.open_replies[: self.open_replies.index(context_id.partition(".")[0])]
                assert self.fillers >= set(before), "a text that is spoken once more may have a filler before it"
                if context_id not in self.texts:
                    self.texts.append(context_id)
            case s.BeSilent(context_id=context_id):
                self.texts = [text for text in self.texts if text != context_id]
                self.silenced.append(context_id)
            case s.ChangeVoice():
                self.voice_is_wanted = True
                self.silenced, self.texts = self.silenced + self.texts, []
            case c.ReplyStarted(reply_id=reply_id, is_filler=is_filler):
                self.fillers |= {reply_id} if is_filler else set()
                assert is_filler or self.fillers >= set(self.open_replies), "one reply at a time, but for fillers"
                assert reply_id not in self.replies
                self.open_replies.insert(0, reply_id)
                self.replies.append(reply_id)
            case c.ReplyAudio(reply_id=reply_id) | c.ReplyWords(reply_id=reply_id):
                assert reply_id in self.open_replies
            case c.ReplyDone(reply_id=reply_id):
                assert reply_id in self.open_replies, "each reply ends once"
                self.open_replies.remove(reply_id)
            case c.ToolCalled(call_id=call_id):
                assert call_id not in self.wanted, "each tool is asked for once"
                self.wanted.add(call_id)
                self.tools.append(call_id)
            case c.ModelFault(fatal=fatal):
                self.failed = self.failed or fatal

    def one_of(self, data, *happenings):
        """Draw one of those that are possible now, and have it happen; each comes with whether it is."""
        possible = [happening for happening, is_possible in happenings if is_possible]
        if possible:
            data.draw(st.sampled_from(possible))(data)

    @rule(seconds=PAUSES)
    def time_passes(self, seconds):
        until = self.now + seconds
        for _ in range(1_000):
            self.now = max(self.now, min(until, self.turns.wake_at))
            for output in self.turns.tick(self.now):
                self.take(output)
            assert self.turns.wake_at > self.now, "it would spin"
            if self.turns.wake_at > until:
                break
        self.now = max(self.now, until)

    # The recogniser

    @rule(data=st.data())
    def recogniser_hears(self, data):
        turn = f"c{self.turn}"
        self.one_of(
            data,
            (lambda data: self.tell(s.SpeechBegan(data.draw(BOOLEANS))), True),
            (lambda data: self.tell(s.TurnGoesOn(turn, data.draw(WORDS))), True),
            (lambda data: self.tell(s.TurnMayBeOver(turn, data.draw(TEXTS))), True),
            (lambda _: self.tell(s.TurnResumed(turn)), True),
            (lambda data: self.end_turn(data.draw(TEXTS)), True),
            (lambda _: self.change_hearing(), True),
        )

    @rule(text=WORDS, early=BOOLEANS)
    def caller_asks(self, text, early):
        """The whole of it, in the usual order."""
        self.tell(s.SpeechBegan(), s.TurnGoesOn(f"c{self.turn}", text))
        if early:
            self.tell(s.TurnMayBeOver(f"c{self.turn}", text))
        self.end_turn(text)

    def change_hearing(self):
        """Another recogniser, whose turns are others."""
        self.turn += 1
        self.tell(s.HearingChanged())

    def end_turn(self, text):
        self.tell(s.TurnOver(f"c{self.turn}", text))
        self.turn += 1

    # The language model

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def model_thinks(self, data):
        number = data.draw(st.sampled_from(self.questions or sorted(self.asked)))
        is_open = number in self.questions
        self.one_of(
            data,
            (lambda data: self.tell(s.Thought(number, data.draw(TEXTS))), True),
            (lambda _: self.tell(s.Unthought(number)), True),
            (
                lambda data: self.stop(
                    s.ThoughtOver(number, self.some_calls(data.draw(st.sampled_from(range(3)))), data.draw(CUT_SHORT))
                ),
                is_open,
            ),
            (lambda data: self.fail(number, **data.draw(FAILURES)), is_open),
            (lambda _: self.tell(s.ThoughtOver(number)), not is_open),
        )

    @precondition(lambda self: self.questions)
    @rule(text=WORDS)
    def model_answers(self, text):
        """The whole of it."""
        number = self.questions[-1]
        self.tell(s.Thought(number, text))
        self.stop(s.ThoughtOver(number))

    @precondition(lambda self: self.questions)
    @rule(count=st.sampled_from(range(1, 3)))
    def model_wants_tools(self, count):
        self.stop(s.ThoughtOver(self.questions[-1], self.some_calls(count)))

    def stop(self, fact):
        self.questions = [number for number in self.questions if number != fact.number]
        self.tell(fact)

    def fail(self, number, **why):
        self.stop(s.ThoughtFailed(number, message="it says no", **why))

    def some_calls(self, count):
        self.calls += count
        return tuple(s.ToolCall(f"k{self.calls - at}", "look_up", {}) for at in range(count))

    # The voice

    @precondition(lambda self: self.texts or self.silenced)
    @rule(data=st.data())
    def voice_speaks(self, data):
        context = data.draw(st.sampled_from(self.texts or self.silenced))
        self.one_of(
            data,
            (lambda _: self.tell(s.Sound(context, SOUND)), True),
            (lambda _: self.tell(s.SpokenWords(context, "Yes. ", 0.0)), True),
            (lambda _: self.finish(context), True),
            (lambda _: self.refuse(context), True),
        )

    @precondition(lambda self: self.texts)
    @rule(pieces=st.sampled_from(range(1, 21)))
    def voice_says_it_all(self, pieces):
        self.tell(*[s.Sound(self.texts[0], SOUND)] * pieces)
        if self.texts:
            self.finish(self.texts[0])

    @precondition(lambda self: self.voice_is_wanted)
    @rule(timed_words=BOOLEANS)
    def the_next_voice_is_there(self, timed_words):
        self.voice_is_wanted = False
        self.tell(s.VoiceChanged(timed_words))

    def refuse(self, context):
        self.texts = [text for text in self.texts if text != context]
        self.tell(s.SpeechFailed(context, "invalid_text", "it cannot be spoken"))

    def finish(self, context):
        self.texts = [text for text in self.texts if text != context]
        self.tell(s.SpeechOver(context))

    # The bridge

    @rule(data=st.data())
    def bridge_commands(self, data):
        recent = self.replies[-3:]
        self.one_of(
            data,
            (lambda data: self.tell(c.SayExactly(data.draw(WORDS), data.draw(BOOLEANS))), True),
            (lambda data: self.tell(c.RequestReply("Apologise.", data.draw(BOOLEANS), data.draw(BOOLEANS))), True),
            (lambda data: self.answer(data.draw(st.sampled_from(self.tools)), data), self.tools),
            (lambda data: self.answer(data.draw(st.sampled_from(sorted(self.wanted))), data), self.wanted),
            (
                lambda data: self.truncate(data.draw(st.sampled_from(recent)), data.draw(st.sampled_from(range(901)))),
                recent,
            ),
            (lambda _: self.tell(c.IgnoreTurn(f"c{self.turn - 1}")), self.turn > 0),
            (lambda data: self.tell(c.HearCaller(SOUND), c.ProtectReply(data.draw(BOOLEANS))), True),  # for the leg
        )

    @precondition(lambda self: self.tools)
    @rule()
    def tools_finish(self):
        for call_id in list(self.tools):
            self.answer(call_id)

    def answer(self, call_id, data=None):
        self.tools = [tool for tool in self.tools if tool != call_id]
        failed, go_on = (False, True) if data is None else (data.draw(BOOLEANS), data.draw(BOOLEANS))
        self.tell(c.SendToolResult(call_id, "1", failed, go_on))

    def truncate(self, reply_id, heard_ms):
        self.tell(c.TruncateReply(reply_id, float(heard_ms)))

    def teardown(self):
        """If the stages do their work, and the caller says no more, all that was begun comes to its end."""
        if not hasattr(self, "turns") or self.failed:  # whoever has failed is left
            return
        self.end_turn("")
        for _ in range(200):
            if not (self.questions or self.texts or self.tools or self.open_replies):
                break
            if self.voice_is_wanted:
                self.the_next_voice_is_there(False)
            if self.questions:
                self.model_answers("Yes.")
            if self.texts:
                self.voice_says_it_all(3)
            self.tools_finish()
            self.time_passes(1.0)
        assert not self.open_replies
        assert self.questions == self.texts == self.tools == []


def test_whatever_the_stages_do_all_comes_to_its_end_and_everything_happens():
    reached.counts.clear()
    assert run_until_reached(Talk, missing) == []


def missing():
    facts = s.HearingFact | s.ThinkingFact | s.SpeakingFact | c.ModelCommand
    return reached.missing(facts) + reached.missing(Output, but=OF_THE_LEG)
