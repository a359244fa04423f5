"""ElevenLabs' speech: the socket on which each reply is a context of its own, mu-law at 8 kHz.

Sources: the ``elevenlabs`` SDK's types (2.78), ElevenLabs' pages, and what two open integrations do (2026-11). Texts go
up as they stand, each ending with a space; audio comes down as base64 in JSON, with the time of each letter.

Contexts cost nothing until they speak, and an idle socket is closed. So there is always one context open that nothing
was said in yet: the next reply begins in it without a round trip, and empty texts in it keep the socket.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, urlencode

import attrs

from trio_voice.audio.mulaw import base64_ms, is_base64, plain_base64
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.protocols.json_messages import as_json, read
from trio_voice.protocols.model_session import ModelSession
from trio_voice.protocols.settings import StageSettings
from trio_voice.setting_fields import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_voice.persona import Persona

INACTIVITY_SECONDS: Final = 180
"""The longest that may be asked for; 20 without asking."""
KEEP_ALIVE_SECONDS: Final = 60.0
MAX_MESSAGE_BYTES: Final = 4_194_304
"""A piece of audio with the times of its letters can be long."""


@attrs.frozen(kw_only=True)
class ElevenLabsSettings(StageSettings):
    """``tts = { kind = "elevenlabs" }``: ElevenLabs' voices over a WebSocket."""

    default_url: ClassVar[str] = "https://api.elevenlabs.io"
    own_credential: ClassVar[str] = "ELEVENLABS_API_KEY"

    voice: str | None = None
    """Id of the voice; a persona's own ``voice`` goes before it."""
    model: str = "eleven_flash_v2_5"
    """Name of a model of the v2 line: the v3 and v4 voices are spoken to at other addresses."""
    language: str | None = None
    """Two letters, such as ``de``; by default the model finds out from the text."""
    speed: float | None = bounded(0.7, 1.2)
    """Speed of speech; 1 is the voice's own."""
    stability: float | None = bounded(0, 1)
    """Evenness of the voice; lower is livelier."""
    similarity_boost: float | None = bounded(0, 1)
    """Closeness to the recorded voice."""

    def __attrs_post_init__(self) -> None:
        if self.model.startswith(("eleven_v3", "eleven_v4")):
            raise ValueError(f"model {self.model!r} is not spoken on this socket; take eleven_flash_v2_5 or its like")

    @property
    def reads_figures(self) -> bool:
        """Flash and Turbo do not: ElevenLabs normalises text for them on its Enterprise plans alone (its API, 2026)."""
        return not {"flash", "turbo"} & {*self.model.split("_")}


@attrs.define
class _Context:
    ours: str
    """The ``context_id`` of the commands."""
    ms: float = 0.0
    """Sound that has come."""


class ElevenLabs(ModelSession):
    """One multi-context socket."""

    capabilities = s.CHAIN
    provider = "elevenlabs"
    wake_at = -math.inf  # at once: the open socket is all that there is to wait for

    def __init__(self, settings: ElevenLabsSettings, persona: Persona) -> None:
        self._settings = settings
        self._voice = persona.voice or settings.voice or ""
        self._numbers = 0
        self._spare = ""
        """The context in which nothing was said yet."""
        self._contexts: dict[str, _Context] = {}
        """Those that are being spoken in, by the id on the wire."""
        self._counted: list[Any] = []
        """Texts that were sent to be spoken since it was last told."""
        self._ready = False

    # What we say

    @property
    def url(self) -> str:
        """Address to connect to."""
        query: dict[str, Any] = {
            "model_id": self._settings.model,
            "output_format": "ulaw_8000",
            "inactivity_timeout": INACTIVITY_SECONDS,
            "auto_mode": "true",  # whole clauses are sent, so nothing need be gathered there
            "sync_alignment": "true",
        }
        if self._settings.language is not None:
            query["language_code"] = self._settings.language
        address = "ws" + self._settings.address.removeprefix("http")
        return f"{address}/v1/text-to-speech/{quote(self._voice, safe='')}/multi-stream-input?{urlencode(query)}"

    @staticmethod
    def headers(key: str) -> dict[str, str]:
        """Those of the handshake."""
        return {"xi-api-key": key} if key else {}

    def opening(self) -> list[str]:
        """The first context."""
        return [self._open_spare()]

    def _open_spare(self) -> str:
        self._numbers += 1
        self._spare = f"s{self._numbers}"
        settings = self._settings
        voice = {
            "speed": settings.speed,
            "stability": settings.stability,
            "similarity_boost": settings.similarity_boost,
        }
        asked = {name: value for name, value in voice.items() if value is not None}
        message: dict[str, Any] = {"text": " ", "context_id": self._spare}
        return as_json(message | ({"voice_settings": asked} if asked else {}))

    def encode(self, command: object, _now: float) -> Sequence[str]:
        """The wire form of ``Speak`` and ``BeSilent``."""
        match command:
            case s.Speak(context_id=ours, text=text, last=last):
                return self._speak(ours, text, last=last)
            case s.BeSilent(context_id=ours):
                wire = self._wire_id(ours)
                if wire is None:
                    return ()
                del self._contexts[wire]
                return (as_json({"context_id": wire, "close_context": True}),)
            case _:
                return ()

    def _speak(self, ours: str, text: str, *, last: bool) -> list[str]:
        messages: list[str] = []
        wire = self._wire_id(ours)
        if wire is None:
            wire = self._spare
            self._contexts[wire] = _Context(ours)
            messages.append(self._open_spare())
        if text:
            self._counted.append(c.Usage({"characters": len(text)}))
            self.wake_at = -math.inf
            messages.append(as_json({"text": text.rstrip() + " ", "context_id": wire, "flush": True}))
        if last:
            messages.append(as_json({"context_id": wire, "close_context": True}))
        return messages

    def _wire_id(self, ours: str) -> str | None:
        return next((wire for wire, context in self._contexts.items() if context.ours == ours), None)

    def goodbye(self) -> str:
        """Ends all contexts and the socket; the server answers by closing it."""
        return '{"close_socket":true}'

    # What we hear

    def tick(self, now: float) -> Sequence[Any]:
        """Ready at the first time; then what was counted, and from time to time a sign of life."""
        if self.wake_at > now:
            return ()
        events, self._counted = self._counted, []
        if not self._ready:
            self._ready = True
            events.insert(0, c.ModelReady(""))
        elif not events:
            events.append(c.Outgoing(as_json({"text": "", "context_id": self._spare})))
        self.wake_at = now + KEEP_ALIVE_SECONDS
        return events

    def receive(self, message: str | bytes, _now: float) -> Sequence[Any]:
        """Events that a message of the server's means."""
        return read(message, self._understand)

    def _understand(self, event: dict[str, Any]) -> list[Any]:
        if event.get("error"):
            return [self._fault(event)]
        if not {"audio", "isFinal", "is_final"} & event.keys():
            return [c.Unrecognized(f"a message with the keys {sorted(event)[:8]}"[:200])]
        wire = event.get("contextId") or event.get("context_id")  # the live service has been seen to say either
        context = self._contexts.get(wire) if isinstance(wire, str) else None
        if context is None:
            return []  # what still comes of one that was closed
        events: list[Any] = []
        payload = event.get("audio")
        if payload:
            payload = plain_base64(payload)
            if not is_base64(payload):
                return [c.Unrecognized("audio that is no base64", garbage=True)]
            for text, start_ms in _words(event.get("alignment")):
                events.append(s.SpokenWords(context.ours, text, context.ms + start_ms))
            events.append(s.Sound(context.ours, payload))
            context.ms += base64_ms(payload)
        if event.get("isFinal") or event.get("is_final"):
            del self._contexts[str(wire)]
            events.append(s.SpeechOver(context.ours))
        return events

    def _fault(self, event: dict[str, Any]) -> c.ModelFault | s.SpeechFailed:
        """The failure that an error means: of one context, that one's; of the account or the voice, everybody's.

        That of a context which is closed already fails nobody.
        """
        code, said = str(event["error"])[:60], str(event.get("message") or "")
        words = ADVICE.get(code, "ElevenLabs said {code}").format(
            code=code,
            key=self._settings.key_name or "the key of this stage",
            voice=self._voice,
            model=self._settings.model,
        )
        wire = event.get("contextId") or event.get("context_id")
        context = self._contexts.pop(wire, None) if isinstance(wire, str) and code not in ADVICE else None
        if context is not None:
            return s.SpeechFailed(context.ours, f"elevenlabs_{code}", f"{words}: {said}"[:500])
        is_stale = bool(wire) and code not in ADVICE
        passing = code not in ADVICE or code in _PASSING
        return c.ModelFault(f"elevenlabs_{code}", f"{words}: {said}"[:500], fatal=not is_stale, passing=passing)


ADVICE: Final = {
    "invalid_api_key": "ElevenLabs refused the key: check {key}",
    "missing_permissions": "{key} may not be used for text to speech: check its permissions at ElevenLabs",
    "quota_exceeded": "the ElevenLabs account behind {key} has no characters left",
    "voice_id_does_not_exist": "ElevenLabs does not know the voice {voice!r}: check voice in the persona or the stage",
    "voice_not_found": "ElevenLabs does not know the voice {voice!r}: check voice in the persona or the stage",
    "model_not_found": "ElevenLabs does not know the model {model!r}: check model of the stage",
    "too_many_concurrent_requests": "the limit of concurrent ElevenLabs requests is reached: lower max_calls",
    "max_active_conversations": "the limit of concurrent ElevenLabs contexts is reached: lower max_calls",
    "input_timeout_exceeded": "ElevenLabs closed an idle socket",
}
_PASSING: Final = frozenset({"too_many_concurrent_requests", "max_active_conversations", "input_timeout_exceeded"})
"""Those that another session may not meet."""


def _words(alignment: Any) -> list[tuple[str, float]]:
    """The words of a piece, each with the space after it, and when each begins in that piece.

    The times are "relative to the returned chunk" (SDK). Nothing where they are missing, or fewer or more than letters.
    """
    if not isinstance(alignment, dict):
        return []
    letters, starts = alignment.get("chars"), alignment.get("charStartTimesMs")
    if not isinstance(letters, list) or not isinstance(starts, list) or len(letters) != len(starts):
        return []
    words: list[tuple[str, float]] = []
    begins = True
    for letter, start in zip(letters, starts, strict=True):
        if not isinstance(letter, str) or not isinstance(start, int | float):
            return []
        if not words or (begins and letter.strip()):
            words.append((letter, float(start)))
        else:
            words[-1] = (words[-1][0] + letter, words[-1][1])
        begins = letter.isspace()
    return words
