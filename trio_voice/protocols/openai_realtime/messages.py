"""Messages that we send, and messages of theirs that need nothing done about them.

Every frame is JSON text; audio is base64 inside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from trio_voice.protocols.json_messages import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio_voice.events.model import Said
    from trio_voice.protocols.openai_realtime.requests import Ask

SILENT: Final = frozenset(
    {
        "conversation.item.done",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_audio.done",
        "response.audio.done",
        "response.output_text.delta",
        "response.text.delta",
        "response.function_call_arguments.delta",
        "ping",
    }
)
"""Events that are known, and that nothing needs to be done about."""


def update(session: Mapping[str, Any]) -> str:
    """The session's settings."""
    return as_json({"type": "session.update", "session": session})


def line(said: Said) -> str:
    """A line of a conversation that was had before."""
    role, content = ("user", "input_text") if said.role == "caller" else ("assistant", "output_text")
    item = {"type": "message", "role": role, "content": [{"type": content, "text": said.text}]}
    return as_json({"type": "conversation.item.create", "item": item})


AUDIO: Final = ('{"type":"input_audio_buffer.append","audio":"', '"}')
"""Text before and behind the caller's sound, which is base64."""


def asking(ask: Ask) -> str:
    """Have a response made."""
    if ask.exact is None:
        response = {} if ask.instructions is None else {"response": {"instructions": ask.instructions}}
        return as_json({"type": "response.create", "event_id": ask.event_id, **response})
    content = [{"type": "output_text", "text": ask.exact}]
    item = {"type": "force_message", "role": "assistant", "content": content}
    return as_json({"type": "conversation.item.create", "event_id": ask.event_id, "item": item})


def truncation(event_id: str, item_id: str, end_ms: int) -> str:
    """Have the model forget what was not heard of an item.

    Args:
        event_id: so that a refusal is not taken for one of what we asked for.
        item_id: the server's.
        end_ms: how much was heard, which must not be more than was received.
    """
    end = {"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
    return as_json({"type": "conversation.item.truncate", "event_id": event_id, **end})


def cancellation(response_id: str, event_id: str) -> str:
    """Have a response that is being made broken off."""
    return as_json({"type": "response.cancel", "event_id": event_id, "response_id": response_id})


def result(wire_id: str, output: str) -> str:
    """The result of a function call."""
    item = {"type": "function_call_output", "call_id": wire_id, "output": output}
    return as_json({"type": "conversation.item.create", "item": item})


class _Sound(msgspec.Struct):
    """A piece of a response's sound: sent fifty times a second, and read without what is not asked of it."""

    type: Literal["response.output_audio.delta", "response.audio.delta"]
    response_id: str
    delta: str
    item_id: str = ""


decode_sound: Final = msgspec.json.Decoder(_Sound).decode
"""Read such a message; raises ``UNDECODABLE`` for any other."""
