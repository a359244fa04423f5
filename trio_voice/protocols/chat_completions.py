"""OpenAI's chat completions, streamed: what OpenAI, Groq, vLLM, llama.cpp, Ollama and many others speak.

Sources: the ``openai`` SDK's types (3.52) and pages, and what other servers were seen to do differently. Written so as
to be understood by all of them:

- pieces of a tool call are joined by ``index``; where it is missing, by ``id``, else they go on with the last one;
- whatever ``finish_reason`` says, calls that came are calls;
- ``usage`` may be missing, and ``[DONE]`` too: the end of the body ends the answer, if it had a ``finish_reason``.

What holds for every language model is in ``streamed_answers.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import msgspec

from trio_voice import stages as s
from trio_voice.conversation import Usage
from trio_voice.persona import bounded
from trio_voice.protocols.json_messages import MAX_ID, as_json
from trio_voice.protocols.settings import StageSettings
from trio_voice.protocols.streamed_answers import (
    MAX_CALLS,
    CallPieces,
    StreamedAnswer,
    error_in,
    refusal_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trio_voice.persona import Persona, ToolSchema

_BROKE: Final = {"insufficient_quota": "the language model's account has no funds: see its provider's billing page"}


@attrs.frozen(kw_only=True)
class ChatSettings(StageSettings):
    """``llm = { kind = "openai-chat" }``: ``url`` is up to and without ``/chat/completions``."""

    default_url: ClassVar[str] = "https://api.openai.com/v1"
    own_credential: ClassVar[str] = "OPENAI_API_KEY"

    model: str
    temperature: float | None = bounded(0, 2)
    max_tokens: int | None = bounded(1, 1_000_000)
    reasoning_effort: str | None = None
    ask_usage: bool = True
    """Off for old servers that refuse ``stream_options``; then nothing is known of the tokens."""


class ChatCompletions:
    """What to ask, and what an answer means."""

    provider = "openai-chat"

    def __init__(self, settings: ChatSettings, persona: Persona, key: str = "") -> None:
        self._settings = settings
        self._prompt = persona.prompt
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def request(self, conversation: Sequence[s.Entry], tools: Sequence[ToolSchema]) -> s.ModelRequest:
        """A request for the answer to this conversation."""
        settings = self._settings
        messages: list[dict[str, Any]] = [{"role": "system", "content": self._prompt}] if self._prompt else []
        for entry in conversation:
            messages += _messages(entry)
        body: dict[str, Any] = {"model": settings.model, "messages": messages, "stream": True}
        if settings.ask_usage:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
                }
                for tool in tools
            ]
        named = {
            "temperature": settings.temperature,
            # OpenAI has renamed it and refuses the old name for new models; the others mostly know the old one.
            "max_completion_tokens" if settings.is_at_home else "max_tokens": settings.max_tokens,
            "reasoning_effort": settings.reasoning_effort,
        }
        body |= {name: value for name, value in named.items() if value is not None}
        return s.ModelRequest(f"{settings.address}/chat/completions", self._headers, msgspec.json.encode(body))

    def reader(self, number: int) -> s.AnswerReader:
        """Understands the answer to one request."""
        return ChatReader(number)

    def refusal(self, number: int, status: int, body: bytes) -> s.ThoughtFailed:
        """What an answer of another status than 200 means."""
        return refusal_of(self._settings, self._settings.model, number, status, body, broke=_BROKE)


def _messages(entry: s.Entry) -> list[dict[str, Any]]:
    """An entry in OpenAI's words."""
    match entry.role:
        case "caller":
            return [{"role": "user", "content": entry.text}]
        case "instruction":
            return [{"role": "system", "content": entry.text}]
        case "results":
            return [
                {"role": "tool", "tool_call_id": answer.call_id, "content": answer.text} for answer in entry.results
            ]
        case _:
            message: dict[str, Any] = {"role": "assistant", "content": entry.text or None}
            if entry.calls:
                message["tool_calls"] = [
                    {
                        "id": call.call_id,
                        "type": "function",
                        "function": {
                            "name": call.name,
                            "arguments": as_json(call.arguments),
                        },
                    }
                    for call in entry.calls
                ]
            return [message]


class ChatReader(StreamedAnswer):
    """Understands one answer."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._calls: dict[Any, CallPieces] = {}

    def _understand(self, message: Any) -> list[Any]:
        if message.get("error"):
            said, kind = error_in(msgspec.json.encode(message))
            return self._fail(kind or "error", f"the language model's server failed: {said}"[:500], retryable=True)
        events: list[Any] = []
        if isinstance(message.get("usage"), dict):
            events += _usage(message["usage"])
        for choice in (message.get("choices") or ())[:1]:
            delta = choice.get("delta") or {}
            for piece in delta.get("tool_calls") or ():
                self._take_piece(piece)
            self._finish = str(choice.get("finish_reason") or self._finish)
            events += self._say(delta.get("content") or delta.get("refusal"))
        return events

    def _take_piece(self, piece: Mapping[str, Any]) -> None:
        function, call_id = piece.get("function") or {}, piece.get("id")
        key = piece.get("index")
        if key is None:
            # Without an index a new id begins a call, and so does a name: it comes once, with the first piece.
            known = next((key for key, call in self._calls.items() if call_id and call.call_id == call_id), None)
            begins = not self._calls or call_id or function.get("name")
            key = known if known is not None else (len(self._calls) if begins else next(reversed(self._calls)))
        if key not in self._calls and len(self._calls) >= MAX_CALLS:
            return
        call = self._calls.setdefault(key, CallPieces())
        call.call_id = call.call_id or str(call_id or "")[:MAX_ID]
        call.name = call.name or str(function.get("name") or "")[:MAX_ID]
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # Ollama of old
            arguments = as_json(arguments)
        call.take(arguments)

    def _calls_made(self) -> Iterable[CallPieces]:
        return self._calls.values()

    def _ended_well(self) -> bool:
        return self._finish in {"", "stop", "tool_calls", "function_call"}


def _usage(usage: Mapping[str, Any]) -> list[Usage]:
    details = usage.get("prompt_tokens_details")
    counted = (
        details.get("cached_tokens") if isinstance(details, dict) else 0,
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
    )
    cached, prompt, answer = (number if isinstance(number, int) else 0 for number in counted)
    meters = s.usage_of(text_in_tokens=max(prompt - cached, 0), cached_text_in_tokens=cached, text_out_tokens=answer)
    return [Usage(meters)] if meters else []
