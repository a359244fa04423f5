"""OpenAI's Realtime protocol: tools that a response asks for, and their results."""

import json

import pytest

from tests.protocols.openai_realtime.talk import CREATE, output
from trio_voice.events import model as c
from trio_voice.protocols.openai_realtime.responses import MAX_ARGUMENTS


def test_a_tool_is_run_when_its_response_is_whole_and_answered_with_one_response(talk):
    talk.begin()
    assert talk.call(arguments='{"max":6}') == []
    assert talk.done() == [c.ToolCalled("c1", "roll", {"max": 6}), c.ReplyDone("r1", interrupted=False)]
    talk.do(c.SendToolResult("c1", '{"n":4}'))
    assert talk.take() == [output("c1", '{"n":4}'), CREATE]


def test_all_calls_of_a_response_are_answered_before_it_is_followed_up(talk):
    talk.begin()
    talk.call("c1")
    talk.call("c2")
    assert len(talk.done()) == 3
    talk.do(c.SendToolResult("c2", "2"))
    assert talk.take() == [output("c2", "2")]
    talk.do(c.SendToolResult("c1", "1"))
    assert talk.take() == [output("c1", "1"), CREATE]


def test_a_result_that_comes_during_another_response_is_followed_up_after_it(talk):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.begin("r2")  # the caller has gone on
    talk.do(c.SendToolResult("c1", "1"))
    assert talk.take() == [output("c1", "1")]
    talk.done("r2")
    assert talk.take() == [CREATE]


def echo(talk, call_id):
    kind = "conversation.item.added"
    talk.hear(kind, item={"type": "function_call_output", "call_id": call_id, "output": "1"})


@pytest.mark.parametrize("seen", [True, False])
def test_a_response_of_the_servers_own_that_has_seen_the_result_is_the_follow_up(talk, seen):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.hear("input_audio_buffer.speech_started")
    talk.do(c.SendToolResult("c1", "1"))
    assert talk.take() == [output("c1", "1")]  # not into the caller's words
    talk.hear("input_audio_buffer.speech_stopped")
    if seen:
        echo(talk, "c1")
    talk.begin("r2")
    if not seen:
        echo(talk, "c1")
    talk.done("r2")
    assert talk.take() == ([] if seen else [CREATE])


@pytest.mark.parametrize("seen", [True, False])
def test_a_follow_up_that_was_refused_comes_later_unless_it_is_not_needed_any_more(talk, seen):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.do(c.SendToolResult("c1", "1"))
    event_id = talk.sent[-1]["event_id"]
    if seen:
        echo(talk, "c1")
    talk.begin("r2")
    talk.audio(100, "r2")
    talk.refuse(event_id=event_id)
    talk.done("r2")
    talk.take()
    talk.now = 10
    talk.tick()
    assert talk.take() == ([] if seen else [CREATE])


def test_a_server_that_echoes_nothing_is_not_asked_for_ever(talk):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.do(c.SendToolResult("c1", "1"))
    talk.begin("r2")
    talk.audio(100, "r2")
    talk.done("r2")
    talk.now = 100
    talk.tick()
    assert talk.take() == [output("c1", "1"), CREATE]


@pytest.mark.parametrize("status", ["incomplete", "in_progress"])
def test_a_call_that_was_cut_off_is_not_run(talk, status):
    talk.begin()
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.call(arguments='{"max":', status=status)
    assert talk.done(status="cancelled") == [c.ReplyDone("r1", interrupted=True)]
    assert talk.take() == []


def test_a_whole_call_of_a_response_that_was_cut_off_is_not_run_and_the_model_knows(talk):
    talk.begin()
    talk.call()
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    assert talk.done(status="cancelled") == [c.ReplyDone("r1", interrupted=True)]
    (message,) = talk.take()
    assert "interrupted" in message["item"]["output"]


@pytest.mark.parametrize(
    "arguments", ["{", "7", 5, "[" * 100_000, ["{}"], "nothing at all", json.dumps({"x": "y" * MAX_ARGUMENTS})]
)
def test_broken_arguments_are_answered_and_not_run(talk, arguments):
    talk.begin()
    talk.call(arguments=arguments)
    assert talk.done() == [c.ReplyDone("r1", interrupted=False)]
    (answer, follow_up) = talk.take()
    assert "no JSON object" in answer["item"]["output"]
    assert follow_up == CREATE


@pytest.mark.parametrize("arguments", ["null", "", [], {}, None])
def test_arguments_that_mean_nothing_are_none(talk, arguments):
    talk.begin()
    talk.call(arguments=arguments)
    assert talk.done()[0] == c.ToolCalled("c1", "roll", {})


def test_arguments_that_are_an_object_and_no_text_of_one(talk):
    talk.begin()
    talk.call(arguments={"max": 6})
    assert talk.done()[0] == c.ToolCalled("c1", "roll", {"max": 6})


def test_broken_arguments_beside_good_ones(talk):
    talk.begin()
    talk.call("c1", arguments="{")
    talk.call("c2")
    assert talk.done()[0] == c.ToolCalled("c2", "roll", {})
    assert [message["item"]["call_id"] for message in talk.take()] == ["c1"]
    talk.do(c.SendToolResult("c2", "2"))
    assert talk.take() == [output("c2", "2"), CREATE]


def test_calls_that_stand_only_in_the_responses_output(talk):
    talk.begin()
    item = {"type": "function_call", "call_id": "c1", "name": "roll", "arguments": "{}"}
    assert talk.done(output=[item, "x", {"type": "message"}])[0] == c.ToolCalled("c1", "roll", {})


def test_an_id_that_comes_again_is_another_request(talk):
    for response_id, call_id in (("r1", "c1"), ("r2", "c1 1")):
        talk.begin(response_id)
        talk.call("c1", response_id=response_id)
        assert talk.done(response_id)[0] == c.ToolCalled(call_id, "roll", {})
    talk.do(c.SendToolResult("c1 1", "2"))
    assert talk.take() == [output("c1", "2"), CREATE]


def test_an_answer_that_nobody_asked_for_is_not_sent(talk):
    talk.do(c.SendToolResult("c9", "1"))
    assert talk.take() == []
