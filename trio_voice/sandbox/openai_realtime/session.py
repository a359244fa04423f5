"""One session of the sandbox's realtime server: OpenAI's Realtime protocol, from the server's side.

After ``protocols/realtime-models.md``, parts A, C and D. The tasks are the reader, which obeys the client and never
waits for anything else; the writer, which alone sends, and carries out what faults do; the dialogue's; and one that
ends a session which lasts too long. None outlives ``run``.
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, ClassVar, Final

import trio

from trio_voice.legs.channel import Channel
from trio_voice.sandbox.mind import Line
from trio_voice.sandbox.openai_realtime.config import Refusal, read_session
from trio_voice.sandbox.openai_realtime.dialogue import Dialogue
from trio_voice.sandbox.openai_realtime.items import new_id
from trio_voice.sandbox.openai_realtime.record import RealtimeSession
from trio_voice.sandbox.strikes import (
    Act,
    Close,
    Cut,
    Fail,
    GoSilent,
    Say,
    StopReading,
    Tally,
    cut,
    refuse_to_close,
    refuse_to_read,
)
from trio_voice.sandbox.voice_agent.cast import Cast

OUTBOX_MESSAGES: Final = 2_000
CLOSE_SECONDS: Final = 2.0
"""For the client to answer our close."""
STUBBORN_SECONDS: Final = 40.0
"""How long a fault that ignores the client goes on."""
AUDIO_EVENTS: Final = frozenset({"response.output_audio.delta", "response.audio.delta"})

CLOSE_CODES: Final = {
    **dict.fromkeys(("invalid_api_key", "invalid_model"), 3000),
    "beta_api_shape_disabled": 4000,
    "session_expired": 1001,
}
"""How the socket is closed after these codes (seen in issue threads); after any other it stays open."""

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
        cast: who hears, speaks and thinks.
        refusal: why the client is not let in, if it is not; it is told after the handshake, in place of a session.
        epoch: what to add to trio's clock to get the time of day.
    """

    def __init__(
        self, channel: Channel, record: RealtimeSession, cast: Cast, *, refusal: Refusal | None, epoch: float
    ) -> None:
        self._channel = channel
        self._record = record
        self._refusal = refusal
        self._epoch = epoch
        self._dialogue = Dialogue(record, cast, self._post)
        self._outbox_in, self._outbox = trio.open_memory_channel[dict[str, Any] | Act](OUTBOX_MESSAGES)
        self._nursery: trio.Nursery
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._tally = Tally("response.created")
        self._silent = False
        self._refuses_to_close = False
        self._close = Close(1001, "the sandbox is going away")
        self._event_id: str | None = None
        """That of the client's message which is being obeyed."""

    async def run(self) -> None:
        """Serve until either side ends it. Cancelling is safe: the client is told, for at most ``CLOSE_SECONDS``."""
        self._refuse_to_close_if_faulty()
        record = self._record
        try:
            async with trio.open_nursery() as self._nursery:
                for task in (self._read, self._write, self._dialogue.run, self._expire):
                    self._nursery.start_soon(task)
                if self._refusal is not None:
                    self._fail(self._refusal)
                elif not record.faults.never_ready:
                    record.session_id = new_id("sess")
                    self._post("session.created", session=self._session())
            if self._refuses_to_close and self._channel.close_code is not None:
                await trio.sleep(STUBBORN_SECONDS)
        finally:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._channel.aclose(self._close.code, self._close.reason)
            record.close(trio.current_time())

    def _session(self) -> dict[str, Any]:
        """What the session is, as the client is told."""
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

    async def _write(self) -> None:
        try:
            async for posting in self._outbox:
                over = await (self._send(posting) if isinstance(posting, dict) else self._carry_out(posting))
                if over:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            if not self._reading.cancel_called:
                return  # the reader will learn how the client went
        self._nursery.cancel_scope.cancel()

    async def _send(self, event: dict[str, Any]) -> bool:
        """Send an event, and do what strikes after it; whether that was the end of the socket."""
        if self._silent:
            return False
        kind = event["type"]
        if self._record.dialect == "beta":
            event = event | {"type": BETA_NAMES.get(kind, kind)}
        if event["type"]:
            async with self._sending:
                await self._channel.send(json.dumps(event, separators=(",", ":")))
            if self._record.keeps_audio or event["type"] not in AUDIO_EVENTS:
                self._record.sent.append((trio.current_time(), event))
        for act in self._tally.count(kind, self._record.faults.strikes):
            if await self._carry_out(act):
                return True
        return False

    async def _carry_out(self, act: Act) -> bool:
        """Do what a fault does; whether that was the end of the socket."""
        match act:
            case Cut():
                await cut(self._channel, reset=act.reset)
                return True
            case Close() if not self._silent:
                self._close = act
                return True
            case GoSilent():
                self._silent = True
            case StopReading():
                refuse_to_read(self._channel)
                self._reading.cancel()
            case Fail():
                self._fail(Refusal(act.code, act.message, type="server_error"))
            case Say():
                for message in act.messages * act.times:
                    await self._channel.send(message)
        return False

    def _post(self, kind: str, /, **fields: Any) -> None:
        self._put({"type": kind, "event_id": new_id("event"), **fields})

    def _put(self, posting: dict[str, Any] | Act) -> None:
        try:
            self._outbox_in.send_nowait(posting)
        except trio.WouldBlock:
            self._record.complain("", "does not read what is sent to it")
            self._nursery.cancel_scope.cancel()

    def _fail(self, refusal: Refusal) -> None:
        error = {"type": refusal.type, "code": refusal.code, "message": refusal.message, "param": refusal.param}
        self._post("error", error=error | {"event_id": self._event_id})
        close_code = CLOSE_CODES.get(refusal.code)
        if close_code is not None:
            if self._record.ended_at is None:
                self._record.ended_at = trio.current_time()
            self._dialogue.stop()
            self._put(Close(close_code, refusal.code))

    async def _expire(self) -> None:
        record = self._record
        await trio.sleep_until(record.opened_at + record.manner.longest_seconds)
        minutes = round(record.manner.longest_seconds / 60)
        self._event_id = None
        self._fail(Refusal("session_expired", f"Your session hit the maximum duration of {minutes} minutes."))

    # From the client

    async def _read(self) -> None:
        try:
            with self._reading:
                while True:
                    self._hear(await self._channel.receive())
            await trio.sleep(STUBBORN_SECONDS)  # a fault made us stop
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            self._record.client_close_code = self._channel.close_code
        self._record.close(trio.current_time())
        with trio.move_on_after(CLOSE_SECONDS):  # after half a frame no close could be answered
            await self._sending.acquire()
        self._nursery.cancel_scope.cancel()

    def _refuse_to_close_if_faulty(self) -> None:
        # Asked again and again, since faults may be exchanged: a client says something before it closes.
        if self._record.faults.ignores_close and not self._refuses_to_close:
            self._refuses_to_close = True
            refuse_to_close(self._channel)

    def _hear(self, message: str | bytes) -> None:
        self._refuse_to_close_if_faulty()
        event = _parse(message)
        kind: str = event["type"] if event else ""
        record = self._record
        if record.keeps_audio or kind != "input_audio_buffer.append":
            record.messages.append(message)
        for act in self._tally.count(kind, record.faults.strikes, heard=True):
            self._put(act)
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
        self._nursery.start_soon(self._become_ready)

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


def _parse(message: str | bytes) -> dict[str, Any] | None:
    if isinstance(message, bytes):
        return None
    try:
        event = json.loads(message)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
