"""AssemblyAI's streaming speech-to-text, version 3, ``wss://streaming.assemblyai.com/v3/ws``: what a chain hears by."""

from __future__ import annotations

import json
from typing import Any

from rig.protocols.protocol import Heard


class AssemblyAIStreaming:
    """One session. It is configured in the address, and speaks first."""

    url = "ws://{netloc}/v3/ws"
    has_goodbye = True
    configured_by_url = True
    asked = False

    def __init__(self) -> None:
        self.tools: list[str] = []
        self._turn = 0

    def welcome(self) -> list[str]:
        return []

    def heard(self, message: str | bytes) -> Heard:
        if isinstance(message, bytes):
            return Heard.OTHER
        return Heard.GOODBYE if json.loads(message)["type"] == "Terminate" else Heard.OTHER

    def ready(self) -> list[str]:
        configuration = {"model": "universal-3-6-pro", "api_version": "2025-05-12"}
        return [_say("Begin", id="0" * 32, expires_at=1_900_000_000, configuration=configuration)]

    def reply_begins(self) -> list[str]:
        return [_say("SpeechStarted", timestamp=1_000, confidence=0.9)]

    def audio(self, milliseconds: int) -> list[str]:
        """It has no voice; what it says at length is what the caller says at length."""
        del milliseconds
        return [self._words("Hold", over=False)]

    def reply_ends(self) -> list[str]:
        return self.caller_spoke()

    def caller_speaks(self) -> list[str]:
        return [*self.reply_begins(), self._words("Hold", over=False)]

    def caller_spoke(self) -> list[str]:
        said = [self._words("Hold on.", over=True)]
        self._turn += 1
        return said

    def tool_call(self, name: str) -> list[str]:
        del name
        return []

    def going(self) -> list[str]:
        return []

    def error(self) -> list[str]:
        return [_say("Error", error_code=1011, error="Internal error")]

    def farewell(self) -> list[str]:
        return [_say("Termination", audio_duration_seconds=1, session_duration_seconds=1)]

    def _words(self, text: str, *, over: bool) -> str:
        words = [
            {"text": word, "start": 100 * at, "end": 100 * at + 90, "confidence": 0.9, "word_is_final": over}
            for at, word in enumerate(text.split())
        ]
        return _say(
            "Turn",
            turn_order=self._turn,
            turn_is_formatted=over,
            end_of_turn=over,
            transcript=text,
            end_of_turn_confidence=1.0 if over else 0.3,
            words=words,
        )


def _say(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})
