"""One session's protocol state, from ``session.update`` to the closing of the socket. Without I/O."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from trio_voice.audio.mulaw import is_audible, is_base64, plain_base64
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.protocols.assemblyai_agent.errors import LOST, PASSING, code_of, fault_of
from trio_voice.protocols.assemblyai_agent.requests import Requests, asking
from trio_voice.protocols.assemblyai_agent.setup import differences, echoed, protect_message, update_message
from trio_voice.protocols.expiry import Expiry
from trio_voice.protocols.json_messages import MAX_ID, UNDECODABLE, arguments_in, as_json, read, text_in, unknown
from trio_voice.protocols.model_session import ModelSession
from trio_voice.protocols.retry_after import wait_seconds
from trio_voice.protocols.unanswered import (
    ALOUD,
    ANSWER_SECONDS,
    MAX_WAIT_SECONDS,
    NUDGE,
    Rests,
    Step,
    Unanswered,
)
from trio_voice.speech_text.backchannels import spoken_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona, ToolSchema

MAX_MESSAGE_BYTES: Final = 1_048_576
MAX_LETTERS: Final = 5_000
"""Of a reply that was not heard, which is asked for again word by word."""
TOOL_SECONDS: Final = 2.0
"""Time that a reply which has asked for a tool is held open in silence, whatever comes of the tool (seen live)."""

CAPABILITIES: Final = c.Capabilities(speaks_first=True, truncates=False, resumes=True, protects_replies=True)


class _ReplyAudio(msgspec.Struct):
    """The message that is sent fifty times a second, read without the rest."""

    type: Literal["reply.audio"]  # no tag of the structure's, which may be missing
    data: str
    reply_id: str = ""


_decode_audio: Final = msgspec.json.Decoder(_ReplyAudio).decode

Event = c.ModelEvent | c.Outgoing


class VoiceAgentSession(ModelSession):
    """One session's protocol state, from the first ``session.update`` to ``session.ended``.

    Args:
        persona: whose prompt, voice, greeting and turn detection the session gets.
        tools: what the model may call.
        history: the conversation so far, if this session takes over.
        resume_with: the session to take up, within 30 s of its socket's loss. Nobody has published a live trace of one
            that was taken up; one that is refused is begun anew, and told the conversation.
        started_at: the time of day, in seconds since 1970; the server tells the session's end by that clock.
    """

    capabilities = CAPABILITIES
    caller_audio: tuple[str, str] = ('{"type":"input.audio","audio":"', '"}')
    provider = "assemblyai-agent"

    __slots__ = (
        "_audible",
        "_expiry",
        "_greets",
        "_history",
        "_is_answered",
        "_over",
        "_persona",
        "_protected",
        "_ready",
        "_ready_at",
        "_repeated",
        "_reply_id",
        "_requests",
        "_rests",
        "_resume_with",
        "_session_id",
        "_tools",
        "_unanswered",
        "_unheard",
    )

    def __init__(
        self,
        persona: Persona,
        tools: tuple[ToolSchema, ...] = (),
        history: tuple[c.Said, ...] = (),
        resume_with: str | None = None,
        started_at: float | None = None,
    ) -> None:
        self._persona = persona
        self._tools = tools
        self._history = history
        self._resume_with = resume_with
        self._greets = bool(persona.greeting) and not history and resume_with is None
        self._protected = self._greets and persona.interruptible and not persona.greeting_interruptible
        """The reply that is made may not be interrupted, and the next may."""
        self._ready, self._ready_at = False, math.inf
        self._over = False
        """Ended in words, or lost: there is nobody to say goodbye to."""
        self._session_id = ""
        self._repeated = {said.text for said in history} if resume_with is not None else set[str]()
        """Texts that a session which was taken up may tell once more, until the caller speaks."""
        self._reply_id = ""
        self._audible = self._is_answered = False
        """Something of the reply could be heard."""
        self._expiry = Expiry(math.inf, started_at)
        self._unanswered = Unanswered()
        self._rests = Rests()
        self._requests = Requests()
        self._unheard = ""
        """The text of the last reply, if nothing of it could be heard."""

    # What we say

    def opening(self) -> list[str]:
        """The first message on a new socket. The server is silent until it comes."""
        if self._resume_with is not None:
            return [as_json({"type": "session.resume", "session_id": self._resume_with})]
        update = update_message(
            self._persona, self._tools, self._history, greets=self._greets, protected=self._protected
        )
        return [as_json(update)]

    def _protect(self, *, on: bool) -> str:
        self._protected = on
        return as_json(protect_message(self._persona, on=on))

    def encode(self, command: c.ModelCommand, now: float) -> Sequence[str]:
        """The wire form of a command; nothing where the API has no such thing.

        Raises:
            LocalProtocolError: audio before ready, which the server would throw away.
        """
        match command:
            case c.HearCaller(payload=payload):
                if not self._ready:
                    raise LocalProtocolError("no audio may be sent before session.ready")
                return (self.caller_audio[0] + payload + self.caller_audio[1],)
            case c.SendToolResult(call_id=call_id, result=result, failed=failed, go_on=go_on):
                if go_on:
                    self._unanswered.owe(now, TOOL_SECONDS)
                answer = {"type": "tool.result", "call_id": call_id, "result": result}
                return (as_json(answer | ({"is_error": True} if failed else {})),)
            case c.RequestReply(instructions=instructions, instead=instead):
                return self._asked(self._requests.ask(instructions, now, instead=instead), now)
            case c.ProtectReply(on=on):
                return (self._protect(on=on),)
            case c.IgnoreTurn():
                self._unanswered.resume(now)
                return ()
            case _:
                return ()  # the server cuts its memory by its own clock

    def goodbye(self) -> str | None:
        """The message that ends the session and its bill at once; without it 30 s more are charged.

        A session that is to be taken up must not be told.
        """
        return None if self._over else '{"type":"session.end"}'

    # Time

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return min(self._expiry.wake_at, self._unanswered.wake_at, self._requests.wake_at)

    def tick(self, now: float) -> Sequence[Event]:
        """Events that are due by now: an answer that is still owed, a session that is about to expire."""
        left = self._expiry.pop(now)
        events: list[Event] = [] if left is None else [c.SessionExpiring(left)]
        events += map(c.Outgoing, self._asked(self._requests.tick(now), now))
        step = self._unanswered.tick(now)
        if step is Step.ASK:
            words = "AssemblyAI's agent could not be heard, and was asked to answer"
            aloud, self._unheard = ALOUD.format(self._unheard) if self._unheard else "", ""
            asked = aloud or self._requests.unheard or NUDGE
            events += [c.ModelFault(c.SILENT, words, fatal=False), c.Outgoing(asking(asked))]
        elif step is Step.LEAVE:
            words = "AssemblyAI's agent does not answer the caller"
            events.append(c.ModelFault(c.SILENT, words, fatal=True, passing=True))
        return events

    def _asked(self, message: str | None, now: float) -> list[str]:
        """A request that is sent now, if one is: its answer is owed from here."""
        if message is None:
            return []
        self._unanswered.owe(now)
        return [message]

    # What we hear

    def receive(self, message: str | bytes, now: float) -> Sequence[Event]:
        """Events that a message of the server's means."""
        return read(message, partial(self._understand, now=now))

    def explain_close(self, _code: int | None, _reason: str, now: float) -> Sequence[Event]:
        """Events that a socket means which is closed or lost without ``session.ended`` before it.

        The server keeps a session 30 s for whoever takes it up; one that was good is. What is refused to be taken up
        is begun anew.
        """
        if not self._ready:
            return [c.SessionExpiring(0.0)] if self._resume_with is not None else []
        if self._over or now - self._ready_at < c.GOOD_SECONDS:
            return []
        self._over = True
        return [c.SessionExpiring(0.0, self._session_id or None)]

    def reply_audio(self, message: str | bytes) -> tuple[str, str] | None:
        """Reply id and payload, if ``receive`` would make ``ReplyAudio`` of this message; if not, receive it."""
        if type(message) is str:
            try:
                event = _decode_audio(message)
            except UNDECODABLE:
                return None
            if self._audible and is_base64(event.data):
                return event.reply_id or self._reply_id, event.data
        return None

    def _understand(self, event: dict[str, Any], now: float) -> list[Event]:
        kind = event["type"]
        understand = self._readers.get(kind)
        if understand is None:
            return [unknown(kind)]
        return understand(self, event, now)

    def _on_ready(self, event: dict[str, Any], now: float) -> list[Event]:
        if self._ready:
            return []
        mismatch = differences(self._persona, event.get("config"))
        if mismatch:
            return [c.ModelFault("config_mismatch", mismatch, fatal=True)]
        self._ready, self._ready_at = True, now
        self._session_id = text_in(event, "session_id")[:MAX_ID]
        self._expiry.begin(event.get("expires_at"), now)
        if self._greets:
            self._requests.unheard = f"Say exactly this and nothing else: {self._persona.greeting}"
            self._unanswered.owe(now)
        return [c.ModelReady(self._session_id, echoed(event.get("config")))]

    def _on_error(self, event: dict[str, Any], now: float) -> list[Event]:
        code = code_of(event)
        if code in LOST and self._resume_with is not None and not self._ready:
            return [c.SessionExpiring(0.0)]
        if code in PASSING | LOST - {"session_forbidden"} and now - self._ready_at >= c.GOOD_SECONDS:
            return [c.SessionExpiring(0.0)]
        return [fault_of(event, self._persona, ready=self._ready)]

    def _on_speech_started(self, _event: dict[str, Any], _now: float) -> list[Event]:
        self._unanswered.suspend()
        self._repeated, self._unheard, self._is_answered = set(), "", False
        self._requests.caller_began()
        self._rests.begin_again()
        return [c.CallerSpeechStarted()]

    def _on_speech_stopped(self, _event: dict[str, Any], now: float) -> list[Event]:
        if self._unanswered.is_owed:
            self._unanswered.owe(now)  # their text came before
        else:
            self._unanswered.resume(now)  # with words more is owed: it comes next
        self._requests.caller_finished()
        return [c.CallerSpeechStopped()]

    def _on_caller_delta(self, event: dict[str, Any], _now: float) -> list[Event]:
        # One page of the documentation calls it ``delta``; schema and live traces say ``text``, cumulative.
        text = text_in(event, "text")
        if any(said.startswith(text) for said in self._repeated):
            return []
        return [c.CallerTranscript(text_in(event, "item_id"), spoken_in(text), final=False)]

    def _on_caller_text(self, event: dict[str, Any], now: float) -> list[Event]:
        text = text_in(event, "text")
        if text in self._repeated:
            return []
        text = spoken_in(text)
        if text and not self._is_answered:  # else it comes late
            self._unanswered.owe(now)
            self._requests.settle()
        return [c.CallerTranscript(text_in(event, "item_id"), text, final=True)]

    def _on_reply_started(self, event: dict[str, Any], now: float) -> list[Event]:
        self._reply_id, self._audible = text_in(event, "reply_id"), False
        if not self._unanswered.is_owed:
            self._unanswered.owe(now)
        self._unanswered.making(now)
        self._requests.reply_began()
        return [c.ReplyStarted(self._reply_id)]

    def _on_reply_audio(self, event: dict[str, Any], _now: float) -> list[Event]:
        payload = plain_base64(event["data"])
        if not is_base64(payload):
            return [c.Unrecognized("reply.audio that is no base64", garbage=True)]
        if not self._audible and is_audible(payload):
            self._audible = self._is_answered = True
            self._requests.settle()
            self._unanswered.settle()
        return [c.ReplyAudio(text_in(event, "reply_id") or self._reply_id, payload)]

    def _on_words(self, event: dict[str, Any], _now: float) -> list[Event]:
        reply_id, start = text_in(event, "reply_id") or self._reply_id, event.get("start_ms")
        start_ms = float(start) if isinstance(start, int | float) else None
        return [c.ReplyWords(reply_id, text_in(event, "delta"), start_ms)]

    def _on_agent_text(self, event: dict[str, Any], _now: float) -> list[Event]:
        interrupted = bool(event.get("interrupted"))
        if text_in(event, "text") in self._repeated and not self._audible:
            return []
        self._unheard = "" if self._audible else text_in(event, "text")[:MAX_LETTERS]
        return [c.ReplyTranscript(text_in(event, "reply_id") or self._reply_id, text_in(event, "text"), interrupted)]

    def _on_reply_done(self, event: dict[str, Any], now: float) -> list[Event]:
        # An open set: completed and interrupted are in the schema, others in older texts, absent means completed.
        status = str(event.get("status") or "completed").lower()
        interrupted, reply_id = status == "interrupted", text_in(event, "reply_id") or self._reply_id
        done: list[Event] = [c.ReplyDone(reply_id, interrupted)]
        if self._reply_id and reply_id != self._reply_id:
            return done  # another is being made
        waited = self._requests.reply_over()
        if interrupted:
            self._unanswered.suspend()
        elif not self._audible:
            self._unanswered.silent(now)
        elif status == "failed" and waited is None:
            done += self._broken_off(now)
        elif self._protected:
            done.append(c.Outgoing(self._protect(on=False)))
        if self._audible and status == "completed":
            self._rests.begin_again()
        return [*done, *map(c.Outgoing, self._asked(waited, now))]

    def _broken_off(self, now: float) -> list[Event]:
        """An answer that could be heard has broken off: ask for what is left of it."""
        words = self._rests.next()
        if words is None:
            return [c.ModelFault("broken_off", "AssemblyAI's agent breaks its answers off", fatal=True)]
        self._requests.unheard = words
        self._unanswered.owe(now)
        return [c.AnswerOwed(), c.Outgoing(asking(words))]

    def _on_reply_error(self, event: dict[str, Any], now: float) -> list[Event]:
        said = str(event.get("message") or event.get("code"))
        wait = wait_seconds({}, said)
        if wait is not None and wait <= MAX_WAIT_SECONDS:
            self._unanswered.owe(now, wait - ANSWER_SECONDS)
        fatal = wait is not None and wait > MAX_WAIT_SECONDS
        words = f"AssemblyAI could not answer the caller: {said}"
        return [c.ModelFault(str(event.get("code") or "reply_error"), words, fatal=fatal, passing=fatal)]

    def _on_tool_call(self, event: dict[str, Any], _now: float) -> list[Event]:
        # ``args`` until the spring of 2026; broken ones are answered, by whoever runs the tool
        arguments = arguments_in(event.get("arguments", event.get("args")))
        self._unanswered.settle()
        self._rests.begin_again()
        self._requests.settle()
        return [c.ToolCalled(str(event["call_id"]), str(event["name"]), arguments)]

    def _on_ended(self, event: dict[str, Any], _now: float) -> list[Event]:
        self._over = True
        seconds = event.get("session_duration_seconds")
        return [c.ModelEnded(float(seconds) if isinstance(seconds, int | float) else None)]

    def _on_nothing(self, _event: dict[str, Any], _now: float) -> list[Event]:
        return []

    _readers: ClassVar[dict[str, Callable[[VoiceAgentSession, dict[str, Any], float], list[Event]]]] = {
        "session.updated": _on_nothing,
        "session.ready": _on_ready,
        "session.error": _on_error,
        "error": _on_error,
        "session.ended": _on_ended,
        "input.speech.started": _on_speech_started,
        "input.speech.stopped": _on_speech_stopped,
        "transcript.user.delta": _on_caller_delta,
        "transcript.user": _on_caller_text,
        "transcript.agent.delta": _on_words,
        "transcript.agent": _on_agent_text,
        "reply.started": _on_reply_started,
        "reply.audio": _on_reply_audio,
        "reply.done": _on_reply_done,
        "reply.error": _on_reply_error,
        "tool.call": _on_tool_call,
    }
