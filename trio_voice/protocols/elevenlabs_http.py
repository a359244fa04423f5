"""ElevenLabs' speech over HTTP: each piece of a reply is a request, its answer mu-law as it is made.

Sources: the ``elevenlabs`` SDK (2.78) and ElevenLabs' pages (2026-11). For networks that let no WebSocket through; the
socket (``elevenlabs.py``) says when each word is spoken, needs no request for each piece, and is the better choice. The
body of an answer is the sound itself, without a header. Letters are what is billed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import attrs
import msgspec

from trio_voice.events.model import ModelFault
from trio_voice.events.stage import ModelRequest
from trio_voice.protocols.elevenlabs import ADVICE, ElevenLabsSettings
from trio_voice.protocols.json_messages import UNREADABLE

if TYPE_CHECKING:
    from trio_voice.persona import Persona

TEXT_REFUSED: Final = frozenset({400, 413, 422})
"""Statuses of an answer that may be due to the text alone."""
MAX_BEFORE: Final = 500
"""Letters that a request repeats of what was said before, so that the voice goes on as it was."""


@attrs.frozen(kw_only=True)
class ElevenLabsHttpSettings(ElevenLabsSettings):
    """``tts = { kind = "elevenlabs-http" }``: the same voices, a request for each sentence. It has the same keys."""


class ElevenLabsHttp:
    """Texts as requests, and refusals as failures."""

    provider = "elevenlabs"

    def __init__(self, settings: ElevenLabsHttpSettings, persona: Persona, key: str = "") -> None:
        self._settings = settings
        self._voice = persona.voice or settings.voice or ""
        self._headers = {"Content-Type": "application/json"} | ({"xi-api-key": key} if key else {})

    @property
    def address(self) -> str:
        """The base of its requests' URLs."""
        return self._settings.address

    def request(self, text: str, before: str) -> ModelRequest:
        """A request for the sound of a text that follows another."""
        settings = self._settings
        voice = {
            "speed": settings.speed,
            "stability": settings.stability,
            "similarity_boost": settings.similarity_boost,
        }
        asked: dict[str, Any] = {
            "text": text,
            "model_id": settings.model,
            "previous_text": before[-MAX_BEFORE:] or None,
            "language_code": settings.language,
            "voice_settings": {name: value for name, value in voice.items() if value is not None} or None,
        }
        body = msgspec.json.encode({name: value for name, value in asked.items() if value is not None})
        path = f"/v1/text-to-speech/{quote(self._voice, safe='')}/stream?output_format=ulaw_8000"
        return ModelRequest(settings.address + path, self._headers, body)

    def refusal(self, status: int, body: bytes) -> ModelFault:
        """The failure that an answer of another status than 200 means; it is not fatal if it is this text's alone."""
        code, said = f"http_{status}", body[:200].decode(errors="replace")
        try:
            detail = msgspec.json.decode(body)["detail"]
            code, said = str(detail.get("status") or code)[:60], str(detail.get("message") or "")
        except UNREADABLE:
            pass
        words = ADVICE.get(code, "{vendor} said {code}").format(
            vendor="ElevenLabs",
            code=code,
            key=self._settings.key_name or "the key of this stage",
            voice=self._voice,
            model=self._settings.model,
        )
        fatal = code in ADVICE or status not in TEXT_REFUSED
        return ModelFault(f"elevenlabs_{code}", f"{words}: {said}"[:500], fatal=fatal)
