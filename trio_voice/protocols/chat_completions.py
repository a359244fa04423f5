"""OpenAI's chat completions, streamed: what OpenAI, Groq, vLLM, llama.cpp, Ollama and many others speak.

Sources: the ``openai`` SDK's types (3.52) and pages, and what other servers were seen to do differently in their issue
trackers. Written so as to be understood by all of them:

- the conversation has the shape of ``chat/turns.py``. ``content`` is left out where there is no text (some refuse null
  there, some take an empty text for a reason to write calls as text), and between results and the caller's next words
  stands an assistant's turn, which Mistral wants;
- what a server refuses of a question is left out of the next one (``chat/quirks.py``).

What their answers look like is in ``chat_answers.py``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

import attrs
import msgspec

from trio_voice.events import stage as s
from trio_voice.protocols.chat import patience
from trio_voice.protocols.chat.quirks import Quirks
from trio_voice.protocols.chat.refusals import complaint_in
from trio_voice.protocols.chat.turns import turns_of
from trio_voice.protocols.chat_answers import ChatReader
from trio_voice.protocols.json_messages import as_json
from trio_voice.protocols.settings import StageSettings
from trio_voice.protocols.streamed_answers import (
    NO_FUNDS,
    failure_of,
    refusal_of,
)
from trio_voice.setting_fields import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio_voice.persona import Persona, ToolSchema
    from trio_voice.protocols.chat.refusals import Complaint

LOADING_SECONDS: Final = 30.0
"""Time for the first piece of an answer in one's own network, where the model may have to be loaded first."""
OLLAMA_PORT: Final = 11_434
"""Ollama's, which loads a model when it is first asked, and forgets it after five idle minutes."""

_BRIDGE: Final = "…"
"""The assistant's turn between results and the caller's words, where it has said nothing."""
_UNSIGNED: Final = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""Signature that Gemini takes beside a call that is not its own (ai.google.dev/gemini-api/docs/thought-signatures)."""


@attrs.frozen(kw_only=True)
class ChatSettings(StageSettings):
    """``llm = { kind = "openai-chat" }``: ``url`` is up to and without ``/chat/completions``."""

    default_url: ClassVar[str] = "https://api.openai.com/v1"
    own_credential: ClassVar[str] = "OPENAI_API_KEY"

    model: str
    """Name of the model, as the server knows it."""
    temperature: float | None = bounded(0, 2)
    """Randomness of the words; the server's own by default."""
    max_tokens: int | None = bounded(1, 1_000_000)
    """Most tokens of one answer; the server's own by default."""
    reasoning_effort: str | None = None
    """Thinking before an answer, for models that take it (``low``, ``medium``, ``high``): the more, the later."""
    ask_usage: bool = True
    """Ask for the tokens used. ``false`` for old servers that refuse ``stream_options``; the cost is unknown then."""
    preload: bool | None = None
    """Have the server load the model when a call begins; by default where it is an Ollama in your own network."""
    quirks: Quirks = attrs.field(factory=Quirks, init=False, eq=False, repr=False)
    """Things that all calls have learned of the server."""

    @property
    def questions_url(self) -> str:
        """Address of questions; a query, such as Azure's ``?api-version=``, stays at the end."""
        address = urlsplit(self.address)
        return address._replace(path=f"{address.path.rstrip('/')}/chat/completions").geturl()

    @property
    def is_azure(self) -> bool:
        """True if the server is Azure's."""
        return (urlsplit(self.address).hostname or "").endswith(".azure.com")

    @property
    def loads(self) -> bool:
        """True if the server is asked to load the model when a call begins."""
        if self.preload is not None:
            return self.preload
        return self.is_in_house and urlsplit(self.address).port == OLLAMA_PORT


class ChatCompletions:
    """Questions as requests, and answers as events."""

    provider = "openai-chat"

    def __init__(self, settings: ChatSettings, persona: Persona, key: str = "") -> None:
        self._settings = settings
        self._prompt = persona.prompt
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
            if settings.is_azure:  # where a bearer's is another kind of secret
                self._headers["api-key"] = key

    @property
    def address(self) -> str:
        """The base of its requests' URLs."""
        return self._settings.address

    def first_byte_seconds(self, *, others: bool) -> float:
        """Time that the server may take for the first piece of an answer, if ``others`` could be asked in its place."""
        usual = LOADING_SECONDS if self._settings.is_in_house else patience.FIRST_BYTE_SECONDS
        return patience.first_byte_seconds(self._settings, others=others, usual=usual)

    @property
    def second_after_seconds(self) -> float:
        """After how long it is asked a second time: who is slow must not be hung up on, who hangs must."""
        return patience.second_after_seconds(self._settings)

    def request(
        self, conversation: Sequence[s.Entry], tools: Sequence[ToolSchema], *, with_tools: bool = True
    ) -> s.ModelRequest:
        """A request for the answer to this conversation."""
        quirks = self._settings.quirks
        messages = _messages(conversation, self._prompt, quirks)
        body: dict[str, Any] = {"model": self._settings.model, "messages": messages, "stream": True}
        offered = tools if with_tools and not quirks.no_tools else ()
        body |= {name: value for name, value in self._optional(offered).items() if name not in quirks.left_out}
        return s.ModelRequest(self._settings.questions_url, self._headers, msgspec.json.encode(body))

    def _optional(self, tools: Sequence[ToolSchema]) -> dict[str, Any]:
        """The parameters that a server may refuse."""
        settings = self._settings
        # OpenAI has renamed it and refuses the old name for new models; the others mostly know the old one.
        names = (
            ["max_completion_tokens", "max_tokens"] if settings.is_at_home else ["max_tokens", "max_completion_tokens"]
        )
        max_tokens = next((name for name in names if name not in settings.quirks.left_out), names[0])
        named = {
            "stream_options": {"include_usage": True} if settings.ask_usage else None,
            "tools": [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
                }
                for tool in tools
            ]
            or None,
            "temperature": settings.temperature,
            max_tokens: settings.max_tokens,
            "reasoning_effort": settings.reasoning_effort,
        }
        return {name: value for name, value in named.items() if value is not None}

    def loading(self) -> s.ModelRequest | None:
        """The request that has a server load the model before any question; ``None`` where it is always loaded."""
        settings = self._settings
        if not settings.loads:
            return None
        if urlsplit(settings.address).port == OLLAMA_PORT:
            url = f"{settings.address.removesuffix('/v1')}/api/generate"  # without a prompt it only loads
            return s.ModelRequest(url, self._headers, msgspec.json.encode({"model": settings.model, "stream": False}))
        hello = {"role": "user", "content": "Hello."}
        body = {"model": settings.model, "messages": [hello], "stream": True, "max_tokens": 1}
        return s.ModelRequest(settings.questions_url, self._headers, msgspec.json.encode(body))

    def reader(self, number: int, tools: Sequence[ToolSchema] = ()) -> s.AnswerReader:
        """Understands the answer to one request in which these tools were offered."""
        known = {tool.name for tool in tools}
        return ChatReader(number, known, self._settings.quirks, lambda complaint: self._failed(number, complaint))

    def refusal(
        self, number: int, status: int, body: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> s.ThoughtFailed:
        """The failure that an answer of another status than 200 means."""
        complaint = complaint_in(status, body)
        refused = refusal_of(self._settings, self._settings.model, number, complaint, headers, broke={})
        return self._adapted(refused, complaint)

    def _failed(self, number: int, complaint: Complaint) -> s.ThoughtFailed:
        """The failure that an error inside an answer means."""
        if complaint.has_no_funds:
            return failure_of(number, complaint, advice=NO_FUNDS, retryable=False)
        return self._adapted(failure_of(number, complaint), complaint)

    def _adapted(self, failed: s.ThoughtFailed, complaint: Complaint) -> s.ThoughtFailed:
        """The failure; something may have been learned from it."""
        quirks = self._settings.quirks
        sent = {*self._optional(()), *(() if quirks.no_tools else ("tools",))} - quirks.left_out
        if failed.remedy or not quirks.learn(complaint, sent):
            return failed
        return attrs.evolve(failed, retryable=True, remedy="adapted")


def _messages(conversation: Sequence[s.Entry], prompt: str, quirks: Quirks) -> list[dict[str, Any]]:
    """A conversation in OpenAI's words."""
    turns = turns_of(conversation)
    messages: list[dict[str, Any]] = []
    if prompt and quirks.no_system:
        turns[0].texts.insert(0, prompt)  # a user's
    elif prompt:
        messages.append({"role": "system", "content": prompt})
    ids: dict[str, str] = {}

    def id_of(call_id: str) -> str:
        return ids.setdefault(call_id, f"call{len(ids):05}") if quirks.short_ids else call_id

    for turn in turns:
        if turn.role == "results":
            messages += [
                {"role": "tool", "tool_call_id": id_of(answer.call_id), "content": answer.text}
                for answer in turn.results
            ]
            continue
        if turn.role == "user" and messages and messages[-1]["role"] == "tool":
            messages.append({"role": "assistant", "content": _BRIDGE})
        message: dict[str, Any] = {"role": turn.role}
        if turn.texts:
            message["content"] = "\n".join(turn.texts)
        if turn.calls:
            extra = _UNSIGNED if quirks.wants_signatures else None
            message["tool_calls"] = [_tool_call(call, id_of(call.call_id), extra) for call in turn.calls]
        messages.append(message)
    if quirks.wants_thoughts:
        for message in messages:
            if message["role"] == "assistant":
                message["reasoning_content"] = _BRIDGE  # that it is there is all that is looked at
    return messages


def _tool_call(call: s.ToolCall, call_id: str, otherwise: Mapping[str, Any] | None) -> dict[str, Any]:
    function = {"name": call.name, "arguments": as_json(call.arguments)}
    extra = call.extra or otherwise
    return {"id": call_id, "type": "function", "function": function, **({"extra_content": extra} if extra else {})}
