"""One session's protocol state, from the first ``session.update`` to the closing of the socket. Without I/O.

A reply here is a *response* there, which is made of *items*: messages, of which each is truncated by itself, and
function calls. The server makes a response faster than it is heard, so that most interruptions come after its end.

Written rules for what a server should not do:

- A function call of a response that was cut off is not run. If it is whole, the server is told so.
- A function call whose arguments are no JSON object is not run, and answered with that.
- Sound in any format but mu-law, announced by ``session.updated``, ends the session: nobody would understand it.
- A response that fails is asked for once more, or as often as the cause of it deserves, after the wait that the server
  asks for; then the session is given up.
- A response that cannot be heard (text, silence, nothing at all, or none begun) is none: it is asked for once more, and
  then the session is given up. Its text is told all the same, before its end.
- A server that is told not to fall silent by itself begins no response to a turn that is over while it still makes one:
  that response is asked for here.
- A session that expires sooner than it was told goes on in another, as one that expires in time.
"""

from __future__ import annotations

import math
import re
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import msgspec

from trio_voice.audio.mulaw import is_audible, is_base64
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.protocols.chat.refusals import wait_seconds
from trio_voice.protocols.expiry import Expiry
from trio_voice.protocols.json_messages import MAX_ID, UNDECODABLE, UNREADABLE, garbage, table_in, text_in, unknown
from trio_voice.protocols.model_session import ModelSession
from trio_voice.protocols.openai_realtime import messages, usage
from trio_voice.protocols.openai_realtime.dialects import DIALECTS, accepted, wrong_format
from trio_voice.protocols.openai_realtime.errors import (
    CLOSED,
    GOING_AWAY,
    MAX_SAID,
    Complaint,
    is_about_truncation,
    is_benign,
    is_busy,
    is_expired,
    is_fatal,
    is_passing,
    is_rate_limit,
)
from trio_voice.protocols.openai_realtime.floor import RETRY_SECONDS, Ask, Floor
from trio_voice.protocols.openai_realtime.responses import MAX_LETTERS, Responses, id_in
from trio_voice.protocols.openai_realtime.tools import ToolCalls
from trio_voice.protocols.openai_realtime.turns import CallerTurns
from trio_voice.protocols.unanswered import ALOUD, MAX_WAIT_SECONDS, NUDGE, REST, Step, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona, ToolSchema
    from trio_voice.protocols.openai_realtime.dialects import OpenAIRealtimeSettings
    from trio_voice.protocols.openai_realtime.responses import Response

MAX_MESSAGE_BYTES: Final = 16_777_216
"""The ``openai`` package sets no bound; a piece of audio has been seen to exceed 16 kB, and the last event of a long
response repeats all of its text."""
KEPT_TRANSCRIPTIONS: Final = 8
MAX_FAILURES: Final = 2
MAX_PASSING_FAILURES: Final = 3
"""Responses that fail one after the other before the session is given up; the second where the cause may pass."""
BY_ITSELF_SECONDS: Final = 0.3
"""Time after a response that was in its way that the server may take to answer a turn by itself."""
FIRST_SENTENCE: Final = re.compile(r"[^.!?]*[.!?]+(?=\s|$)")
GREETING_CUT: Final = (
    "(The caller began to speak before they had heard your greeting. It was to be: {!r} Do not take it for said.)"
)

Meaning = c.ModelEvent | c.Outgoing


class OpenAIRealtimeSession(ModelSession):
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
    caller_audio = messages.AUDIO

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
        self._complaint = Complaint(settings, persona)
        self._bills_tokens = self._dialect.billed_by == "tokens"
        """Others may count tokens, too; told as usage, they would be missed in the prices."""
        self._floor = Floor()
        self._created = self._ready = False
        self._ready_at = math.inf
        self._session_id = ""
        self._expiry = Expiry(self._dialect.session_seconds, started_at)
        self._responses = Responses()
        self._failures = 0
        self._limited_until = -math.inf
        """Time at which the server's rate limits allow the next response, as far as it has told."""
        self._unanswered = Unanswered()
        self._turns = CallerTurns(are_written=self._settings.writes_down)
        self._caller_speaks = False
        self._turn_waits = False
        """A turn was over while a response was being made: the server has not begun another."""
        self._unheard = ""
        """The text of the last response, if nothing of it could be heard."""
        self._rest_was_asked = False
        """An answer to this turn broke off, and its end was asked for."""
        self._first_id = ""
        """The response that greets."""
        self._calls = ToolCalls(self._floor)
        self._transcriptions: dict[str, str] = {}
        self._text_items = 0
        """Sent, and not yet told as usage."""
        self._truncations = count(1)
        self.capabilities = c.Capabilities(
            speaks_first=False,
            truncates=True,
            exact_speech=self._dialect.exact_speech,
            session_seconds=self._dialect.session_seconds,
            billed_by=self._dialect.billed_by,
            yields_on_request=self._dialect.may_not_interrupt,
        )

    # What we say

    def opening(self) -> list[str]:
        """The session's settings, and the conversation so far. The server takes them once it has made the session."""
        as_items = self._dialect.history_as_items
        instructions = self._persona.prompt + ("" if as_items else c.retold(self._history))
        session = self._settings.update(self._persona, self._tools, instructions)
        return [messages.update(session), *map(messages.line, self._history if as_items else ())]

    def encode(self, command: c.ModelCommand, now: float) -> Sequence[str]:
        """The wire form of a command; what is to be said may have to wait for its turn.

        Raises:
            LocalProtocolError: audio before ready: some servers throw it away, others take it for 24 kHz.
        """
        match command:
            case c.HearCaller(payload=payload):
                if not self._ready:
                    raise LocalProtocolError("no audio may be sent before session.updated")
                return (messages.AUDIO[0] + payload + messages.AUDIO[1],)
            case c.SendToolResult(call_id=call_id, result=result, go_on=go_on):
                return [*self._calls.answer(call_id, result, go_on=go_on), *self._say(now)]
            case c.RequestReply(instructions=instructions, instead=instead, kept=kept):
                if instead:
                    self._floor.forget_turn()
                self._floor.ask(Ask(instructions=self._in_character(instructions)))
                if kept and self._dialect.bills_text_items:
                    self._text_items += 1
                return [*([messages.line(c.Said("caller", instructions))] if kept else ()), *self._say(now)]
            case c.SayExactly(text=text):
                self._floor.ask(Ask(exact=text))
                return self._say(now)
            case c.TruncateReply(reply_id=reply_id, heard_ms=heard_ms):
                self._responses.silenced()
                self._turns.decide(now)
                return [*self._cancel(reply_id), *self._truncate(reply_id, heard_ms)]
            case c.IgnoreTurn(item_id=item_id):
                return self._ignore(item_id, now)
            case c.ProtectReply():
                return ()  # a server that falls silent by itself cannot be kept from it, any other need not be

    def goodbye(self) -> None:
        """Nothing: the protocol has no such word. Closing the socket ends the session, and no meter runs by time."""

    def _say(self, now: float) -> list[str]:
        """Messages that may be sent now to have something said."""
        ask = self._floor.next(now)
        if ask is None:
            return []
        if ask.exact is not None and self._dialect.bills_text_items:
            self._text_items += 1
        self._unanswered.owe(now)
        return [messages.asking(ask)]

    def _truncate(self, reply_id: str, heard_ms: float) -> list[str]:
        """Cut what was not heard off each item, at no more than was received: beyond it is an error."""
        response = self._responses.kept.get(reply_id)
        if response is None:
            return []
        unheard = response.unheard(heard_ms)
        cut = [messages.truncation(f"truncate_{next(self._truncations)}", *end) for end in unheard]
        return [*cut, *self._greeting_cut(response, heard_ms)]

    def _greeting_cut(self, response: Response, heard_ms: float) -> list[str]:
        """Messages for a greeting that was cut within its first sentence: with the sound its text is gone."""
        greeting, received_ms = self._persona.greeting, sum(response.received_ms.values())
        if not greeting or self._history or response.response_id != self._first_id or not received_ms:
            return []
        first = FIRST_SENTENCE.match(greeting)
        if heard_ms / received_ms >= (len(first[0]) / len(greeting) if first else 1.0):
            return []
        self._first_id = ""
        if self._dialect.bills_text_items:
            self._text_items += 1
        return [messages.line(c.Said("caller", GREETING_CUT.format(greeting)))]

    def _cancel(self, response_id: str) -> list[str]:
        """Break a response off that is being made, where the server does not do so by itself."""
        response = self._responses.in_the_making
        if response is None or response.response_id != response_id or not self._dialect.may_not_interrupt:
            return []
        response.cancelled = True
        return [messages.cancellation(response_id, f"cancel_{next(self._truncations)}")]

    def _ignore(self, item_id: str, now: float) -> list[str]:
        """Leave a turn unanswered, as long as nothing of its answer was passed on."""
        dropped = self._turns.ignore(item_id)
        if dropped is None:
            return []
        self._turn_waits = False
        self._unanswered.resume(now)
        self._floor.forget_turn()
        return self._drop(dropped) if dropped else []

    def _drop(self, response_id: str) -> list[str]:
        """Have the server forget a response that nobody hears."""
        response = self._responses.kept.get(response_id)
        is_made = response is not None and response is self._responses.in_the_making
        cancel = [messages.cancellation(response_id, f"cancel_{next(self._truncations)}")] if is_made else []
        unheard = response.unheard(0.0) if response else ()
        return [*cancel, *(messages.truncation(f"truncate_{next(self._truncations)}", *end) for end in unheard)]

    # Time

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return min(self._expiry.wake_at, self._floor.wake_at, self._unanswered.wake_at, self._turns.wake_at)

    def tick(self, now: float) -> Sequence[Meaning]:
        """Events that are due by now; among them that the session is about to expire."""
        left = self._expiry.pop(now)
        events: list[Meaning] = [] if left is None else [c.SessionExpiring(left)]
        events += self._turns.release(now)
        match self._unanswered.tick(now):
            case Step.ASK:
                events += [self._complaint.about_silence(fatal=False), *map(c.Outgoing, self._ask_again())]
            case Step.LEAVE:
                events.append(self._complaint.about_silence(fatal=True))
        return events + self._due(now)

    def _ask_again(self) -> list[str]:
        """Have something said that can be heard; returns what ends the response that is still being made."""
        making, begun = self._responses.in_the_making, self._floor.begun
        self._responses.abandon()
        if self._unheard:
            ask = Ask(instructions=self._in_character(ALOUD.format(self._unheard)))
        elif begun is not None and not begun.follows_up:
            ask = attrs.evolve(begun, tries=0)
        else:
            ask = Ask(instructions=self._in_character(NUDGE))
        self._unheard = ""
        self._floor.ask_again(ask)
        if making is None:
            return []
        making.cancelled = True
        return [messages.cancellation(making.response_id, "cancel_hanging")]

    def _in_character(self, instructions: str) -> str:
        """A response's own instructions stand in place of the session's, and the voice would lose its manner."""
        prompt = self._persona.prompt
        return f"{prompt}\n\n{instructions}" if prompt else instructions

    def _due(self, now: float) -> list[Meaning]:
        """Events and messages that are due now, with costs that were not told yet."""
        if self._turn_waits and self._responses.in_the_making is None and not self._turns.is_undecided(now):
            self._turn_waits = False
            self._floor.answer_turn(now + BY_ITSELF_SECONDS)
            self._unanswered.owe(now)
        due: list[Meaning] = [c.Outgoing(message) for message in self._say(now)]
        if self._text_items:
            due.append(c.Usage({"text_items": self._text_items}))
            self._text_items = 0
        return due

    # What we hear

    def receive(self, message: str | bytes, now: float) -> Sequence[Meaning]:
        """Events that a message of the server's means, and messages to be sent because of it."""
        if isinstance(message, bytes):
            return [c.Unrecognized("a binary message", garbage=True)]
        try:
            event = msgspec.json.decode(message)
            kind = event["type"]
            understand = self._readers.get(kind)
            if understand is None:
                return [] if kind in messages.SILENT else [unknown(kind)]
            events = understand(self, event, now)
        except UNREADABLE as wrong:
            return [garbage(wrong)]
        return [*self._turns.sift(events), *self._due(now)]

    # The session

    def _on_created(self, event: dict[str, Any], now: float) -> list[Meaning]:
        if self._created:
            return []
        self._created = True
        session = table_in(event, "session")
        self._session_id = id_in(session, "id")
        self._expiry.begin(session.get("expires_at"), now)
        return []

    def _on_updated(self, event: dict[str, Any], now: float) -> list[Meaning]:
        if self._ready:
            return []
        session = table_in(event, "session")
        wrong = wrong_format(session)
        if wrong:
            return [self._complaint.about_format(wrong)]
        created = self._on_created(event, now)  # some servers begin with this
        self._ready, self._ready_at = True, now
        self._floor.open()
        return [*created, c.ModelReady(self._session_id or id_in(session, "id"), accepted(session))]

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
            if is_busy(error):
                self._unanswered.suspend()  # until it is asked for again, or what is in its way is heard
        return [] if is_benign(error) else [fault]

    def explain_close(self, code: int | None, _reason: str, now: float) -> Sequence[Meaning]:
        """Events that a socket means which the server has closed.

        Before the session is ready its code may be all that is said of a wrong key; afterwards going away is what
        servers do at the longest session's end, and another session goes on from there, as it does from whatever
        happens to one that was good.
        """
        if self._ready:
            good = code == GOING_AWAY or now - self._ready_at >= c.GOOD_SECONDS
            return [c.SessionExpiring(0.0)] if good else []
        if code not in CLOSED:
            return []
        return [self._complaint.about({"code": CLOSED[code]}, created=self._created, ready=False)]

    # The caller

    def _on_speech_started(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item_id = id_in(event, "item_id")
        self._caller_speaks = True
        self._floor.caller_began(now)
        self._unanswered.suspend()
        self._turns.begin(item_id, overlaps=now < self._responses.heard_until)
        return [c.CallerSpeechStarted(item_id=item_id)]

    def _on_speech_stopped(self, _event: dict[str, Any], now: float) -> list[Meaning]:
        self._caller_speaks = False
        self._floor.caller_finished(now)
        self._turns.end(now)
        self._unheard, self._rest_was_asked = "", False
        if self._responses.in_the_making is not None:
            self._turn_waits = True
        elif not self._turns.is_undecided(now) or self._unanswered.is_suspended:
            self._unanswered.owe(now)  # else it may be a noise: their words come, or do not
        return [c.CallerSpeechStopped()]

    def _on_committed(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The turn is over; not every server has said so before."""
        return self._on_speech_stopped(event, now) if self._caller_speaks else []

    def _on_caller_delta(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item_id = id_in(event, "item_id")
        return self._transcribed(item_id, self._transcriptions.get(item_id, "") + text_in(event, "delta"))

    def _on_caller_so_far(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        return self._transcribed(id_in(event, "item_id"), text_in(event, "transcript") or text_in(event, "text"))

    def _transcribed(self, item_id: str, text: str) -> list[Meaning]:
        self._transcriptions[item_id] = text = text[:MAX_LETTERS]
        if len(self._transcriptions) > KEPT_TRANSCRIPTIONS:
            self._transcriptions.pop(next(iter(self._transcriptions)))
        return [c.CallerTranscript(item_id, text, final=False)]

    def _on_caller_text(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item_id = id_in(event, "item_id")
        self._transcriptions.pop(item_id, None)
        ignored: list[str] = []
        if text_in(event, "transcript").strip():
            self._turns.written(item_id, now)
            if self._turns.awaits_answer(item_id) and not self._caller_speaks and not self._turn_waits:
                self._unanswered.owe(now)
        elif not self._caller_speaks:  # a noise, to which nothing is owed
            ignored = self._ignore(item_id, now) if self._turns.waits_for(item_id) else []
            self._unanswered.resume(now)
            self._turn_waits = False
        meters = usage.of_transcription(event.get("usage"))
        billed = [c.Usage(meters)] if meters and self._bills_tokens else []
        written = c.CallerTranscript(item_id, text_in(event, "transcript"), final=True)
        return [written, *map(c.Outgoing, ignored), *billed]

    def _on_caller_lost(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        self._transcriptions.pop(id_in(event, "item_id"), None)
        said = text_in(table_in(event, "error"), "message")
        words = f"{self._dialect.vendor} could not write down what the caller said"
        words = f"{words}: {said[:MAX_SAID]}" if said else words
        return [c.ModelFault("transcription_failed", words, fatal=False)]

    # The reply

    def _on_response_created(self, event: dict[str, Any], now: float) -> list[Meaning]:
        return self._open_response(id_in(table_in(event, "response"), "id"), now)[1]

    def _open_response(self, response_id: str, now: float) -> tuple[Response, list[Meaning]]:
        """The response of that id, begun if it was not; without an id it is the one that is being made."""
        response, is_new = self._responses.open(response_id)
        if not is_new:
            return response, []
        self._floor.response_began(now)
        self._turns.answered()
        self._unanswered.making(now)
        if len(self._responses.kept) == 1 and self._floor.begun is not None and not self._floor.begun.follows_up:
            self._first_id = response.response_id
        begun: list[Meaning] = [c.ReplyStarted(response.response_id)]
        if self._floor.begun is None:
            self._turn_waits = False
            if self._turns.answered_by(response, now):
                self._unanswered.settle()
                begun += map(c.Outgoing, self._drop(response.response_id))
        return response, begun

    def _on_audio(self, event: dict[str, Any], now: float) -> list[Meaning]:
        payload = event["delta"]
        if not is_base64(payload):
            return [c.Unrecognized("audio that is no base64", garbage=True)]
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_sound(id_in(event, "item_id"), payload)
        if not response.audible and is_audible(payload):
            response.audible, response.heard_from = True, max(now, self._responses.heard_until)
            self._unanswered.settle()
        response.passes = response.audible and not self._turns.holds(response.response_id)
        return [*begun, c.ReplyAudio(response.response_id, payload)]

    def reply_audio(self, message: str | bytes) -> tuple[str, str] | None:
        """``receive`` for more sound of a response that is known: its id and payload; ``None`` for anything else."""
        if type(message) is str:
            try:
                event = messages.decode_sound(message)
            except UNDECODABLE:
                return None
            response = self._responses.kept.get(event.response_id)
            passes = response is not None and response.passes
            if passes and response is not None and len(event.item_id) <= MAX_ID and is_base64(event.delta):
                response.add_sound(event.item_id, event.delta)
                return response.response_id, event.delta
        return None

    def _on_words(self, event: dict[str, Any], now: float) -> list[Meaning]:
        response, begun = self._open_response(id_in(event, "response_id"), now)
        return [*begun, c.ReplyWords(response.response_id, text_in(event, "delta"), None)]

    def _on_text(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The text of one item; a reply's is that of all its items."""
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_text(event)
        return [*begun, c.ReplyTranscript(response.response_id, response.text, interrupted=False)]

    def _on_written(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The text of one item that has no sound. xAI tells it of what was spoken, too."""
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_written(event)
        return begun

    def _on_rate_limits(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """Note the time until something is left of what we may ask for."""
        used_up = [limit for limit in event["rate_limits"] if limit.get("remaining", 1) <= 0]
        self._limited_until = max((now + float(limit["reset_seconds"]) for limit in used_up), default=-math.inf)
        return []

    def _on_item_done(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item = table_in(event, "item")
        if item.get("type") != "function_call":
            return []
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_call(item)
        return begun

    def _on_item_taken(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item = table_in(event, "item")
        if item.get("type") == "function_call_output":
            self._floor.result_echoed(id_in(item, "call_id"))
        return []

    def _on_response_done(self, event: dict[str, Any], now: float) -> list[Meaning]:
        told = table_in(event, "response")
        response, events = self._open_response(id_in(told, "id"), now)
        status = told.get("status")
        is_last = self._responses.close(response)
        written = "" if response.text else " ".join(filter(None, response.written.values()))[:MAX_LETTERS]
        if written:
            events.append(c.ReplyTranscript(response.response_id, written, interrupted=False))
        if self._bills_tokens:
            meters = usage.of_response(told.get("usage") or event.get("usage"))  # some have it at the top
            events += [c.Usage(meters)] if meters else []
        broke_off = status == "incomplete" or (status == "cancelled" and self._is_nobodys_wish(response, told))
        done = c.ReplyDone(response.response_id, interrupted=status == "cancelled" and not broke_off)
        if status == "failed":
            return [*events, done, *self._failed(table_in(table_in(told, "status_details"), "error"), now)]
        if is_last:
            self._floor.response_over()
        if done.interrupted or self._turns.is_dropped(response.response_id):
            return [*events, *self._calls.withhold(response), done]
        if status == "cancelled":
            events += self._calls.withhold(response)
        self._failures = 0
        output = told.get("output")
        for item in output if isinstance(output, list) and status != "cancelled" else ():
            # not every server has an event for each item
            if isinstance(item, dict) and item.get("type") == "function_call":
                response.add_call(item)
        if response.calls:
            self._unanswered.settle()
        elif not response.audible:
            self._unheard = response.text or written
            self._unanswered.silent(now)
        events += self._calls.request(response)
        if broke_off:
            reason = text_in(table_in(told, "status_details"), "reason") or "no reason given"
            words = f"{self._dialect.vendor} broke a reply off: {reason[:60]}"
            events.append(c.ModelFault(str(status), words, fatal=False))
            if response.audible and not response.calls and not self._rest_was_asked:
                self._rest_was_asked = True
                self._floor.ask(Ask(instructions=self._in_character(REST)))
        return [*events, done]

    def _is_nobodys_wish(self, response: Response, told: dict[str, Any]) -> bool:
        """True if a response was cancelled though neither we nor the caller, as far as is known, put an end to it."""
        reason = text_in(table_in(told, "status_details"), "reason")
        return not (response.cancelled or self._caller_speaks or self._turn_waits or reason == "turn_detected")

    def _failed(self, error: dict[str, Any], now: float) -> list[Meaning]:
        """Ask again, after the wait that is told; a caller who is not answered is better off with somebody else."""
        self._failures += 1
        wait = wait_seconds({}, text_in(error, "message"))
        if wait is None and is_rate_limit(error) and self._limited_until > now:
            wait = self._limited_until - now
        wait = RETRY_SECONDS * self._failures if wait is None else wait
        most = MAX_PASSING_FAILURES if is_passing(error) else MAX_FAILURES
        fatal = self._failures >= most or is_fatal(error) or wait > MAX_WAIT_SECONDS
        if fatal:
            self._floor.response_over()
        else:
            self._floor.response_failed(now, wait)
        self._unanswered.suspend()  # until it is asked for
        return [self._complaint.about_response(error, fatal=fatal)]

    _readers: ClassVar[dict[str, Callable[[OpenAIRealtimeSession, dict[str, Any], float], list[Meaning]]]] = {
        "session.created": _on_created,
        "conversation.created": _on_created,  # how older servers of xAI begin
        "session.updated": _on_updated,
        "error": _on_error,
        "input_audio_buffer.speech_started": _on_speech_started,
        "input_audio_buffer.speech_stopped": _on_speech_stopped,
        "input_audio_buffer.committed": _on_committed,
        "rate_limits.updated": _on_rate_limits,
        "response.output_text.done": _on_written,
        "response.text.done": _on_written,  # beta
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
