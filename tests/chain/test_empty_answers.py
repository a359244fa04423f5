"""Answers of which nothing can be heard."""

import attrs
import pytest

from tests.chain.failing import faults, refused
from tests.chain.stages import A, Stage, lines
from trio_voice.audio.mulaw import encode
from trio_voice.audio.mulaw import silence as mulaw_silence
from trio_voice.chain.answers import SAY_SOMETHING
from trio_voice.events import model as c
from trio_voice.events import stage as s


def test_digital_silence_of_a_voice_is_no_sound():
    stage = Stage()
    stage.asked()
    stage.answered("Yes.")
    silence = s.Sound("1", encode(mulaw_silence(100)))
    stage.do(silence, s.SpeechOver("1"))
    assert {each.context_id for each in stage.of(s.Speak)} == {"1.2"}  # once more
    stage.do(attrs.evolve(silence, context_id="1.2"), s.SpeechOver("1.2"))
    assert [each.code for each in stage.of(s.ChangeVoice)] == ["speech_silent"]


@pytest.mark.parametrize("text", ["", " ", "...", "…\n"])
def test_an_empty_answer_is_asked_for_again_then_in_so_many_words_then_the_model_has_failed(text):
    stage = Stage()
    think = stage.asked()
    stage.answered(text)
    assert stage.question.conversation == think.conversation
    assert stage.question.after_seconds == 0  # the caller waits, and the server is well
    stage.answered(text)
    assert lines(stage.question)[-1] == ("instruction", SAY_SOMETHING)
    assert (think.with_tools, stage.question.with_tools) == (True, False)
    stage.answered(text)
    assert [(fault.code, fault.fatal) for fault in stage.of(c.ModelFault)] == [("empty_answer", True)]
    assert stage.of(c.ReplyStarted, c.ReplyDone) == []


@pytest.mark.parametrize(
    ("cut_short", "counted", "told"),
    [
        ("content_filter", "llm_retries_rephrase", ["caller", "instruction"]),
        ("refusal", "llm_retries_rephrase", ["caller", "instruction"]),
        ("length", "llm_retries_shorten", ["caller"]),
        ("model_context_window_exceeded", "llm_retries_shorten", ["caller"]),
        ("tool_use", "llm_retries_empty_answer", ["caller", "agent", "caller"]),
    ],
)
def test_why_an_answer_is_empty_is_told_and_what_may_mend_it_is_done(cut_short, counted, told):
    stage = Stage(said=[c.Said("caller", "Something rude"), c.Said("agent", "Pardon?")])
    if told[-1] == "instruction":
        stage = Stage()
    stage.do(s.ThoughtOver(stage.asked().number, (), cut_short))
    message = f"the language model said nothing ({cut_short})"
    assert stage.of(c.ModelFault) == [c.ModelFault("empty_answer", message, fatal=False)]
    assert stage.of(s.Count) == [s.Count(counted)]
    assert [entry.role for entry in stage.question.conversation] == told
    assert ("Are you open?" in str(stage.question)) == (told[-1] != "instruction")


@pytest.mark.parametrize(("cut_short", "more"), [("content_filter", 1), ("refusal", 1), ("length", 1)])
def test_an_empty_answer_that_cannot_be_mended_is_asked_for_once_more(cut_short, more):
    stage = Stage()
    number = stage.asked().number
    if cut_short != "length":  # of a conversation of one line nothing can be left out
        stage.do(s.ThoughtOver(number, (), cut_short))
    for _ in range(more):
        stage.do(s.ThoughtOver(stage.question.number, (), cut_short))
        assert faults(stage) == [False]
    stage.do(s.ThoughtOver(stage.question.number, (), cut_short))
    assert faults(stage) == [True]


def test_an_empty_answer_counts_as_a_try_of_the_question():
    stage = Stage()
    stage.asked()
    stage.answered("")
    stage.do(refused(stage.question.number))
    assert faults(stage) == [True]


def test_nothing_after_a_tool_is_no_failure_where_the_words_before_it_were_all():
    stage = Stage()
    stage.asked()
    stage.answered("I have noted that.", A)
    stage.spoken()
    stage.do(c.SendToolResult("1.0", "1"))
    stage.answered("")
    stage.answered("")
    assert stage.of(c.ModelFault) == [c.ModelFault("empty_answer", "the language model said nothing", fatal=False)]
    assert stage.of(s.Think) == []


@pytest.mark.parametrize("text", ["*smiles warmly*", "[pause]", "<br/>", "![](x.png)", "(laughs) 😀"])
def test_an_answer_of_which_nothing_can_be_heard_is_asked_for_again(text):
    stage = Stage()
    stage.asked()
    stage.answered(text)
    assert not stage.of(s.Speak, c.ReplyStarted)
    stage.answered("Yes.")
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "Yes."
