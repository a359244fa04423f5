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
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from trio_voice.audio.mulaw import is_base64
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.protocols.expiry import Expiry
from trio_voice.protocols.json_messages import (
    MAX_ID,
    UNDECODABLE,
    UNREADABLE,
    decoded,
    garbage,
    table_in,
    text_in,
    unknown,
)
from trio_voice.protocols.model_session import ModelSession
from trio_voice.protocols.openai_realtime import messages
from trio_voice.protocols.openai_realtime.caller_events import CallerEvents
from trio_voice.protocols.openai_realtime.context import Context
from trio_voice.protocols.openai_realtime.dialects import accepted, wrong_format
from trio_voice.protocols.openai_realtime.errors import (
    CLOSED,
    GOING_AWAY,
    is_about_truncation,
    is_benign,
    is_busy,
    is_cancelled_in_vain,
    is_expired,
)
from trio_voice.protocols.openai_realtime.requests import Ask
from trio_voice.protocols.openai_realtime.response_events import ResponseEvents
from trio_voice.protocols.openai_realtime.responses import id_in
from trio_voice.protocols.unanswered import ALOUD, NUDGE, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona, ToolSchema
    from trio_voice.protocols.openai_realtime.dialects import OpenAIRealtimeSettings
    from trio_voice.protocols.openai_realtime.responses import Response

MAX_MESSAGE_BYTES: Final = 16_777_216
"""The ``openai`` package sets no bound; a piece of audio has been seen to exceed 16 kB, and the last event of a long
response repeats all of its text."""
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
        self._persona = persona
        self._tools = tools
        self._history = history
        context = self._context = Context(settings, persona)
        self._dialect, self._complaint = context.dialect, context.complaint
        self._requests, self._responses, self._turns = context.requests, context.responses, context.turns
        self._unanswered, self._calls = context.unanswered, context.calls
        self._caller_events = CallerEvents(context)
        self._response_events = ResponseEvents(context)
        self._created = self._ready = False
        self._ready_at = math.inf
        self._session_id = ""
        self._expiry = Expiry(self._dialect.session_seconds, started_at)
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
                    self._requests.forget_turn()
                self._requests.ask(Ask(instructions=self._context.in_character(instructions)))
                if kept and self._dialect.bills_text_items:
                    self._context.text_items += 1
                told = [messages.line(c.Said("caller", instructions))] if kept else []
                return [*told, *(self._give_way() if instead else ()), *self._say(now)]
            case c.SayExactly(text=text):
                self._requests.ask(Ask(exact=text))
                return self._say(now)
            case c.TruncateReply(reply_id=reply_id, heard_ms=heard_ms):
                self._responses.silenced()
                self._turns.decide(now)
                return [*self._cancel(reply_id), *self._truncate(reply_id, heard_ms)]
            case c.IgnoreTurn(item_id=item_id):
                return self._context.ignore(item_id, now)
            case c.ProtectReply():
                return ()  # a server that falls silent by itself cannot be kept from it, any other need not be

    def goodbye(self) -> None:
        """Nothing: the protocol has no such word. Closing the socket ends the session, and no meter runs by time."""

    def _say(self, now: float) -> list[str]:
        """Messages that may be sent now to have something said."""
        ask = self._requests.next(now)
        if ask is None:
            return []
        if ask.exact is not None and self._dialect.bills_text_items:
            self._context.text_items += 1
        self._unanswered.owe(now)
        return [messages.asking(ask)]

    def _truncate(self, reply_id: str, heard_ms: float) -> list[str]:
        """Cut what was not heard off each item, at no more than was received: beyond it is an error."""
        response = self._responses.kept.get(reply_id)
        if response is None:
            return []
        unheard = response.unheard(heard_ms)
        cut = [messages.truncation(f"truncate_{next(self._context.numbers)}", *end) for end in unheard]
        return [*cut, *self._greeting_cut(response, heard_ms)]

    def _greeting_cut(self, response: Response, heard_ms: float) -> list[str]:
        """Messages for a greeting that was cut within its first sentence: with the sound its text is gone."""
        greeting, received_ms = self._persona.greeting, sum(response.received_ms.values())
        if not greeting or self._history or response.response_id != self._context.first_id or not received_ms:
            return []
        first = FIRST_SENTENCE.match(greeting)
        if heard_ms / received_ms >= (len(first[0]) / len(greeting) if first else 1.0):
            return []
        self._context.first_id = ""
        if self._dialect.bills_text_items:
            self._context.text_items += 1
        return [messages.line(c.Said("caller", GREETING_CUT.format(greeting)))]

    def _cancel(self, response_id: str) -> list[str]:
        """Break a response off that is being made, where the server does not do so by itself."""
        response = self._responses.in_the_making
        if response is None or response.response_id != response_id or not self._dialect.may_not_interrupt:
            return []
        response.cancelled = True
        return [messages.cancellation(response_id, f"cancel_{next(self._context.numbers)}")]

    def _give_way(self) -> list[str]:
        """Break off a response that stands still: one is made at a time, and its rest is to be said by another."""
        response = self._responses.in_the_making
        if response is None or not response.audible or response.cancelled or self._dialect.may_not_interrupt:
            return []  # where the server may not interrupt, the bridge has told how much of it was heard
        response.cancelled = response.gives_way = True
        return [messages.cancellation(response.response_id, f"cancel_{next(self._context.numbers)}")]

    # Time

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return min(self._expiry.wake_at, self._requests.wake_at, self._unanswered.wake_at, self._turns.wake_at)

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
        making, latest = self._responses.in_the_making, self._requests.latest
        self._responses.abandon()
        if self._context.unheard:
            ask = Ask(instructions=self._context.in_character(ALOUD.format(self._context.unheard)))
        elif latest is not None:
            ask = attrs.evolve(latest, tries=0)
        else:
            ask = Ask(instructions=self._context.in_character(NUDGE))
        self._context.unheard = ""
        self._requests.ask_again(ask)
        if making is None:
            return []
        making.cancelled = True
        return [messages.cancellation(making.response_id, "cancel_hanging")]

    def _due(self, now: float) -> list[Meaning]:
        """Events and messages that are due now, with costs that were not told yet."""
        if self._context.turn_waits and self._responses.in_the_making is None and not self._turns.is_undecided(now):
            self._context.turn_waits = False
            self._requests.answer_turn(now + BY_ITSELF_SECONDS)
            self._unanswered.owe(now)
        due: list[Meaning] = [c.Outgoing(message) for message in self._say(now)]
        if self._context.text_items:
            due.append(c.Usage({"text_items": self._context.text_items}))
            self._context.text_items = 0
        return due

    # What we hear

    def receive(self, message: str | bytes, now: float) -> Sequence[Meaning]:
        """Events that a message of the server's means, and messages to be sent because of it."""
        if isinstance(message, bytes):
            return [c.Unrecognized("a binary message", garbage=True)]
        try:
            event = decoded(message)
            kind = event["type"]
            events = self._understood(kind, event, now)
        except UNREADABLE as wrong:
            return [garbage(wrong)]
        return [*self._turns.sift(events), *self._due(now)]

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

    def _understood(self, kind: Any, event: dict[str, Any], now: float) -> list[Meaning]:
        if isinstance(kind, str) and kind.startswith("response."):
            self._unanswered.making(now)  # thoughts, arguments of a call, whatever it is: it does not hang
        if (of_response := ResponseEvents.READERS.get(kind)) is not None:
            return of_response(self._response_events, event, now)
        if (of_caller := CallerEvents.READERS.get(kind)) is not None:
            return of_caller(self._caller_events, event, now)
        if (of_session := self._readers.get(kind)) is not None:
            return of_session(self, event, now)
        return [] if kind in messages.SILENT else [unknown(kind)]

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
        self._requests.open()
        return [*created, c.ModelReady(self._session_id or id_in(session, "id"), accepted(session))]

    def _on_error(self, event: dict[str, Any], now: float) -> list[Meaning]:
        error = event["error"] if isinstance(event.get("error"), dict) else event
        if self._ready and is_expired(error):  # sooner than it was told, or than we knew
            return [c.SessionExpiring(0.0)]
        fault = self._complaint.about(error, created=self._created, ready=self._ready)
        event_id = text_in(error, "event_id") if error is not event else ""
        if fault.fatal:
            return [fault]
        if is_cancelled_in_vain(error):
            return self._over_already()
        if event_id or not is_about_truncation(error):
            if self._requests.refused(event_id, now, busy=is_busy(error)) and is_busy(error):
                self._context.turn_waits = False  # what is in its way answers the turn
            if is_busy(error):
                self._unanswered.suspend()  # until it is asked for again, or what is in its way is heard
        return [] if is_benign(error) else [fault]

    def _over_already(self) -> list[Meaning]:
        """The server is not making the response that we wanted broken off: its end was never told."""
        response = self._responses.in_the_making
        if response is None or not response.cancelled:
            return []
        self._responses.abandon()
        self._requests.response_over()
        return [c.ReplyDone(response.response_id, interrupted=not response.gives_way)]

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

    _readers: ClassVar[dict[str, Callable[[OpenAIRealtimeSession, dict[str, Any], float], list[Meaning]]]] = {
        "session.created": _on_created,
        "conversation.created": _on_created,  # how older servers of xAI begin
        "session.updated": _on_updated,
        "error": _on_error,
    }
