"""Conversations and settings as Anthropic's Messages are asked, judged by the SDK, too."""

import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.anthropic_events import MONDAY, TUESDAY, as_the_sdk_knows_it, model
from tests.protocols.chat.completions import TOOL
from trio_voice.events import stage as s
from trio_voice.protocols.anthropic_messages import MessagesSettings
from trio_voice.sandbox.providers.chain import anthropic_messages


def body_of(conversation=(), tools=(), **more):
    body = json.loads(model(**more).request(conversation, tools).body)
    assert anthropic_messages.problem_of(body) == ""
    return body


def turns_of(*conversation):
    """Retelling of a conversation: roles, and what stands in each turn."""
    return [
        (turn["role"], *(block.get("text") or block.get("content") or block["input"] for block in turn["content"]))
        for turn in body_of(conversation)["messages"]
    ]


def test_a_question():
    request = model().request([s.Entry("caller", "Are you open?")], [TOOL])
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert request.headers["x-api-key"] == "k"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert json.loads(request.body) == {
        "model": "claude-haiku-5-5",
        "max_tokens": 4_096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Are you open?"}]}],
        "stream": True,
        "system": "Be brief.",
        "tools": [{"name": "look_up", "description": TOOL.description, "input_schema": TOOL.parameters}],
        "cache_control": {"type": "ephemeral"},
    }


def test_what_config_says_is_asked_for():
    asked = body_of(prompt="", thinking="disabled", effort="low", cache=False, max_tokens=300)
    assert asked.keys() == {"model", "max_tokens", "messages", "stream", "thinking", "output_config"}
    assert (asked["thinking"], asked["output_config"]) == ({"type": "disabled"}, {"effort": "low"})


def test_a_conversation_begins_and_ends_with_the_caller():
    assert turns_of(s.Entry("agent", "Hello."), s.Entry("caller", "Hi."), s.Entry("agent", "Yes?")) == [
        ("user", "(The telephone call begins.)"),
        ("assistant", "Hello."),
        ("user", "Hi."),
        ("assistant", "Yes?"),
        ("user", "(Go on.)"),
    ]
    assert turns_of() == [("user", "(The telephone call begins.)")]


def test_a_round_of_tools_in_the_history():
    results = (s.ToolCallResult("toolu_1", '"open"'), s.ToolCallResult("toolu_2", '{"error":"?"}', failed=True))
    body = body_of(
        [
            s.Entry("caller", "And Monday?"),
            s.Entry("agent", "Let me see.", (MONDAY, TUESDAY)),
            s.Entry("results", results=results),
            s.Entry("caller", "Hello?"),
            s.Entry("instruction", "Apologise."),
        ]
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"][1] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "look_up",
        "input": {"day": "Monday"},
    }
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": '"open"'},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": '{"error":"?"}', "is_error": True},
        {"type": "text", "text": "Hello?"},
        {"type": "text", "text": "(Apologise.)"},
    ]


def test_what_says_nothing_is_not_told():
    assert turns_of(s.Entry("caller", " "), s.Entry("agent", "\n"), s.Entry("caller", "Hi.")) == [
        ("user", "Hi."),
    ]


ENTRY = st.one_of(
    st.builds(s.Entry, st.sampled_from(["caller", "agent", "instruction"]), st.sampled_from(["", " ", "Hi.", "(so)"])),
    st.just((s.Entry("agent", "", (MONDAY, TUESDAY)), [MONDAY, TUESDAY])),
)


@given(st.lists(ENTRY, max_size=8))
def test_no_conversation_is_one_that_the_server_would_refuse(entries):
    conversation = []
    for number, entry in enumerate(entries):
        if isinstance(entry, s.Entry):
            conversation.append(entry)
            continue
        made = tuple(s.ToolCall(f"{call.call_id}_{number}", call.name, call.arguments) for call in entry[1])
        conversation += [
            s.Entry("agent", "", made),
            s.Entry("results", results=tuple(s.ToolCallResult(call.call_id, '""') for call in made)),
        ]
    body_of(conversation)


def test_the_last_question_of_a_turn_may_not_be_answered_by_a_tool():
    body = json.loads(model().request([s.Entry("caller", "Hi.")], [TOOL], with_tools=False).body)
    assert body["tool_choice"] == {"type": "none"}
    assert body["tools"]


def test_another_server_gets_no_key_that_it_was_not_promised():
    assert MessagesSettings(kind="anthropic", model="m", url="http://127.0.0.1:8080").key_name == ""
    elsewhere = model(url="http://127.0.0.1:8080/").refusal(3, 401, b"<html>")
    assert "credential of the stage" in elsewhere.message


def test_the_sdk_agrees_with_what_we_ask():
    types = pytest.importorskip("anthropic.types")
    results = (s.ToolCallResult("toolu_1", '"open"'), s.ToolCallResult("toolu_2", "{}", failed=True))
    conversation = [
        s.Entry("agent", "Hello."),
        s.Entry("caller", "Hi."),
        s.Entry("agent", "So.", (MONDAY, TUESDAY)),
        s.Entry("results", results=results),
    ]
    asked = body_of(conversation, [TOOL], thinking="between_tools", effort="low")
    whole = types.message_create_params.MessageCreateParamsStreaming
    assert as_the_sdk_knows_it(whole, asked).keys() == asked.keys()
    # The SDK's lists are validated one by one: pydantic reads an Iterable only when it is iterated.
    for turn in asked["messages"]:
        assert as_the_sdk_knows_it(types.MessageParam, turn).keys() == turn.keys()
        for block in turn["content"]:
            assert as_the_sdk_knows_it(types.ContentBlockParam, block) == block
    for tool in asked["tools"]:
        assert as_the_sdk_knows_it(types.ToolParam, tool) == tool
    assert "temperature" not in as_the_sdk_knows_it(whole, asked | {"temperature": 1.0})
    with pytest.raises(pydantic.ValidationError):
        as_the_sdk_knows_it(whole, asked | {"thinking": {"type": "never"}})


def test_an_id_that_another_model_has_given_is_written_as_it_is_taken_here():
    call, result = s.ToolCall("functions.look_up:0", "look_up", {}), s.ToolCallResult("functions.look_up:0", "{}")
    conversation = (s.Entry("caller", "When?"), s.Entry("agent", "", (call,)), s.Entry("results", "", (), (result,)))
    _, asked, told = body_of(conversation)["messages"]
    assert asked["content"][0]["id"] == told["content"][0]["tool_use_id"] == "functions_look_up_0"
