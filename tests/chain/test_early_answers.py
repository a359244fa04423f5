"""Answers to a turn that may not be over."""

import pytest

from tests.chain.stages import Stage, lines
from trio_voice.chain.turns import VERDICT_SECONDS
from trio_voice.events import model as c
from trio_voice.events import stage as s


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
