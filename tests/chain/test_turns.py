"""What a chain's stages do when: the decisions, without any of the stages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio.mulaw import encode
from trio_voice.chain.history import CANCELLED
from trio_voice.chain.tool_calls import BROKEN
from trio_voice.chain.turns import SOUND_SECONDS, SPEECH_SECONDS, ChainTurns
from trio_voice.events import model as c
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
        """What comes of these facts."""
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

    def asked(self, text="Are you open?"):
        self.do(s.SpeechBegan(), s.TurnOver("c1", text))
        return self.question

    def spoken(self, *, made_ms=100, over=True):
        """Make the sound of what is to be spoken; returns the reply's id."""
        context = [output.context_id for output in self.out if isinstance(output, s.Speak)][-1]
        facts = [s.Sound(context, SOUND)] * (made_ms // 100)
        self.do(*facts, *([s.SpeechOver(context)] if over else []))
        return context


def lines(think):
    return [(entry.role, entry.text) for entry in think.conversation]


def test_a_turn():
    stage = Stage()
    assert stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", "Are you")) == [
        c.CallerSpeechStarted(),
        c.CallerTranscript("c1", "Are you", final=False),
    ]
    assert stage.do(s.TurnOver("c1", "Are you open?")) == [
        c.CallerSpeechStopped(),
        c.CallerTranscript("c1", "Are you open?", final=True),
        s.Think(2, (s.Entry("caller", "Are you open?"),)),
        c.ReplyStarted("1"),
    ]
    assert stage.do(s.Thought(2, "Yes. Un")) == [c.StageReached("first_token"), s.Speak("1", "Yes. ")]
    assert stage.do(s.Thought(2, "til six."), s.ThoughtOver(2)) == [
        s.Speak("1", "Until six. "),
        s.Speak("1", "", last=True),
    ]
    assert stage.do(s.SpokenWords("1", "Yes. ", 0.0), s.Sound("1", SOUND), s.SpeechOver("1")) == [
        c.ReplyWords("1", "Yes. ", 0.0),
        c.ReplyAudio("1", SOUND),
        c.ReplyTranscript("1", "Yes. Until six.", interrupted=False),
        c.ReplyDone("1", interrupted=False),
    ]


def test_the_greeting_is_said_exactly_and_remembered():
    stage = Stage()
    stage.do(c.SayExactly("Hello, this is the bakery. How can I help?"))
    assert stage.of(s.Speak) == [s.Speak("1", "Hello, this is the bakery. How can I help?", last=True)]
    stage.spoken()
    assert lines(stage.asked()) == [
        ("agent", "Hello, this is the bakery. How can I help?"),
        ("caller", "Are you open?"),
    ]


def test_what_was_said_before_is_told():
    stage = Stage(said=(c.Said("agent", "Hello."), c.Said("caller", "Hi.")))
    assert lines(stage.asked())[:2] == [("agent", "Hello."), ("caller", "Hi.")]


def test_a_barge_in_stops_all_three_and_what_was_not_heard_is_forgotten():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. We are open until six. And"))
    reply = stage.spoken(made_ms=1_000, over=False)
    words = [
        s.SpokenWords(reply, "Yes. ", 0.0),
        s.SpokenWords(reply, "We ", 300.0),
        s.SpokenWords(reply, "are ", 500.0),
    ]
    stage.do(*words)
    assert stage.do(s.SpeechBegan()) == [
        c.CallerSpeechStarted(),
        s.StopThinking(number),
        s.BeSilent(reply),
        c.ReplyTranscript(reply, "Yes. We are", interrupted=True),
        c.ReplyDone(reply, interrupted=True),
    ]
    assert stage.do(c.TruncateReply(reply, 400.0), s.Sound(reply, SOUND), s.Thought(number, "x")) == []
    stage.do(s.TurnOver("c2", "Stop."))
    assert lines(stage.question)[1:] == [("agent", "Yes. We —"), ("caller", "Stop.")]


def test_of_a_reply_that_nobody_heard_nothing_is_remembered():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. "))
    reply = stage.spoken(over=False)
    stage.do(s.SpeechBegan(), c.TruncateReply(reply, 0.0), s.TurnOver("c2", "Hm?"))
    assert lines(stage.question) == [("caller", "Are you open?"), ("caller", "Hm?")]


def test_a_barge_in_after_the_last_sound_was_made_cuts_too():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes, until six."), s.ThoughtOver(number))
    reply = stage.spoken(made_ms=1_000)
    assert stage.do(s.SpeechBegan()) == [c.CallerSpeechStarted()]
    stage.do(c.TruncateReply(reply, 500.0), s.TurnOver("c2", "Stop."))
    assert lines(stage.question)[1] == ("agent", "Yes, —")  # by proportion: this voice tells no times


def test_all_of_it_heard_is_all_of_it_remembered():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes, until six."), s.ThoughtOver(number))
    reply = stage.spoken(made_ms=1_000)
    stage.do(c.TruncateReply(reply, 1_000.0), s.SpeechBegan(), s.TurnOver("c2", "Thanks."))
    assert lines(stage.question)[1] == ("agent", "Yes, until six.")


# Eager


def test_an_early_answer_is_held_back_until_the_turn_is_over():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "are you open"))
    number = stage.question.number
    assert lines(stage.question) == [("caller", "are you open")]
    assert stage.do(s.Thought(number, "Yes. Until six."), s.ThoughtOver(number)) == []
    assert stage.do(s.TurnOver("c1", "Are you open?")) == [
        c.CallerSpeechStopped(),
        c.CallerTranscript("c1", "Are you open?", final=True),
        c.ReplyStarted("1"),
        c.StageReached("first_token"),
        s.Speak("1", "Yes. "),
        s.Speak("1", "Until six. ", last=True),
    ]
    stage.spoken()
    assert lines(stage.asked("Good."))[:2] == [("caller", "Are you open?"), ("agent", "Yes. Until six.")]


def test_tools_of_an_early_answer_wait_too():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "hi"))
    number = stage.question.number
    stage.do(s.ThoughtOver(number, (s.ToolCall("a", "order", {}),)))
    assert stage.of(c.ToolRequested) == []
    stage.do(s.TurnOver("c1", "Hi."))
    assert stage.of(c.ToolRequested) == [c.ToolRequested("1.0", "order", {})]


def test_a_resumed_turn_drops_the_early_answer():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "are you open"))
    number = stage.question.number
    assert stage.do(s.TurnResumed("c1")) == [s.StopThinking(number)]
    assert stage.do(s.Thought(number, "Yes. ")) == []
    stage.do(s.TurnOver("c1", "Are you open tomorrow?"))
    assert lines(stage.question) == [("caller", "Are you open tomorrow?")]


def test_other_words_at_the_end_than_at_the_early_end_drop_it():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "are you open"))
    number = stage.question.number
    stage.do(s.TurnOver("c1", "Are you open today?"))
    assert stage.of(s.StopThinking) == [s.StopThinking(number)]
    assert lines(stage.question) == [("caller", "Are you open today?")]


def test_an_early_answer_that_fails_is_asked_for_again_without_a_word():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "hi"))
    stage.do(s.ThoughtFailed(stage.question.number, "http_400", "no", retryable=False))
    assert stage.of(c.ModelFault) == []
    stage.do(s.TurnOver("c1", "hi"))
    assert stage.of(s.Think)


# Tools


def with_tools(stage, *calls, text=""):
    number = stage.asked().number
    stage.do(*([s.Thought(number, text)] if text else []), s.ThoughtOver(number, calls))


A, B = s.ToolCall("a", "look_up", {"day": 1}), s.ToolCall("b", "look_up", {"day": 2})


def test_parallel_tools_are_all_answered_before_the_model_goes_on():
    stage = Stage()
    with_tools(stage, A, B)
    assert stage.of(c.ToolRequested, c.ReplyDone) == [
        c.ToolRequested("1.0", "look_up", {"day": 1}),
        c.ToolRequested("1.1", "look_up", {"day": 2}),
        c.ReplyDone("1", interrupted=False),
    ]
    assert stage.do(c.AnswerTool("1.1", '"two"')) == []
    stage.do(c.AnswerTool("1.0", '"one"', failed=True))
    assert stage.question.conversation[1:] == (
        s.Entry("agent", "", (A, B)),
        s.Entry("results", results=(s.ToolAnswer("a", '"one"', failed=True), s.ToolAnswer("b", '"two"'))),
    )


def test_a_slow_tool_is_covered_by_a_filler_and_the_answer_waits_for_its_end():
    stage = Stage()
    with_tools(stage, A)
    assert stage.turns.wake_at == 1.0
    stage.wait(1.0)
    assert stage.of(s.Speak) == [s.Speak("3", "One moment.", last=True)]
    filler = [*stage.out]
    stage.do(c.AnswerTool("1.0", "1"))
    number = stage.question.number
    assert all(entry.text != "One moment." for entry in stage.question.conversation)
    assert stage.do(s.Thought(number, "Yes. ")) == []
    stage.out = filler
    stage.spoken()
    assert [type(output) for output in stage.out[1:]] == [c.ReplyDone, c.ReplyStarted, c.StageReached, s.Speak]


def test_a_tool_that_was_announced_in_words_needs_no_filler():
    stage = Stage()
    with_tools(stage, A, text="Let me see. ")
    assert [output for output in stage.wait(2.0) if isinstance(output, s.Speak)] == []


def test_an_interruption_withdraws_what_still_runs_and_the_history_says_so():
    stage = Stage()
    with_tools(stage, A, B)
    stage.do(c.AnswerTool("1.0", '"one"'))
    stage.do(s.SpeechBegan())
    assert stage.of(c.ToolWithdrawn) == [c.ToolWithdrawn("1.1")]
    assert stage.do(c.AnswerTool("1.1", '"late"')) == []
    stage.do(s.TurnOver("c2", "Never mind."))
    (results,) = [entry for entry in stage.question.conversation if entry.role == "results"]
    assert results.results == (s.ToolAnswer("a", '"one"'), s.ToolAnswer("b", CANCELLED, failed=True))
    assert stage.turns.wake_at == math.inf


def test_broken_arguments_are_answered_without_running_anything():
    stage = Stage()
    with_tools(stage, s.ToolCall("a", "look_up", {}, broken='{"day":'))
    assert stage.of(c.ToolRequested) == []
    assert stage.question.conversation[-1].results == (s.ToolAnswer("a", BROKEN, failed=True),)


def test_whoever_may_not_interrupt_is_answered_with_the_tool():
    stage = Stage(interruptible=False)
    with_tools(stage, A)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Hello?"))
    assert stage.of(s.Think, c.ToolWithdrawn) == []
    stage.do(c.AnswerTool("1.0", "1"))
    assert [entry.role for entry in stage.question.conversation] == ["caller", "agent", "results", "caller"]


def test_whoever_was_answered_with_the_tool_is_not_answered_once_more():
    stage = Stage(interruptible=False)
    with_tools(stage, A)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Hello?"), c.AnswerTool("1.0", "1"))
    stage.do(s.Thought(stage.question.number, "Here you are."), s.ThoughtOver(stage.question.number))
    stage.spoken()
    assert stage.of(s.Think) == []
    assert [output for output in stage.wait(SPEECH_SECONDS) if isinstance(output, s.Think)] == []


def test_whoever_may_not_interrupt_is_answered_afterwards():
    stage = Stage(interruptible=False)
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. "), s.SpeechBegan(), s.TurnOver("c2", "And Monday?"), s.ThoughtOver(number))
    assert stage.of(s.Think, s.BeSilent) == []
    stage.spoken()
    assert lines(stage.question)[1:] == [("agent", "Yes."), ("caller", "And Monday?")]


# Asked for by the bridge


def test_an_instruction_waits_for_the_reply_before_it():
    stage = Stage()
    stage.do(c.SayExactly("Hello."))
    hello = [*stage.out]
    assert stage.do(c.RequestReply("Apologise.")) == []
    stage.out = hello
    stage.spoken()
    assert lines(stage.question) == [("agent", "Hello."), ("instruction", "Apologise.")]


def test_an_instruction_waits_for_a_caller_who_speaks_but_not_for_noise():
    stage = Stage()
    stage.do(s.SpeechBegan())
    assert stage.do(c.RequestReply("Apologise.")) == []
    assert stage.turns.wake_at == SPEECH_SECONDS
    stage.wait(SPEECH_SECONDS)
    assert lines(stage.question) == [("instruction", "Apologise.")]


def test_an_instruction_and_the_caller_are_answered_together():
    stage = Stage()
    stage.do(s.SpeechBegan(), c.RequestReply("Apologise."), s.TurnOver("c1", "Hello?"))
    assert lines(stage.question) == [("caller", "Hello?"), ("instruction", "Apologise.")]
    number = stage.question.number
    stage.do(s.Thought(number, "I am sorry."), s.ThoughtOver(number))
    stage.spoken()
    assert stage.of(s.Think) == []  # and not once more


def test_an_early_answer_that_knows_nothing_of_an_instruction_is_not_given():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "hello"))
    early = stage.question.number
    stage.do(c.RequestReply("Apologise."), s.TurnOver("c1", "Hello?"))
    assert stage.of(s.StopThinking) == [s.StopThinking(early)]
    assert lines(stage.question) == [("caller", "Hello?"), ("instruction", "Apologise.")]


# Failures


def test_a_question_that_fails_is_asked_once_more():
    stage = Stage()
    first = stage.asked()
    stage.do(s.ThoughtFailed(first.number, "http_500", "it failed", retryable=True))
    assert [fault.fatal for fault in stage.of(c.ModelFault)] == [False]
    assert stage.question.conversation == first.conversation
    assert stage.question.after_seconds > 0
    stage.do(s.ThoughtFailed(stage.question.number, "http_500", "it failed", retryable=True))
    assert [fault.fatal for fault in stage.of(c.ModelFault)] == [True]


def test_a_refusal_is_final():
    stage = Stage()
    stage.do(s.ThoughtFailed(stage.asked().number, "http_401", "check OPENAI_API_KEY", retryable=False))
    assert stage.of(c.ModelFault) == [c.ModelFault("http_401", "check OPENAI_API_KEY", fatal=True)]


def test_an_answer_that_breaks_off_stays_half_an_answer():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. We are"))
    stage.do(s.ThoughtFailed(number, "cut", "cut", retryable=True))
    assert stage.of(s.Speak, s.Think) == [s.Speak("1", "We are", last=True)]
    assert [fault.fatal for fault in stage.of(c.ModelFault)] == [False]


def test_an_empty_answer_is_told():
    stage = Stage()
    stage.do(s.ThoughtOver(stage.asked().number, (), "content_filter"))
    assert "content_filter" in stage.of(c.ModelFault)[0].message
    assert stage.of(c.ReplyDone) == [c.ReplyDone("1", interrupted=False)]


def test_a_voice_that_says_nothing_is_fatal():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. "))
    assert stage.turns.wake_at == SOUND_SECONDS
    stage.wait(SOUND_SECONDS)
    assert [fault.fatal for fault in stage.of(c.ModelFault)] == [True]


def test_a_voice_that_waits_for_the_next_sentence_is_not():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. "))
    stage.spoken(over=False)
    assert stage.turns.wake_at == math.inf


def test_a_voice_without_times_is_told_of_by_the_clause():
    stage = Stage(timed_words=False)
    stage.do(s.Thought(stage.asked().number, "Yes. "))
    assert stage.of(c.ReplyWords) == [c.ReplyWords("1", "Yes. ", None)]


NUMBERS, TEXTS = st.integers(1, 12), st.sampled_from(["", "Hi.", "Well, that would be very fine. Or"])
CONTEXTS = NUMBERS.map(str)
FACTS = st.one_of(
    st.just(s.SpeechBegan()),
    st.builds(s.TurnGoesOn, st.just("c"), TEXTS),
    st.builds(s.TurnMayBeOver, st.just("c"), TEXTS),
    st.just(s.TurnResumed("c")),
    st.builds(s.TurnOver, st.just("c"), TEXTS),
    st.builds(s.Thought, NUMBERS, TEXTS),
    st.builds(s.ThoughtOver, NUMBERS, st.lists(st.sampled_from([A, B]), max_size=2).map(tuple)),
    st.builds(s.ThoughtFailed, NUMBERS, st.just("x"), st.just("x"), st.booleans()),
    st.builds(s.Sound, CONTEXTS, st.just(SOUND)),
    st.builds(s.SpokenWords, CONTEXTS, TEXTS, st.floats(0, 500)),
    st.builds(s.SpeechOver, CONTEXTS),
    st.builds(c.SayExactly, TEXTS),
    st.builds(c.RequestReply, TEXTS),
    st.builds(c.AnswerTool, st.builds("{}.{}".format, NUMBERS, st.integers(0, 1)), st.just("1")),
    st.builds(c.TruncateReply, CONTEXTS, st.floats(0, 500)),
)


@pytest.mark.parametrize("interruptible", [True, False])
@given(facts=st.lists(st.tuples(FACTS, st.floats(0, 4)), max_size=40))
def test_whatever_comes_every_reply_and_every_tool_ends_once_and_every_call_has_its_answer(interruptible, facts):
    stage = Stage(interruptible=interruptible)
    open_replies, open_tools, open_requests, ever = [], set(), set(), set()
    for fact, seconds in facts:
        if isinstance(fact, c.AnswerTool):
            open_tools.discard(fact.call_id)
        for output in [*stage.do(fact), *stage.wait(seconds)]:
            match output:
                case c.ReplyStarted(reply_id=reply_id):
                    assert open_replies == []
                    assert reply_id not in ever
                    open_replies.append(reply_id)
                    ever.add(reply_id)
                case c.ReplyAudio(reply_id=reply_id) | s.Speak(context_id=reply_id):
                    assert open_replies == [reply_id]
                case c.ReplyDone(reply_id=reply_id):
                    open_replies.remove(reply_id)
                case c.ToolRequested(call_id=call_id):
                    assert call_id not in ever
                    ever.add(call_id)
                    open_tools.add(call_id)
                case c.ToolWithdrawn(call_id=call_id):
                    open_tools.remove(call_id)
                case s.StopThinking(number=number):
                    open_requests.remove(number)
                case s.Think(number=number, conversation=conversation):
                    open_requests.add(number)
                    for entry, after in zip(conversation, (*conversation, None)[1:], strict=True):
                        if entry.calls:
                            answered = [answer.call_id for answer in after.results]
                            assert answered == list(dict.fromkeys(call.call_id for call in entry.calls))
        if isinstance(fact, s.ThoughtOver | s.ThoughtFailed):
            open_requests.discard(fact.number)
        if isinstance(fact, s.SpeechBegan) and interruptible:
            assert not open_tools
            assert not open_requests
            assert open_replies == []
