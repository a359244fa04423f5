"""One session's protocol state, from ``setup`` to the closing of the socket. Without I/O.

Every frame is one JSON object, the server's in binary frames; a message of the server's may hold several of its fields.

Gemini says ``goAway`` about a minute before it closes, and is known to fall silent instead, so a clock stands beside
it. From then on each newer handle is told too: the older one's session knows less, for instance no tool's answer.
"""

from __future__ import annotations

import base64
import math
import re
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from trio_voice.audio import mulaw as audio
from trio_voice.audio.resampler import FromTelephone
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.content import SPEAKS, Content
from trio_voice.protocols.gemini_live.setup import GeminiLiveSettings, asked, setup_message
from trio_voice.protocols.gemini_live.tools import ToolCalls
from trio_voice.protocols.gemini_live.usage import explained, is_explained, meters
from trio_voice.protocols.gemini_live.watchdog import Step, Watchdog
from trio_voice.protocols.json_messages import MAX_ID, UNREADABLE, as_json, decoded, garbage, text_in
from trio_voice.protocols.model_session import ModelSession
from trio_voice.protocols.unanswered import ALOUD, NUDGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trio_voice.persona import Persona, ToolSchema

MAX_MESSAGE_BYTES: Final = 1_048_576
"""16 s of speech; Gemini's own messages hold a fraction of a second."""
MAX_HANDLE: Final = 10_000
MAX_ASKS: Final = 8
"""Replies asked for before the session is ready; beyond that the oldest is dropped."""
HEARS: Final = 16_000
"""Hz."""
CONNECTION_SECONDS: Final = 600.0
"""About how long Gemini keeps a connection."""
NOTICE_SECONDS: Final = 50.0
"""Time before that at which another session is asked for, if no ``goAway`` has come."""
FULL: Final = 1007
"""Close code of a session whose memory is full, or that has taken offence at a message."""

CAPABILITIES: Final = c.Capabilities(
    speaks_first=False,
    truncates=False,
    withdraws_tools=True,
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
        self._calls = ToolCalls()
        self._watchdog = Watchdog()
        self._content = Content(settings, self._calls, self._watchdog)
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
                self._content.was_asked(instructions, now)
                return (asked(self._settings, instructions),)
            case c.IgnoreTurn():
                if not self._content.asked_last:  # what it was asked for since is waited for still
                    self._watchdog.forgive()
                self._content.ask_still(now)
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
        minds = not self._content.reply_open and not self._calls and now >= self._content.heard_until
        self._watchdog.hear(mulaw, now, minds=minds)
        pcm = audio.encode(self._from_caller.feed(mulaw))
        return ('{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"' + pcm + '"}}}',)

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
            case Step.BEGUN if not self._content.reply_open:
                events.append(c.CallerSpeechStarted(interrupts=False))
            case Step.PAUSED if not self._content.reply_open:
                events.append(c.CallerSpeechStopped())
                if not self._content.has_spoken:
                    self._content.ask_still(now)
            case Step.NUDGE:
                events.append(c.ModelFault(c.SILENT, "Gemini does not answer, and was asked to", fatal=False))
                aloud = ALOUD.format(self._content.unheard) if self._content.unheard else ""
                events.append(c.Outgoing(asked(self._settings, aloud or self._content.asked_last or NUDGE)))
            case Step.LEAVE:
                handle = None if self._content.rejects else self._handle
                events.append(c.SessionExpiring(0.0, handle, is_silent=True))
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
            fields = msgspec.convert(decoded(message), dict[str, Any])
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
            self._content.asked_last = self._asks.popleft()
            yield c.Outgoing(asked(self._settings, self._content.asked_last))

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

    def _on_content(self, content: dict[str, Any], now: float) -> Iterator[Event]:
        return self._content.understand(content, now)

    # Tools

    def _on_tool_call(self, wanted: dict[str, Any], _now: float) -> Iterator[Event]:
        if not self._content.turn_open:  # else it belongs to what has just been said
            yield from self._content.reply_goes_on()
        self._watchdog.forgive()  # whoever seems to be speaking has not stopped yet
        self._content.rests.begin_again()
        self._content.is_answered = True
        yield from self._content.reply_done()  # whatever it says when it has the results is another
        yield from self._calls.ask(wanted["functionCalls"])

    def _on_cancellation(self, cancelled: dict[str, Any], now: float) -> Iterator[Event]:
        waited = bool(self._calls)
        for event in self._calls.withdraw(list(cancelled["ids"])):
            yield c.Outgoing(as_json(event)) if isinstance(event, dict) else event
        if waited and not self._calls:
            self._watchdog.expect_answer(now)  # to what it wanted them for, or to what it gave them up for

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
