"""OpenAI's chat completions as server-sent events (its "streaming" reference): what a chain thinks by."""

from __future__ import annotations

import itertools
import json
from typing import Any


class ChatCompletions:
    """The words of one connection's answers."""

    url = "http://{netloc}/v1"

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    @staticmethod
    def tools_in(body: bytes) -> list[str]:
        """Names of the tools that a request offers."""
        return [tool["function"]["name"] for tool in json.loads(body).get("tools", [])]

    def text(self, words: str) -> bytes:
        """A piece of what is said."""
        return self._chunk({"content": words}) if words else b": wait for it\n\n"

    def tool_call(self, name: str) -> bytes:
        """A tool that is to be run, in two pieces."""
        call = {"index": 0, "id": f"call_{next(self._numbers)}", "type": "function"}
        rest = {"index": 0, "function": {"arguments": "{}"}}
        return self._chunk({"tool_calls": [call | {"function": {"name": name, "arguments": ""}}]}) + self._chunk(
            {"tool_calls": [rest]}
        )

    def over(self, reason: str) -> bytes:
        """The end of an answer."""
        return self._chunk({}, reason) + b"data: [DONE]\n\n"

    @staticmethod
    def nonsense() -> bytes:
        """Events that make no sense, and then an end."""
        return b'data: {\n\ndata: null\n\ndata: {"choices":[7]}\n\nevent: \xff\n\ndata: [DONE]\n\n'

    @staticmethod
    def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "rig"}
        return b"data: " + json.dumps(chunk | {"choices": choices, "usage": None}).encode() + b"\n\n"
