"""Requests for tools that are told again, and wishes that differ in nothing but their ids."""

from tests.playbook import SPEECH, Playbook
from trio_voice.events import model as c
from trio_voice.events.call import RunTool, ToolResult, ToolReturned

PIZZA = {"pizza": "margherita"}


def asking():
    book = Playbook().live()
    book.speak("r1", SPEECH)
    assert book.on(c.ToolCalled("t1", "order", PIZZA)) == [RunTool("t1", "order", PIZZA)]
    return book


def test_a_request_that_is_told_again_while_it_runs_is_no_other():
    book = asking()
    assert book.on(c.ToolCalled("t1", "order", PIZZA)) == []
    assert book.on(ToolReturned("t1", ToolResult("1"))) == [c.SendToolResult("t1", "1")]
    assert book.record.counters["tool_requests_repeated"] == 1


def test_nor_is_one_that_is_told_again_in_its_reply_when_it_has_run():
    book = asking()
    book.on(ToolReturned("t1", ToolResult("1")))
    assert book.on(c.ToolCalled("t1", "order", PIZZA)) == []


def test_an_id_that_a_server_gives_again_in_another_reply_is_another_request():
    book = asking()
    book.on(ToolReturned("t1", ToolResult("1")))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.speak("r2", SPEECH)
    assert book.on(c.ToolCalled("t1", "order", PIZZA)) == [RunTool("t1", "order", PIZZA)]


def test_two_that_differ_in_nothing_but_their_ids_are_two_wishes():
    book = asking()
    assert book.on(c.ToolCalled("t2", "order", PIZZA)) == [RunTool("t2", "order", PIZZA)]
    assert book.on(ToolReturned("t2", ToolResult("2"))) == [c.SendToolResult("t2", "2")]
    assert book.on(ToolReturned("t1", ToolResult("1"))) == [c.SendToolResult("t1", "1")]
