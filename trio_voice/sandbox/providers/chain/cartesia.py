"""Cartesia's speech socket, from the server's side: ``/tts/websocket``.

After Cartesia's pages (2026-11) and the SDK's types; where they are silent it is strict. Speech is made faster than it
is heard. What a context has begun to say is said to its end though it was cancelled: that is what the live service
does, and why a client has to forget contexts by itself.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.chain.backend import ChainBackend
from trio_voice.sandbox.providers.chain.faults import ChainManner
from trio_voice.sandbox.providers.chain.wire import StageSession, StageWire
from trio_voice.sandbox.transport.wire import parse

WAITING_TEXTS: Final = 200
BYTES_PER_MS: Final = 8
FORMAT: Final = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
MODELS: Final = ("sonic-3.6", "sonic-3.5", "sonic-3", "sonic-turbo", "sonic-latest")
CHANGING: Final = ("transcript", "continue", "flush")
"""All else of a context stays as it was."""


@attrs.define(eq=False)
class _Context:
    settings: Mapping[str, Any]
    texts_in: trio.MemorySendChannel[str]
    texts: trio.MemoryReceiveChannel[str]
    over: bool = False
    """No more text may come."""
    cancelled: bool = False
    ms: float = 0.0


class CartesiaSpeaking:
    """Serves one socket."""

    def __init__(
        self,
        channel: Channel,
        session: StageSession,
        say: Callable[[str, str], Awaitable[bytes]],
        manner: ChainManner,
    ) -> None:
        self._session = session
        self._say = say
        self._manner = manner
        self._wire = StageWire(channel, session, self._hear)
        self._contexts: dict[str, _Context] = {}
        self._names: set[str] = set()
        """Of all contexts that there ever were."""

    async def run(self) -> None:
        """Serve until either side ends it."""
        await self._wire.run(self._begin)
        # There is no word for the end: closing is.
        self._session.told_goodbye = self._session.client_close_code is not None

    def _begin(self) -> None:
        self._session.ready_at = trio.current_time()

    def _hear(self, message: str | bytes) -> None:
        event = parse(message)
        if self._session.faults.never_ready:
            return
        name = event.get("context_id") if event is not None else None
        if event is None or not isinstance(name, str):
            self._fail(None, 400, "invalid_request", "messages are JSON objects with a context_id, as text")
        elif event.get("cancel") is True:
            self._cancel(name)
        else:
            self._take(name, event)

    def _fail(self, name: str | None, status: int, code: str, message: str) -> None:
        self._session.complain(code, message)
        error = {"type": "error", "done": True, "status_code": status, "error_code": code}
        self._wire.post({**error, "title": "The request failed", "message": message, "context_id": name})

    def _cancel(self, name: str) -> None:
        context = self._contexts.get(name)
        if context is not None:
            context.cancelled = context.over = True
            context.texts_in.close()

    def _take(self, name: str, event: Mapping[str, Any]) -> None:
        settings = {key: value for key, value in event.items() if key not in CHANGING}
        context = self._contexts.get(name)
        if (problem := problem_of(event)) is not None:
            self._fail(name, *problem)
            return
        if context is None:
            if name in self._names:
                self._fail(name, 400, "context_closed", f"context {name} is over")
                return
            self._names.add(name)
            context = _Context(settings, *trio.open_memory_channel[str](WAITING_TEXTS))
            self._contexts[name] = context
            self._wire.nursery.start_soon(self._speak, name, context)
        if context.over:
            self._fail(name, 400, "context_closed", f"context {name} is over")
        elif settings != context.settings:
            self._fail(name, 400, "invalid_request", "the settings of a context cannot be changed")
        else:
            if event["transcript"]:
                context.texts_in.send_nowait(event["transcript"])
            if event.get("continue") is not True:
                context.over = True
                context.texts_in.close()

    async def _speak(self, name: str, context: _Context) -> None:
        async for text in context.texts:
            if context.cancelled:
                break
            sound = await self._say(text, context.settings["voice"]["id"])
            await trio.sleep(self._manner.voice_seconds)
            await self._send_sound(name, context, text, sound)
        del self._contexts[name]
        self._post("done", name, done=True)

    async def _send_sound(self, name: str, context: _Context, text: str, sound: bytes) -> None:
        if context.settings.get("add_timestamps") is True and sound:
            self._post("timestamps", name, word_timestamps=_times(text, context.ms, len(sound) / BYTES_PER_MS))
        size = self._manner.sound_ms * BYTES_PER_MS
        for at in range(0, len(sound), size):
            piece = sound[at : at + size]
            self._post("chunk", name, data=base64.b64encode(piece).decode(), step_time=1.0)
            await trio.sleep(len(piece) / BYTES_PER_MS / 1_000 / self._manner.speed)
        context.ms += len(sound) / BYTES_PER_MS

    def _post(self, kind: str, name: str, *, done: bool = False, **more: Any) -> None:
        self._wire.post({"type": kind, "context_id": name, "status_code": 206, "done": done, **more})


def _times(text: str, since_ms: float, ms: float) -> dict[str, Any]:
    """Times of the words, in seconds of their context's sound: shares of the time as of the letters."""
    words = list(re.finditer(r"\S+", text))
    each = ms / len(text)
    return {
        "words": [word.group() for word in words],
        "start": [(since_ms + each * word.start()) / 1_000 for word in words],
        "end": [(since_ms + each * word.end()) / 1_000 for word in words],
    }


def problem_of(event: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """The mistake in a request: a status, a code and words."""
    voice = event.get("voice")
    if not isinstance(event.get("transcript"), str):
        return 400, "invalid_request", "transcript must be a string"
    if event.get("model_id") not in MODELS:
        return 404, "model_not_found", "The model is not valid"
    if not isinstance(voice, dict) or voice.get("mode") != "id" or not voice.get("id"):
        return 404, "voice_not_found", "The voice does not exist"
    if event.get("output_format") != FORMAT:
        return 400, "unsupported_format", "the sandbox speaks mu-law at 8 kHz only"
    if not 0 <= event.get("max_buffer_delay_ms", 3_000) <= 5_000:
        return 400, "invalid_request", "max_buffer_delay_ms must be from 0 to 5000"
    return None


def refusal_of(session: StageSession, api_key: str | None) -> tuple[int, str] | None:
    """The HTTP status of a handshake that is not accepted, and why."""
    version, _, key = session.credential.partition(" ")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", version):
        return 400, "Cartesia-Version must be a date"
    if api_key not in {None, key.removeprefix("Bearer ")}:
        return 401, "Invalid API key"
    return None


async def serve(
    channel: Channel, session: StageSession, backend: ChainBackend, manner: ChainManner, _api_key: str | None
) -> None:
    """Serve one socket until either side ends it. The key was looked at in the handshake."""
    await CartesiaSpeaking(channel, session, backend.say, manner).run()


def credential_of(headers: Mapping[str, str]) -> str:
    """The credential in a request's headers, whose names are in lower case."""
    return f"{headers.get('cartesia-version', '')} {headers.get('authorization', '')}"
