"""Events of Anthropic's Messages, and what is read of them."""

import json

import pydantic

from trio_voice.events import stage as s
from trio_voice.persona import Persona
from trio_voice.protocols.anthropic_messages import AnthropicMessages, MessagesSettings

MONDAY = s.ToolCall("toolu_1", "look_up", {"day": "Monday"})
TUESDAY = s.ToolCall("toolu_2", "look_up", {"day": "Tuesday"})


def model(prompt="Be brief.", **more):
    settings = MessagesSettings(kind="anthropic", model="claude-haiku-5-5", **more)
    return AnthropicMessages(settings, Persona(name="p", model="m", prompt=prompt), "k")


def event(kind, **more):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more}, ensure_ascii=False)}\n\n".encode()


def begins(index=0, **block):
    return event("content_block_start", index=index, content_block=block)


def tool(index, call_id="toolu_1", *pieces, name="look_up"):
    delta = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return [
        begins(index, type="tool_use", id=call_id, name=name, input={}),
        *(event("content_block_delta", index=index, delta=each) for each in delta),
        event("content_block_stop", index=index),
    ]


def as_the_sdk_knows_it(kind, value):
    """The SDK's reading of a value: what it does not know is left out of it."""
    return pydantic.TypeAdapter(kind).validate_python(value)
