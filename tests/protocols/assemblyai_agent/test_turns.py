"""AssemblyAI's Voice Agent protocol: turns, replies and tools."""

import json

import pytest

from tests.protocols.assemblyai_agent.agent import hear
from trio_voice.events import model as c


def test_a_whole_turn(ready):
    turn = [
        ({"type": "input.speech.started"}, [c.CallerSpeechStarted()]),
        (
            {"type": "transcript.user.delta", "item_id": "i", "text": "Are"},
            [c.CallerTranscript("i", "Are", final=False)],
        ),
        ({"type": "input.speech.stopped"}, [c.CallerSpeechStopped()]),
        (
            {"type": "transcript.user", "item_id": "i", "text": "Are you?"},
            [c.CallerTranscript("i", "Are you?", final=True)],
        ),
        ({"type": "reply.started", "reply_id": "r", "item_id": "m"}, [c.ReplyStarted("r")]),
        ({"type": "reply.audio", "reply_id": "r", "data": "AAAA"}, [c.ReplyAudio("r", "AAAA")]),
        (
            {"type": "transcript.agent.delta", "reply_id": "r", "delta": "Yes", "start_ms": 40, "end_ms": 300},
            [c.ReplyWords("r", "Yes", 40.0)],
        ),
        (
            {"type": "transcript.agent", "reply_id": "r", "text": "Yes", "interrupted": False},
            [c.ReplyTranscript("r", "Yes", interrupted=False)],
        ),
        ({"type": "reply.done", "reply_id": "r", "status": "completed"}, [c.ReplyDone("r", interrupted=False)]),
    ]
    for event, meaning in turn:
        assert hear(ready, **event) == meaning


@pytest.mark.parametrize(
    ("done", "interrupted"),
    [
        ({"status": "interrupted"}, True),
        ({"status": "completed"}, False),
        ({}, False),
        ({"status": "cancelled"}, False),
    ],
)
def test_the_status_of_a_done_reply_is_an_open_set(ready, done, interrupted):
    assert hear(ready, type="reply.done", reply_id="r", **done) == [c.ReplyDone("r", interrupted)]


def test_events_without_a_reply_id_belong_to_the_reply_that_was_started(ready):
    hear(ready, type="reply.started", reply_id="r7")
    assert hear(ready, type="reply.audio", data="AAAA") == [c.ReplyAudio("r7", "AAAA")]


@pytest.mark.parametrize("field", [{"arguments": {"max": 6}}, {"args": {"max": 6}}, {"arguments": '{"max":6}'}])
def test_a_tool_call_old_or_new(ready, field):
    assert hear(ready, type="tool.call", call_id="t1", name="roll", **field) == [c.ToolCalled("t1", "roll", {"max": 6})]


def test_a_tools_answer(ready):
    assert json.loads(*ready.encode(c.SendToolResult("t1", '{"n":4}'), 0.0)) == {
        "type": "tool.result",
        "call_id": "t1",
        "result": '{"n":4}',
    }
    assert json.loads(*ready.encode(c.SendToolResult("t1", "{}", failed=True), 0.0))["is_error"] is True


@pytest.mark.parametrize("nothing", [{}, {"arguments": None}, {"arguments": "null"}, {"arguments": []}, {"args": ""}])
def test_arguments_that_mean_nothing_are_none(ready, nothing):
    assert hear(ready, type="tool.call", call_id="t1", name="roll", **nothing) == [c.ToolCalled("t1", "roll", {})]


@pytest.mark.parametrize("broken", ["{", "[" * 100_000])
def test_broken_arguments_are_for_the_tool_to_refuse(ready, broken):
    assert hear(ready, type="tool.call", call_id="t1", name="roll", arguments=broken) == [
        c.ToolCalled("t1", "roll", broken)
    ]
