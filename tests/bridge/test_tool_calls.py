"""A tool acts once, whatever becomes of the model that asked for it."""

import attrs
import pytest

from tests.playbook import HUSH, SPEECH, TALKS_FIRST, Playbook
from trio_voice.bridge.tool_calls import KEPT_SECONDS, MAX_KEPT, ToolCalls
from trio_voice.events import model as c
from trio_voice.events.call import DismissModel, EndCall, LegClosed, ModelReplaced, RunTool, ToolResult, ToolReturned
from trio_voice.limits import Limits

BOOKED = ToolResult('"booked"')


def interrupted():
    """A live call that was interrupted in the reply that asked for a tool, which runs."""
    book = Playbook().live()
    book.speak("r1", SPEECH)
    assert book.on(c.ToolCalled("t1", "book", {"table": 4})) == [RunTool("t1", "book", {"table": 4})]
    book.on(c.ReplyDone("r1", interrupted=True))
    return book


def test_a_request_that_comes_again_gets_what_the_first_has_brought():
    book = interrupted()
    assert book.on(ToolReturned("t1", BOOKED)) == []
    book.speak("r2", SPEECH)
    assert book.on(c.ToolCalled("t2", "book", {"table": 4})) == [c.SendToolResult("t2", '"booked"')]


def test_a_request_that_comes_again_meanwhile_waits_for_the_first():
    book = interrupted()
    book.speak("r2", SPEECH)
    assert book.on(c.ToolCalled("t2", "book", {"table": 4})) == []
    assert book.on(ToolReturned("t1", BOOKED)) == [c.SendToolResult("t2", '"booked"')]


def test_another_wish_is_another_run():
    book = interrupted()
    book.on(ToolReturned("t1", BOOKED))
    book.speak("r2", SPEECH)
    assert book.on(c.ToolCalled("t2", "book", {"table": 5})) == [RunTool("t2", "book", {"table": 5})]


def test_what_was_told_is_not_told_again():
    book = Playbook().live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "roll", {}))
    book.on(ToolReturned("t1", ToolResult("4")))
    assert book.on(c.ToolCalled("t2", "roll", {})) == [RunTool("t2", "roll", {})]


def test_what_failed_may_be_tried_again():
    book = interrupted()
    book.on(ToolReturned("t1", ToolResult("{}", failed=True)))
    assert book.on(c.ToolCalled("t2", "book", {"table": 4})) == [RunTool("t2", "book", {"table": 4})]


def test_a_model_that_takes_over_does_not_book_again():
    book = Playbook(successors=1).live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "book", {}))
    book.on(LegClosed("model", politely=False, detail="cut"))
    book.on(ModelReplaced(c.Capabilities(speaks_first=False, truncates=False)))
    book.on(c.ModelReady("t"))
    assert book.on(ToolReturned("t1", BOOKED)) == []
    assert book.on(c.ToolCalled("u1", "book", {})) == [c.SendToolResult("u1", '"booked"')]


def test_what_is_kept_is_bounded_in_number_and_time():
    tools = ToolCalls()
    for number in range(MAX_KEPT + 1):
        tools.request(f"t{number}", "x", {"n": number}, "r", 0)
        tools.interrupt("r")
        assert tools.finished(f"t{number}", BOOKED, 0) == []
    assert tools.request("a", "x", {"n": 0}, "r", 1) is True
    assert tools.request("b", "x", {"n": MAX_KEPT}, "r", 1) == BOOKED
    assert tools.request("c", "x", {"n": MAX_KEPT - 1}, "r", KEPT_SECONDS) is True


@pytest.mark.parametrize("arguments", [None, "text", [1, {"a": object()}], {"b": float("nan")}])
def test_any_arguments_may_be_asked_with(arguments):
    tools = ToolCalls()
    assert tools.request("t", "x", arguments, "r", 0) is True


def test_a_model_that_asks_for_the_same_tool_without_end_is_told_to_answer_and_then_given_up():
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    done = []
    for number in range(12):
        book.on(c.ReplyStarted(f"r{number}"))
        commands = book.on(c.ToolCalled(f"t{number}", "look_up", {"n": number}))
        if RunTool(f"t{number}", "look_up", {"n": number}) in commands:
            commands += book.on(ToolReturned(f"t{number}", ToolResult("{}")))
        book.after(0.05).on(c.ReplyDone(f"r{number}", interrupted=False))
        done += commands
    assert sum(isinstance(command, RunTool) for command in done) == 5
    told = [command for command in done if isinstance(command, c.SendToolResult) and command.failed]
    assert len(told) == 5
    assert "answer the caller" in told[0].result
    assert isinstance(done[-1], EndCall | DismissModel)


def test_what_a_model_asks_for_at_once_is_one_round_however_quick_the_tools_are():
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.on(c.ReplyStarted("r1"))
    for number in range(30):
        asked = book.on(c.ToolCalled(f"t{number}", "look_up", {"n": number}))
        assert RunTool(f"t{number}", "look_up", {"n": number}) in asked
        book.on(ToolReturned(f"t{number}", ToolResult("{}")))


def test_other_tools_may_still_be_used_and_the_next_turn_has_its_own_rounds():
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    for number in range(6):
        book.after(0.2).on(c.ToolCalled(f"t{number}", "look_up", {"n": number}))
        book.on(ToolReturned(f"t{number}", ToolResult("{}")))
    assert RunTool("more", "look_up", {}) not in book.after(0.2).on(c.ToolCalled("more", "look_up", {}))
    assert RunTool("e", "end_call", {}) in book.on(c.ToolCalled("e", "end_call", {}))
    book.on(c.CallerSpeechStarted())
    assert RunTool("n", "look_up", {}) in book.on(c.ToolCalled("n", "look_up", {}))


@pytest.mark.parametrize("withdraws", [False, True])
def test_a_result_that_a_noise_made_the_model_give_up_on_is_told_all_the_same(withdraws):
    capabilities = attrs.evolve(TALKS_FIRST, withdraws_tools=withdraws)
    book = Playbook(capabilities=capabilities, limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.speak("r1", SPEECH, SPEECH)
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(c.CallerSpeechStarted())
    book.on(c.ToolWithdrawn("t1") if withdraws else c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "Okay.", final=True))
    book.pass_time(1)
    (told,) = book.on(ToolReturned("t1", ToolResult('"tomorrow"')))
    assert isinstance(told, c.RequestReply)
    assert '"tomorrow"' in told.instructions


def test_a_result_that_words_made_the_model_give_up_on_is_kept():
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.speak("r1", SPEECH, SPEECH)
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "No, forget that.", final=True))
    assert book.on(ToolReturned("t1", ToolResult('"tomorrow"'))) == []
    assert book.on(c.ToolCalled("t2", "look_up", {})) == [c.SendToolResult("t2", '"tomorrow"')]


def test_a_tool_that_the_model_withdraws_is_let_finish_and_not_answered(book):
    book.live().on(c.ToolCalled("t1", "look_up", {}))
    assert book.on(c.ToolWithdrawn("t1")) == []
    assert book.on(c.ToolWithdrawn("never asked for")) == []
    assert book.on(ToolReturned("t1", ToolResult("{}"))) == []


def test_a_model_that_withdraws_requests_itself_gets_the_results_of_an_interrupted_reply():
    book = Playbook(capabilities=attrs.evolve(TALKS_FIRST, withdraws_tools=True)).live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "roll", {}))
    book.on(c.ReplyDone("r1", interrupted=True))
    assert book.on(ToolReturned("t1", ToolResult("4"))) == [c.SendToolResult("t1", "4")]
    book.on(c.ToolCalled("t2", "roll", {}))
    book.on(c.ToolWithdrawn("t2"))
    assert book.on(ToolReturned("t2", ToolResult("4"))) == []


def test_a_tool_is_run_and_its_result_told(book):
    book.live().speak("r1", HUSH)
    assert book.on(c.ToolCalled("t1", "roll", {"max": 6})) == [RunTool("t1", "roll", {"max": 6})]
    assert book.on(ToolReturned("t1", ToolResult("4"))) == [c.SendToolResult("t1", "4")]


@pytest.mark.parametrize("done_first", [True, False])
def test_a_result_may_come_before_or_after_its_reply_is_done(book, done_first):
    book.live().speak("r1", HUSH)
    book.on(c.ToolCalled("t1", "roll", {}))
    done = c.ReplyDone("r1", interrupted=False)
    finished = ToolReturned("t1", ToolResult("4", failed=True))
    commands = [command for fact in ((done, finished) if done_first else (finished, done)) for command in book.on(fact)]
    assert c.SendToolResult("t1", "4", failed=True) in commands


def test_nothing_is_answered_into_an_interrupted_reply(book):
    book.live().speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "roll", {}))
    book.on(c.ReplyDone("r1", interrupted=True))
    assert book.on(ToolReturned("t1", ToolResult("4"))) == []
    assert book.record.counters["tool_results_not_wanted"] == 1


def test_a_result_that_nobody_asked_for_is_not_told(book):
    book.live()
    assert book.on(ToolReturned("t9", ToolResult("4"))) == []


@pytest.mark.parametrize(("every", "most"), [(0.0, 170), (0.05, 35), (0.1, 25)])
def test_a_loop_that_never_begins_another_reply_comes_to_an_end_as_well(every, most):
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.on(c.ReplyStarted("r1"))
    for number in range(200):
        commands = book.after(every).on(c.ToolCalled(f"t{number}", "look_up", {"n": number}))
        book.on(ToolReturned(f"t{number}", ToolResult("{}")))
        if isinstance(commands[-1], EndCall | DismissModel):
            break
    assert number < most
