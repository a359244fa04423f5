"""One session's protocol state, from ``setup`` to the closing of the socket. Without I/O.

Every frame is one JSON object, the server's in binary frames; a message of the server's may hold several of its fields.
Rules where Gemini leaves something open:

- Replies have no ids: one begins with whatever comes of it first, and is done with ``generationComplete``, else with
  ``turnComplete``. Gemini speaks faster than is heard, so ``interrupted`` may come after either: then it is the last
  reply that was interrupted.
- What comes in the half second after ``interrupted``, up to ``turnComplete``, is late sound of what was interrupted. A
  caller who has only begun to speak cannot have been answered by then; but a wedged session never says
  ``turnComplete``, so there must be an end to it.
- Transcriptions are increments without ids. The caller's belong together until the turn is complete or interrupted; the
  agent's belong to the reply that is open, else to the last one of the same turn.
- Gemini says ``goAway`` about a minute before it closes, and is known to fall silent instead, so a clock stands beside
  it. From then on each newer handle is told too: the older one's session knows less, for instance no tool's answer.
"""

from __future__ import annotations

import base64
import math
import re
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from trio_voice.audio import mulaw as audio
from trio_voice.audio.resampler import MODEL_RATES, FromTelephone
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.frames import Frames
from trio_voice.protocols.gemini_live.setup import GeminiLiveSettings, setup_message
from trio_voice.protocols.gemini_live.tools import ToolCalls
from trio_voice.protocols.gemini_live.usage import explained, is_explained, meters
from trio_voice.protocols.gemini_live.watchdog import Step, Watchdog
from trio_voice.protocols.json_messages import MAX_ID, UNREADABLE, as_json, garbage, text_in
from trio_voice.protocols.model_session import ModelSession
from trio_voice.protocols.unanswered import ALOUD, NUDGE, REST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trio_voice.persona import Persona, ToolSchema

MAX_MESSAGE_BYTES: Final = 1_048_576
"""16 s of speech; Gemini's own messages hold a fraction of a second."""
MAX_HANDLE: Final = 10_000
MAX_ASKS: Final = 8
"""Replies asked for before the session is ready; beyond that the oldest is dropped."""
MAX_LETTERS: Final = 5_000
"""Of what the caller says in one turn."""
HEARS: Final = 16_000
SPEAKS: Final = 24_000
"""Hz."""
CONNECTION_SECONDS: Final = 600.0
"""About how long Gemini keeps a connection."""
NOTICE_SECONDS: Final = 50.0
"""Time before that at which another session is asked for, if no ``goAway`` has come."""
FULL: Final = 1007
"""Close code of a session whose memory is full, or that has taken offence at a message."""
WHOLE: Final = frozenset({"", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"})
"""Reasons for which a turn is complete that leave nothing out; the others are filters and faults."""
LATE_SECONDS: Final = 0.5
NEXT_TURN_SECONDS: Final = 1.0
"""Words that come so long after the last, and behind something of the model's, are of another turn."""

CAPABILITIES: Final = c.Capabilities(
    speaks_first=False,
    truncates=False,
    withdraws_tools=True,
    native_mulaw=False,
    session_seconds=CONNECTION_SECONDS,
    resumes=True,
    billed_by="tokens",
)

Event = c.ModelEvent | c.Outgoing


class GeminiLiveSession(ModelSession):
    """One connection's session.

    Args:
        settings: the model, and how it is asked.
        persona: whose prompt, voice and turn detection the session gets.
        tools: what the model may call.
        history: the conversation so far, if this session takes over without a handle.
        resume_with: the handle of the session to take up. Gemini refuses it (close code 1011) while that one's socket
            is open (aicc2025/sip-to-ai #14, tried live).
    """

    capabilities = CAPABILITIES
    provider = "gemini-live"

    def __init__(
        self,
        settings: GeminiLiveSettings,
        persona: Persona,
        tools: tuple[ToolSchema, ...] = (),
        history: tuple[c.Said, ...] = (),
        resume_with: str | None = None,
    ) -> None:
        self._settings = settings
        self._persona = persona
        self._opening = setup_message(settings, persona, tools, history, resume_with)
        self._resumes = resume_with is not None
        self._asks: deque[str] = deque(maxlen=MAX_ASKS)
        """Messages for as soon as the session is ready; the first one has to be the setup."""
        self._ready, self._ready_at = False, math.inf
        self._from_caller = FromTelephone(HEARS)
        self._to_caller = Frames(SPEAKS)
        self._numbers = count(1)
        self._reply_id = ""
        """The last reply's."""
        self._reply_open = False
        self._speaks = False
        """There is sound in the reply that is open."""
        self._audible = False
        """And something of it can be heard."""
        self._has_words = False
        self._written = ""
        """Text of the reply in writing, which is said to nobody."""
        self._unheard = ""
        """The words of the last reply, if nothing of it could be heard."""
        self._asked_last = ""
        """Words that Gemini was asked to say since the caller has spoken last."""
        self._rest_was_asked = False
        """An answer to what the caller has said last broke off, and its end was asked for."""
        self._rejects = False
        """A turn was over without a sound: taken up where it stopped, the session would do so again."""
        self._turn_open = False
        """The model's turn: it may go on after a reply is done."""
        self._late_until = -math.inf
        self._caller_item = ""
        self._caller_words = ""
        self._words_at = -math.inf
        """Time of the last of them."""
        self._is_answered = False
        """The model has said or asked for something since."""
        self._calls = ToolCalls()
        self._watchdog = Watchdog()
        self._handle = resume_with
        self._ends_at = math.inf
        self._expires_at = math.inf
        """Time at which another session is to be asked for."""
        self._expiring = False
        """It has been."""

    # What we say

    def opening(self) -> list[str]:
        """The first message on a new socket. The server is silent until it comes."""
        return [as_json(self._opening)]

    def encode(self, command: c.ModelCommand, now: float) -> Sequence[str]:
        """The wire form of a command; nothing where Gemini has no such thing, or where it has to wait.

        Raises:
            LocalProtocolError: audio before ready, which the server would take for the first thing to answer.
        """
        match command:
            case c.HearCaller(payload=payload):
                return self._sound(payload, now)
            case c.SendToolResult(call_id=call_id, result=result, failed=failed, go_on=go_on):
                message = self._calls.answer(call_id, result, failed=failed)
                if message is None:
                    return ()
                if go_on:
                    self._watchdog.expect_answer(now)
                return (as_json(message),)
            case c.RequestReply(instructions=instructions):
                if not self._ready:
                    self._asks.append(instructions)
                    return ()
                self._asked_last = instructions
                self._watchdog.expect_answer(now)
                return (self._asked(instructions),)
            case c.IgnoreTurn():
                self._watchdog.forgive()
                return ()
            case _:
                return ()  # it decides by itself how much of a reply was heard

    def _sound(self, payload: str, now: float) -> Sequence[str]:
        """Frame by frame as Twilio sends them: what is collected is heard later."""
        if not self._ready:
            raise LocalProtocolError("no audio may be sent before setupComplete")
        try:
            mulaw = base64.b64decode(payload)
        except ValueError:
            return ()
        if not self._reply_open and not self._calls:
            self._watchdog.hear(mulaw, now)
        pcm = audio.encode(self._from_caller.feed(mulaw))
        return ('{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"' + pcm + '"}}}',)

    def _asked(self, text: str) -> str:
        """Text that is to be answered now."""
        if self._settings.features.hears_text_live:
            return as_json({"realtimeInput": {"text": text}})
        turn = {"role": "user", "parts": [{"text": text}]}
        return as_json({"clientContent": {"turns": [turn], "turnComplete": True}})

    def goodbye(self) -> None:
        """Nothing: closing the socket ends the session, and its tokens are all that is billed."""

    # Time

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return min(self._watchdog.wake_at, self._expires_at)

    def tick(self, now: float) -> Sequence[Event]:
        """Events that come of time having passed."""
        events: list[Event] = []
        if now >= self._expires_at:
            events.append(self._expire(now))
        match self._watchdog.tick(now):
            case Step.BEGUN if not self._reply_open:
                events.append(c.CallerSpeechStarted(interrupts=False))
            case Step.PAUSED if not self._reply_open:
                events.append(c.CallerSpeechStopped())
            case Step.NUDGE:
                events.append(c.ModelFault("silent", "Gemini does not answer, and was asked to", fatal=False))
                aloud = ALOUD.format(self._unheard) if self._unheard else ""
                events.append(c.Outgoing(self._asked(aloud or self._asked_last or NUDGE)))
            case Step.LEAVE:
                events.append(c.SessionExpiring(0.0, None if self._rejects else self._handle))
        return events

    def _expire(self, now: float) -> Event:
        """Ask for a successor."""
        self._expires_at, self._expiring = math.inf, True
        return c.SessionExpiring(max(self._ends_at - now, 0.0), self._handle)

    # What we hear

    def receive(self, message: str | bytes, now: float) -> Sequence[Event]:
        """Events that a message of the server's means."""
        events: list[Event] = []
        try:
            fields = msgspec.json.decode(message, type=dict[str, Any])
            known = [name for name in self._readers if name in fields]
            for name in known:
                events.extend(self._readers[name](self, fields[name], now))
            if not known:
                names = ", ".join(sorted(fields))[:60]
                events.append(c.Unrecognized(f"a message with {names or 'nothing in it'}"))
        except UNREADABLE as wrong:
            events.append(garbage(wrong))
        return events

    def explain_close(self, code: int | None, reason: str, now: float) -> Sequence[Event]:
        """Events that a socket means which Gemini has closed, or which is gone.

        Words that name a cause are a refusal, and so are 1007 and 1008 of a session that has only begun; anything else
        is the end of the connection's time, or a fault of Google's, and the session is taken up by its handle, or
        another one is told the conversation. One that ends as soon as it has begun is not worth it. A session that was
        to be taken up and is not even ready is about its handle, unless the words are about something else: a fresh one
        takes over, which is told the conversation.
        """
        if self._resumes and not self._ready and not is_explained(reason):
            return [c.SessionExpiring(0.0)]
        settings, persona = self._settings, self._persona
        names = {"model": settings.model, "name": settings.name, "voice": persona.voice, "persona": persona.name}
        good = now - self._ready_at >= c.GOOD_SECONDS
        words = explained(code, reason, names, good=good)
        if words is not None:
            return [c.ModelFault(f"closed_{code}", words, fatal=True)]
        if not good:
            return []
        is_full = code == FULL  # by a handle it would be as full again
        return [c.SessionExpiring(0.0, None if is_full else self._handle)]

    def _on_setup(self, complete: dict[str, Any], now: float) -> Iterator[Event]:
        if self._ready:
            return
        session_id = text_in(complete, "sessionId")[:MAX_ID]
        self._ready, self._ready_at = True, now
        self._ends_at = now + CONNECTION_SECONDS
        self._expires_at = self._ends_at - NOTICE_SECONDS
        yield c.ModelReady(session_id, self._accepted)
        while self._asks:
            self._watchdog.expect_answer(now)
            self._asked_last = self._asks.popleft()
            yield c.Outgoing(self._asked(self._asked_last))

    @property
    def _accepted(self) -> dict[str, str]:
        """Settings that being ready accepts: Gemini repeats none of a setup, and closes on one that it refuses."""
        accepted = {"model": self._settings.model, "hears": f"audio/pcm;rate={HEARS}", "speaks": f"{SPEAKS} Hz"}
        more = {"voice": self._persona.voice, "language": self._settings.language}
        return accepted | {key: value for key, value in more.items() if value is not None}

    def _on_resumption(self, update: dict[str, Any], now: float) -> Iterator[Event]:
        handle = update.get("newHandle")
        if update.get("resumable") and isinstance(handle, str) and 0 < len(handle) <= MAX_HANDLE:
            self._handle = handle
            if self._expiring:
                yield self._expire(now)

    def _on_go_away(self, going: dict[str, Any], now: float) -> Iterator[Event]:
        left = re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", str(going.get("timeLeft")))
        self._ends_at = now + (float(left[1]) if left else 0.0)
        yield self._expire(now)

    def _on_usage(self, usage: dict[str, Any], _now: float) -> Iterator[Event]:
        counted = meters(usage)
        if counted:
            yield c.Usage(counted)

    # What is said

    def _on_content(self, content: dict[str, Any], now: float) -> Iterator[Event]:
        heard = content.get("inputTranscription")
        if heard:
            yield from self._caller_said(text_in(heard, "text"), now, over=bool(heard.get("finished")))
        parts = (content.get("modelTurn") or {}).get("parts") or ()
        for part in parts:
            yield from self._on_part(part, now)
        words = content.get("outputTranscription")
        if words and text_in(words, "text"):
            yield from self._agent_said(text_in(words, "text"), now)
        if content.get("interrupted"):
            yield from self._interrupted(now)
        if content.get("generationComplete"):
            yield from self._reply_done()
        if content.get("turnComplete"):
            yield from self._reply_done()
            if not self._audible and not self._calls:
                self._rejects = self._watchdog.silent(now)
            elif self._audible:
                yield from self._broken_off(str(content.get("turnCompleteReason") or ""), now)
            self._audible = False
            yield from self._caller_said("", now, over=True)
            self._turn_open, self._late_until = False, -math.inf

    def _broken_off(self, reason: str, now: float) -> Iterator[Event]:
        """A turn that could be heard is over; ask for the rest, once, if it was a filter or a fault that ended it."""
        if reason in WHOLE or self._calls or self._rest_was_asked:
            return
        self._rest_was_asked = True
        self._asked_last = REST
        self._watchdog.expect_answer(now)
        yield c.ModelFault("broken_off", f"Gemini broke an answer off: {reason[:60]}", fatal=False)
        yield c.Outgoing(self._asked(REST))

    def _on_part(self, part: dict[str, Any], now: float) -> Iterator[Event]:
        sound = part.get("inlineData")
        if not sound:
            self._watchdog.making(now)
            text = text_in(part, "text")
            if text and not part.get("thought") and now >= self._late_until:  # it was asked to speak
                yield from self._reply_goes_on()
                self._written = (self._written + text)[:MAX_LETTERS]
            return
        kind = str(sound.get("mimeType"))
        rate = re.search(r"rate=(\d{1,6})", kind)
        if not kind.startswith("audio/pcm"):
            yield c.Unrecognized(f"data of type {kind[:60]!r}", garbage=True)
        elif rate is not None and int(rate[1]) not in {8_000, *MODEL_RATES}:
            yield c.Unrecognized(f"sound of {rate[1]} Hz", garbage=True)
        elif now < self._late_until:
            yield c.Unrecognized("sound of a reply that was interrupted")
        else:
            pcm = base64.b64decode(sound["data"], validate=True)
            yield from self._reply_goes_on()
            self._speaks = True
            mulaw = self._to_caller.feed(pcm, int(rate[1]) if rate else SPEAKS)
            if mulaw:
                payload = audio.encode(mulaw)
                if not self._audible and audio.is_audible(payload):
                    self._audible, self._rejects = True, False
                    self._watchdog.settle()
                yield c.ReplyAudio(self._reply_id, payload)

    def _agent_said(self, text: str, now: float) -> Iterator[Event]:
        if now < self._late_until:
            return
        if not self._turn_open:
            yield from self._reply_goes_on()
        self._watchdog.making(now)
        self._has_words = True
        if not self._audible:
            self._unheard = (self._unheard + text)[:MAX_LETTERS]
        yield c.ReplyWords(self._reply_id, text, None)

    def _reply_goes_on(self) -> Iterator[Event]:
        """Something of a reply has come: of the open one, else of a new one."""
        self._turn_open = self._is_answered = True
        if not self._reply_open:
            self._reply_open, self._speaks, self._audible = True, False, False
            self._has_words, self._written, self._unheard = False, "", ""
            self._reply_id = f"reply-{next(self._numbers)}"
            yield c.ReplyStarted(self._reply_id)

    def _reply_done(self) -> Iterator[Event]:
        if not self._reply_open:
            return
        self._reply_open = False
        if self._speaks and (last := self._to_caller.finish()):
            yield c.ReplyAudio(self._reply_id, audio.encode(last))
        if self._written and not self._has_words:
            self._unheard = self._written
            yield c.ReplyTranscript(self._reply_id, self._written, interrupted=False)
        yield c.ReplyDone(self._reply_id, interrupted=False)

    def _interrupted(self, now: float) -> Iterator[Event]:
        """The caller has begun to speak while the model spoke, or while it believes that it is still heard."""
        self._reply_open = False
        self._late_until = now + LATE_SECONDS
        self._to_caller.reset()
        self._watchdog.interrupted(now)
        yield from self._caller_said("", now, over=True)  # what comes now is what they interrupt with
        yield c.CallerSpeechStarted()
        if self._reply_id:
            yield c.ReplyDone(self._reply_id, interrupted=True)

    def _caller_said(self, text: str, now: float, *, over: bool) -> Iterator[Event]:
        if text and self._caller_item and self._is_answered and now - self._words_at > NEXT_TURN_SECONDS:
            yield from self._caller_said("", now, over=True)
        if text:
            self._is_answered, self._words_at = False, now
        if text and not self._caller_item:
            self._rest_was_asked = False
            self._caller_item = f"caller-{next(self._numbers)}"
        if not self._caller_item:
            return
        self._caller_words = (self._caller_words + text)[:MAX_LETTERS]
        if text and not self._reply_open and not self._calls:
            self._asked_last = self._unheard = ""
            self._watchdog.hear_words(now)
        if text or over:
            yield c.CallerTranscript(self._caller_item, self._caller_words.strip(), final=over)
        if over:
            self._caller_item = self._caller_words = ""

    # Tools

    def _on_tool_call(self, wanted: dict[str, Any], _now: float) -> Iterator[Event]:
        if not self._turn_open:  # else it belongs to what has just been said
            yield from self._reply_goes_on()
        self._watchdog.settle()
        self._is_answered = True
        yield from self._reply_done()  # whatever it says when it has the results is another
        yield from self._calls.ask(wanted["functionCalls"])

    def _on_cancellation(self, cancelled: dict[str, Any], _now: float) -> Iterator[Event]:
        for event in self._calls.withdraw(list(cancelled["ids"])):
            yield c.Outgoing(as_json(event)) if isinstance(event, dict) else event

    def _on_nothing(self, _field: Any, _now: float) -> Iterator[Event]:
        yield from ()

    _readers: ClassVar[dict[str, Callable[[GeminiLiveSession, Any, float], Iterator[Event]]]] = {
        # In this order, whichever of them one message holds.
        "setupComplete": _on_setup,
        "sessionResumptionUpdate": _on_resumption,
        "serverContent": _on_content,
        "toolCall": _on_tool_call,
        "toolCallCancellation": _on_cancellation,
        "usageMetadata": _on_usage,
        "goAway": _on_go_away,
        "voiceActivity": _on_nothing,  # of Vertex, and only where it was asked for
        "voiceActivityDetectionSignal": _on_nothing,
    }
