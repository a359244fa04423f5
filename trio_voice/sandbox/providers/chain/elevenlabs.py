"""ElevenLabs' multi-context speech socket, from the server's side.

After ElevenLabs' pages (2026-11) and the SDK's types; where they are silent it is strict. Speech is made faster than it
is heard, one context at a time, and what a context has begun is said to its end though it was closed: that is what the
live service does, and why a client has to forget contexts by itself.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.chain.backend import ChainBackend
from trio_voice.sandbox.providers.chain.faults import ChainManner
from trio_voice.sandbox.providers.chain.wire import StageSession, StageWire
from trio_voice.sandbox.transport.wire import parse

MAX_CONTEXTS: Final = 5
WAITING_TEXTS: Final = 200
BYTES_PER_MS: Final = 8
IDLE_SECONDS: Final = 20.0
"""Without ``inactivity_timeout``."""
LONGEST_IDLE_SECONDS: Final = 180.0


@attrs.define(eq=False)
class _Context:
    texts_in: trio.MemorySendChannel[str]
    texts: trio.MemoryReceiveChannel[str]
    closed: bool = False


class ElevenLabsSpeaking:
    """Serves one socket."""

    def __init__(
        self,
        channel: Channel,
        session: StageSession,
        say: Callable[[str, str], Awaitable[bytes]],
        manner: ChainManner,
        *,
        api_key: str | None,
    ) -> None:
        self._session = session
        self._say = say
        self._manner = manner
        self._api_key = api_key
        self._wire = StageWire(channel, session, self._hear)
        self._contexts: dict[str, _Context] = {}
        self._fed_at = trio.current_time()
        self.characters = 0
        """Number of characters that were asked to be spoken, which are billed."""

    async def run(self) -> None:
        """Serve until either side ends it."""
        await self._wire.run(self._begin)

    def _begin(self) -> None:
        session = self._session
        if self._api_key not in {None, session.credential}:
            self._fail("invalid_api_key", "Invalid API key")
        elif session.query.get("output_format") != "ulaw_8000":
            self._fail("unsupported_output_format", "the sandbox speaks ulaw_8000 only")
        elif not self._voice:
            self._fail("voice_id_does_not_exist", "A voice with this id does not exist")
        else:
            session.ready_at = trio.current_time()
            self._wire.nursery.start_soon(self._expire)

    @property
    def _voice(self) -> str:
        """From the path, /v1/text-to-speech/VOICE/multi-stream-input."""
        parts = self._session.path.split("/")
        return parts[3] if len(parts) == 5 else ""

    async def _expire(self) -> None:
        limit = min(float(self._session.query.get("inactivity_timeout", IDLE_SECONDS)), LONGEST_IDLE_SECONDS)
        while trio.current_time() < self._fed_at + limit:  # noqa: ASYNC110 - a message that comes meanwhile moves it
            await trio.sleep_until(self._fed_at + limit)
        self._fail("input_timeout_exceeded", f"no message for {limit:g} s", is_mistake=False)

    def _fail(self, code: str, message: str, *, is_mistake: bool = True) -> None:
        if is_mistake:
            self._session.complain(code, message)
        self._wire.post({"message": message, "error": code, "code": 1008})
        self._wire.end(1008, message)

    def _hear(self, message: str | bytes) -> None:
        self._fed_at = trio.current_time()
        event = parse(message)
        if event is None:
            self._fail("invalid_message", "messages are JSON objects, as text")
            return
        if event.get("close_socket") is True:
            self._session.told_goodbye = True
            self._session.ended_at = trio.current_time()
            if not self._session.faults.never_acknowledges_end:
                self._wire.end(1000)
            return
        if self._session.faults.never_ready:
            return
        name, text = event.get("context_id"), event.get("text")
        if not isinstance(name, str):
            self._fail("invalid_message", "the sandbox wants a context_id in every message")
        elif event.get("close_context") is True:
            context = self._contexts.get(name)
            if context is not None and not context.closed:
                context.closed = True
                context.texts_in.close()
        elif not isinstance(text, str):
            self._fail("invalid_message", "text must be a string")
        elif name not in self._contexts:
            self._open(name, event)
        elif "voice_settings" in event or "generation_config" in event:
            self._fail("invalid_message", "settings can only be given in the first message of a context")
        elif self._contexts[name].closed:
            self._fail("invalid_message", f"context {name} is closed")
        elif text:
            if not text.endswith(" "):
                self._session.complain("", "each text should end with a space")
            self.characters += len(text)
            self._contexts[name].texts_in.send_nowait(text)

    def _open(self, name: str, event: Mapping[str, Any]) -> None:
        if event["text"] != " ":
            self._fail("invalid_message", "the first text of a context must be a single space")
        elif sum(not context.closed for context in self._contexts.values()) >= MAX_CONTEXTS:
            self._fail("max_active_conversations", f"more than {MAX_CONTEXTS} contexts")
        else:
            context = self._contexts[name] = _Context(*trio.open_memory_channel[str](WAITING_TEXTS))
            self._wire.nursery.start_soon(self._speak, name, context)

    async def _speak(self, name: str, context: _Context) -> None:
        async for text in context.texts:
            sound = await self._say(text, self._voice)
            await trio.sleep(self._manner.voice_seconds)
            await self._send_sound(name, text, sound)
        del self._contexts[name]
        self._wire.post({"isFinal": True, "contextId": name})

    async def _send_sound(self, name: str, text: str, sound: bytes) -> None:
        size = self._manner.sound_ms * BYTES_PER_MS
        pieces = [sound[at : at + size] for at in range(0, len(sound), size)]
        letters_each = -(-len(text) // max(len(pieces), 1))
        for at, piece in enumerate(pieces):
            letters = text[at * letters_each : (at + 1) * letters_each]
            ms = len(piece) / BYTES_PER_MS
            self._wire.post(
                {
                    "audio": base64.b64encode(piece).decode(),
                    "contextId": name,
                    "isFinal": None,
                    "alignment": {
                        "chars": list(letters),
                        "charStartTimesMs": [round(ms * n / len(letters)) for n in range(len(letters))],
                        "charDurationsMs": [round(ms / len(letters)) for _ in letters],
                    }
                    if letters
                    else None,
                    "normalizedAlignment": None,
                }
            )
            await trio.sleep(ms / 1_000 / self._manner.speed)


async def serve(
    channel: Channel, session: StageSession, backend: ChainBackend, manner: ChainManner, api_key: str | None
) -> None:
    """Serve one socket until either side ends it."""
    await ElevenLabsSpeaking(channel, session, backend.say, manner, api_key=api_key).run()


def credential_of(headers: Mapping[str, str]) -> str:
    """The credential in a request's headers, whose names are in lower case."""
    return headers.get("xi-api-key", "")
