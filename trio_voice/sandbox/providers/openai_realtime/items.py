"""Items of a conversation of the Realtime protocol, as the wire has them. No I/O."""

import secrets
from typing import Any, Final

import attrs

from trio_voice.sandbox.agent.replies import Line, ToolUse
from trio_voice.sandbox.providers.openai_realtime.config import Refusal

MS_PER_TOKEN_IN: Final = 100
MS_PER_TOKEN_OUT: Final = 50
LETTERS_PER_TOKEN: Final = 4


def new_id(kind: str) -> str:
    """An id such as the service's."""
    return f"{kind}_{secrets.token_hex(8)}"


@attrs.define(eq=False)
class Message:
    """One message of the agent's, while it is made and afterwards."""

    text: str
    """All of its words."""
    audio: bytes
    item_id: str = attrs.field(factory=lambda: new_id("item"))
    said: str = ""
    """The words that were sent."""
    sent_ms: float = 0.0
    left_ms: float | None = None
    """Milliseconds that a truncation has left of it."""
    line: Line | None = None
    """Line of it in the history."""

    def as_item(self, status: str, dialect: str) -> dict[str, Any]:
        """The item of this message."""
        kind = "audio" if dialect == "beta" else "output_audio"
        content = [{"type": kind, "transcript": self.said}] if self.said else []
        return item_of(self.item_id, "message", status, role="assistant", content=content)


def item_of(item_id: str, kind: str, status: str, **fields: Any) -> dict[str, Any]:
    """Any item."""
    return {"id": item_id, "object": "realtime.item", "type": kind, "status": status, **fields}


def call_item(item_id: str, call_id: str, tool: ToolUse, arguments: str, status: str) -> dict[str, Any]:
    """A function call."""
    return item_of(item_id, "function_call", status, call_id=call_id, name=tool.name, arguments=arguments)


def tokens(prompt: str, history: list[Line], heard_ms: float, spoken_ms: float, said: str) -> dict[str, Any]:
    """The usage of a response: all of the conversation is input each time, and its beginning is cached."""
    text_in = (len(prompt) + sum(len(line.text) for line in history)) // LETTERS_PER_TOKEN
    audio_in = round(heard_ms / MS_PER_TOKEN_IN)
    text_out, audio_out = len(said) // LETTERS_PER_TOKEN, round(spoken_ms / MS_PER_TOKEN_OUT)
    cached = text_in // 2
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": cached, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


_CONTENT: Final = {
    ("ga", "user"): "input_text",
    ("ga", "system"): "input_text",
    ("ga", "assistant"): "output_text",
    ("beta", "user"): "input_text",
    ("beta", "system"): "input_text",
    ("beta", "assistant"): "text",
    ("xai", "user"): "input_text",
    ("xai", "assistant"): "output_text",
}
_ROLES: Final = {"user": "caller", "assistant": "agent", "system": "instruction"}


def told_line(item: dict[str, Any], dialect: str) -> Line:
    """The line of a message that the client adds to the conversation.

    Raises:
        Refusal: its content does not fit its role.
    """
    role, content = item.get("role"), item.get("content")
    wanted = _CONTENT.get((dialect, str(role)))
    if wanted is None:
        raise Refusal("invalid_value", f"Invalid role: {role!r}.", "item.role")
    return Line(_ROLES[str(role)], text_of(content, wanted))


def text_of(content: Any, wanted: str) -> str:
    """The one text of an item's content.

    Raises:
        Refusal: it is something else.
    """
    match content:
        case [{"type": kind, "text": str(text), **rest}] if kind == wanted and not rest:
            return text
    raise Refusal("invalid_value", f"Content must be one part of type {wanted!r}.", "item.content")
