"""What the streamed answers of language models have in common, whoever the vendor is: bounds, tool calls, the end.

An answer is a body of server-sent events, each with a JSON object. Rules for all of them:

- arguments of a tool that are no JSON object make a ``broken`` call, and an answer that is too long is cut short;
- an event that is no JSON object, or not as it was described, is ``Unrecognized``, and the answer goes on;
- the end of the body without the end of the answer means that it was cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from trio_voice import stages as s
from trio_voice.errors import RemoteProtocolError
from trio_voice.protocols.json_messages import NO_JSON, UNREADABLE, garbage
from trio_voice.protocols.server_sent_events import EventStreamReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trio_voice.protocols.settings import StageSettings

MAX_CALLS: Final = 16
"""Tools asked for in one answer; further ones are not heard."""
MAX_ARGUMENTS: Final = 32_768
"""Letters of one call's arguments."""
MAX_LETTERS: Final = 20_000
"""Of one answer: a quarter of an hour of speech. Then it is cut short."""

RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@attrs.define
class CallPieces:
    """A tool call that is being put together."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""

    def take(self, arguments: object) -> None:
        """A further piece of the arguments' JSON. What is no text is not one."""
        if isinstance(arguments, str) and len(self.arguments) <= MAX_ARGUMENTS:
            self.arguments += arguments

    def finish(self, otherwise: str, taken: set[str]) -> s.ToolCall:
        """The whole call, under an id that no other has."""
        call_id = self.call_id if self.call_id and self.call_id not in taken else otherwise
        taken.add(call_id)
        try:
            arguments = msgspec.json.decode(self.arguments or "{}")
        except NO_JSON:
            arguments = None
        if isinstance(arguments, dict) and len(self.arguments) <= MAX_ARGUMENTS:
            return s.ToolCall(call_id, self.name, arguments)
        return s.ToolCall(call_id, self.name, {}, broken=self.arguments[:100])


class StreamedAnswer:
    """Understands one answer; what its events mean is the vendor's subclass's to say."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._stream = EventStreamReader()
        self._letters = 0
        self._finish = ""
        """Why the answer ended, in the vendor's words, once that is known."""
        self._over = False

    def receive(self, data: bytes) -> Sequence[Any]:
        """What a further piece of the body means. Never raises."""
        try:
            return self._understand_all([event.data for event in self._stream.receive(data)])
        except RemoteProtocolError as wrong:
            return self._fail("garbage", f"the language model's server sent {wrong}", retryable=True)

    def end(self) -> Sequence[Any]:
        """The body has ended. Never raises."""
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
            except UNREADABLE as wrong:
                events.append(garbage(wrong))
        return events

    def _understand(self, message: Any) -> list[Any]:
        """What one event means. May raise any of ``UNREADABLE``."""
        raise NotImplementedError

    def _calls_made(self) -> Iterable[CallPieces]:
        """The tool calls as far as they have come, in their order."""
        raise NotImplementedError

    def _ended_well(self) -> bool:
        """Whether the answer ended because all was said."""
        raise NotImplementedError

    def _say(self, text: object) -> list[Any]:
        """The next piece of the text; what is no text is not one."""
        if not (isinstance(text, str) and text):
            return []
        self._letters += len(text)
        said: list[Any] = [s.Thought(self._number, text)]
        if self._letters > MAX_LETTERS:
            self._finish = "too_long"
            said += self._complete()
        return said

    def _complete(self) -> list[Any]:
        self._over = True
        taken: set[str] = set()
        named = [call for call in self._calls_made() if call.name]
        calls = tuple(call.finish(f"call_{self._number}_{at}", taken) for at, call in enumerate(named))
        return [s.ThoughtOver(self._number, calls, "" if self._ended_well() else self._finish)]

    def _fail(self, code: str, message: str, *, retryable: bool) -> list[Any]:
        if self._over:
            return []
        self._over = True
        return [s.ThoughtFailed(self._number, code, message, retryable)]


def error_in(body: bytes) -> tuple[str, str]:
    """What a JSON error says, and its code or type."""
    try:
        error = msgspec.json.decode(body)["error"]
        if isinstance(error, dict):
            return str(error.get("message") or ""), str(error.get("code") or error.get("type") or "")
        return str(error), ""
    except UNREADABLE:
        return body[:200].decode(errors="replace").strip(), ""


def refusal_of(
    settings: StageSettings, model: str, number: int, status: int, body: bytes, *, broke: Mapping[str, str]
) -> s.ThoughtFailed:
    """What a language model's server means by a status, and what to do about it.

    Args:
        settings: the stage's.
        model: the one that was asked.
        number: the request's.
        status: the HTTP status.
        body: the beginning of what came with it.
        broke: what to do about the vendor's errors, by their code, that no waiting mends.
    """
    said, kind = error_in(body)
    key = settings.key_name
    advice = broke.get(kind) or {
        401: f"the language model's server refused the key: check {key or 'credential of the stage'}",
        403: f"the language model's server does not let us in: check the account behind {key or 'the stage'}",
        404: f"there is no model {model!r} at {settings.address}: check model and url of the stage",
        429: "the language model's server is asked too often, or its account has no funds",
        529: "the language model's server is overloaded",
    }.get(status, f"the language model's server answered with HTTP {status}")
    retryable = status in RETRYABLE and kind not in broke
    return s.ThoughtFailed(number, f"http_{status}", f"{advice}: {said}"[:500] if said else advice, retryable)
