"""OpenAI's Realtime API, and what others have made of it: one WebSocket that hears, thinks and speaks.

Sources: the types of the ``openai`` package 3.54, OpenAI's realtime reference and its guide to costs, and what was seen
live by people who published it (2026-11); where servers differ, ``openai_dialects.py``. Every frame is JSON text; audio
is base64 inside it.

A reply here is a *response* there, which is made of *items*: messages, of which each is truncated by itself, and
function calls. The server makes a response faster than it is heard, so that most interruptions come after its end.

Written rules for what a server should not do:

- A function call of a response that was cut off is not run. If it is whole, the server is told so.
- A function call whose arguments are no JSON object is not run, and answered with that.
- Sound in any format but mu-law, announced by ``session.updated``, ends the session: nobody would understand it.
- A response that fails is asked for once more; when that one fails too the session is given up.
- A session that expires sooner than it was told goes on in another, as one that expires in time.
- Of responses, items, calls and texts only so many are remembered as the constants below say; what has an id or
  arguments of endless length is not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import msgspec

from trio_voice import conversation as c
from trio_voice.audio import base64_ms, is_base64
from trio_voice.errors import LocalProtocolError
from trio_voice.protocols import openai_usage
from trio_voice.protocols.json_messages import MAX_ID, UNREADABLE, as_json, garbage, table_in, text_in, unknown
from trio_voice.protocols.openai_dialects import DIALECTS, accepted, wrong_format
from trio_voice.protocols.openai_errors import (
    CLOSED,
    GOING_AWAY,
    MAX_SAID,
    Complaint,
    is_about_truncation,
    is_benign,
    is_busy,
    is_expired,
    is_fatal,
)
from trio_voice.protocols.openai_floor import Ask, Floor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona, ToolSchema
    from trio_voice.protocols.openai_dialects import OpenAIRealtimeSettings

MAX_MESSAGE_BYTES: Final = 16_777_216
"""The ``openai`` package sets no bound; a piece of audio has been seen to exceed 16 kB, and the last event of a long
response repeats all of its text."""
MAX_ARGUMENTS: Final = 100_000
"""Letters of a function call's arguments. Longer ones count as broken."""
MAX_LETTERS: Final = 5_000
"""Of the text of one item that is put together here."""
KEPT_RESPONSES: Final = 8
MAX_ITEMS: Final = 32
"""Of one response; sound of further ones is passed on, and cannot be truncated."""
MAX_CALLS: Final = 32
"""Function calls of one response, and twice as many in all; further ones are not run."""
KEPT_TRANSCRIPTIONS: Final = 8
EXPIRING_SECONDS: Final = 60.0
"""How long before its end a session is to be succeeded: the next quiet moment may take a while."""
LONGEST_SECONDS: Final = 86_400.0
"""What the end of a session is believed to be at the latest; a server's clock may be wrong."""

Meaning = c.ModelEvent | c.Outgoing


@attrs.define(eq=False)
class _Call:
    """A function call: the server's id of it, and the response that it came in."""

    wire_id: str
    response_id: str


@attrs.define(eq=False)
class _Response:
    """What has come of one response."""

    response_id: str
    received_ms: dict[str, float] = attrs.field(factory=dict)
    """The sound of each item, in the order in which the caller hears them."""
    texts: dict[str, str] = attrs.field(factory=dict)
    calls: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """The function call items that are whole, by the server's call id."""


class OpenAIRealtimeSession:
    """One session's protocol state.

    Args:
        settings: which server, and how it is spoken to.
        persona: whose prompt, voice and turn detection the session gets. Its greeting is not this protocol's affair:
            the bridge asks for it.
        tools: what the model may call.
        history: the conversation so far, if this session takes over.
        started_at: the time of day, in seconds since 1970; the server tells the session's end by that clock.
    """

    provider = "openai-realtime"

    def __init__(
        self,
        settings: OpenAIRealtimeSettings,
        persona: Persona,
        tools: tuple[ToolSchema, ...] = (),
        history: tuple[c.Said, ...] = (),
        started_at: float | None = None,
    ) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.dialect]
        self._persona = persona
        self._tools = tools
        self._history = history
        self._started_at = started_at
        self._complaint = Complaint(settings, persona)
        self._bills_tokens = self._dialect.billed_by == "tokens"
        """Others may count tokens, too; told as usage, they would be missed in the prices."""
        self._floor = Floor()
        self._created = self._ready = False
        self._session_id = ""
        self._expiring_at = math.inf
        self._expiring_seconds = EXPIRING_SECONDS
        self._responses: dict[str, _Response] = {}
        self._response: _Response | None = None
        """The one that is being made."""
        self._failures = 0
        self._calls: dict[str, _Call] = {}
        """Those that the bridge has been asked to run, by the id that it knows."""
        self._transcriptions: dict[str, str] = {}
        self._text_items = 0
        """Sent, and not yet told as usage."""
        self._numbers = 0
        self.capabilities = c.Capabilities(
            speaks_first=False,
            truncates=True,
            exact_speech=self._dialect.exact_speech,
            session_seconds=self._dialect.session_seconds,
            billed_by=self._dialect.billed_by,
        )

    # What we say

    def opening(self) -> list[str]:
        """The session's settings, and the conversation so far. The server takes them once it has made the session."""
        as_items = self._dialect.history_as_items
        instructions = self._persona.prompt + ("" if as_items else c.retold(self._history))
        session = self._settings.update(self._persona, self._tools, instructions)
        items = [_item_of(said) for said in self._history] if as_items else []
        return [as_json({"type": "session.update", "session": session}), *map(as_json, items)]

    def encode(self, command: c.ModelCommand, now: float) -> Sequence[str]:
        """The wire form of a command; what is to be said may have to wait for its turn.

        Raises:
            LocalProtocolError: audio before ready: some servers throw it away, others take it for 24 kHz.
        """
        match command:
            case c.HearCaller(payload=payload):
                if not self._ready:
                    raise LocalProtocolError("no audio may be sent before session.updated")
                return ('{"type":"input_audio_buffer.append","audio":"' + payload + '"}',)
            case c.AnswerTool(call_id=call_id, result=result):
                return [*self._answer(call_id, result), *self._say(now)]
            case c.RequestReply(instructions=instructions):
                # A response's own instructions stand in place of the session's, and the voice would lose its manner.
                prompt = self._persona.prompt
                self._floor.ask(Ask(instructions=f"{prompt}\n\n{instructions}" if prompt else instructions))
                return self._say(now)
            case c.SayExactly(text=text):
                self._floor.ask(Ask(exact=text))
                return self._say(now)
            case c.TruncateReply(reply_id=reply_id, heard_ms=heard_ms):
                return self._truncate(reply_id, heard_ms)

    def goodbye(self) -> None:
        """Nothing: the protocol has no such word. Closing the socket ends the session, and no meter runs by time."""

    def _answer(self, call_id: str, result: str) -> list[str]:
        call = self._calls.pop(call_id, None)
        if call is None:
            return []
        last = all(other.response_id != call.response_id for other in self._calls.values())
        self._floor.result_sent(call.wire_id, last=last)
        return [_result(call.wire_id, result)]

    def _say(self, now: float) -> list[str]:
        """What may be asked for now."""
        ask = self._floor.next(now)
        if ask is None:
            return []
        if ask.exact is None:
            response = {} if ask.instructions is None else {"response": {"instructions": ask.instructions}}
            return [as_json({"type": "response.create", "event_id": ask.event_id, **response})]
        if self._dialect.bills_text_items:
            self._text_items += 1
        content = [{"type": "output_text", "text": ask.exact}]
        item = {"type": "force_message", "role": "assistant", "content": content}
        return [as_json({"type": "conversation.item.create", "event_id": ask.event_id, "item": item})]

    def _truncate(self, reply_id: str, heard_ms: float) -> list[str]:
        """Cut what was not heard off each item, at no more than was received: beyond it is an error."""
        response = self._responses.get(reply_id)
        messages: list[str] = []
        for item_id, received_ms in response.received_ms.items() if response else ():
            if heard_ms < received_ms:
                self._numbers += 1
                end = {"item_id": item_id, "content_index": 0, "audio_end_ms": int(max(heard_ms, 0.0))}
                event_id = f"truncate_{self._numbers}"  # so that a refusal is not taken for one of what we asked for
                messages.append(as_json({"type": "conversation.item.truncate", "event_id": event_id, **end}))
            heard_ms = max(0.0, heard_ms - received_ms)
        return messages

    # Time

    @property
    def wake_at(self) -> float:
        """When ``tick`` is next needed."""
        return min(self._expiring_at, self._floor.wake_at)

    def tick(self, now: float) -> Sequence[Meaning]:
        """What is to be said by now, and whether the session is about to expire."""
        events: list[Meaning] = []
        if now >= self._expiring_at:
            self._expiring_at = math.inf
            events.append(c.SessionExpiring(self._expiring_seconds))
        if self._floor.give_up(now):
            words = f"{self._dialect.vendor} did not begin the reply that it was asked for"
            events.append(c.ModelFault("no_response", words, fatal=False))
        return events + self._due(now)

    def _due(self, now: float) -> list[Meaning]:
        """What may be said now, and what has not been told of its cost."""
        due: list[Meaning] = [c.Outgoing(message) for message in self._say(now)]
        if self._text_items:
            due.append(c.Usage({"text_items": self._text_items}))
            self._text_items = 0
        return due

    # What we hear

    def receive(self, message: str | bytes, now: float) -> Sequence[Meaning]:
        """What a message of the server's means, and what is to be sent because of it."""
        if isinstance(message, bytes):
            return [c.Unrecognized("a binary message", garbage=True)]
        try:
            event = msgspec.json.decode(message)
            kind = event["type"]
            understand = self._readers.get(kind)
            if understand is None:
                return [] if kind in _SILENT else [unknown(kind)]
            events = understand(self, event, now)
        except UNREADABLE as wrong:
            return [garbage(wrong)]
        return [*events, *self._due(now)]

    # The session

    def _on_created(self, event: dict[str, Any], now: float) -> list[Meaning]:
        if self._created:
            return []
        self._created = True
        session = table_in(event, "session")
        self._session_id = _id(session, "id")
        seconds = self._dialect.session_seconds
        expires_at = session.get("expires_at")
        if self._started_at is not None and isinstance(expires_at, int | float) and not isinstance(expires_at, bool):
            told = expires_at - self._started_at
            seconds = told if 0 < told < LONGEST_SECONDS else seconds
        self._expiring_seconds = min(EXPIRING_SECONDS, seconds / 2)
        self._expiring_at = now + seconds - self._expiring_seconds
        return []

    def _on_updated(self, event: dict[str, Any], now: float) -> list[Meaning]:
        if self._ready:
            return []
        session = table_in(event, "session")
        wrong = wrong_format(session)
        if wrong:
            return [self._complaint.about_format(wrong)]
        created = self._on_created(event, now)  # some servers begin with this
        self._ready = True
        self._floor.open()
        return [*created, c.ModelReady(self._session_id or _id(session, "id"), accepted(session))]

    def _on_error(self, event: dict[str, Any], now: float) -> list[Meaning]:
        error = event["error"] if isinstance(event.get("error"), dict) else event
        if self._ready and is_expired(error):  # sooner than it was told, or than we knew
            return [c.SessionExpiring(0.0)]
        fault = self._complaint.about(error, created=self._created, ready=self._ready)
        event_id = text_in(error, "event_id") if error is not event else ""
        if fault.fatal:
            return [fault]
        if event_id or not is_about_truncation(error):
            self._floor.refused(event_id, now, busy=is_busy(error))
        return [] if is_benign(error) else [fault]

    def explain_close(self, code: int | None, _reason: str, _now: float) -> Sequence[Meaning]:
        """What it means that the server has closed the socket.

        Before the session is ready its code may be all that is said of a wrong key; afterwards going away is what
        servers do at the longest session's end, and another session goes on from there.
        """
        if self._ready:
            return [c.SessionExpiring(0.0)] if code == GOING_AWAY else []
        if code not in CLOSED:
            return []
        return [self._complaint.about({"code": CLOSED[code]}, created=self._created, ready=False)]

    # The caller

    def _on_speech_started(self, _event: dict[str, Any], now: float) -> list[Meaning]:
        self._floor.caller_began(now)
        return [c.CallerSpeechStarted()]

    def _on_speech_stopped(self, _event: dict[str, Any], now: float) -> list[Meaning]:
        self._floor.caller_finished(now)
        return [c.CallerSpeechStopped()]

    def _on_caller_delta(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item_id = _id(event, "item_id")
        return self._transcribed(item_id, self._transcriptions.get(item_id, "") + text_in(event, "delta"))

    def _on_caller_so_far(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        return self._transcribed(_id(event, "item_id"), text_in(event, "transcript") or text_in(event, "text"))

    def _transcribed(self, item_id: str, text: str) -> list[Meaning]:
        self._transcriptions[item_id] = text = text[:MAX_LETTERS]
        if len(self._transcriptions) > KEPT_TRANSCRIPTIONS:
            self._transcriptions.pop(next(iter(self._transcriptions)))
        return [c.CallerTranscript(item_id, text, final=False)]

    def _on_caller_text(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item_id = _id(event, "item_id")
        self._transcriptions.pop(item_id, None)
        meters = openai_usage.of_transcription(event.get("usage"))
        usage = [c.Usage(meters)] if meters and self._bills_tokens else []
        return [c.CallerTranscript(item_id, text_in(event, "transcript"), final=True), *usage]

    def _on_caller_lost(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        self._transcriptions.pop(_id(event, "item_id"), None)
        said = text_in(table_in(event, "error"), "message")
        words = f"{self._dialect.vendor} could not write down what the caller said"
        words = f"{words}: {said[:MAX_SAID]}" if said else words
        return [c.ModelFault("transcription_failed", words, fatal=False)]

    # The reply

    def _on_response_created(self, event: dict[str, Any], now: float) -> list[Meaning]:
        return self._open_response(_id(table_in(event, "response"), "id"), now)[1]

    def _open_response(self, response_id: str, now: float) -> tuple[_Response, list[Meaning]]:
        """The response of that id, begun if it was not; without an id it is the one that is being made."""
        known = self._responses.get(response_id) if response_id else self._response
        if known is not None:
            return known, []
        if not response_id:
            self._numbers += 1
            response_id = f"response {self._numbers}"
        self._response = self._responses[response_id] = _Response(response_id)
        if len(self._responses) > KEPT_RESPONSES:
            self._responses.pop(next(iter(self._responses)))
        self._floor.response_began(now)
        return self._response, [c.ReplyStarted(response_id)]

    def _on_audio(self, event: dict[str, Any], now: float) -> list[Meaning]:
        payload = event["delta"]
        if not is_base64(payload):
            return [c.Unrecognized("audio that is no base64", garbage=True)]
        response, begun = self._open_response(_id(event, "response_id"), now)
        item_id = _id(event, "item_id")
        if item_id in response.received_ms or len(response.received_ms) < MAX_ITEMS:
            response.received_ms[item_id] = response.received_ms.get(item_id, 0.0) + base64_ms(payload)
        return [*begun, c.ReplyAudio(response.response_id, payload)]

    def _on_words(self, event: dict[str, Any], now: float) -> list[Meaning]:
        response, begun = self._open_response(_id(event, "response_id"), now)
        return [*begun, c.ReplyWords(response.response_id, text_in(event, "delta"), None)]

    def _on_text(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The text of one item; a reply's is that of all its items."""
        response, begun = self._open_response(_id(event, "response_id"), now)
        if len(response.texts) < MAX_ITEMS:
            response.texts[_id(event, "item_id")] = text_in(event, "transcript")[:MAX_LETTERS]
        text = " ".join(filter(None, response.texts.values()))[:MAX_LETTERS]
        return [*begun, c.ReplyTranscript(response.response_id, text, interrupted=False)]

    def _on_item_done(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item = table_in(event, "item")
        if item.get("type") != "function_call":
            return []
        response, begun = self._open_response(_id(event, "response_id"), now)
        _keep_call(response, item)
        return begun

    def _on_item_taken(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item = table_in(event, "item")
        if item.get("type") == "function_call_output":
            self._floor.result_echoed(_id(item, "call_id"))
        return []

    def _on_response_done(self, event: dict[str, Any], now: float) -> list[Meaning]:
        told = table_in(event, "response")
        response, events = self._open_response(_id(told, "id"), now)
        status = told.get("status")
        if response is self._response:
            self._response = None
        if self._bills_tokens:
            meters = openai_usage.of_response(told.get("usage") or event.get("usage"))  # some have it at the top
            events += [c.Usage(meters)] if meters else []
        done = c.ReplyDone(response.response_id, interrupted=status == "cancelled")
        if status == "failed":
            return [*events, done, *self._failed(table_in(table_in(told, "status_details"), "error"), now)]
        if self._response is None:
            self._floor.response_over()
        if status == "cancelled":
            return [*events, *self._withheld(response), done]
        self._failures = 0
        output = told.get("output")
        for item in output if isinstance(output, list) else ():  # not every server has an event for each item
            if isinstance(item, dict) and item.get("type") == "function_call":
                _keep_call(response, item)
        events += self._requested(response)
        if status == "incomplete":
            reason = text_in(table_in(told, "status_details"), "reason") or "no reason given"
            words = f"{self._dialect.vendor} broke a reply off: {reason[:60]}"
            events.append(c.ModelFault("incomplete", words, fatal=False))
        return [*events, done]

    def _failed(self, error: dict[str, Any], now: float) -> list[Meaning]:
        """Ask once more; a caller who is not answered twice is better off with somebody else."""
        self._failures += 1
        fatal = self._failures > 1 or is_fatal(error)
        if fatal:
            self._floor.response_over()
        else:
            self._floor.response_failed(now)
        return [self._complaint.about_response(error, fatal=fatal)]

    # Tools

    def _requested(self, response: _Response) -> list[Meaning]:
        """The calls of a whole response, to be run; those that cannot be are answered here."""
        events: list[Meaning] = []
        refused: list[str] = []
        calls, response.calls = response.calls, {}
        for wire_id, item in calls.items():
            arguments = _arguments(item.get("arguments"))
            if arguments is None:
                refused.append(wire_id)
                events.append(c.Outgoing(_result(wire_id, _NO_JSON)))
            elif len(self._calls) >= 2 * MAX_CALLS:
                refused.append(wire_id)
                events.append(c.Outgoing(_result(wire_id, _TOO_MANY)))
            else:
                call_id = wire_id
                while call_id in self._calls:  # the same id again, though the first is not answered yet
                    self._numbers += 1
                    call_id = f"{wire_id} {self._numbers}"
                self._calls[call_id] = _Call(wire_id, response.response_id)
                events.append(c.ToolRequested(call_id, text_in(item, "name"), arguments))
        for wire_id in refused:
            self._floor.result_sent(wire_id, last=len(refused) == len(calls))
        return events

    def _withheld(self, response: _Response) -> list[Meaning]:
        """The whole calls of a response that was cut off: the model believes them made."""
        calls, response.calls = response.calls, {}
        return [c.Outgoing(_result(wire_id, _INTERRUPTED)) for wire_id in calls]

    _readers: ClassVar[dict[str, Callable[[OpenAIRealtimeSession, dict[str, Any], float], list[Meaning]]]] = {
        "session.created": _on_created,
        "conversation.created": _on_created,  # how older servers of xAI begin
        "session.updated": _on_updated,
        "error": _on_error,
        "input_audio_buffer.speech_started": _on_speech_started,
        "input_audio_buffer.speech_stopped": _on_speech_stopped,
        "conversation.item.input_audio_transcription.delta": _on_caller_delta,
        "conversation.item.input_audio_transcription.updated": _on_caller_so_far,  # xAI
        "conversation.item.input_audio_transcription.completed": _on_caller_text,
        "conversation.item.input_audio_transcription.failed": _on_caller_lost,
        "response.created": _on_response_created,
        "response.output_audio.delta": _on_audio,
        "response.audio.delta": _on_audio,  # beta, as the other two of this name
        "response.output_audio_transcript.delta": _on_words,
        "response.audio_transcript.delta": _on_words,
        "response.output_audio_transcript.done": _on_text,
        "response.audio_transcript.done": _on_text,
        "response.output_item.done": _on_item_done,
        "conversation.item.added": _on_item_taken,
        "conversation.item.created": _on_item_taken,  # beta
        "response.done": _on_response_done,
    }


_SILENT: Final = frozenset(
    {
        "conversation.item.done",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "rate_limits.updated",
        "response.output_item.added",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_audio.done",
        "response.audio.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.text.delta",
        "response.text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "ping",
    }
)
"""Events that are known, and that nothing needs to be done about. The text of a message without sound is nobody's."""

_NO_TEXT: Final = "too long, or no text"
_NO_JSON: Final = '{"error":"The tool was not run: its arguments were no JSON object. Try again."}'
_TOO_MANY: Final = '{"error":"The tool was not run: too many are running."}'
_INTERRUPTED: Final = '{"error":"The tool was not run: the caller interrupted."}'


def _keep_call(response: _Response, item: dict[str, Any]) -> None:
    """Remember a function call, unless it was cut off: then its arguments are, too."""
    call_id = _id(item, "call_id") or _id(item, "id")
    if item.get("status", "completed") == "completed" and call_id and len(response.calls) < MAX_CALLS:
        arguments = item.get("arguments")
        whole = not arguments or (isinstance(arguments, str) and len(arguments) <= MAX_ARGUMENTS)
        response.calls[call_id] = {
            "name": text_in(item, "name")[:MAX_ID],
            "arguments": arguments if whole else _NO_TEXT,
        }


def _arguments(text: Any) -> dict[str, Any] | None:
    """The arguments of a call, which are JSON within JSON; ``None`` if they are no object."""
    try:
        arguments = msgspec.json.decode(text) if text else {}
    except UNREADABLE:
        return None
    return arguments if isinstance(arguments, dict) else None


def _item_of(said: c.Said) -> dict[str, Any]:
    role, content = ("user", "input_text") if said.role == "caller" else ("assistant", "output_text")
    item = {"type": "message", "role": role, "content": [{"type": content, "text": said.text}]}
    return {"type": "conversation.item.create", "item": item}


def _result(wire_id: str, result: str) -> str:
    item = {"type": "function_call_output", "call_id": wire_id, "output": result}
    return as_json({"type": "conversation.item.create", "item": item})


def _id(event: dict[str, Any], key: str) -> str:
    """An id of the server's.

    Raises:
        ValueError: it is too long to be remembered.
    """
    value = text_in(event, key)
    if len(value) > MAX_ID:
        raise ValueError(f"{key} has {len(value)} letters")
    return value
