"""A question to a chat server, and the pieces of its answer."""

import json

from trio_voice.events import stage as s
from trio_voice.persona import Persona, ToolSchema
from trio_voice.protocols.chat_answers import ChatReader
from trio_voice.protocols.chat_completions import ChatCompletions, ChatSettings

TOOL = ToolSchema(
    name="look_up",
    description="Look something up.",
    parameters={"type": "object", "properties": {"day": {"type": "string"}}},
)


def model(**more):
    return ChatCompletions(
        ChatSettings(kind="openai-chat", model="gpt-4o", **more), Persona(name="p", model="m", prompt="Be brief."), "k"
    )


def body_of(conversation=(), tools=(), **more):
    return json.loads(model(**more).request(conversation, tools).body)


def chunk(delta=None, *, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return ("data: " + json.dumps(base | more, ensure_ascii=False) + "\n\n").encode()


def piece(index=None, call_id=None, name=None, arguments=None):
    function = {key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None}
    whole = {"index": index, "id": call_id, "function": function}
    return chunk({"tool_calls": [{key: value for key, value in whole.items() if value is not None}]})


DONE = b"data: [DONE]\n\n"


def read(*pieces, end=True):
    reader = ChatReader(3, {"look_up"})
    return [event for piece in pieces for event in reader.receive(piece)] + (list(reader.end()) if end else [])


def calls(*pieces):
    (over,) = [event for event in read(*pieces, DONE) if isinstance(event, s.ThoughtOver)]
    return over.calls
