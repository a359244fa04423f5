"""One session of the sandbox's voice agent: AssemblyAI's Voice Agent protocol, from the server's side.

After AssemblyAI's reference of the Voice Agent API and live traces (2026); where they disagree, the traces go first.

The tasks are the wire's; the dialogue's; and one that ends a session which lasts too long. None outlives ``run``.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Any, ClassVar, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import BYTES_PER_MS, AgentBackend
from trio_voice.sandbox.agent.replies import Line, Reply
from trio_voice.sandbox.providers.assemblyai_agent.config import FIRST_UPDATE_CLOSES, Refusal
from trio_voice.sandbox.providers.assemblyai_agent.dialogue import Dialogue
from trio_voice.sandbox.providers.assemblyai_agent.faults import CLOSE_CODES
from trio_voice.sandbox.providers.assemblyai_agent.record import AgentSession
from trio_voice.sandbox.transport.faults import Close
from trio_voice.sandbox.transport.wire import Message, Wire, parse_event

OUTBOX_MESSAGES: Final = 1_000
"""Half a minute of speech. See ``Wire``."""
AHEAD_SECONDS: Final = 1.0
"""Seconds ahead of real time that the client's audio may come, where that is policed."""


class ServedSession:
    """Serves one channel.

    Args:
        channel: closed when ``run`` returns or raises.
        record: what is known of the session, kept up to date.
        backend: who hears, speaks and thinks.
        refusal: why the client is not let in, if it is not.
        epoch: what to add to trio's clock to get the time of day.
        find: a session by its id, if it can be resumed.
    """

    def __init__(
        self,
        channel: Channel,
        record: AgentSession,
        backend: AgentBackend,
        *,
        refusal: str | None,
        epoch: float,
        find: Callable[[object], AgentSession | None],
    ) -> None:
        self._record = record
        self._refusal = refusal
        self._epoch = epoch
        self._find = find
        self._dialogue = Dialogue(record, backend, self._post, self._end)
        self._wire = Wire(
            channel,
            record,
            self._hear,
            outbox_messages=OUTBOX_MESSAGES,
            fail=lambda fault: self._fail(fault.code, fault.message),
        )
        self._audio_until = 0.0
        """Up to when the client's audio would last if it were played as it comes."""

    async def run(self) -> None:
        """Serve until either side ends it. Cancelling is safe, and takes at most ``wire.CLOSE_SECONDS``."""
        await self._wire.run(self._begin)

    def _begin(self) -> None:
        self._wire.nursery.start_soon(self._dialogue.run)
        self._wire.nursery.start_soon(self._expire)
        if self._refusal is not None:
            self._refuse("unauthorized", self._refusal)

    # Towards the client

    def _post(self, kind: str, /, **fields: Any) -> None:
        event = {"type": kind, "timestamp": self._epoch + trio.current_time(), **fields}
        self._wire.put(Message(event, (kind,), is_sound=kind == "reply.audio"))

    def _refuse(self, code: str, message: str, param: str | None = None, *, closes: bool = False) -> None:
        """The client made a mistake."""
        self._record.complain(code, message, param)
        self._fail(code, message, param, closes=closes)

    def _fail(self, code: str, message: str, param: str | None = None, *, closes: bool = False) -> None:
        session_id = self._record.session_id or None
        self._post("session.error", code=code, message=message, session_id=session_id, param=param)
        close_code = 1008 if closes else CLOSE_CODES.get(code)
        if close_code is not None:
            self._note_end()
            if code == "session_expired":
                self._say_ended()
            self._wire.put(Close(close_code, code))

    def _end(self) -> None:
        """The session is over, politely."""
        self._note_end()
        self._dialogue.stop()
        self._say_ended()
        self._wire.put(Close(1000))

    def _note_end(self) -> None:
        if self._record.ended_at is None:
            self._record.ended_at = trio.current_time()

    def _say_ended(self) -> None:
        seconds = round(trio.current_time() - self._record.began_at, 3)
        # The duration of the audio was null in every live run.
        self._post("session.ended", session_duration_seconds=seconds, audio_duration_seconds=None)

    async def _expire(self) -> None:
        await trio.sleep_until(self._record.began_at + self._record.manner.longest_seconds)
        self._fail("session_expired", "The session has lasted as long as a session may")

    # From the client

    def _hear(self, message: str | bytes) -> None:
        event = parse_event(message)
        kind: str = event["type"] if event else ""
        self._wire.note(message, kind, is_sound=kind == "input.audio")
        obey = self._readers.get(kind)
        if event is None:
            self._refuse("invalid_format", "Messages must be JSON objects with a type, as text")
        elif obey is None:
            self._refuse("invalid_format", f"Unknown event type {kind[:60]!r}", "type")
        elif self._record.ready_at is None and kind in _ONLY_WHEN_READY:
            self._refuse("invalid_format", f"{kind} is not possible before session.ready", "type")
        else:
            obey(self, event)

    def _on_update(self, event: dict[str, Any]) -> None:
        record = self._record
        first = record.accepted_at is None
        try:
            (record.settings.begin if first else record.settings.change)(event.get("session"))
        except Refusal as refusal:
            closes = first and refusal.code in FIRST_UPDATE_CLOSES
            self._refuse(refusal.code, refusal.message, refusal.param, closes=closes)
            return
        self._post("session.updated", config=record.settings.echo(record.faults.echo_differences))
        if first:
            record.accepted_at = trio.current_time()
            record.session_id = f"sess_{secrets.token_hex(16)}"
            self._wire.nursery.start_soon(self._become_ready, record.settings.config.greeting or "")

    def _on_resume(self, event: dict[str, Any]) -> None:
        old = self._find(event.get("session_id"))
        if self._record.accepted_at is not None:
            self._refuse("invalid_format", "session.resume must be the first message", "type")
        elif old is None:
            self._refuse("session_not_found", "There is no such session to resume", "session_id")
        else:
            self._record.resume(old, trio.current_time())
            self._wire.nursery.start_soon(self._become_ready, "")  # whether the greeting is said again is not known

    async def _become_ready(self, greeting: str) -> None:
        record = self._record
        if record.faults.never_ready:
            return
        await trio.sleep(record.faults.ready_delay_seconds)
        record.ready_at = trio.current_time()
        self._post(
            "session.ready",
            session_id=record.session_id,
            config=record.settings.echo(record.faults.echo_differences),
            expires_at=int(self._epoch + record.began_at + record.manner.longest_seconds),
            resume_token=record.resume_token,
        )
        if greeting:
            self._dialogue.ask(Reply(greeting))

    def _on_audio(self, event: dict[str, Any]) -> None:
        record, payload = self._record, event.get("audio")
        if record.ready_at is None:
            record.early_payloads += 1
            return
        try:
            audio = base64.b64decode(payload or "?", validate=True)
        except (binascii.Error, ValueError, TypeError):
            self._refuse("invalid_audio", "audio must be base64", "audio")
            return
        now = trio.current_time()
        audio_until = max(self._audio_until, now) + len(audio) / (1_000 * BYTES_PER_MS)
        record.max_ahead_seconds = max(record.max_ahead_seconds, audio_until - now)
        if record.manner.polices_audio_rate and audio_until - now > AHEAD_SECONDS:
            self._refuse("audio_rate_violation", "Audio comes faster than real time; the excess is dropped", "audio")
            return
        self._audio_until = audio_until
        if record.keeps_audio:
            record.payloads.append(str(payload))
            record.audio += audio
        self._dialogue.hear(audio)

    def _on_result(self, event: dict[str, Any]) -> None:
        call_id, result, failed = event.get("call_id"), event.get("result"), event.get("is_error", False)
        if not isinstance(call_id, str) or not isinstance(result, str) or not isinstance(failed, bool):
            self._refuse("invalid_format", "tool.result needs call_id and result, both strings", "result")
        elif not self._dialogue.take_result(call_id, result, failed=failed):
            self._refuse("invalid_value", "No tool call with this id waits for a result", "call_id")

    def _on_create(self, event: dict[str, Any]) -> None:
        instructions = event.get("instructions") or ""
        if isinstance(instructions, str):
            self._dialogue.create(Line("instruction", instructions))
        else:
            self._refuse("invalid_format", "instructions must be a string", "instructions")

    def _on_message(self, event: dict[str, Any]) -> None:
        # Only checked: in live tests its content did not reach the model, and it never brought a reply.
        if event.get("role") not in {"user", "system"} or not isinstance(event.get("content"), str):
            self._refuse("invalid_format", "conversation.message needs a role and a content", "role")

    def _on_end(self, _event: dict[str, Any]) -> None:
        self._record.told_goodbye = True
        self._note_end()
        if not self._record.faults.never_acknowledges_end:
            self._end()

    _readers: ClassVar[dict[str, Callable[["ServedSession", dict[str, Any]], None]]] = {
        "session.update": _on_update,
        "session.resume": _on_resume,
        "session.end": _on_end,
        "input.audio": _on_audio,
        "tool.result": _on_result,
        "reply.create": _on_create,
        "conversation.message": _on_message,
    }


_ONLY_WHEN_READY: Final = frozenset({"tool.result", "reply.create", "conversation.message"})
