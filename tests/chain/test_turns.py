"""Turns of a chain: the decisions, without any of the stages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chain.stages import SOUND, A, B, Stage, lines
from trio_voice.chain.hearing import WORDLESS_SECONDS
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
    spoken = s.SpokenWords("1", "Yes. ", 0.0), s.SpokenWords("1", "Until six. ", 50.0)
    assert stage.do(*spoken, s.Sound("1", SOUND), s.SpeechOver("1")) == [
        c.ReplyAudio("1", SOUND),
        c.ReplyWords("1", "Yes. ", 0.0),
        c.ReplyWords("1", "Until six. ", 50.0),
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
