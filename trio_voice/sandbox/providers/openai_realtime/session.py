"""One session of the sandbox's realtime server: OpenAI's Realtime protocol, from the server's side.

After OpenAI's, xAI's and Microsoft's realtime references (2026). The tasks are the wire's; the dialogue's; and one that
ends a session which lasts too long. None outlives ``run``.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any, ClassVar, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend
from trio_voice.sandbox.agent.replies import Line
from trio_voice.sandbox.providers.openai_realtime.config import Refusal, read_session
from trio_voice.sandbox.providers.openai_realtime.dialogue import Dialogue
from trio_voice.sandbox.providers.openai_realtime.items import new_id
from trio_voice.sandbox.providers.openai_realtime.record import RealtimeSession
from trio_voice.sandbox.transport.faults import Close
from trio_voice.sandbox.transport.wire import Message, Wire, parse_event

OUTBOX_MESSAGES: Final = 2_000

CLOSE_CODES: Final = {
    **dict.fromkeys(("invalid_api_key", "invalid_model"), 3000),
    "beta_api_shape_disabled": 4000,
    "session_expired": 1001,
}
"""Close codes of the socket after these error codes (seen in issue threads); after any other it stays open."""

BETA_NAMES: Final = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": "",
}
"""Events that had another name, or none."""


class ServedSession:
    """Serves one channel.

    Args:
        channel: closed when ``run`` returns or raises.
        record: what is known of the session, kept up to date.
        backend: who hears, speaks and thinks.
        refusal: why the client is not let in, if it is not; it is told after the handshake, in place of a session.
        epoch: what to add to trio's clock to get the time of day.
    """

    def __init__(
        self, channel: Channel, record: RealtimeSession, backend: AgentBackend, *, refusal: Refusal | None, epoch: float
    ) -> None:
        self._record = record
        self._refusal = refusal
        self._epoch = epoch
        self._dialogue = Dialogue(record, backend, self._post)
        self._wire = Wire(
            channel,
            record,
            self._hear,
            outbox_messages=OUTBOX_MESSAGES,
            fail=lambda fault: self._fail(Refusal(fault.code, fault.message, type="server_error")),
            reply_begins="response.created",
        )
        self._event_id: str | None = None
        """That of the client's message which is being obeyed."""

    async def run(self) -> None:
        """Serve until either side ends it. Cancelling is safe, and takes at most ``wire.CLOSE_SECONDS``."""
        await self._wire.run(self._begin)

    def _begin(self) -> None:
        self._wire.nursery.start_soon(self._dialogue.run)
        self._wire.nursery.start_soon(self._expire)
        if self._refusal is not None:
            self._fail(self._refusal)
        elif not self._record.faults.never_ready:
            self._record.session_id = new_id("sess")
            self._post("session.created", session=self._session())

    def _session(self) -> dict[str, Any]:
        """The session, as the client is told."""
        record = self._record
        expires_at = int(self._epoch + record.opened_at + record.manner.longest_seconds)
        told: dict[str, Any] = {"type": "realtime"} if record.dialect == "ga" else {}
        told |= {"id": record.session_id, "object": "realtime.session", "model": record.model}
        told |= {"expires_at": expires_at} if record.manner.tells_expiry else {}
        told |= record.config.echo
        differences = record.faults.echo_differences if record.config.echo else {}
        for path, value in differences.items():
            *parents, key = path.split(".")
            part = told
            for parent in parents:
                part = part[parent]
            part[key] = value
        return told

    # Towards the client

    def _post(self, kind: str, /, **fields: Any) -> None:
        name = BETA_NAMES.get(kind, kind) if self._record.dialect == "beta" else kind
        event = {"type": name, "event_id": new_id("event"), **fields} if name else {}
        self._wire.put(Message(event, (kind,), is_sound=kind == "response.output_audio.delta"))

    def _fail(self, refusal: Refusal) -> None:
        error = {"type": refusal.type, "code": refusal.code, "message": refusal.message, "param": refusal.param}
        self._post("error", error=error | {"event_id": self._event_id})
        close_code = CLOSE_CODES.get(refusal.code)
        if close_code is not None:
            if self._record.ended_at is None:
                self._record.ended_at = trio.current_time()
            self._dialogue.stop()
            self._wire.put(Close(close_code, refusal.code))

    async def _expire(self) -> None:
        record = self._record
        await trio.sleep_until(record.opened_at + record.manner.longest_seconds)
        minutes = round(record.manner.longest_seconds / 60)
        self._event_id = None
        self._fail(Refusal("session_expired", f"Your session hit the maximum duration of {minutes} minutes."))

    # From the client

    def _hear(self, message: str | bytes) -> None:
        event = parse_event(message)
        kind: str = event["type"] if event else ""
        self._wire.note(message, kind, is_sound=kind == "input_audio_buffer.append")
        record = self._record
        if self._refusal is not None or record.faults.never_ready:
            return  # who was not let in is not listened to
        try:
            self._obey(event)
        except Refusal as refusal:
            record.complain(refusal.code, refusal.message, refusal.param)
            self._fail(refusal)

    def _obey(self, event: dict[str, Any] | None) -> None:
        if event is None:
            raise Refusal("invalid_json", "Messages must be JSON objects with a type, as text.")
        event_id = event.pop("event_id", None)
        self._event_id = event_id if isinstance(event_id, str) else None
        obey = self._readers.get(event["type"])
        if obey is None:
            raise Refusal("invalid_value", f"Invalid value: {event['type'][:60]!r}.", "type")
        obey(self, event)

    def _on_update(self, event: dict[str, Any]) -> None:
        record = self._record
        if record.ready_at is not None:
            raise Refusal("invalid_value", "the sandbox takes its settings once", "session")
        record.config = read_session(event.get("session"), record.dialect)
        record.ready_at = trio.current_time()
        self._wire.nursery.start_soon(self._become_ready)

    async def _become_ready(self) -> None:
        await trio.sleep(self._record.faults.ready_delay_seconds)
        self._post("session.updated", session=self._session())

    def _on_audio(self, event: dict[str, Any]) -> None:
        record, payload = self._record, event.get("audio")
        if record.ready_at is None:
            record.early_payloads += 1
            raise Refusal("invalid_value", "audio came before the settings that say what it is", "audio")
        try:
            audio = base64.b64decode(payload or "?", validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise Refusal("invalid_value", "Audio must be base64.", "audio") from None
        if record.keeps_audio:
            record.payloads.append(str(payload))
            record.audio += audio
        self._dialogue.hear(audio)

    def _on_item(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            raise Refusal("missing_required_parameter", "Missing required parameter: 'item'.", "item")
        self._dialogue.take_item(item)

    def _on_truncate(self, event: dict[str, Any]) -> None:
        self._dialogue.truncate(event.get("item_id"), event.get("content_index"), event.get("audio_end_ms"))

    def _on_create(self, event: dict[str, Any]) -> None:
        response = event.get("response", {})
        if not isinstance(response, dict) or response.keys() - {"instructions"}:
            raise Refusal("unknown_parameter", "the sandbox knows a response's instructions only", "response")
        instructions = response.get("instructions")
        self._dialogue.create(Line("instruction", str(instructions)) if instructions else None)

    def _on_cancel(self, _event: dict[str, Any]) -> None:
        self._dialogue.cancel()

    _readers: ClassVar[dict[str, Callable[["ServedSession", dict[str, Any]], None]]] = {
        "session.update": _on_update,
        "input_audio_buffer.append": _on_audio,
        "conversation.item.create": _on_item,
        "conversation.item.truncate": _on_truncate,
        "response.create": _on_create,
        "response.cancel": _on_cancel,
    }
