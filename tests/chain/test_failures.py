"""Questions that fail: what a chain asks again, of whom, and how."""

import attrs
import pytest

from tests.chain.failing import faults, refused
from tests.chain.stages import A, Stage, lines
from trio_voice.chain.tries import LONGEST_WAIT_SECONDS, MAX_ADAPTED, MAX_ASKED, MAX_EMPTY
from trio_voice.events import model as c
from trio_voice.events import stage as s


def test_a_question_that_fails_is_asked_once_more():
    stage = Stage()
    first = stage.asked()
    stage.do(refused(first.number))
    assert stage.of(c.ModelFault) == [c.ModelFault("http_500", "it failed", fatal=False)]
    assert stage.of(s.Count) == [s.Count("llm_retries_http_500")]
    assert stage.question.conversation == first.conversation
    assert stage.question.after_seconds > 0
    stage.do(refused(stage.question.number))
    assert faults(stage) == [True]


def test_a_refusal_is_final():
    stage = Stage()
    stage.do(s.ThoughtFailed(stage.asked().number, "http_401", "check OPENAI_API_KEY", retryable=False))
    assert stage.of(c.ModelFault) == [c.ModelFault("http_401", "check OPENAI_API_KEY", fatal=True)]


def test_a_pause_that_the_provider_asks_for_is_kept_and_worth_one_more_question():
    stage = Stage()
    think = stage.asked()
    for _ in range(2):
        stage.do(refused(think.number, wait_seconds=2.4))
        assert stage.question.after_seconds == 2.4
        think = stage.question
    stage.do(refused(think.number, wait_seconds=2.4))
    assert faults(stage) == [True]


def test_a_pause_that_is_too_long_is_not_waited_for():
    stage = Stage(members=2)
    stage.do(refused(stage.asked().number, wait_seconds=20.0))
    assert (stage.question.member, stage.question.after_seconds) == (1, 0)
    stage.do(refused(stage.question.number, wait_seconds=20.0))
    assert faults(stage) == [True]


def test_a_pause_that_is_just_short_enough_is_kept():
    stage = Stage(members=2)
    stage.do(refused(stage.asked().number, wait_seconds=LONGEST_WAIT_SECONDS))
    assert (stage.question.member, stage.question.after_seconds) == (0, LONGEST_WAIT_SECONDS)


def test_the_last_language_model_is_asked_once_more_though_it_is_silent():
    stage = Stage()
    stage.do(refused(stage.asked().number, "unavailable"))
    stage.do(refused(stage.question.number, "unavailable"))
    assert faults(stage) == [True]


def test_the_next_language_model_has_all_its_tries():
    """Whatever the one before has used up."""
    stage = Stage(members=2)
    stage.asked()
    for member in (0, 1):
        for _ in range(MAX_ASKED):
            assert stage.question.member == member
            stage.do(refused(stage.question.number))
    assert faults(stage) == [True]
    stage = Stage(members=2)
    stage.asked()
    for member in (0, 1):
        for _ in range(MAX_EMPTY):
            assert stage.question.member == member
            stage.answered("")
    assert faults(stage) == [True]


def test_a_server_of_which_there_is_no_end_of_what_to_learn_is_given_up():
    stage = Stage()
    stage.asked()
    for _ in range(MAX_ADAPTED):
        stage.do(refused(stage.question.number, "http_418", retryable=False, remedy="adapted"))
    stage.do(refused(stage.question.number, "http_418", retryable=False, remedy="adapted"))
    assert faults(stage) == [True]


@pytest.mark.parametrize("failure", [{"retryable": False}, {"code": "unavailable"}], ids=["a refusal", "a silent one"])
def test_the_next_language_model_takes_over_within_the_turn_and_stays(failure):
    stage = Stage(members=2)
    first = stage.asked()
    assert first.member == 0
    stage.do(refused(first.number, **failure))
    assert (stage.question.member, stage.question.conversation) == (1, first.conversation)
    stage.answered("Yes.")
    stage.spoken()
    assert stage.asked("And now?", "c2").member == 1
    stage.do(refused(stage.question.number, retryable=False))
    assert stage.question.member == 0  # round again, each once in a turn
    stage.do(refused(stage.question.number, retryable=False))
    assert faults(stage) == [True]


def test_a_question_that_is_too_long_is_asked_without_the_older_half():
    stage = Stage(said=[c.Said("caller" if at % 2 else "agent", f"{at}" * 100) for at in range(20)])
    first = stage.asked()
    stage.do(refused(first.number, retryable=False, remedy="shorten"))
    second = stage.question.conversation
    assert 0 < len(second) <= len(first.conversation) // 2 + 1
    assert second == first.conversation[-len(second) :]
    for _ in range(2):
        stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    assert lines(stage.question)[-1] == ("caller", "Are you open?")
    stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    assert faults(stage) == [True]


def test_a_question_that_is_too_long_by_a_result_alone_is_asked_with_its_beginning():
    stage = Stage()
    stage.asked()
    stage.answered("", A)
    stage.do(c.SendToolResult("1.0", '"' + "x" * 20_000 + '"'))
    stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    assert len(str(stage.question.conversation)) < 2_000
    assert stage.question.conversation[-1].results


def test_of_the_results_only_the_long_ones_are_shortened():
    stage = Stage()
    stage.asked()
    stage.answered("", A, attrs.evolve(A, call_id="b"))
    stage.do(c.SendToolResult("1.0", '"' + "x" * 20_000 + '"'), c.SendToolResult("1.1", '"' + "y" * 300 + '"'))
    stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    long, short = stage.question.conversation[-1].results
    assert len(long.text) < 1_000
    assert short.text == '"' + "y" * 300 + '"'


def test_a_filler_before_an_answer_that_fails_is_not_told_with_the_question():
    stage = Stage()
    first = stage.asked()
    stage.wait(1.0)
    assert [speak.text for speak in stage.of(s.Speak)] == ["One moment."]
    stage.spoken()
    stage.do(refused(first.number))
    assert stage.question.conversation == first.conversation


def test_words_that_a_filter_takes_offence_at_are_not_told_again():
    stage = Stage()
    stage.do(refused(stage.asked("Something rude").number, retryable=False, remedy="rephrase"))
    assert "rude" not in str(stage.question)
    assert [entry.role for entry in stage.question.conversation] == ["caller", "instruction"]
    stage.do(refused(stage.question.number, retryable=False, remedy="rephrase"))
    assert faults(stage) == [True]


def test_what_a_protocol_has_learned_costs_no_try():
    stage = Stage()
    think = stage.asked()
    for _ in range(4):
        stage.do(refused(think.number, remedy="adapted"))
        assert stage.question.after_seconds == 0
        think = stage.question
    stage.do(refused(think.number))
    assert stage.of(s.Think)


@pytest.mark.parametrize("code", ["http_400", "http_422"])
def test_a_question_that_is_refused_for_an_unknown_reason_is_put_once_more_as_plainly_as_can_be(code):
    stage = Stage(said=[c.Said("caller", "Hello."), c.Said("agent", "Good day.")])
    think = stage.asked()
    assert think.with_tools
    refusal = s.ThoughtFailed(think.number, code, "it failed", retryable=False)
    stage.do(refusal)
    assert (lines(stage.question), stage.question.with_tools) == ([("caller", "Are you open?")], False)
    assert faults(stage) == [False]
    stage.do(attrs.evolve(refusal, number=stage.question.number))
    assert faults(stage) == [True]


def test_the_plainest_question_tells_what_a_tool_has_found():
    stage = Stage()
    stage.asked()
    stage.answered("One moment.", s.ToolCall("id", "look_up", {}))
    stage.do(c.SendToolResult("1.0", "open"))
    stage.do(s.ThoughtFailed(stage.question.number, "http_400", "it failed", retryable=False))
    told = ["Are you open?", "One moment.", "A look-up has brought this: open"]
    assert [text for _, text in lines(stage.question)] == told
    assert not any(entry.calls or entry.results for entry in stage.question.conversation)


@pytest.mark.parametrize("code", ["http_401", "http_404", "http_500"])
def test_a_refusal_that_has_nothing_to_do_with_the_question_is_final(code):
    stage = Stage()
    stage.do(s.ThoughtFailed(stage.asked().number, code, "it failed", retryable=False))
    assert (stage.of(s.Think), faults(stage)) == ([], [True])
