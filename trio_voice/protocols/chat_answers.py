"""Answers of OpenAI's chat completions, however a server writes them.

Sources as in ``chat_completions.py``. What was seen of them:

- pieces of a tool call are joined by ``index``, but a new id there begins another call; where the index is missing they
  are joined by ``id``, else they go on with the last one;
- whatever ``finish_reason`` says, calls that came are calls;
- ``usage`` may be missing, and so may ``finish_reason`` and ``[DONE]``;
- the content may be a list of parts, and the answer may come whole, as ``message``, or in Ollama's own shape;
- turns of other roles than the assistant's, which some servers repeat, are not the answer.

What holds for every language model is in ``streamed_answers.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trio_voice.events import stage as s
from trio_voice.events.model import Usage
from trio_voice.protocols.chat.call_pieces import MAX_CALLS, CallPieces
from trio_voice.protocols.chat.refusals import complaint_of
from trio_voice.protocols.chat.written_calls import ARGUMENT_KEYS
from trio_voice.protocols.json_messages import MAX_ID, table_in
from trio_voice.protocols.streamed_answers import MAX_LETTERS, StreamedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from trio_voice.protocols.chat.quirks import Quirks
    from trio_voice.protocols.chat.refusals import Complaint

MAX_CHOICES: Final = 8
"""Answers to one question that are looked at for the one that is wanted."""
_OTHERS: Final = frozenset({"user", "system", "developer", "tool", "function"})
"""Roles whose turns are no answer."""


class ChatReader(StreamedAnswer):
    """Understands one answer. Its arguments are those of ``StreamedAnswer``."""

    def __init__(
        self,
        number: int,
        known: Collection[str] = (),
        quirks: Quirks | None = None,
        fail: Callable[[Complaint], s.ThoughtFailed] | None = None,
    ) -> None:
        super().__init__(number, known, quirks, fail)
        self._calls: list[CallPieces] = []
        self._texts: list[str] = []
        """The text as it came, up to ``MAX_LETTERS``, and how long that is."""
        self._told = 0
        self._open: dict[Any, CallPieces] = {}
        """The call to which further pieces of an index belong."""
        self._is_others = False
        """The turn that comes is not the assistant's."""
        self._by_messages = ""
        """The text so far, where it comes as ``message`` and not as ``delta``."""

    def _understand(self, message: Any) -> list[Any]:
        events: list[Any] = []
        for each in message if isinstance(message, list) else [message]:  # Gemini's errors, and chunks all at once
            if not self._over:
                events += self._understand_one(each)
        return events

    def _understand_one(self, message: Mapping[str, Any]) -> list[Any]:
        choices = message.get("choices") or _own_shape(message)
        choices = [choices] if isinstance(choices, dict) else choices
        if message.get("error") or (not choices and _is_error(message)):
            return self._complain(complaint_of(0, message))
        events: list[Any] = []
        if isinstance(message.get("usage"), dict):
            events += _usage(message["usage"])
        for choice in choices[:MAX_CHOICES]:
            if not choice or choice.get("index"):
                continue  # another answer to the same question
            wrong = choice if isinstance(choice.get("error"), dict) else message.get("x_groq")
            if isinstance(wrong, dict) and wrong.get("error"):
                return [*events, *self._complain(complaint_of(0, wrong))]
            events += self._take(choice)
        return events

    def _take(self, choice: Mapping[str, Any]) -> list[Any]:
        delta, whole = choice.get("delta") or {}, choice.get("message") or {}
        if isinstance(delta, str):  # the text itself
            delta = {"content": delta}
        self._went_on = self._went_on or any(value for key, value in delta.items() if key != "role")
        if role := delta.get("role"):
            self._is_others = role in _OTHERS
        pieces = delta.get("tool_calls") or choice.get("tool_calls") or (not self._calls and whole.get("tool_calls"))
        for piece in _pieces_in(pieces):
            self._take_piece(piece)
        function = delta.get("function_call") or (not self._calls and whole.get("function_call"))
        if isinstance(function, dict) and not pieces:  # the name that this had before 2024
            self._take_piece({"index": 0, "function": function})
        self._finish = str(choice.get("finish_reason") or self._finish)
        content = delta.get("content") or delta.get("refusal") or delta.get("text") or choice.get("text")
        content = content or table_in(dict(delta), "audio").get("transcript")
        if not content and (self._by_messages or not self._told):
            content = whole.get("content") or whole.get("refusal")
            if isinstance(content, str):  # a further piece, or all so far
                content = content.removeprefix(self._by_messages)
                self._by_messages += content if len(self._by_messages) < MAX_LETTERS else ""
        if self._is_others or (isinstance(content, str) and self._is_all_again(content)):
            return []
        return self._say(content)

    def _is_all_again(self, content: str) -> bool:
        """True if this is the whole text once more, with which some servers end a stream."""
        if len(self._texts) > 1 and len(content) == self._told and content == "".join(self._texts):
            return True
        if self._told <= MAX_LETTERS:
            self._texts.append(content)
            self._told += len(content)
        return False

    def _take_piece(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function") or piece.get("custom") or piece
        if isinstance(function, str):  # its name alone, or all of the call as JSON
            is_all = function.lstrip().startswith(("{", "["))
            function = {"arguments": function} if is_all else {**piece, "name": function}
        call_id, name = str(piece.get("id") or "")[:MAX_ID], str(function.get("name") or "")[:MAX_ID]
        arguments = next((function[key] for key in ARGUMENT_KEYS if function.get(key) is not None), None)
        index = piece.get("index")
        index = index if isinstance(index, int | float | str) else None
        call = self._call_of(index, call_id, name, begins_anew=bool(arguments))
        if call is not None:
            call.call_id = call.call_id or call_id
            call.name_again(name)
            call.extra = call.extra or table_in(dict(piece), "extra_content") or None
            call.take(arguments)

    def _call_of(self, index: Any, call_id: str, name: str, *, begins_anew: bool) -> CallPieces | None:
        """The call to which a piece belongs, which may begin with it; ``None`` if there are too many."""
        call = next((call for call in reversed(self._calls) if call_id and call.call_id == call_id), None)
        goes_on = self._calls and not (call_id or name)
        if index is None:
            # Without an index a new id begins a call, and so does a name: it comes once, with the first piece.
            if call is None and goes_on:
                return self._calls[-1]
            if call is not None and self._is_another(call, name):
                call = None
        elif index in self._open:
            known = self._open[index]
            named = known.named(self._known)
            is_another = call_id not in {"", known.call_id} and known.call_id != "" and (name != "" or known.is_whole)
            is_another = is_another or self._is_another(known, name)
            if not is_another and not (not call_id and name and named and begins_anew and known.is_whole):
                return known
            call = call if call is not known else None
        elif goes_on and not self._calls[-1].is_whole:  # some number the pieces
            return self._calls[-1]
        elif call is not None and not name:
            return call
        else:
            call = None
        if call is None:
            if len(self._calls) >= MAX_CALLS:
                return None
            call = CallPieces()
            self._calls.append(call)
        if index is not None:
            self._open[index] = call
        return call

    def _is_another(self, call: CallPieces, name: str) -> bool:
        """True if a name is that of another tool than that of a call which is whole."""
        named = call.named(self._known)
        return call.is_whole and name in self._known and named not in {"", name}

    def _calls_made(self) -> Iterable[CallPieces]:
        return self._calls


def _pieces_in(told: Any) -> Sequence[Mapping[str, Any]]:
    """The pieces of calls, be they a list, one alone, a table by their numbers, or JSON text of any of these."""
    if isinstance(told, dict):
        is_piece = bool({"function", "custom", "name", *ARGUMENT_KEYS} & told.keys())
        told = [told] if is_piece else [each for each in told.values() if isinstance(each, dict)]
    elif isinstance(told, str):
        told = [told]
    return [piece if isinstance(piece, dict) else {"function": str(piece)} for piece in told or () if piece]


def _own_shape(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choice that a message of Ollama's own endpoints, or of Cloudflare's, stands for; none if it is none."""
    said = message.get("message")
    if not isinstance(said, dict):
        text = message.get("response")
        if not isinstance(text, str):
            return []
        said = {"content": text}
    return [{"delta": said, "finish_reason": message.get("done_reason")}]


def _is_error(message: Mapping[str, Any]) -> bool:
    """True if a message without an answer says what went wrong, without calling it an error."""
    names = bool({"type", "code", "status", "object"} & message.keys())
    said = message.get("detail") or message.get("errors") or message.get("object") == "error"
    return bool(said) or (names and isinstance(message.get("message"), str))


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
