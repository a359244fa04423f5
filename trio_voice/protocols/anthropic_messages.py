"""Anthropic's Messages, streamed.

Sources: the ``anthropic`` SDK's types (2.12) and platform.claude.com of October 2026 (errors, streaming, thinking, tool
use, the migration guides of the 5.5 models). What follows from them:

- the conversation has the shape of ``chat/turns.py``: only the newest models take a system's turn in it;
- all results of an answer's tools stand in one user turn, right after it and before any text;
- models of 2026 think unless they are told not to, refuse ``temperature``, and differ in which ``thinking`` they take:
  nothing is sent of it but what config.toml says. What was thought is not sent back, as the provider permits;
- a tool's input comes as pieces of JSON, none for an empty one. It may be broken where an answer was cut short;
- tokens of the output are told as a sum so far, those of the input at the beginning: an answer that is broken off by
  the caller is billed all the same;
- an error may come after the answer has begun, as an event of its own.

What holds for every language model is in ``streamed_answers.py``.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import attrs
import msgspec

from trio_voice.events import stage as s
from trio_voice.events.model import Unrecognized, Usage
from trio_voice.protocols.chat import patience
from trio_voice.protocols.chat.call_pieces import MAX_CALLS, CallPieces
from trio_voice.protocols.chat.refusals import complaint_in, complaint_of
from trio_voice.protocols.chat.turns import turns_of
from trio_voice.protocols.json_messages import MAX_ID
from trio_voice.protocols.settings import StageSettings
from trio_voice.protocols.streamed_answers import (
    StreamedAnswer,
    failure_of,
    refusal_of,
)
from trio_voice.setting_fields import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from trio_voice.persona import Persona, ToolSchema
    from trio_voice.protocols.chat.refusals import Complaint
    from trio_voice.protocols.chat.turns import Turn

VERSION: Final = "2023-06-01"
"""Of the protocol; the only one there has been."""

MAX_TOKENS: Final = 4_096
"""The protocol wants a number: some hundred for what is said, the rest for what is thought before it."""

_BROKE: Final = {
    "authentication_error": "the language model's server refused the key: check {key}",
    "billing_error": "the language model's account has no funds: see the billing page behind {key}",
    "permission_error": "the key may not use this: check the workspace of {key} and the model of the stage",
    "invalid_request_error": (
        "the language model's server does not accept the question: check model, thinking, effort, cache and "
        "max_tokens of the stage"
    ),
}
"""By the error's type, what no waiting mends."""
_PASSING: Final = frozenset({"api_error", "overloaded_error", "rate_limit_error", "timeout_error"})

_NO_ID: Final = re.compile(r"[^A-Za-z0-9_-]")
"""Letters of which no id may have one."""


@attrs.frozen(kw_only=True)
class MessagesSettings(StageSettings):
    """``llm = { kind = "anthropic" }``: ``url`` is up to and without ``/v1/messages``."""

    default_url: ClassVar[str] = "https://api.anthropic.com"
    own_credential: ClassVar[str] = "ANTHROPIC_API_KEY"

    model: str
    """Name of the model."""
    max_tokens: int = bounded(1, 1_000_000, MAX_TOKENS)
    """Most tokens of one answer, those of thinking included."""
    thinking: Literal["adaptive", "between_tools", "disabled"] | None = None
    """Thinking before an answer; the model's own by default, which is to think in the newer ones. Each model takes some
    of these only."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """Effort of an answer, for models that take it: the more, the later."""
    cache: bool = True
    """Have the provider keep the conversation for the next question; ``false`` for servers that do not know it."""


class AnthropicMessages:
    """Questions as requests, and answers as events."""

    provider = "anthropic"

    def __init__(self, settings: MessagesSettings, persona: Persona, key: str = "") -> None:
        self._settings = settings
        self._prompt = persona.prompt
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "anthropic-version": VERSION,
        }
        if key:
            self._headers["x-api-key"] = key

    @property
    def address(self) -> str:
        """The base of its requests' URLs."""
        return self._settings.address

    def first_byte_seconds(self, *, others: bool) -> float:
        """Time that the server may take for the first piece of an answer, if ``others`` could be asked in its place."""
        return patience.first_byte_seconds(self._settings, others=others)

    @property
    def second_after_seconds(self) -> float:
        """After how long it is asked a second time: who is slow must not be hung up on, who hangs must."""
        return patience.second_after_seconds(self._settings)

    def request(
        self, conversation: Sequence[s.Entry], tools: Sequence[ToolSchema], *, with_tools: bool = True
    ) -> s.ModelRequest:
        """A request for the answer to this conversation."""
        settings = self._settings
        body: dict[str, Any] = {
            "model": settings.model,
            "max_tokens": settings.max_tokens,
            "messages": _messages(turns_of(conversation)),
            "stream": True,
        }
        if self._prompt.strip():
            body["system"] = self._prompt
        if tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in tools
            ]
            if not with_tools:  # left out, they would be missed beside the calls of the conversation
                body["tool_choice"] = {"type": "none"}
        if settings.cache:
            body["cache_control"] = {"type": "ephemeral"}
        if settings.thinking is not None:
            body["thinking"] = {"type": settings.thinking}
        if settings.effort is not None:
            body["output_config"] = {"effort": settings.effort}
        return s.ModelRequest(f"{settings.address}/v1/messages", self._headers, msgspec.json.encode(body))

    def loading(self) -> None:
        """Nothing: the models are loaded always."""

    def reader(self, number: int, tools: Sequence[ToolSchema] = ()) -> s.AnswerReader:
        """Understands the answer to one request in which these tools were offered."""
        known = {tool.name for tool in tools}
        return MessagesReader(number, known, lambda complaint: self._failed(number, complaint))

    def refusal(
        self, number: int, status: int, body: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> s.ThoughtFailed:
        """The failure that an answer of another status than 200 means."""
        complaint = complaint_in(status, body)
        if "credit balance" in complaint.said.lower():  # it calls this an invalid request
            complaint = attrs.evolve(complaint, kinds=frozenset({"billing_error"}))
        return refusal_of(self._settings, self._settings.model, number, complaint, headers, broke=self._advice)

    def _failed(self, number: int, complaint: Complaint) -> s.ThoughtFailed:
        """The failure that an error inside an answer means."""
        advice = next((words for kind, words in self._advice.items() if kind in complaint.kinds), None)
        passing = bool(complaint.kinds & _PASSING)
        return failure_of(number, complaint, advice=advice or "the language model's server failed", retryable=passing)

    @property
    def _advice(self) -> dict[str, str]:
        key = self._settings.key_name or "credential of the stage"
        return {kind: words.format(key=key) for kind, words in _BROKE.items()}


def _messages(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """A conversation in Anthropic's words: results are the user's, before what the user says besides."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        blocks = [*map(_tool_result, turn.results), *map(_text, turn.texts), *map(_tool_use, turn.calls)]
        role = "user" if turn.role == "results" else turn.role
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    return messages


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _id(call_id: str) -> str:
    """A call's id as it is taken here; another model may have given it (Kimi's are ``functions.name:0``)."""
    return _NO_ID.sub("_", call_id)


def _tool_use(call: s.ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": _id(call.call_id), "name": call.name, "input": call.arguments}


def _tool_result(answer: s.ToolCallResult) -> dict[str, Any]:
    failed = {"is_error": True} if answer.failed else {}
    return {"type": "tool_result", "tool_use_id": _id(answer.call_id), "content": answer.text, **failed}


class MessagesReader(StreamedAnswer):
    """Understands one answer. Its arguments are those of ``StreamedAnswer``."""

    def __init__(
        self,
        number: int,
        known: Collection[str] = (),
        fail: Callable[[Complaint], s.ThoughtFailed] | None = None,
    ) -> None:
        super().__init__(number, known, fail=fail)
        self._calls: list[CallPieces] = []
        self._open: dict[Any, CallPieces] = {}
        """The call to which further pieces of a block belong, by the block's index."""
        self._told = {"input": 0, "cached": 0, "output": 0}
        """The tokens that were told of already."""

    def _understand(self, message: Any) -> list[Any]:
        kind = "message" if "content" in message else "error" if message.get("error") else message["type"]
        self._went_on = self._went_on or kind not in {"ping", "message_start"}
        match kind:
            case "message":
                return self._take_whole(message)
            case "content_block_delta":
                return self._take_piece(message.get("index"), message["delta"])
            case "content_block_start":
                return self._begin_block(message.get("index"), message["content_block"])
            case "message_start":
                return self._count(message["message"]["usage"])
            case "message_delta":
                self._finish = str(message["delta"].get("stop_reason") or self._finish)
                return self._count(message.get("usage") or {})
            case "message_stop":
                return self._complete()
            case "error":
                return self._complain(complaint_of(0, message))
            case "ping" | "content_block_stop":
                return []
            case unknown:
                return [Unrecognized(str(unknown)[:MAX_ID])]

    def _begin_block(self, index: Any, block: Mapping[str, Any]) -> list[Any]:
        if block["type"] == "text":
            return self._say(block.get("text"))
        if block["type"] == "tool_use" and len(self._calls) < MAX_CALLS:
            call = self._open[index] = CallPieces(str(block.get("id") or "")[:MAX_ID])
            self._calls.append(call)
            call.name_again(str(block["name"])[:MAX_ID])
            call.take(block.get("input") or None)  # other servers give all of it at once
        else:
            self._open.pop(index, None)
        return []  # what it thinks is not said

    def _take_piece(self, index: Any, delta: Mapping[str, Any]) -> list[Any]:
        if delta["type"] == "text_delta":
            return self._say(delta["text"])
        if delta["type"] == "input_json_delta" and index in self._open:
            self._open[index].take(delta["partial_json"])
        return []

    def _take_whole(self, message: Mapping[str, Any]) -> list[Any]:
        """An answer that was not streamed though that was asked for."""
        events = self._count(message.get("usage") or {})
        blocks = message["content"]
        for index, block in enumerate([{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks):
            events += self._begin_block(index, block)
        self._finish = str(message.get("stop_reason") or "")
        return [*events, *self._complete()]

    def _count(self, usage: Mapping[str, Any]) -> list[Any]:
        """The tokens that this says more of than what was said before."""
        counted = {
            # What is written into the cache costs a quarter more than what is not; there is no meter of its own for it.
            "input": _whole(usage, "input_tokens") + _whole(usage, "cache_creation_input_tokens"),
            "cached": _whole(usage, "cache_read_input_tokens"),
            "output": _whole(usage, "output_tokens"),
        }
        more = {name: max(number - self._told[name], 0) for name, number in counted.items()}
        self._told = {name: self._told[name] + number for name, number in more.items()}
        meters = s.usage_of(
            text_in_tokens=more["input"], cached_text_in_tokens=more["cached"], text_out_tokens=more["output"]
        )
        return [Usage(meters)] if meters else []

    def _calls_made(self) -> Iterable[CallPieces]:
        return self._calls


def _whole(usage: Mapping[str, Any], name: str) -> int:
    number = usage.get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) else 0
