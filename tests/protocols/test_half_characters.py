"""Half a surrogate pair in what a model has written, as where a character was torn between two pieces."""

import json

import pytest

from trio_voice.events import stage as s
from trio_voice.events.model import Unrecognized
from trio_voice.protocols.chat_answers import ChatReader
from trio_voice.protocols.json_messages import arguments_in, as_json, decoded, read, without_halves

HALF = "\\ud83d"
OTHER = "\\uDE00"
WRITTEN = [
    r'<tool_call>{"name": "look_up", "arguments": {"day": "a\ud83d"}}</tool_call>',
    '```json\n{"name": "look_up", "arguments": {"day": "a\\ud83d"}}\n```',
    r"<tool_call>look_up(day='a\ud83d')</tool_call>",
    r'<function=look_up>{"day": "a\ud83d"}</function>',
]
"""A call that a model has written as text."""


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (f"a{HALF}b", "ab"),
        (f"a{OTHER}b", "ab"),
        (f"{HALF}{HALF}{OTHER}", f"{HALF}{OTHER}"),
        (f"{OTHER}{HALF}", ""),
        (f"{HALF}{OTHER}", f"{HALF}{OTHER}"),
        (f"\\{HALF}", f"\\{HALF}"),  # a backslash and some letters
        ("\\n\\u00e9\\", "\\n\\u00e9\\"),
        ("", ""),
    ],
)
def test_halves_are_left_out_and_nothing_else(written, left):
    assert without_halves(written) == left


def test_a_hosted_model_s_message_is_understood_without_its_half_character():
    assert decoded('{"text": "Great! \\ud83d"}') == {"text": "Great! "}
    assert read('{"text": "Great! \\ud83d"}', lambda message: [message["text"]]) == ["Great! "]
    [broken] = read('{"text": "Great! \\ud83d', lambda message: [message])
    assert isinstance(broken, Unrecognized)


def of_chat(delta):
    reader = ChatReader(1, {"look_up"})
    body = "".join(
        f"data: {json.dumps({'choices': [{'index': 0, 'delta': each, 'finish_reason': finish}]})}\n\n"
        for each, finish in ((delta, None), ({}, "stop"))
    )
    return [*reader.receive(body.encode()), *reader.end()]


def test_words_around_half_a_character_are_said():
    events = of_chat({"content": "Great! \ud83d"})
    assert "".join(event.text for event in events if isinstance(event, s.Thought)) == "Great! "


@pytest.mark.parametrize(
    "delta",
    [
        *({"content": text} for text in WRITTEN),
        {"tool_calls": [{"id": "1", "function": {"name": "look_up", "arguments": '{"day": "a\\ud83d"}'}}]},
        {"tool_calls": [{"id": "1", "function": {"name": "look_up", "arguments": {"day": "a\ud83d"}}}]},
    ],
)
def test_a_tool_s_arguments_are_text_that_can_be_written_down(delta):
    [over] = [event for event in of_chat(delta) if isinstance(event, s.ThoughtOver)]
    [call] = over.calls
    assert (call.name, as_json(call.arguments)) == ("look_up", '{"day":"a"}')


def test_arguments_within_arguments_likewise():
    assert arguments_in('{"day": "a\\ud83d"}') == {"day": "a"}
    assert arguments_in('"{\\"day\\": \\"a\\\\ud83d\\"}"') == {"day": "a"}
    assert arguments_in('{"day": "a\n\\ud83d"}') == {"day": "a\n"}
