"""Anthropic's Messages: what we ask, and what we make of the events of an answer."""

import itertools
import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.anthropic_events import MONDAY, TUESDAY, as_the_sdk_knows_it, begins, event, model, tool
from tests.protocols.chat.completions import TOOL
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.protocols.chat.call_pieces import MAX_ARGUMENTS, MAX_CALLS
from trio_voice.protocols.streamed_answers import MAX_LETTERS
from trio_voice.sandbox.agent.replies import Reply, ToolUse
from trio_voice.sandbox.providers.chain import ChainManner, anthropic_messages


def text(words, index=0):
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": words})


def stops(reason, **usage):
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


STOP = event("message_stop")


def read(*pieces, end=True):
    reader = model().reader(3, [TOOL])
    return [event for piece in pieces for event in reader.receive(piece)] + (list(reader.end()) if end else [])


def calls(*pieces, reason="tool_use"):
    (over,) = [event for event in read(*pieces, stops(reason), STOP) if isinstance(event, s.ThoughtOver)]
    return over.calls


def test_an_answer():
    usage = {"input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 60, "output_tokens": 1}
    assert read(
        event("message_start", message={"usage": usage}),
        event("ping"),
        begins(0, type="thinking", thinking="", signature=""),
        event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."}),
        event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x"}),
        begins(1, type="text", text=""),
        text("Yes, ", 1),
        text("certainly.", 1),
        event("content_block_stop", index=1),
        stops("end_turn", output_tokens=7),
        STOP,
    ) == [
        c.Usage({"text_in_tokens": 40, "cached_text_in_tokens": 60, "text_out_tokens": 1}),
        s.Thought(3, "Yes, "),
        s.Thought(3, "certainly."),
        c.Usage({"text_out_tokens": 6}),
        s.ThoughtOver(3),
    ]


def test_an_answer_that_is_broken_off_has_told_what_its_question_costs():
    (usage,) = read(event("message_start", message={"usage": {"input_tokens": 30, "output_tokens": 1}}), end=False)
    assert usage.meters["text_in_tokens"] == 30


def test_the_pieces_of_a_tool_s_input_are_joined():
    assert calls(
        *tool(0, "toolu_1", "", '{"da', 'y":"Mon', 'day"}'),
        *tool(1, "toolu_2", '{"day":"Tuesday"}'),
        *tool(2, "toolu_3", ""),
    ) == (MONDAY, TUESDAY, s.ToolCall("toolu_3", "look_up", {}))


def test_an_input_may_come_whole():
    assert calls(begins(0, type="tool_use", id="toolu_1", name="look_up", input={"day": "Monday"})) == (MONDAY,)


def test_an_answer_may_come_whole_though_a_stream_was_asked_for():
    block = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"day": "Monday"}}
    whole = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Let me see."}, block],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 30, "output_tokens": 7},
    }
    assert read(json.dumps(whole, indent=1).encode()) == [
        c.Usage({"text_in_tokens": 30, "text_out_tokens": 7}),
        s.Thought(3, "Let me see."),
        s.ThoughtOver(3, (MONDAY,)),
    ]


def test_a_question_that_is_too_long_is_to_be_shortened():
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8"}}'
    assert model().refusal(3, 400, body).remedy == "shorten"


def test_what_is_said_before_a_tool_is_spoken_at_once():
    said, over = read(text("Let me see."), *tool(1, "toolu_1", '{"day":"Monday"}'), stops("tool_use"), STOP)
    assert said == s.Thought(3, "Let me see.")
    assert over == s.ThoughtOver(3, (MONDAY,))


@pytest.mark.parametrize("written", ['{"day":', '["day"]', "7", '{"day":"' + "x" * MAX_ARGUMENTS + '"}'])
def test_an_input_that_is_no_object_makes_a_broken_call(written):
    (call,) = calls(*tool(0, "toolu_1", written), reason="max_tokens")
    assert call.arguments == {}
    assert call.broken


def test_a_flood_of_calls_is_bounded():
    assert len(calls(*itertools.chain(*(tool(number, f"toolu_{number}") for number in range(1_000))))) == MAX_CALLS


def test_an_endless_answer_is_cut_short():
    events = read(*(text("x" * 1_000) for _ in range(100)))
    assert events[-1] == s.ThoughtOver(3, (), "too_long")
    assert sum(len(event.text) for event in events[:-1]) <= MAX_LETTERS + 1_000


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded", "new_one"])
def test_why_it_stopped_is_told(reason):
    assert read(stops(reason), STOP) == [s.ThoughtOver(3, (), reason)]


def test_without_its_last_event_the_end_of_the_body_is_the_end():
    assert read(text("Yes."), stops("end_turn"))[-1] == s.ThoughtOver(3)
    assert read(text("Yes.")) == [s.Thought(3, "Yes."), s.ThoughtOver(3)]
    (failed,) = read(event("ping"))
    assert isinstance(failed, s.ThoughtFailed)
    assert failed.retryable


@pytest.mark.parametrize(
    ("kind", "words", "retryable"),
    [
        ("overloaded_error", "failed: too much", True),
        ("authentication_error", "check ANTHROPIC_API_KEY", False),
        ("billing_error", "ANTHROPIC_API_KEY", False),
        ("something_new", "too much", False),
    ],
)
def test_an_error_in_the_stream_ends_it(kind, words, retryable):
    error = event("error", error={"type": kind, "message": "too much"})
    (failed,) = read(error, text("x"), STOP)
    assert words in failed.message
    assert failed.retryable is retryable


def test_no_funds_are_told_as_such_though_they_come_as_an_invalid_request():
    said = "Your credit balance is too low to access the Anthropic API."
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    assert "no funds" in model().refusal(3, 400, json.dumps(error).encode()).message


@pytest.mark.parametrize(
    ("status", "kind", "words", "retryable"),
    [
        (401, "authentication_error", "ANTHROPIC_API_KEY", False),
        (402, "billing_error", "no funds", False),
        (403, "permission_error", "ANTHROPIC_API_KEY", False),
        (404, "not_found_error", "'claude-haiku-5-5'", False),
        (400, "invalid_request_error", "thinking, effort", False),
        (413, "request_too_large", "HTTP 413", False),
        (429, "rate_limit_error", "too often", True),
        (500, "api_error", "HTTP 500", True),
        (529, "overloaded_error", "overloaded", True),
    ],
)
def test_refusals_say_what_to_do(status, kind, words, retryable):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "No."}}).encode()
    refused = model().refusal(3, status, body)
    assert words in refused.message
    assert refused.message.endswith(": No.")
    assert refused.retryable is retryable


def streamed(reply, **more):
    manner, asked = ChainManner(), {"model": "m", "messages": []} | more
    return "".join(anthropic_messages.stream(reply, asked, manner)).encode()


REPLY = Reply("Grüß Gott, 世界.", ToolUse("look_up", {"day": "Grüner Montag"}), (ToolUse("look_up"),))


def test_what_the_sandbox_says_is_understood():
    events = read(streamed(REPLY))
    assert "".join(event.text for event in events if isinstance(event, s.Thought)) == REPLY.text
    assert [call.arguments for call in events[-1].calls] == [{"day": "Grüner Montag"}, {}]


@given(st.lists(st.integers(0, 3_000), max_size=10))
def test_the_answer_is_the_same_wherever_its_pieces_end(cuts):
    whole = streamed(REPLY)
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    assert read(*(whole[start:end] for start, end in itertools.pairwise(edges))) == read(whole)


def test_the_sdk_agrees_with_what_the_sandbox_says():
    types = pytest.importorskip("anthropic.types")
    sent = [json.loads(part.partition("data: ")[2]) for part in streamed(REPLY).decode().split("\n\n") if part]
    for each in sent:
        if each["type"] != "ping":  # the SDK drops it
            as_the_sdk_knows_it(types.RawMessageStreamEvent, each)
    with pytest.raises(pydantic.ValidationError):
        as_the_sdk_knows_it(types.RawMessageStreamEvent, sent[0] | {"message": {}})
    for status in (400, 401, 404, 500, 529):
        types.ErrorResponse.model_validate(anthropic_messages.error(status, "No."))


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["content_block_start", "content_block_delta", "message_delta", "message_start", "message_stop"])
    | st.sampled_from(["error", "text", "tool_use", "text_delta", "input_json_delta", "[DONE]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "index", "delta", "content_block", "text", "partial_json", "id", "name", "input"),
                    *("message", "usage", "input_tokens", "output_tokens", "stop_reason", "error"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=14,
)


@given(st.lists(st.binary(max_size=40) | ANY, max_size=10))
def test_nothing_that_comes_raises(events):
    read(*(m if isinstance(m, bytes) else b"data: " + json.dumps(m).encode() + b"\n\n" for m in events))
