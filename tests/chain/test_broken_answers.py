"""Answers that break off, hang or go in a circle, and what becomes of what was said."""

import attrs
import pytest

from tests.chain.failing import faults, refused
from tests.chain.stages import SOUND, Stage, lines
from trio_voice.chain.answers import GO_ON, MAX_BROKEN_OFF
from trio_voice.events import model as c
from trio_voice.events import stage as s


def test_an_answer_that_breaks_off_stays_half_an_answer():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. We are"))
    stage.do(s.ThoughtFailed(number, "cut", "it was cut", retryable=True))
    assert stage.of(s.Speak, s.Think) == [s.Speak("1", "", last=True)]  # nobody wants half a sentence
    assert stage.of(c.ModelFault) == [c.ModelFault("cut", "it was cut", fatal=False)]


def test_a_filler_is_heard_in_the_middle_of_a_reply_that_hangs():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. We are"), s.Sound("1", SOUND))
    stage.do(c.SayExactly("One moment.", is_filler=True))
    filler = stage.of(s.Speak)[-1]
    assert (filler.text, filler.last) == ("One moment.", True)
    context = filler.context_id
    stage.do(s.Sound(context, SOUND), s.SpeechOver(context), s.Thought(number, " open. "))
    assert stage.of(s.Speak)[-1].context_id == "1"


def test_half_an_answer_that_was_cut_off_twice_is_said():
    stage = Stage()
    think = stage.asked()
    stage.do(s.Thought(think.number, "We close at five"), refused(think.number, "cut"))
    think = stage.question
    stage.do(s.Thought(think.number, "We close at five"), refused(think.number, "cut"))
    assert stage.of(s.Speak) == [s.Speak("1", "We close at five", last=True)]
    assert stage.of(c.ModelFault) == [c.ModelFault("cut", "it failed", fatal=False)]


def test_an_answer_that_has_become_too_long_is_gone_on_with_behind_its_last_sentence():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "We are open today. And then we"))
    stage.do(s.ThoughtOver(number, cut_short="length"))
    stage.spoken()
    assert lines(stage.question)[-2:] == [("agent", "We are open today."), ("instruction", GO_ON)]


def test_one_long_half_sentence_is_said_and_gone_on_with_twice_at_most():
    stage = Stage()
    stage.asked()
    for _ in range(2):
        stage.do(s.Thought(stage.question.number, "one"), s.ThoughtOver(stage.question.number, cut_short="max_tokens"))
        stage.spoken()
    stage.do(s.Thought(stage.question.number, "one"), s.ThoughtOver(stage.question.number, cut_short="max_tokens"))
    stage.spoken()
    assert not stage.of(s.Think)


def test_an_answer_that_was_cut_at_the_end_of_a_sentence_is_whole():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "We are open today. "))
    stage.do(s.ThoughtOver(number, cut_short="length"))
    stage.spoken()
    assert not stage.of(s.Think)


def test_thoughts_that_are_taken_back_are_not_spoken():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "They want to"), s.Unthought(number), s.Thought(number, "We close at five."))
    assert not stage.of(s.Speak) or "They" not in stage.of(s.Speak)[0].text
    stage.do(s.ThoughtOver(number))
    stage.spoken()
    assert lines(stage.asked("Good.", "c2"))[1] == ("agent", "We close at five.")


# Answers that break off


CUT = s.ThoughtFailed(0, "cut", "it was cut off", retryable=True)


def broken_off(stage, text):
    """An answer to the last question, of which a part was spoken before it broke off; the question that follows."""
    number = stage.question.number
    stage.do(s.Thought(number, text))
    stage.spoken(over=False)
    stage.do(attrs.evolve(CUT, number=number))
    context = next(output.context_id for output in stage.out if isinstance(output, s.Speak) and output.last)
    stage.do(s.Sound(context, SOUND), s.SpeechOver(context))


def test_the_rest_of_an_answer_that_breaks_off_is_asked_for():
    stage = Stage()
    stage.asked()
    broken_off(stage, "Yes. And on ")
    assert lines(stage.question) == [("caller", "Are you open?"), ("agent", "Yes."), ("instruction", GO_ON)]


def test_a_rest_that_is_asked_for_is_counted_whatever_cut_the_answer_short():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. And on "), s.ThoughtOver(number, (), "length"))
    assert stage.of(s.Count) == [s.Count("llm_retries_broken_off")]


def test_it_is_asked_for_twice_at_most():
    stage = Stage()
    stage.asked()
    for _ in range(MAX_BROKEN_OFF):
        broken_off(stage, "Yes. And on ")
    broken_off(stage, "Yes. And on ")
    assert stage.of(s.Think) == []


def test_another_language_model_says_the_rest_where_there_is_one():
    stage = Stage(members=2)
    stage.asked()
    broken_off(stage, "Yes. And on ")
    assert stage.question.member == 1


@pytest.mark.parametrize("end", ["content_filter", "refusal"])
def test_an_answer_that_a_filter_has_cut_short_is_none(end):
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Sure, you"), s.ThoughtOver(number, (), end))
    assert stage.of(s.Speak) == []
    assert lines(stage.question)[-1][0] == "instruction"


def test_what_was_said_before_the_filter_stays_without_the_half_sentence():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. You mix"), s.ThoughtOver(number, (), "content_filter"))
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "Yes."


def test_an_answer_that_repeats_itself_ends_where_it_begins_to():
    stage = Stage()
    number = stage.asked().number
    stage.do(*[s.Thought(number, "We close at five. Come in soon. ")] * 2)
    assert stage.of(s.StopThinking) == []
    stage.do(*[s.Thought(number, "We close at five. Come in soon. ")] * 2)
    assert stage.of(s.StopThinking) == [s.StopThinking(number)]
    assert [fault.code for fault in stage.of(c.ModelFault)] == ["repeats"]
    assert [output.text for output in stage.of(s.Speak)] == [""]  # no more than was said before
    assert stage.of(s.Speak)[0].last
    assert stage.of(s.Think) == []


def test_an_answer_that_is_a_few_words_without_an_end_is_none_and_asked_for_once_more():
    stage = Stage()
    for is_fatal in (False, True):
        number = (stage.question if is_fatal else stage.asked()).number
        stage.do(s.Thought(number, "very " * 100 + ". "))
        assert stage.of(s.StopThinking) == [s.StopThinking(number)]
        assert faults(stage) == [is_fatal]
    assert stage.of(s.Speak) == []


@pytest.mark.parametrize("text", ["Yes. Yes. Yes. Yes. ", "We are open. We are open. ", "One, two. Two, one. " * 2])
def test_what_is_said_twice_or_in_a_word_is_no_circle(text):
    stage = Stage()
    stage.do(s.Thought(stage.asked().number, text))
    assert stage.of(s.StopThinking, c.ModelFault) == []
