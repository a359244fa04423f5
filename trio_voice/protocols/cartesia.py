"""Cartesia's speech: one socket, each reply a context of its own, mu-law at 8 kHz (``/tts/websocket``).

Sources: the ``cartesia`` SDK's types (4.2) and Cartesia's pages (2026-11), and two open integrations. Texts go up as
they stand, with the spaces between them; audio comes down as base64 in JSON, and the times of the words beside it.
Whoever is not let in learns it by the status of the handshake.

Every request of a context repeats its settings. A cancelled context still sends what had been begun of it, so contexts
are forgotten here. There is no goodbye: closing the socket ends it. Letters are what is billed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from trio_voice.audio.mulaw import is_base64, plain_base64
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.protocols.json_messages import as_json
from trio_voice.protocols.retry_after import wait_seconds
from trio_voice.protocols.settings import StageSettings
from trio_voice.protocols.stage_socket import EventDispatcher
from trio_voice.setting_fields import bounded
from trio_voice.speech_text.languages import primary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona

VERSION: Final = "2026-08-14"
"""Of the API; they are dates."""
MAX_MESSAGE_BYTES: Final = 4_194_304
MAX_CONTEXTS: Final = 16
"""Of which more is to come; beyond them the oldest is forgotten. There are two at a time."""

ADVICE: Final = {
    400: "Cartesia does not take a setting of the stage: check its keys",
    401: "Cartesia refused the key: check {key}",
    402: "the Cartesia account behind {key} has no credits left",
    403: "Cartesia refused the key: check {key}",
    404: "Cartesia does not know the voice {voice!r} or the model {model!r}: check them in the persona and the stage",
    429: "the limit of concurrent Cartesia contexts is reached: lower max_calls",
}
"""Advice for each ``status_code`` of an error."""
_OURS: Final = frozenset({400, 401, 402, 403, 404})
"""Those that another session would meet, too."""
_OF_ALL: Final = frozenset({401, 402, 403, 404, 429})
"""Errors of a context that any other would have, too: the key, the account, the voice."""


@attrs.frozen(kw_only=True)
class CartesiaSettings(StageSettings):
    """``tts = { kind = "cartesia" }``: Cartesia's voices over a WebSocket."""

    default_url: ClassVar[str] = "wss://api.cartesia.ai/tts/websocket"
    own_credential: ClassVar[str] = "CARTESIA_API_KEY"
    scheme: ClassVar[str] = "wss"

    voice: str | None = None
    """Id of the voice; a persona's own ``voice`` goes before it."""
    model: str = "sonic-3.5"
    """Name of the model."""
    language: str | None = None
    """Two letters, such as ``de``; the persona's by default."""
    speed: float | None = bounded(0.6, 1.5)
    """Speed of speech; 1 is the voice's own. Not all models obey."""


class Cartesia(EventDispatcher):
    """One socket."""

    provider = "cartesia"
    wake_at = -math.inf  # at once: the open socket is all that there is to wait for

    def __init__(self, settings: CartesiaSettings, persona: Persona) -> None:
        self._settings = settings
        self._voice = persona.voice or settings.voice or ""
        self._language = settings.language or primary(persona.language)
        self._contexts: dict[str, None] = {}
        """Contexts with more text to come."""
        self._counted: list[Any] = []
        """Texts that were sent to be spoken since it was last told."""
        self._ready = False

    # What we say

    @property
    def url(self) -> str:
        """Address to connect to."""
        return self._settings.address

    @staticmethod
    def headers(key: str) -> dict[str, str]:
        """Those of the handshake."""
        return {"Cartesia-Version": VERSION} | ({"Authorization": f"Bearer {key}"} if key else {})

    def encode(self, command: object, _now: float) -> Sequence[str]:
        """The wire form of ``Speak`` and ``BeSilent``."""
        match command:
            case s.Speak(context_id=context, text=text, last=last):
                return (self._speak(context, text, last=last),)
            case s.BeSilent(context_id=context) if context in self._contexts:
                del self._contexts[context]
                return (as_json({"context_id": context, "cancel": True}),)
            case _:
                return ()

    def _speak(self, context: str, text: str, *, last: bool) -> str:
        self._contexts[context] = None
        if len(self._contexts) > MAX_CONTEXTS:
            del self._contexts[next(iter(self._contexts))]
        if text:
            self._counted.append(c.Usage({"characters": len(text)}))
            self.wake_at = -math.inf
        settings = self._settings
        message = {
            "context_id": context,
            "model_id": settings.model,
            "transcript": text,
            "continue": not last,
            "voice": {"mode": "id", "id": self._voice},
            "language": self._language,
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,  # whole clauses are sent, so nothing need be gathered there
        }
        return as_json(message | ({"generation_config": {"speed": settings.speed}} if settings.speed else {}))

    def goodbye(self) -> None:
        """There is none: closing the socket ends it."""
        return

    # What we hear

    def tick(self, now: float) -> Sequence[Any]:
        """Ready at the first time; then what was counted."""
        if self.wake_at > now:
            return ()
        events, self._counted = self._counted, []
        if not self._ready:
            self._ready = True
            events.insert(0, c.ModelReady(""))
        self.wake_at = math.inf
        return events

    def _understand(self, event: dict[str, Any]) -> list[Any]:
        kind = event.get("type")
        if kind in self._readers and kind != "error" and event.get("context_id") not in self._contexts:
            return []  # what still comes of one that was cancelled
        return super()._understand(event)

    def _on_chunk(self, event: dict[str, Any]) -> list[Any]:
        context, payload = event["context_id"], plain_base64(event.get("data") or "")
        if not is_base64(payload):
            return [c.Unrecognized("audio that is no base64", garbage=True)]
        return ([s.Sound(context, payload)] if payload else []) + self._end(event)

    def _on_timestamps(self, event: dict[str, Any]) -> list[Any]:
        timed = event.get("word_timestamps") or {}
        words, starts = timed.get("words") or (), timed.get("start") or ()
        if len(words) != len(starts):
            return []
        return [
            s.SpokenWords(event["context_id"], f"{word} ", start * 1_000)
            for word, start in zip(words, starts, strict=True)
            if isinstance(word, str) and isinstance(start, int | float)
        ]

    def _end(self, event: dict[str, Any]) -> list[Any]:
        if event.get("done") is not True:
            return []
        del self._contexts[event["context_id"]]
        return [s.SpeechOver(event["context_id"])]

    def _on_error(self, event: dict[str, Any]) -> list[Any]:
        context = event.get("context_id")
        if context is not None and context not in self._contexts:
            return []  # of one that was cancelled: nobody waits for it
        status = event.get("status_code")
        advice = ADVICE.get(status, "Cartesia failed") if isinstance(status, int) else "Cartesia failed"
        words = advice.format(
            key=self._settings.key_name or "the key of this stage", voice=self._voice, model=self._settings.model
        )
        said = ": ".join(str(event[part]) for part in ("title", "message") if event.get(part))
        code, message = f"cartesia_{str(event.get('error_code') or status)[:60]}", f"{words}: {said}"[:500]
        if context is None or status in _OF_ALL:
            wait = wait_seconds({}, said)
            return [c.ModelFault(code, message, fatal=True, passing=status not in _OURS, retry_after=wait)]
        del self._contexts[context]
        return [s.SpeechFailed(context, code, message)]

    _readers: ClassVar[dict[Any, Callable[[Cartesia, dict[str, Any]], list[Any]]]] = {
        "chunk": _on_chunk,
        "timestamps": _on_timestamps,
        "done": _end,
        "error": _on_error,
    }
    _meaningless = frozenset({"flush_done", "phoneme_timestamps"})
