"""One session of the sandbox's Gemini Live, from the server's side, after Google's reference (2026).

The tasks are the wire's; the dialogue's; and one that ends a connection which lasts too long. None outlives ``run``.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from typing import Any, ClassVar, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend
from trio_voice.sandbox.providers.gemini_live.dialogue import Dialogue
from trio_voice.sandbox.providers.gemini_live.record import GeminiSession, names_of
from trio_voice.sandbox.providers.gemini_live.setup import Refusal, read_setup
from trio_voice.sandbox.providers.gemini_live.sound import HEARS, Hearing
from trio_voice.sandbox.transport.faults import Close
from trio_voice.sandbox.transport.wire import Message, Wire

OUTBOX_MESSAGES: Final = 2_000
"""A minute and a half of speech. See ``Wire``."""


class ServedSession:
    """Serves one channel.

    Args:
        channel: closed when ``run`` returns or raises.
        record: what is known of the session, kept up to date.
        backend: who hears, speaks and thinks.
        refusal: why the client is not let in, if it is not.
        find: the session that a handle is of, if there is one.
    """

    def __init__(
        self,
        channel: Channel,
        record: GeminiSession,
        backend: AgentBackend,
        *,
        refusal: Refusal | None,
        find: Callable[[str], GeminiSession | None],
    ) -> None:
        self._record = record
        self._backend = backend
        self._refusal = refusal
        self._find = find
        self._dialogue: Dialogue | None = None
        self._ears = Hearing()
        self._wire = Wire(channel, record, self._hear, outbox_messages=OUTBOX_MESSAGES, in_binary=True)
        self._replying = False
        self._audio_until = 0.0

    async def run(self) -> None:
        """Serve until either side ends it. Cancelling is safe, and takes at most ``wire.CLOSE_SECONDS``."""
        await self._wire.run(self._begin)

    def _begin(self) -> None:
        self._wire.nursery.start_soon(self._expire)
        if self._refusal is not None:  # live, whoever has no key is let in and then told
            self._wire.put(Close(self._refusal.code, self._refusal.reason))

    # Towards the client

    def _post(self, message: dict[str, Any]) -> None:
        names = names_of(message)
        has_sound = "audio" in names
        if has_sound and not self._replying:
            names.insert(0, "reply.started")  # by which strikes count replies
        self._replying = (has_sound or self._replying) and not {"turnComplete", "interrupted"} & set(names)
        self._wire.put(Message(message, names, is_sound=has_sound))

    def _refuse(self, code: int, reason: str) -> None:
        """The client made a mistake: live, the socket is closed on it."""
        self._record.complain(str(code), reason)
        self._wire.put(Close(code, reason))

    async def _expire(self) -> None:
        manner, opened = self._record.manner, self._record.opened_at
        if manner.notice_seconds:
            await trio.sleep_until(opened + manner.longest_seconds - manner.notice_seconds)
            self._post({"goAway": {"timeLeft": f"{manner.notice_seconds:g}s"}})
        await trio.sleep_until(opened + manner.longest_seconds)
        self._wire.put(Close(1011, "Deadline expired before operation could complete."))

    # From the client

    def _hear(self, message: str | bytes) -> None:
        record = self._record
        try:
            ((kind, field),) = json.loads(message).items()
        except (ValueError, AttributeError):
            self._refuse(1007, "Invalid JSON payload received. Exactly one field is expected")
            return
        sound = kind == "realtimeInput" and "audio" in field
        self._wire.note(message, "audio" if sound else kind, is_sound=sound)
        obey, dialogue = self._readers.get(kind), self._dialogue
        if kind == "setup" and record.setup is None:
            self._on_setup(field)
        elif obey is None:
            self._refuse(1007, f'Invalid JSON payload received. Unknown name "{kind[:40]}": Cannot find field.')
        elif dialogue is None or record.ready_at is None:
            self._refuse(1007, "setup must be the first message, and setupComplete be waited for")
        else:
            obey(self, dialogue, field)

    def _on_setup(self, told: Any) -> None:
        record = self._record
        if self._refusal is not None:
            return
        try:
            record.setup = setup = read_setup(told)
            self._take_up(setup.session_resumption.handle if setup.session_resumption else None)
        except Refusal as refusal:
            self._refuse(refusal.code, refusal.reason)
            return
        self._dialogue = Dialogue(record, setup, self._backend, self._post)
        self._wire.nursery.start_soon(self._become_ready, self._dialogue)

    def _take_up(self, handle: str | None) -> None:
        if handle is None:
            return
        refuses = self._record.faults.refuses_handles
        if refuses is not None:
            raise Refusal(refuses, "Session not found.")
        old = self._find(handle)
        if old is None:
            raise Refusal(1008, "Session not found.")
        if old.is_open:  # sip-to-ai #14, tried live
            raise Refusal(1011, "Internal error occurred.")
        self._record.history = old.history

    async def _become_ready(self, dialogue: Dialogue) -> None:
        record = self._record
        if record.faults.never_ready:
            return
        await trio.sleep(record.faults.ready_delay_seconds)
        record.session_id = secrets.token_hex(12)
        record.ready_at = trio.current_time()
        self._post({"setupComplete": {"sessionId": record.session_id}})
        self._wire.nursery.start_soon(dialogue.run)

    def _on_input(self, dialogue: Dialogue, told: dict[str, Any]) -> None:
        match told:
            case {"text": str(text), **rest} if not rest:
                dialogue.tell(text)
            case {"audio": {"mimeType": "audio/pcm;rate=16000", "data": str(data)}, **rest} if not rest:
                self._on_audio(dialogue, data)
            case {"audioStreamEnd": True, **rest} if not rest:
                pass
            case _:
                self._refuse(1007, "Request contains an invalid argument.")

    def _on_audio(self, dialogue: Dialogue, data: str) -> None:
        record, now = self._record, trio.current_time()
        try:
            pcm = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            self._refuse(1007, "Invalid value at 'realtime_input.audio.data'")
            return
        if len(pcm) % 2:
            record.complain("half_sample", "sends half a sample")
        self._audio_until = max(self._audio_until, now) + len(pcm) / 2 / HEARS
        record.max_ahead_seconds = max(record.max_ahead_seconds, self._audio_until - now)
        if record.keeps_audio:
            record.audio += pcm
        dialogue.hear(self._ears.feed(pcm))

    def _on_content(self, dialogue: Dialogue, told: dict[str, Any]) -> None:
        match told:
            case {"turns": [*_, {"role": "user", "parts": [{"text": str(text)}]}], "turnComplete": True}:
                setup = self._record.setup
                if setup is not None and "-2.5-" not in setup.model:
                    self._record.complain("late_content", "clientContent is for before the talk only, on this model")
                dialogue.tell(text)
            case _:
                self._refuse(1007, "Request contains an invalid argument.")

    def _on_results(self, dialogue: Dialogue, told: dict[str, Any]) -> None:
        responses = told.get("functionResponses")
        if not isinstance(responses, list) or not all(
            isinstance(response, dict)
            and isinstance(response.get("name"), str)
            and isinstance(response.get("response"), dict)
            for response in responses
        ):
            self._refuse(1007, "Request contains an invalid argument.")
        else:
            dialogue.take_results(responses)

    _readers: ClassVar[dict[str, Callable[["ServedSession", Dialogue, Any], None]]] = {
        "realtimeInput": _on_input,
        "clientContent": _on_content,
        "toolResponse": _on_results,
    }
