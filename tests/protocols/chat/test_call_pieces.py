"""Calls of tools, as many servers write them in the pieces of an answer."""

import json

import pytest

from tests.protocols.chat.completions import DONE, body_of, calls, chunk, piece, read
from trio_voice.events import stage as s
from trio_voice.protocols.chat.call_pieces import MAX_CALLS
from trio_voice.protocols.chat_answers import ChatReader


def test_tool_calls_are_joined_by_their_index():
    assert calls(
        piece(0, "a", "look_up", ""),
        piece(1, "b", "look_up", ""),
        piece(0, arguments='{"day":'),
        piece(1, arguments='{"day":"Tuesday"}'),
        piece(0, arguments='"Monday"}'),
    ) == (s.ToolCall("a", "look_up", {"day": "Monday"}), s.ToolCall("b", "look_up", {"day": "Tuesday"}))


def test_tool_calls_without_an_index_go_by_their_id_or_go_on():
    assert calls(
        piece(None, "a", "look_up", '{"day":'),
        piece(None, None, None, '"Monday"}'),
        piece(None, "b", "look_up", "{}"),
        piece(None, "a", None, " "),
    ) == (s.ToolCall("a", "look_up", {"day": "Monday"}), s.ToolCall("b", "look_up", {}))


def test_a_new_id_at_a_used_index_begins_a_call():
    assert calls(piece(0, "a", "look_up", '{"n":3}'), piece(0, "b", "look_up", '{"n":4}')) == (
        s.ToolCall("a", "look_up", {"n": 3}),
        s.ToolCall("b", "look_up", {"n": 4}),
    )
    assert calls(piece(0, "a", "x", '{"n":'), piece(0, "a", None, "3}"), piece(0, "b", "y", "{}"), piece(0, "b")) == (
        s.ToolCall("a", "x", {"n": 3}),
        s.ToolCall("b", "y", {}),
    )
    assert len(calls(piece(0, None, "x", '{"n":3}'), piece(0, None, "x", '{"n":4}'))) == 2  # nor any ids


@pytest.mark.parametrize("call_id", ["a", None, "another each time"])
def test_whatever_is_repeated_in_each_piece_of_a_call_it_is_one(call_id):
    ids = ["a", "b", "c"] if call_id == "another each time" else [call_id] * 3
    names = [None] * 3 if call_id == "another each time" else ["look_up"] * 3
    pieces = [piece(0, i, n, text) for i, n, text in zip(ids, names, ['{"day"', ':"Mon', 'day"}'], strict=True)]
    (call,) = calls(piece(0, "a", "look_up", ""), *pieces)
    assert call.arguments == {"day": "Monday"}


@pytest.mark.parametrize(
    ("pieces", "made"),
    [
        ([piece(0, "a", "look_"), piece(0, "a", "up"), piece(0, "a", None, '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "functions.look_up", '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up<|channel|>json", '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", " look_up ", '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '{"n":3}')] * 2, [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", "{}"), piece(0, "a", None, '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '{"n":'), piece(0, "a", None, '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '```json\n{"n":3}\n```')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '{"n":3}<|call|>')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", "{'n': True,}")], [("look_up", {"n": True})]),
        ([piece(0, "a", "look_up", '{"n":3}{"n":4}')], [("look_up", {"n": 3}), ("look_up", {"n": 4})]),
        (
            [piece(0, "a", "look_up", '{"n":3}'), piece(0, "a", "end_call", "{}")],
            [("look_up", {"n": 3}), ("end_call", {})],
        ),
    ],
)
def test_a_call_is_what_a_server_means_by_it(pieces, made):
    stream = [*pieces, chunk({}, finish="tool_calls"), DONE]
    reader = ChatReader(1, {"look_up", "end_call"})
    (over,) = list(reader.receive(b"".join(stream)))
    assert [(call.name, call.arguments) for call in over.calls] == made
    assert len({call.call_id for call in over.calls}) == len(made)
    assert not any(call.broken for call in over.calls)


def test_what_a_provider_wants_to_see_again_of_a_call_is_sent_again():
    extra = {"google": {"thought_signature": "x"}}
    delta = {"tool_calls": [{"index": 0, "id": "a", "extra_content": extra, "function": {"name": "look_up"}}]}
    (call,) = calls(chunk(delta))
    assert body_of([s.Entry("agent", "", (call,))])["messages"][2]["tool_calls"][0]["extra_content"] == extra


@pytest.mark.parametrize("written", ["null", "", "[]", '"null"', '"{}"', "None", " {} ", '""', "undefined"])
def test_arguments_that_mean_nothing_are_none(written):
    assert calls(piece(0, "a", "look_up", written)) == (s.ToolCall("a", "look_up", {}),)


def test_arguments_may_be_json_in_json():
    (call,) = calls(piece(0, "a", "look_up", json.dumps('{"day":"Monday"}')))
    assert call.arguments == {"day": "Monday"}


def test_a_call_may_come_whole_too():
    call = {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": '{"day":"Monday"}'}}
    whole = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    assert read(json.dumps(whole).encode()) == [s.ThoughtOver(3, (s.ToolCall("a", "look_up", {"day": "Monday"}),))]


def test_a_call_that_is_written_as_text_is_run():
    events = read(chunk({"content": '<tool_call>{"name": "look_up", "argu'}), chunk({"content": 'ments": {}}'}), DONE)
    assert events == [s.ThoughtOver(3, (s.ToolCall("call00300", "look_up", {}),))]


def test_half_a_call_is_not_run_where_nothing_says_that_it_is_all():
    (over,) = read(piece(0, "a", "look_up", '{"day":"Monday"}'), piece(1, "b", "look_up", ""))
    assert [bool(call.broken) for call in over.calls] == [False, True]
    (failed,) = read(piece(0, "a", "look_up", '{"day"'))
    assert failed.retryable


def test_ids_are_made_where_there_are_none_or_the_same():
    assert [call.call_id for call in calls(piece(0, "", "x"), piece(1, "a", "y"), piece(2, "a", "z"))] == [
        "call00300",
        "a",
        "call00302",
    ]


def test_calls_count_whatever_the_finish_reason_says():
    (over,) = read(piece(0, "a", "look_up", "{}"), chunk({}, finish="stop"), DONE)
    assert (len(over.calls), over.cut_short) == (1, "")


@pytest.mark.parametrize("arguments", ['{"day":', '["day"]', "7", '{"day":"' + "x" * 40_000 + '"}'])
def test_arguments_that_are_no_object_make_a_broken_call(arguments):
    (call,) = calls(piece(0, "a", "look_up", arguments))
    assert call.arguments == {}
    assert call.broken


def test_arguments_may_come_as_an_object():
    delta = {"tool_calls": [{"id": "a", "function": {"name": "look_up", "arguments": {"day": "Monday"}}}]}
    (call,) = calls(chunk(delta))
    assert call.arguments == {"day": "Monday"}


def test_a_flood_of_calls_is_bounded():
    assert len(calls(*(piece(number, str(number), "x", "{}") for number in range(1_000)))) == MAX_CALLS


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ({"index": 0, "id": "a", "function": {"name": "look_up", "arguments": '{"day":"Monday"}'}}, {"day": "Monday"}),
        ([{"index": 0, "id": "a", "name": "look_up", "arguments": '{"day":"Monday"}'}], {"day": "Monday"}),
        (
            [{"index": 0, "id": "a", "function": {"name": "look_up", "arguments": '[{"day":"Monday"}]'}}],
            {"day": "Monday"},
        ),
        (
            [{"index": 0, "id": "a", "function": {"name": "look_up", "arguments": '{"day":"Mon\nday"}'}}],
            {"day": "Mon\nday"},
        ),
    ],
    ids=["no list", "flat", "arguments in a list", "a line break inside"],
)
def test_a_call_may_be_written_loosely(pieces, arguments):
    assert [(call.name, call.arguments) for call in calls(chunk({"tool_calls": pieces}))] == [("look_up", arguments)]


def test_a_name_may_come_behind_its_arguments():
    first = {"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": '{"day":"Monday"}'}}]}
    second = {"tool_calls": [{"index": 0, "function": {"name": "look_up"}}]}
    (made,) = calls(chunk(first), chunk(second))
    assert (made.name, made.arguments) == ("look_up", {"day": "Monday"})


def test_a_call_that_is_told_again_under_its_id_is_one_and_under_another_two():
    order = '{"pizza":"margherita"}'
    one = (s.ToolCall("a", "order", {"pizza": "margherita"}),)
    assert calls(piece(0, "a", "order", order), piece(1, "a", "order", order)) == one
    assert len(calls(piece(0, "a", "order", order), piece(1, "b", "order", order))) == 2
    assert len(calls(piece(0, None, "order", order), piece(1, None, "order", order))) == 2
    assert len(calls(piece(0, "a", "order", order), piece(1, "a", "order", '{"pizza":"funghi"}'))) == 2
