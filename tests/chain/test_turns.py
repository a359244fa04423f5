"""Turns of a chain: the decisions, without any of the stages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chain.stages import SOUND, Stage, lines
from trio_voice.chain.hearing import WORDLESS_SECONDS
from trio_voice.chain.history import PENDING
from trio_voice.chain.tool_calls import BROKEN
from trio_voice.chain.turns import VERDICT_SECONDS, WISH_SECONDS
from trio_voice.events import model as c
from trio_voice.events import stage as s


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
        c.AnswerOwed(),
    ]
    assert stage.do(s.Thought(2, "Yes. Un")) == [
        c.StageReached("first_token"),
        c.ReplyStarted("1"),
        s.Speak("1", "Yes. "),
    ]
    assert stage.do(s.Thought(2, "til six."), s.ThoughtOver(2)) == [
        s.Speak("1", "Until six. "),
        s.Speak("1", "", last=True),
    ]
    assert stage.do(s.SpokenWords("1", "Yes. ", 0.0), s.Sound("1", SOUND), s.SpeechOver("1")) == [
        c.ReplyAudio("1", SOUND),
        c.ReplyWords("1", "Yes. ", 0.0),
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


def test_the_caller_s_voice_stops_nothing_and_the_bridge_s_word_stops_all_three():
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
    assert stage.do(s.SpeechBegan()) == [c.CallerSpeechStarted()]
    assert stage.do(s.Sound(reply, SOUND)) == [c.ReplyAudio(reply, SOUND)]
    assert stage.do(c.TruncateReply(reply, 400.0)) == [
        s.StopThinking(number),
        s.BeSilent(reply),
        c.ReplyTranscript(reply, "Yes. We are", interrupted=True),
        c.ReplyDone(reply, interrupted=True),
    ]
    assert stage.do(s.Sound(reply, SOUND), s.Thought(number, "x")) == []
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
        c.StageReached("first_token"),
        c.ReplyStarted("1"),
        s.Speak("1", "Yes. "),
        s.Speak("1", "Until six.", last=True),
        c.AnswerOwed(),
    ]
    stage.spoken()
    assert lines(stage.asked("Good."))[:2] == [("caller", "Are you open?"), ("agent", "Yes. Until six.")]


def test_the_same_words_at_a_second_early_end_are_not_asked_twice():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "are you open"))
    assert stage.of(s.Think)
    stage.do(s.TurnMayBeOver("c1", "Are you open?"))
    assert stage.of(s.Think, s.StopThinking, s.Count) == []


def test_other_words_at_a_second_early_end_are_asked_instead():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "are you open"))
    number = stage.question.number
    stage.do(s.TurnMayBeOver("c1", "Are you open today?"))
    assert stage.of(s.StopThinking) == [s.StopThinking(number)]
    assert lines(stage.question) == [("caller", "Are you open today?")]


def test_tools_of_an_early_answer_wait_too():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "hi"))
    number = stage.question.number
    stage.do(s.ThoughtOver(number, (s.ToolCall("a", "order", {}),)))
    assert stage.of(c.ToolCalled) == []
    stage.do(s.TurnOver("c1", "Hi."))
    assert stage.of(c.ToolCalled) == [c.ToolCalled("1.0", "order", {})]


def test_a_resumed_turn_drops_the_early_answer():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "are you open"))
    number = stage.question.number
    assert stage.do(s.TurnResumed("c1")) == [s.Count("answers_in_vain"), s.StopThinking(number)]
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
    assert stage.of(c.ToolCalled, c.ReplyDone) == [
        c.ToolCalled("1.0", "look_up", {"day": 1}),
        c.ToolCalled("1.1", "look_up", {"day": 2}),
        c.ReplyDone("1", interrupted=False),
    ]
    assert stage.do(c.SendToolResult("1.1", '"two"')) == []
    stage.do(c.SendToolResult("1.0", '"one"', failed=True))
    assert stage.question.conversation[1:] == (
        s.Entry("agent", "", (A, B)),
        s.Entry("results", results=(s.ToolCallResult("a", '"one"', failed=True), s.ToolCallResult("b", '"two"'))),
    )


def test_a_slow_tool_is_covered_by_a_filler_and_the_answer_waits_for_its_end():
    stage = Stage()
    with_tools(stage, A)
    assert stage.turns.wake_at == 1.0
    stage.wait(1.0)
    assert stage.of(s.Speak) == [s.Speak("3", "One moment.", last=True)]
    assert stage.of(c.ReplyStarted) == [c.ReplyStarted("3", is_filler=True)]
    filler = [*stage.out]
    stage.do(c.SendToolResult("1.0", "1"))
    number = stage.question.number
    _, call, results = stage.question.conversation
    assert (call.text, call.calls, results.role) == ("One moment.", (A,), "results")  # nothing between call and answer
    assert stage.do(s.Thought(number, "Yes. ")) == [c.StageReached("first_token")]
    stage.out = filler
    stage.spoken()
    kinds = [c.ReplyTranscript, c.ReplyDone, c.ReplyStarted, s.Speak, c.AnswerOwed]
    assert [type(output) for output in stage.out[1:]] == kinds


def test_a_tool_that_was_announced_in_words_needs_no_filler():
    stage = Stage()
    with_tools(stage, A, text="Let me see. ")
    assert [output for output in stage.wait(2.0) if isinstance(output, s.Speak)] == []


def test_a_tool_that_has_begun_is_let_finish_and_words_meanwhile_are_answered_with_its_result():
    stage = Stage()
    with_tools(stage, A, B)
    stage.do(c.SendToolResult("1.0", '"one"'))
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Okay, thanks."))
    assert stage.of(c.ToolWithdrawn, s.Think) == []
    stage.wait(1.0)
    assert stage.of(s.Think) == []
    stage.do(c.SendToolResult("1.1", '"two"'))
    _, call, results, words = stage.question.conversation
    assert call.calls == (A, B)
    assert results.results == (s.ToolCallResult("a", '"one"'), s.ToolCallResult("b", '"two"'))
    assert words.text == "Okay, thanks."


def test_words_that_have_waited_long_for_a_tool_are_answered_and_its_result_is_told_when_it_comes():
    stage = Stage(filler="")
    with_tools(stage, A)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Never mind, when do you close?"))
    assert stage.turns.wake_at == WISH_SECONDS
    stage.wait(WISH_SECONDS)
    _, _, results, words = stage.question.conversation
    assert results.results == (s.ToolCallResult("a", PENDING, failed=True),)
    assert words.text == "Never mind, when do you close?"
    assert not stage.question.with_tools  # or it would be called once more
    stage.answered("At five.")
    stage.spoken()
    stage.do(c.SendToolResult("1.0", '"open"'))
    *_, results, _, _, instruction = stage.question.conversation
    assert results.results == (s.ToolCallResult("a", '"open"'),)
    assert "look_up has come" in instruction.text
    assert stage.do(c.SendToolResult("1.0", '"again"')) == []


def test_a_filler_is_not_said_once_nothing_is_owed():
    stage = Stage()
    with_tools(stage, A)
    stage.do(c.SendToolResult("1.0", "1", go_on=False))
    assert stage.wait(2.0) == []


def test_nothing_is_asked_of_a_model_whose_words_have_ended_the_call():
    stage = Stage()
    with_tools(stage, A, text="Goodbye!")
    stage.spoken()
    assert stage.do(c.SendToolResult("1.0", "1", go_on=False)) == []
    question = stage.asked("Wait, one more thing.", "c2")
    assert [entry.role for entry in question.conversation] == ["caller", "agent", "results", "caller"]


def test_the_rounds_of_a_turn_are_bounded_and_the_last_offers_no_tools():
    stage = Stage()
    think, questions = stage.asked(), 1
    while think.with_tools:
        stage.answered("", s.ToolCall(f"a{questions}", "look_up", {}))
        (requested,) = stage.of(c.ToolCalled)
        stage.do(c.SendToolResult(requested.call_id, "1"))
        think, questions = stage.question, questions + 1
    assert questions == 5
    stage.answered("It is open.", A)
    assert stage.of(c.ToolCalled) == []
    assert stage.of(s.Speak)
    stage.spoken()
    assert stage.asked("And now?", "c2").with_tools


def test_broken_arguments_are_answered_without_running_anything():
    stage = Stage()
    with_tools(stage, s.ToolCall("a", "look_up", {}, broken='{"day":'))
    assert stage.of(c.ToolCalled) == []
    assert stage.question.conversation[-1].results == (s.ToolCallResult("a", BROKEN, failed=True),)


def test_whoever_may_not_interrupt_is_answered_with_the_tool():
    stage = Stage(interruptible=False)
    with_tools(stage, A)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Hello?"))
    assert stage.of(s.Think, c.ToolWithdrawn) == []
    stage.do(c.SendToolResult("1.0", "1"))
    assert [entry.role for entry in stage.question.conversation] == ["caller", "agent", "results", "caller"]


def test_whoever_was_answered_with_the_tool_is_not_answered_once_more():
    stage = Stage(interruptible=False)
    with_tools(stage, A)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Hello?"), c.SendToolResult("1.0", "1"))
    stage.do(s.Thought(stage.question.number, "Here you are."), s.ThoughtOver(stage.question.number))
    stage.spoken()
    assert stage.of(s.Think) == []
    assert [output for output in stage.wait(5.0) if isinstance(output, s.Think)] == []


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
    assert stage.turns.wake_at == WORDLESS_SECONDS
    stage.wait(WORDLESS_SECONDS)
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


# The voice


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


NUMBERS, TEXTS = st.integers(1, 12), st.sampled_from(["", "Hi.", "...", "Well, that would be very fine. Or"])
CONTEXTS = NUMBERS.map(str) | st.builds("{}.2".format, NUMBERS)
FACTS = st.one_of(
    st.just(s.SpeechBegan()),
    st.builds(s.TurnGoesOn, st.just("c"), TEXTS),
    st.builds(s.TurnMayBeOver, st.just("c"), TEXTS),
    st.just(s.TurnResumed("c")),
    st.builds(s.TurnOver, st.just("c"), TEXTS),
    st.builds(s.Thought, NUMBERS, TEXTS),
    st.builds(s.Unthought, NUMBERS),
    st.builds(s.ThoughtOver, NUMBERS, st.lists(st.sampled_from([A, B]), max_size=2).map(tuple)),
    st.builds(
        s.ThoughtFailed,
        NUMBERS,
        st.sampled_from(["x", "unavailable"]),
        st.just("x"),
        st.booleans(),
        st.none() | st.floats(0, 9),
        st.sampled_from(["", "shorten", "rephrase", "adapted"]),
    ),
    st.builds(s.Sound, CONTEXTS, st.just(SOUND)),
    st.builds(s.SpokenWords, CONTEXTS, TEXTS, st.floats(0, 500)),
    st.builds(s.SpeechOver, CONTEXTS),
    st.builds(s.SpeechFailed, CONTEXTS, st.just("x"), st.just("x")),
    st.builds(s.VoiceChanged, timed_words=st.booleans()),
    st.builds(c.SayExactly, TEXTS, st.booleans()),
    st.builds(c.RequestReply, TEXTS),
    st.builds(
        c.SendToolResult,
        st.builds("{}.{}".format, NUMBERS, st.integers(0, 1)),
        st.just("1"),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(c.TruncateReply, CONTEXTS, st.floats(0, 500)),
    st.builds(c.IgnoreTurn, st.just("c")),
)


@pytest.mark.parametrize("interruptible", [True, False])
@given(facts=st.lists(st.tuples(FACTS, st.floats(0, 4)), max_size=40))
def test_whatever_comes_every_reply_and_every_tool_ends_once_and_every_call_has_its_answer(interruptible, facts):
    stage = Stage(interruptible=interruptible, members=2)
    open_replies, open_requests, ever, fillers = [], set(), set(), set()
    for fact, seconds in facts:
        outputs = [*stage.do(fact), *stage.wait(seconds)]
        assert stage.turns.wake_at > stage.now  # or it would be woken without end
        if isinstance(fact, s.ThoughtOver | s.ThoughtFailed):
            open_requests.discard(fact.number)
        for output in outputs:
            match output:
                case c.ReplyStarted(reply_id=reply_id, is_filler=is_filler):
                    fillers |= {reply_id} if is_filler else set()
                    assert is_filler or fillers >= set(open_replies)  # nothing is heard of whatever is open
                    assert reply_id not in ever
                    open_replies.insert(0, reply_id)
                    ever.add(reply_id)
                case c.ReplyAudio(reply_id=reply_id) | c.ReplyWords(reply_id=reply_id):
                    assert reply_id in open_replies
                case s.Speak(context_id=context_id, text=text, last=last):
                    assert context_id.partition(".")[0] == open_replies[0]
                    assert last or any(letter.isalnum() for letter in text)
                case c.ReplyDone(reply_id=reply_id):
                    open_replies.remove(reply_id)
                case c.ToolCalled(call_id=call_id):
                    assert call_id not in ever
                    ever.add(call_id)
                case s.StopThinking(number=number):
                    open_requests.discard(number)
                case s.Think(number=number, conversation=conversation):
                    open_requests.add(number)
                    assert open_requests == {number}
                    for entry, after in zip(conversation, (*conversation, None)[1:], strict=True):
                        if entry.calls:
                            answered = [answer.call_id for answer in after.results]
                            assert answered == list(dict.fromkeys(call.call_id for call in entry.calls))


def test_a_voice_that_does_not_read_figures_is_given_words_and_the_history_keeps_what_the_model_wrote():
    stage = Stage(spelled_out=True)
    number = stage.asked().number
    stage.do(s.Thought(number, "It is **$5** at 9:30."), s.ThoughtOver(number))
    assert [spoken.text for spoken in stage.of(s.Speak)][-1] == "It is five dollars at nine thirty."
    stage.spoken()
    assert lines(stage.asked("Thanks."))[1] == ("agent", "It is **$5** at 9:30.")


def pause(stage, text, *, ends, item):
    """Return the questions that come of a pause, after which the turn is over or the caller goes on."""
    stage.do(s.SpeechBegan(), s.TurnMayBeOver(item, text))
    asked = stage.of(s.Think)
    if not ends:
        stage.do(s.TurnResumed(item))
    return asked


def test_nothing_is_begun_in_the_middle_of_a_sentence():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnMayBeOver("c1", "I would like to"))
    assert stage.of(s.Think) == []
    stage.do(s.TurnMayBeOver("c1", "I would like to book a table"))
    assert len(stage.of(s.Think)) == 1


def test_with_a_caller_who_goes_on_after_each_pause_nothing_is_begun_any_more_until_pauses_are_ends():
    stage = Stage()
    began = [bool(pause(stage, f"one two {number}", ends=False, item="c1")) for number in range(5)]
    assert began == [True, True, False, False, False]
    for number in range(8):  # the last eight tell
        stage.turns._eagerness.begins(f"three {number}")
        stage.turns._eagerness.over(f"three {number}")
    assert pause(stage, "four five", ends=True, item="c1")


@pytest.mark.parametrize("noise", [".", "...", " ", "[inaudible]", "(coughs)", "*sighs*", "♪"])
def test_a_sound_that_is_written_down_is_no_turn(noise):
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", noise), s.TurnOver("c1", noise))
    assert stage.of(c.CallerTranscript) == []
    stage.wait(VERDICT_SECONDS)
    assert stage.of(s.Think) == []
    assert stage.asked(item="c2").conversation[-1].text == "Are you open?"
