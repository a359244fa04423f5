"""OpenAI's chat completions, streamed: what OpenAI, Groq, vLLM, llama.cpp, Ollama and many others speak.

Sources: the ``openai`` SDK's types (3.52) and pages, and what other servers were seen to do differently. Written so as
to be understood by all of them:

- pieces of a tool call are joined by ``index``; where it is missing, by ``id``, else they go on with the last one;
- whatever ``finish_reason`` says, calls that came are calls;
- ``usage`` may be missing, and ``[DONE]`` too: the end of the body ends the answer, if it had a ``finish_reason``;
- arguments that are no JSON object make a ``broken`` call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import msgspec

from trio_voice import stages as s
from trio_voice.conversation import Unrecognized, Usage
from trio_voice.errors import RemoteProtocolError
from trio_voice.protocols.server_sent_events import EventStreamReader
from trio_voice.protocols.settings import StageSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio_voice.persona import Persona, ToolSchema

MAX_CALLS: Final = 16
"""Tools asked for in one answer; further ones are not heard."""
MAX_ARGUMENTS: Final = 32_768
"""Letters of one call's arguments."""
MAX_LETTERS: Final = 20_000
"""Of one answer: a quarter of an hour of speech. Then it is cut short."""
MAX_NAME: Final = 200

RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

_UNREADABLE: Final = (
    msgspec.DecodeError,
    RecursionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    OverflowError,
)


@attrs.frozen(kw_only=True)
class ChatSettings(StageSettings):
    """``llm = { kind = "openai-chat" }``: ``url`` is up to and without ``/chat/completions``."""

    default_url: ClassVar[str] = "https://api.openai.com/v1"
    own_credential: ClassVar[str] = "OPENAI_API_KEY"

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
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
        return refusal_of(self._settings, self._settings.model, number, status, body)


def refusal_of(settings: StageSettings, model: str, number: int, status: int, body: bytes) -> s.ThoughtFailed:
    """What a language model's server means by a status, and what to do about it."""
    said, kind = _error_in(body)
    key = settings.key_name
    advice = {
        401: f"the language model's server refused the key: check {key or 'credential of the stage'}",
        403: f"the language model's server does not let us in: check the account behind {key or 'the stage'}",
        404: f"there is no model {model!r} at {settings.address}: check model and url of the stage",
        429: "the language model's server is asked too often, or its account has no funds",
    }.get(status, f"the language model's server answered with HTTP {status}")
    retryable = status in RETRYABLE and kind != "insufficient_quota"
    return s.ThoughtFailed(number, f"http_{status}", f"{advice}: {said}"[:500] if said else advice, retryable)


def _error_in(body: bytes) -> tuple[str, str]:
    """What a JSON error says, and its code."""
    try:
        error = msgspec.json.decode(body)["error"]
        if isinstance(error, dict):
            return str(error.get("message") or ""), str(error.get("code") or error.get("type") or "")
        return str(error), ""
    except _UNREADABLE:
        return body[:200].decode(errors="replace").strip(), ""


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
                            "arguments": msgspec.json.encode(call.arguments).decode(),
                        },
                    }
                    for call in entry.calls
                ]
            return [message]


@attrs.define
class CallPieces:
    """A tool call that is being put together."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""

    def finish(self, otherwise: str, taken: set[str]) -> s.ToolCall:
        """The whole call, under an id that no other has."""
        call_id = self.call_id if self.call_id and self.call_id not in taken else otherwise
        taken.add(call_id)
        try:
            arguments = msgspec.json.decode(self.arguments or "{}")
        except (msgspec.DecodeError, RecursionError):
            arguments = None
        if isinstance(arguments, dict) and len(self.arguments) <= MAX_ARGUMENTS:
            return s.ToolCall(call_id, self.name, arguments)
        return s.ToolCall(call_id, self.name, {}, broken=self.arguments[:100])


class ChatReader:
    """Understands one answer."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._stream = EventStreamReader()
        self._calls: dict[Any, CallPieces] = {}
        self._letters = 0
        self._finish = ""
        self._over = False

    def receive(self, data: bytes) -> Sequence[Any]:
        """What a further piece of the body means."""
        try:
            return self._understand_all([event.data for event in self._stream.receive(data)])
        except RemoteProtocolError as wrong:
            return self._fail("garbage", f"the language model's server sent {wrong}", retryable=True)

    def end(self) -> Sequence[Any]:
        """The body has ended."""
        events = self._understand_all([event.data for event in self._stream.end()])
        if self._over:
            return events
        if self._finish:
            return [*events, *self._complete()]
        return [*events, *self._fail("cut", "the language model's answer was cut off", retryable=True)]

    def _understand_all(self, messages: Sequence[str]) -> list[Any]:
        events: list[Any] = []
        for message in messages:
            if self._over:
                break
            try:
                events += self._complete() if message == "[DONE]" else self._understand(msgspec.json.decode(message))
            except _UNREADABLE as wrong:
                events.append(Unrecognized(f"{type(wrong).__name__}: {wrong}", garbage=True))
        return events

    def _understand(self, chunk: Mapping[str, Any]) -> list[Any]:
        if chunk.get("error"):
            said, kind = _error_in(msgspec.json.encode(chunk))
            return self._fail(kind or "error", f"the language model's server failed: {said}"[:500], retryable=True)
        events: list[Any] = []
        if isinstance(chunk.get("usage"), dict):
            events += _usage(chunk["usage"])
        for choice in (chunk.get("choices") or ())[:1]:
            delta = choice.get("delta") or {}
            text = delta.get("content") or delta.get("refusal")
            if isinstance(text, str) and text:
                events.append(s.Thought(self._number, text))
                self._letters += len(text)
            for piece in delta.get("tool_calls") or ():
                self._take_piece(piece)
            self._finish = str(choice.get("finish_reason") or self._finish)
            if self._letters > MAX_LETTERS:
                self._finish = "too_long"
                events += self._complete()
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
        call.call_id = call.call_id or str(call_id or "")[:MAX_NAME]
        call.name = call.name or str(function.get("name") or "")[:MAX_NAME]
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # Ollama of old
            arguments = msgspec.json.encode(arguments).decode()
        if isinstance(arguments, str) and len(call.arguments) <= MAX_ARGUMENTS:
            call.arguments += arguments

    def _complete(self) -> list[Any]:
        self._over = True
        taken: set[str] = set()
        named = [call for call in self._calls.values() if call.name]
        calls = tuple(call.finish(f"call_{self._number}_{at}", taken) for at, call in enumerate(named))
        cut_short = self._finish if self._finish not in {"", "stop", "tool_calls", "function_call"} else ""
        return [s.ThoughtOver(self._number, calls, cut_short)]

    def _fail(self, code: str, message: str, *, retryable: bool) -> list[Any]:
        if self._over:
            return []
        self._over = True
        return [s.ThoughtFailed(self._number, code, message, retryable)]


def _usage(usage: Mapping[str, Any]) -> list[Usage]:
    details = usage.get("prompt_tokens_details")
    counted = (
        details.get("cached_tokens") if isinstance(details, dict) else 0,
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
    )
    cached, prompt, answer = (number if isinstance(number, int) else 0 for number in counted)
    meters = s.usage_of(text_in_tokens=prompt - cached, cached_text_in_tokens=cached, text_out_tokens=answer)
    return [Usage(meters)] if meters else []
