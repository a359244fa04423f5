"""OpenAI's chat completions, from the server's side.

After OpenAI's reference (2026), and other servers' tests and issues. A conversation in which a tool call has no answer
is refused, as it is live, and so is all that one server or template or another refuses: empty content, a late system
line, roles out of turn.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Any

from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.chain.faults import ChainManner

PATH = "/chat/completions"
OVERLOADED = 503


def key_of(headers: Mapping[str, str]) -> str:
    """The credential of a client."""
    return headers.get("authorization", "").removeprefix("Bearer ")


def problem_of(asked: Mapping[str, Any]) -> str:
    """The mistake in a question; empty if there is none."""
    if not isinstance(asked["model"], str) or asked.get("stream") is not True:
        return "the sandbox wants a model, and streams only"
    unanswered: list[str] = []
    for message in asked["messages"]:
        role = message["role"]
        if role not in {"system", "user", "assistant", "tool"}:
            return f"unknown role {role!r}"
        if role == "tool":
            if message["tool_call_id"] not in unanswered:
                return "a tool message must answer a tool call of the message before"
            unanswered.remove(message["tool_call_id"])
        elif unanswered:
            return "an assistant message with tool_calls must be followed by tool messages for each tool_call_id"
        unanswered += [call["id"] for call in message.get("tool_calls") or ()]
        if not ("tool_calls" in message and "content" not in message) and not message.get("content"):
            return f"invalid message content: {message.get('content')!r}"
    return "there are tool calls without an answer" if unanswered else _disorder(asked["messages"])


def _disorder(messages: Sequence[Mapping[str, Any]]) -> str:
    """The complaint of the strictest of templates about the order of the roles; empty for none."""
    roles = [message["role"] for message in messages]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    if "system" in talk:
        return "System message must be at the beginning"
    if ("tool", "user") in pairwise(talk):
        return "Unexpected role 'user' after role 'tool'"
    talk = [each["role"] for each in messages if each["role"] in {"user", "assistant"} and "tool_calls" not in each]
    if talk != ["user", "assistant"] * (len(talk) // 2) + ["user"] * (len(talk) % 2):
        return "Conversation roles must alternate user/assistant/user/assistant/..."
    return "Expected last role User or Tool" if roles[-1] == "assistant" else ""


def read(asked: Mapping[str, Any]) -> tuple[list[Line], str, list[Tool]]:
    """The conversation, the prompt and the tools of a question."""
    lines, prompt = _lines_of(asked["messages"])
    functions = [tool["function"] for tool in asked.get("tools") or ()]
    return lines, prompt, [Tool(each["name"], each.get("description", ""), each["parameters"]) for each in functions]


def _lines_of(messages: Sequence[dict[str, Any]]) -> tuple[list[Line], str]:
    prompt = "\n".join(str(message["content"]) for message in messages[:1] if message["role"] == "system")
    calls: dict[str, Any] = {}
    lines: list[Line] = []
    for message in messages[1:] if prompt else messages:
        role, content = message["role"], message.get("content") or ""
        calls |= {call["id"]: call["function"] for call in message.get("tool_calls") or ()}
        if role == "tool":
            function = calls[message["tool_call_id"]]
            tool = ToolUse(function["name"], json.loads(function["arguments"] or "{}"))
            lines.append(Line("tool", content, tool, failed='"error"' in content))
        elif role == "assistant":
            lines += [Line("agent", content)] if content.strip("…") else []
        else:  # a text in parentheses is the stage direction that stands in for a system message
            lines += [
                Line("instruction", text[1:-1]) if text.startswith("(") and text.endswith(")") else Line("caller", text)
                for text in content.splitlines()
            ]
    return lines, prompt


def error(_status: int, message: str) -> dict[str, Any]:
    """The body that is sent instead of an answer."""
    return {"error": {"message": message, "type": "made", "code": None}}


def broken_off(message: str) -> str:
    """The event of an error after the answer has begun."""
    return "data: " + json.dumps({"error": {"message": message, "type": "server_error", "code": None}}) + "\n\n"


def _pieces_of(tools: Sequence[ToolUse], manner: ChainManner) -> Iterator[dict[str, Any]]:
    """The calls of an answer: the pieces of each in turns where they are numbered, else one call after the other."""
    calls: list[list[dict[str, Any]]] = []
    for number, tool in enumerate(tools):
        first = {"id": f"call_{secrets.token_hex(6)}", "type": "function"}
        index = {"index": number} if manner.indexes_calls else {}
        call: list[dict[str, Any]] = [{**index, **first, "function": {"name": tool.name, "arguments": ""}}]
        call += [{**index, "function": {"arguments": piece}} for piece in manner.chunks_of_letters(tool.as_json)]
        calls.append(call)
    in_turns = zip_longest(*calls) if manner.indexes_calls else calls
    return (piece for pieces in in_turns for piece in pieces if piece is not None)


def stream(reply: Reply, asked: Mapping[str, Any], manner: ChainManner) -> Iterator[str]:
    """The events of an answer."""
    chunk_id = f"chatcmpl-{secrets.token_hex(8)}"

    def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, Any] | None = None) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        body = {"id": chunk_id, "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
        return "data: " + json.dumps({**body, "choices": choices, "usage": usage}, ensure_ascii=False) + "\n\n"

    yield ": a comment, as some proxies send\n\n"
    yield chunk({"role": "assistant", "content": ""})
    for said in manner.chunks_of_words(reply.text):
        yield chunk({"content": said})
    for piece in _pieces_of(reply.tools, manner):
        yield chunk({"tool_calls": [piece]})
    yield chunk({}, "tool_calls" if reply.tools else "stop")
    if manner.tells_usage and (asked.get("stream_options") or {}).get("include_usage"):
        prompt, answer = len(json.dumps(asked["messages"])) // 4, len(reply.text) // 4 + 1
        details = {"cached_tokens": prompt // 2}
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        yield chunk(None, usage={**usage, "prompt_tokens_details": details})
    if manner.says_done:
        yield "data: [DONE]\n\n"
