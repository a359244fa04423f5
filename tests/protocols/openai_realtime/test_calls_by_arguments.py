"""OpenAI's Realtime protocol: servers that tell a call by its arguments alone, and never that its item is done."""

import pytest

from trio_voice.events import model as c

DONE = c.ReplyDone("r1", interrupted=False)
ROLLED = c.ToolCalled("c1", "roll", {"max": 6})
ARGUMENTS = {"response_id": "r1", "item_id": "f1", "call_id": "c1", "arguments": '{"max":6}'}


def arguments(talk, **more):
    return talk.hear("response.function_call_arguments.done", **ARGUMENTS | more)


def added(talk, **more):
    item = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "roll", "arguments": ""} | more
    return talk.hear("response.output_item.added", response_id="r1", item=item)


def test_a_call_that_is_told_by_its_arguments_is_run(talk):
    talk.begin()
    assert arguments(talk, name="roll") == []
    assert talk.done() == [ROLLED, DONE]


def test_its_name_may_have_been_told_before(talk):
    talk.begin()
    assert added(talk) == []
    assert arguments(talk) == []
    assert talk.done() == [ROLLED, DONE]


def test_even_where_its_id_was_told_then_alone(talk):
    talk.begin()
    added(talk)
    arguments(talk, call_id=None)
    assert talk.done() == [ROLLED, DONE]


def test_a_call_that_is_told_in_both_ways_is_run_once(talk):
    talk.begin()
    added(talk)
    arguments(talk, name="roll")
    talk.call(arguments='{"max":6}')
    assert talk.done() == [ROLLED, DONE]


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
def test_one_of_a_response_that_was_cut_off_is_not_run(talk, status):
    talk.begin()
    arguments(talk, name="roll")
    assert not any(isinstance(event, c.ToolCalled) for event in talk.done(status=status))


def test_one_whose_item_was_cut_off_is_not_run(talk):
    talk.begin()
    arguments(talk, name="roll", arguments='{"max"')
    talk.call(arguments='{"max"', status="incomplete")
    assert talk.done() == [DONE]


@pytest.mark.parametrize("more", [{}, {"name": None}, {"name": "x" * 10, "call_id": None, "item_id": None}])
def test_one_without_a_name_or_an_id_is_none(talk, more):
    talk.begin()
    arguments(talk, **more)
    assert talk.done() == [DONE]
