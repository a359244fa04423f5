"""Anthropic's Messages, from the server's side.

After the provider's pages of October 2026. Strict where it was ever strict: a conversation begins and ends with the
user, no text is empty, every tool that was asked for is answered in the turn after it and before any text, and
``temperature`` is not taken.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.chain.faults import ChainManner

PATH = "/v1/messages"
OVERLOADED = 529

_ERRORS: Final = {400: "invalid_request_error", 401: "authentication_error", 529: "overloaded_error"}
_KNOWN: Final = {
    *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream"),
    *("cache_control", "thinking", "output_config", "stop_sequences", "metadata", "service_tier"),
}
_THINKING: Final = {"adaptive", "between_tools", "disabled"}


def key_of(headers: Mapping[str, str]) -> str:
    """The credential of a client; there is none without the protocol's version."""
    return headers.get("x-api-key", "") if headers.get("anthropic-version") == "2023-06-01" else ""


def problem_of(asked: Mapping[str, Any]) -> str:
    """The mistake in a question; empty if there is none."""
    if not isinstance(asked["model"], str) or asked.get("stream") is not True:
        return "the sandbox wants a model, and streams only"
    if unknown := asked.keys() - _KNOWN:
        return f"{', '.join(sorted(unknown))}: Extra inputs are not permitted"
    if not isinstance(asked["max_tokens"], int) or asked["max_tokens"] < 1:
        return "max_tokens: must be at least 1"
    if asked.get("thinking", {"type": "disabled"})["type"] not in _THINKING:
        return f'"thinking.type.{asked["thinking"]["type"]}" is not supported for this model.'
    for tool in asked.get("tools", ()):
        if tool["input_schema"]["type"] != "object" or not isinstance(tool["name"], str):
            return "tools: input_schema.type must be object"
    if "system" in asked and not asked["system"]:
        return "system: text content blocks must be non-empty"
    return _problem_of_turns(asked["messages"])


def _problem_of_turns(messages: Sequence[Mapping[str, Any]]) -> str:
    if not messages:
        return "messages: at least one message is required"
    if messages[0]["role"] != "user":
        return 'messages: first message must use the "user" role'
    unanswered: list[str] = []
    used: set[str] = set()
    for number, message in enumerate(messages):
        if message["role"] not in {"user", "assistant"}:
            return f"messages.{number}: unexpected role {message['role']!r}"
        blocks = _blocks_of(message)
        if not blocks:
            return f"messages.{number}: content is empty"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(unanswered):
            return f"messages.{number}: `tool_use` ids and `tool_result` blocks do not match"
        if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            return f"messages.{number}: `tool_result` blocks must come first"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return f"messages.{number}: text content blocks must contain non-whitespace text"
        calls = [block for block in blocks if block["type"] == "tool_use"]
        if calls and message["role"] == "user":
            return f"messages.{number}: `tool_use` blocks are the assistant's"
        if any(not isinstance(call["input"], dict) for call in calls):
            return f"messages.{number}: tool_use.input: must be an object"
        unanswered = [call["id"] for call in calls]
        if len(used | {*unanswered}) != len(used) + len(unanswered):
            return f"messages.{number}: `tool_use` ids must be unique"
        used |= {*unanswered}
    return "" if messages[-1]["role"] == "user" else "messages: this model does not support assistant prefill"


def _blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def read(asked: Mapping[str, Any]) -> tuple[list[Line], str, list[Tool]]:
    """The conversation, the prompt and the tools of a question."""
    tools = [Tool(each["name"], each.get("description", ""), each["input_schema"]) for each in asked.get("tools", ())]
    calls: dict[str, ToolUse] = {}
    lines: list[Line] = []
    for message in asked["messages"]:
        for block in _blocks_of(message):
            match block["type"]:
                case "tool_use":
                    calls[block["id"]] = ToolUse(block["name"], block["input"])
                case "tool_result":
                    failed = block.get("is_error", False)
                    lines.append(Line("tool", block["content"], calls[block["tool_use_id"]], failed=failed))
                case _:
                    lines.append(_line(message["role"], block["text"]))
    return lines, asked.get("system", ""), tools


def _line(role: str, text: str) -> Line:
    """A text in parentheses is the stage direction that stands in for a system message."""
    if role == "assistant":
        return Line("agent", text)
    if text.startswith("(") and text.endswith(")"):
        return Line("instruction", text[1:-1])
    return Line("caller", text)


def error(status: int, message: str) -> dict[str, Any]:
    """The body that is sent instead of an answer."""
    said = {"type": _ERRORS.get(status, "not_found_error" if status == 404 else "api_error"), "message": message}
    return {"type": "error", "error": said, "request_id": f"req_{secrets.token_hex(12)}"}


def broken_off(message: str) -> str:
    """The event of an error after the answer has begun."""
    return _event({"type": "error", "error": {"type": "overloaded_error", "message": message}})


def _event(body: dict[str, Any]) -> str:
    return f"event: {body['type']}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"


def stream(reply: Reply, asked: Mapping[str, Any], manner: ChainManner) -> Iterator[str]:
    """The events of an answer: the model thinks a little first, as those of 2026 do unless they are told not to."""
    prompt = len(json.dumps(asked["messages"])) // 4
    cached = prompt // 2 if "cache_control" in asked else 0
    usage = {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": 1,
    }
    message = {"id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant", "content": []}
    ends: dict[str, Any] = {"stop_reason": None, "stop_sequence": None, "usage": usage}
    yield _event({"type": "message_start", "message": {**message, "model": asked["model"], **ends}})
    yield _event({"type": "ping"})
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if asked.get("thinking", {"type": "adaptive"})["type"] == "adaptive":
        deltas = [{"type": "signature_delta", "signature": secrets.token_urlsafe(24)}]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if reply.text:
        deltas = [{"type": "text_delta", "text": said} for said in manner.chunks_of_words(reply.text)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for tool in reply.tools:
        # A piece without a letter comes first; an empty input comes as nothing more.
        written = ["", *manner.chunks_of_letters(tool.as_json if tool.arguments else "")]
        begins = {"type": "tool_use", "id": f"toolu_{secrets.token_hex(12)}", "name": tool.name, "input": {}}
        blocks.append((begins, [{"type": "input_json_delta", "partial_json": piece} for piece in written]))
    for index, (begins, deltas) in enumerate(blocks):
        yield _event({"type": "content_block_start", "index": index, "content_block": begins})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    end = {"stop_reason": "tool_use" if reply.tools else "end_turn", "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": end, "usage": {"output_tokens": len(reply.text) // 4 + 2}})
    yield _event({"type": "message_stop"})
