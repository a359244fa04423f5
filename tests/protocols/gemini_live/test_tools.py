"""Gemini's Live API: tools and their results."""

import json

import pytest

from tests.protocols.gemini_live.live import ask, hear, kinds, of_kind, said, sent
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.tools import MAX_CALLS
from trio_voice.protocols.json_messages import arguments_in


def test_a_tool_is_asked_for_within_a_reply(ready):
    assert ask(ready, {"id": "f1", "name": "roll", "args": {"max": 6}}) == [
        c.ReplyStarted("reply-1"),
        c.ReplyDone("reply-1", interrupted=False),  # nothing more is said until it has the result
        c.ToolCalled("call-1", "roll", {"max": 6}),
    ]
    (text,) = ready.encode(c.SendToolResult("call-1", '{"value": 4}'), 0.0)
    response = {"id": "f1", "name": "roll", "response": {"output": {"value": 4}}}
    assert said(text) == {"toolResponse": {"functionResponses": [response]}}


@pytest.mark.parametrize("missing", [{"id": None}, {"id": ""}, {}])
def test_calls_without_ids_get_ours_and_give_none_back(ready, missing):
    events = ask(ready, {"name": "roll", "args": {}} | missing, {"name": "roll", "args": {}} | missing)
    first, second = (event.call_id for event in of_kind(c.ToolCalled, events))
    assert first != second
    assert ready.encode(c.SendToolResult(second, "2"), 0.0) == ()
    (text,) = ready.encode(c.SendToolResult(first, "1"), 0.0)
    outputs = [response["response"]["output"] for response in said(text)["toolResponse"]["functionResponses"]]
    assert outputs == [1, 2]
    assert '"id"' not in text


def test_all_results_of_one_message_go_in_one(ready):
    ask(ready, *({"id": f"f{n}", "name": "roll", "args": {}} for n in (1, 2)))
    hear(ready, toolCall={"functionCalls": [{"id": "f3", "name": "roll", "args": {}}]})
    assert ready.encode(c.SendToolResult("call-2", "no JSON {", failed=True), 0.0) == ()
    (alone,) = ready.encode(c.SendToolResult("call-3", "3"), 0.0)
    assert [response["id"] for response in said(alone)["toolResponse"]["functionResponses"]] == ["f3"]
    (both,) = ready.encode(c.SendToolResult("call-1", "1"), 0.0)
    responses = said(both)["toolResponse"]["functionResponses"]
    assert [response["response"] for response in responses] == [{"output": 1}, {"error": "no JSON {"}]


def test_a_withdrawn_call_is_left_out(ready):
    ask(ready, *({"id": f"f{n}", "name": "roll", "args": {}} for n in (1, 2)))
    assert hear(ready, toolCallCancellation={"ids": ["f1"]}) == [c.ToolWithdrawn("call-1")]
    assert ready.encode(c.SendToolResult("call-1", "1"), 0.0) == ()
    (text,) = ready.encode(c.SendToolResult("call-2", "2"), 0.0)
    assert [response["id"] for response in said(text)["toolResponse"]["functionResponses"]] == ["f2"]


def test_a_withdrawal_may_be_all_that_the_others_were_waiting_for(ready):
    ask(ready, *({"id": f"f{n}", "name": "roll", "args": {}} for n in (1, 2)))
    assert ready.encode(c.SendToolResult("call-2", "2"), 0.0) == ()
    events = hear(ready, toolCallCancellation={"ids": ["f1", "f1", "f9"]})
    assert kinds(events) == ["ToolWithdrawn", "Outgoing"]
    ((message),) = sent(events)
    assert [response["id"] for response in message["toolResponse"]["functionResponses"]] == ["f2"]
    assert ready.encode(c.SendToolResult("call-2", "again"), 0.0) == ()


def test_when_all_are_withdrawn_nothing_is_answered(ready):
    ask(ready, *({"id": "f1", "name": "roll", "args": {}} for _ in range(2)))
    ready.encode(c.SendToolResult("call-1", "1"), 0.0)
    assert kinds(hear(ready, toolCallCancellation={"ids": ["f1"]})) == ["ToolWithdrawn", "ToolWithdrawn"]


def test_an_answer_to_a_call_of_the_session_before_is_nobodys(ready):
    assert ready.encode(c.SendToolResult("call-1", "1"), 0.0) == ()


@pytest.mark.parametrize("args", [None, "text", 7, [], "", "null", '{"max":6}'])
def test_arguments_that_are_no_object_are_for_the_tool_to_refuse(ready, args):
    fields = {"toolCall": {"functionCalls": [{"id": "f1", "name": "roll", "args": args}]}}
    events = ready.receive(json.dumps(fields), 0.0)
    assert events[-1] == c.ToolCalled("call-1", "roll", arguments_in(args))


def test_a_flood_of_calls_is_bounded(ready):
    events = ask(ready, *({"name": "roll", "args": {}} for _ in range(2 * MAX_CALLS)))
    assert len(of_kind(c.ToolCalled, events)) == MAX_CALLS
    assert of_kind(c.Unrecognized, events)[0].garbage


@pytest.mark.parametrize("long", [{"id": "x" * 201, "name": "roll"}, {"id": "f", "name": "x" * 201}])
def test_a_call_with_endless_names_is_none(ready, long):
    events = ask(ready, long, {"id": "f1", "name": "roll", "args": {}})
    assert kinds(events) == ["ReplyStarted", "ReplyDone", "Unrecognized", "ToolCalled"]
