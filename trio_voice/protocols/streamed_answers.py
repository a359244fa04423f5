"""Common parts of language models' streamed answers, whoever the vendor is: bounds, tool calls, the end.

An answer is a body of server-sent events, each with a JSON object, or one JSON object where a server does not stream.
Rules for all of them:

- arguments of a tool that mean nothing are none, others that are no JSON object make a ``broken`` call;
- an answer that is too long is cut short;
- thoughts are no text, and neither are calls written as text: those are run (``chat/answer_text.py``);
- an event that is no JSON object, or not as it was described, is ``Unrecognized``, and the answer goes on;
- a clean end of the body is the end of the answer if any of it has come; without any, or in the middle of an event, it
  was cut off.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from trio_voice.errors import RemoteProtocolError
from trio_voice.events import stage as s
from trio_voice.events.model import Unrecognized
from trio_voice.protocols.chat.answer_text import AnswerText
from trio_voice.protocols.chat.call_pieces import MAX_CALLS, CallPieces
from trio_voice.protocols.chat.finishes import BROKEN, finish_of
from trio_voice.protocols.chat.quirks import Quirks
from trio_voice.protocols.chat.refusals import Complaint, complaint_in
from trio_voice.protocols.json_messages import NO_JSON, UNDECODABLE, UNREADABLE, decoded, garbage, without_halves
from trio_voice.protocols.retry_after import wait_seconds
from trio_voice.protocols.server_sent_events import MAX_EVENT_BYTES, EventStreamReader, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from trio_voice.protocols.chat.answer_text import Heard
    from trio_voice.protocols.settings import StageSettings

MAX_BEGINNING: Final = 200
"""Bytes of a body that is no answer, of which is told."""
BOM: Final = b"\xef\xbb\xbf"
_EVENTS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
"""Beginnings of server-sent events."""
NO_FUNDS: Final = "the language model's account has no funds: see its provider's billing page"
MAX_LETTERS: Final = 20_000
"""Of one answer: a quarter of an hour of speech. Then it is cut short."""
SLICE_LETTERS: Final = 2_000
"""Letters that are looked at in one go."""


class StreamedAnswer:
    """Understands one answer; what its events mean is the vendor's subclass's to say.

    Args:
        number: the request's.
        known: the names of the tools that were offered: a call written as text is one of these, or nothing.
        quirks: what is known of the server.
        fail: makes a failure of a complaint that comes after the answer has begun.
    """

    def __init__(
        self,
        number: int,
        known: Collection[str] = (),
        quirks: Quirks | None = None,
        fail: Callable[[Complaint], s.ThoughtFailed] | None = None,
    ) -> None:
        self._number = number
        self._quirks = quirks or Quirks()
        self._failure_of = fail or (lambda complaint: failure_of(number, complaint))
        self._stream = EventStreamReader()
        self._known = frozenset(known)
        self._text = AnswerText(known, thinks_first=self._quirks.thinks_first)
        self._whole: list[bytes] | None = None
        """The body, if it is no stream of events: JSON all at once, though a stream was asked for."""
        self._begun = False
        self._begins = b""
        """The first bytes of the body: what there is to tell of one that is no answer."""
        self._went_on = False
        self._understood = False
        """Some event was one."""
        self._size = 0
        self._letters = 0
        self._finish = ""
        """Reason for which the answer ended, in the vendor's words, once that is known."""
        self._over = False

    @property
    def has_gone_on(self) -> bool:
        """True if the last piece of the body had anything of the answer: more than that the server still lives."""
        return self._went_on

    def receive(self, data: bytes) -> Sequence[Any]:
        """Events that a further piece of the body means. Never raises."""
        self._went_on = False
        if not self._begun:
            data = self._begins + data
            begins = data.removeprefix(BOM).lstrip()
            if not begins or BOM.startswith(begins):
                self._begins = data[-len(BOM) :]
                return []
            self._begun, self._begins = True, b""
            if begins.startswith((b"{", b"[")):
                self._whole = []
                data = begins
        self._begins += data[: MAX_BEGINNING - len(self._begins)]
        if self._whole is not None:
            self._size += len(data)
            if self._size > MAX_EVENT_BYTES:
                return self._fail(garbage_of(self._number, f"more than {MAX_EVENT_BYTES} bytes of JSON"))
            self._whole.append(data)
            self._went_on = True
            return []
        try:
            return self._understand_events(self._stream.receive(data))
        except RemoteProtocolError as wrong:
            return self._fail(garbage_of(self._number, str(wrong)))

    def end(self) -> Sequence[Any]:
        """The body has ended. Never raises."""
        if self._whole is not None:
            events = self._understand_all(_documents(b"".join(self._whole)))
        else:
            events = self._understand_events(self._stream.end())
        if self._over:
            return events
        events += self._heard(self._text.end())
        if self._finish:
            return [*events, *self._complete()]
        if self._whole is None and any(isinstance(event, Unrecognized) for event in events):
            return [*events, *self._without_answer()]  # it ends in the middle of an event
        if self._letters or self._text.calls or any(call.is_whole for call in self._calls_made()):
            return [*events, *self._complete(is_sure=False)]  # servers that leave out how it ended
        return [*events, *self._without_answer()]

    def _without_answer(self) -> list[Any]:
        """The body has ended and was none."""
        begins = self._begins.removeprefix(BOM).strip()
        if self._understood or not begins or begins.startswith(_EVENTS):
            cut = s.ThoughtFailed(self._number, "cut", "the language model's answer was cut off", retryable=True)
            return self._fail(cut)
        what = "JSON that is no answer" if self._whole is not None else f"no answer: {begins.decode(errors='replace')}"
        return self._fail(garbage_of(self._number, what))

    def _understand_events(self, received: Iterable[ServerSentEvent]) -> list[Any]:
        events: list[Any] = []
        for each in received:
            if each.event == "error" and not self._over:
                events += self._complain(complaint_in(0, each.data.encode(errors="replace")))
            else:
                events += self._understand_all([each.data])
        return events

    def _understand_all(self, messages: Iterable[str | bytes]) -> list[Any]:
        events: list[Any] = []
        for message in messages:
            if self._over:
                break
            try:
                is_end = isinstance(message, str) and message.strip() == "[DONE]"
                events += self._complete() if is_end else self._understand(_decoded(message))
                self._understood = True
            except UNREADABLE as wrong:
                events.append(garbage(wrong))
        return events

    def _understand(self, message: Any) -> list[Any]:
        """Events that one event, or the whole answer, means. May raise any of ``UNREADABLE``."""
        raise NotImplementedError

    def _calls_made(self) -> Iterable[CallPieces]:
        """The tool calls as far as they have come, in their order."""
        raise NotImplementedError

    def _say(self, content: object) -> list[Any]:
        """The next piece of the text, or of its parts; what is no text is not one."""
        events: list[Any] = []
        for text in texts_in(content):
            for at in range(0, len(text), SLICE_LETTERS):
                if self._over:
                    return events
                events += self._heard(self._text.add(text[at : at + SLICE_LETTERS]))
        return events

    def _heard(self, heard: Heard) -> list[Any]:
        """Events of an answer's text."""
        events: list[Any] = []
        if heard.unsaid:
            self._quirks.thinks_first = True
            events.append(s.Unthought(self._number))
            self._letters = 0
        said = heard.said[: MAX_LETTERS - self._letters + 1]
        self._letters += len(said)
        if said:
            events.append(s.Thought(self._number, said))
        if self._letters > MAX_LETTERS and not self._over:
            self._finish = "too_long"
            events += self._complete()
        return events

    def _complete(self, *, is_sure: bool = True) -> list[Any]:
        """The answer is over; unless that ``is_sure``, a call without arguments may have been cut off before them."""
        finish = finish_of(self._finish)
        if finish == BROKEN and not (self._text.calls or any(call.is_whole for call in self._calls_made())):
            events = self._heard(self._text.end())
            why = f"the language model's server broke its answer off: {self._finish[:100]}"
            return [*events, *self._fail(s.ThoughtFailed(self._number, "cut", why, retryable=True))]
        self._over = True
        events = self._heard(self._text.end())
        taken: dict[str, tuple[str, list[Any]]] = {}
        calls = [
            each
            for at, call in enumerate(self._calls_made())
            for each in call.finish(
                _call_id(self._number, at),
                taken,
                self._known,
                is_sure=(is_sure and finish not in {BROKEN, "length", "max_tokens"}) or call.is_whole,
            )
        ][:MAX_CALLS]
        if not calls:  # those of the text have no ids, and are repeated as words are
            written = [call for at, call in enumerate(self._text.calls) if call not in self._text.calls[:at]]
            calls = [
                s.ToolCall(_call_id(self._number, at), name, arguments) for at, (name, arguments) in enumerate(written)
            ]
        return [*events, s.ThoughtOver(self._number, tuple(calls), finish)]

    def _complain(self, complaint: Complaint) -> list[Any]:
        """The server has said an error, though it began with 200."""
        return self._fail(self._failure_of(complaint))

    def _fail(self, failed: s.ThoughtFailed) -> list[Any]:
        if self._over:
            return []
        self._over = True
        return [failed]


def texts_in(content: object) -> Iterator[str]:
    """The texts of a content: itself, or those of its parts that are to be said."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield str(content)
    elif isinstance(content, dict):
        if content.get("type", "text") in _SAID_PARTS and content.get("thought") is not True:
            yield from texts_in(content.get("text") or content.get("refusal") or content.get("value"))
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, str | dict):
                yield from texts_in(part)


_SAID_PARTS: Final = frozenset({"text", "output_text", "refusal"})
"""Types of parts that are the answer; others are thoughts, references, pictures."""


def _decoded(message: str | bytes) -> Any:
    """A message's meaning as JSON. Python's servers may write numbers that JSON does not know, such as NaN.

    Some proxies put ``data:`` before what has it already.
    """
    if isinstance(message, str):
        message = message.removeprefix("data:")
    try:
        return decoded(message)
    except NO_JSON:
        if "NaN" not in str(message) and "Infinity" not in str(message):
            raise
        return json.loads(without_halves(message if isinstance(message, str) else message.decode()))


def _documents(body: bytes) -> list[bytes]:
    """The JSON documents of a body: one, or one a line."""
    try:
        decoded(body)
    except UNDECODABLE:
        return [line for line in body.splitlines() if line.strip()]
    return [body]


def _call_id(number: int, at: int) -> str:
    """The id of a call to which the server gave none: nine letters and digits, as the strictest want it."""
    return f"call{number % 1_000:03}{at:02}"


def garbage_of(number: int, what: str) -> s.ThoughtFailed:
    """An answer that cannot be read."""
    return s.ThoughtFailed(number, "garbage", f"the language model's server sent {what}", retryable=True)


def failure_of(
    number: int,
    complaint: Complaint,
    *,
    advice: str = "the language model's server failed",
    retryable: bool = True,
    headers: Mapping[str, str] | None = None,
) -> s.ThoughtFailed:
    """The failure that a complaint means for its question.

    Args:
        number: the request's.
        complaint: what the server said.
        advice: what to do about it.
        retryable: whether the same question may be answered the next time.
        headers: the answer's.
    """
    code = f"http_{complaint.status}" if complaint.status else next(iter(sorted(complaint.kinds)), "error")
    words = f"{advice}: {complaint.said}"[:500] if complaint.said else advice
    if complaint.is_too_long:
        return s.ThoughtFailed(number, code, words, retryable=False, remedy="shorten")
    if complaint.is_filtered:
        return s.ThoughtFailed(number, code, words, retryable=False, remedy="rephrase")
    wait = wait_seconds(headers or {}, complaint.said)
    return s.ThoughtFailed(number, code, words, retryable or complaint.may_pass, wait)


def refusal_of(
    settings: StageSettings,
    model: str,
    number: int,
    complaint: Complaint,
    headers: Mapping[str, str],
    *,
    broke: Mapping[str, str],
) -> s.ThoughtFailed:
    """The failure that a status of a language model's server means, with advice.

    Args:
        settings: the stage's.
        model: the one that was asked.
        number: the request's.
        complaint: the HTTP status, and what came with it.
        headers: the answer's.
        broke: what to do about the vendor's errors, by their code, that no waiting mends.
    """
    key, status = settings.key_name, complaint.status
    moved = headers.get("location") if 300 <= status < 400 else None
    broken = next((words for kind, words in broke.items() if kind in complaint.kinds), None)
    broken = broken or (NO_FUNDS if complaint.has_no_funds else None)
    broken = broken or (
        f"the language model's server has moved to {moved[:200]}: set url of the stage" if moved else None
    )
    advice = broken or {
        401: f"the language model's server refused the key: check {key or 'credential of the stage'}",
        403: f"the language model's server does not let us in: check the account behind {key or 'the stage'}",
        404: f"there is no model {model!r} at {settings.address}: check model and url of the stage",
        429: "the language model's server is asked too often, or its account has no funds",
        529: "the language model's server is overloaded",
    }.get(status, f"the language model's server answered with HTTP {status}")
    retryable = complaint.is_passing and broken is None
    return failure_of(number, complaint, advice=advice, retryable=retryable, headers=headers)
