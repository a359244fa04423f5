"""A tool acts once, whatever becomes of the model that asked for it."""

import pytest

from tests.playbook import SPEECH, Playbook
from trio_voice.bridge.tool_calls import KEPT_SECONDS, MAX_KEPT, ToolCalls
from trio_voice.events import model as c
from trio_voice.events.call import LegClosed, ModelReplaced, RunTool, ToolResult, ToolReturned

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
