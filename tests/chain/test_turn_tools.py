"""Tools of a chain's turn, and fillers over them."""

from tests.chain.stages import A, B, Stage, lines
from trio_voice.chain.history import PENDING
from trio_voice.chain.tool_calls import BROKEN
from trio_voice.chain.turns import WISH_SECONDS
from trio_voice.events import model as c
from trio_voice.events import stage as s


def with_tools(stage, *calls, text=""):
    number = stage.asked().number
    stage.do(*([s.Thought(number, text)] if text else []), s.ThoughtOver(number, calls))


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
