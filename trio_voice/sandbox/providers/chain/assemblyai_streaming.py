"""AssemblyAI's streaming speech-to-text, from the server's side.

After AssemblyAI's streaming schema and pages (2026) and published traces; where the sources are silent it is strict.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.assemblyai_agent import AgentBackend
from trio_voice.sandbox.providers.chain.backend import ChainBackend
from trio_voice.sandbox.providers.chain.faults import ChainManner
from trio_voice.sandbox.providers.chain.recogniser import Recogniser
from trio_voice.sandbox.providers.chain.wire import StageSession
from trio_voice.sandbox.transport.wire import parse
from trio_voice.speech import SpeechStarted

SHORTEST_BYTES: Final = 50 * 8
LONGEST_BYTES: Final = 1_000 * 8
LONGEST_SECONDS: Final = 10_798.0
MODELS: Final = ("universal-3-6-pro", "universal-3-5-pro", "u3-rt-pro", "universal-streaming-english")


class AssemblyAiHearing(Recogniser):
    """Serves one socket."""

    def __init__(self, channel: Channel, session: StageSession, backend: AgentBackend, *, api_key: str | None) -> None:
        super().__init__(channel, session, backend)
        self._api_key = api_key
        self._turn = 0

    def _begin(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self._fail(*refusal, is_mistake=True)
        else:
            super()._begin()

    def _refusal(self) -> tuple[int, str] | None:
        credential, query = self._session.credential, self._session.query
        if credential.startswith("Bearer ") or self._api_key not in {None, credential}:
            return 1008, "Invalid API key"
        if query.get("encoding") != "pcm_mulaw" or query.get("sample_rate") != "8000":
            return 3006, "the sandbox hears mu-law at 8 kHz only"
        if query.get("speech_model") not in MODELS:
            return 3006, f"speech_model must be one of {', '.join(MODELS)}"
        if not 5 <= int(query.get("inactivity_timeout", 5)) <= 3_600:
            return 3006, "inactivity_timeout must be from 5 to 3600"
        return None

    def _say_ready(self) -> None:
        query = self._session.query
        self._wire.post(
            {
                "type": "Begin",
                "id": secrets.token_hex(16),
                "expires_at": int(datetime.now(UTC).timestamp() + LONGEST_SECONDS),
                "configuration": {"model": query["speech_model"], "mode": query.get("mode")},
            }
        )

    def _idle_seconds(self) -> float:
        return float(self._session.query.get("inactivity_timeout", LONGEST_SECONDS))

    def _fail_idle(self) -> None:
        self._fail(3006, "Session expired due to inactivity")

    def _fail(self, code: int, message: str, *, is_mistake: bool = False) -> None:
        if is_mistake:
            self._session.complain(code, message)
        self._wire.post({"type": "Error", "error_code": code, "error": message})
        self._wire.end(code, "See Error message for details")

    # From the client

    def _hear(self, message: str | bytes) -> None:
        self._fed_at = trio.current_time()
        if isinstance(message, bytes):
            self._hear_sound(message)
            return
        event = parse(message) or {}
        match event.get("type"):
            case "Terminate":
                self._take_goodbye()
            case "KeepAlive" | "UpdateConfiguration" | "ForceEndpoint":
                pass
            case unknown:
                self._fail(3006, f"Unknown message type {unknown!r}", is_mistake=True)

    def _hear_sound(self, sound: bytes) -> None:
        if not SHORTEST_BYTES <= len(sound) <= LONGEST_BYTES:
            self._fail(3007, f"Input Duration Violation: {len(sound) / 8:g} ms", is_mistake=True)
            return
        self._take_sound(sound, before_ready=3006)

    def _started(self, report: SpeechStarted) -> None:
        self._wire.post({"type": "SpeechStarted", "timestamp": report.at_ms, "confidence": 0.9})

    def _understood(self) -> None:
        self._finish_turn()

    def _say_over(self) -> None:
        seconds = trio.current_time() - self._session.opened_at
        self._wire.post(
            {
                "type": "Termination",
                "audio_duration_seconds": self._heard_bytes // 8_000,
                "session_duration_seconds": round(seconds),
            }
        )
        self._wire.end(1000, "Session Ended")

    def _finish_turn(self) -> None:
        words = " ".join(self._parts).split()
        self._parts.clear()
        for count in dict.fromkeys((len(words) // 2, len(words))):
            if count:
                self._wire.post(self._turn_message(words[:count], over=False))
        self._wire.post(self._turn_message(words, over=True))
        self._turn += 1

    def _turn_message(self, words: list[str], *, over: bool) -> dict[str, Any]:
        text = " ".join(words)
        listed = [
            {"text": word, "start": 100 * at, "end": 100 * at + 90, "confidence": 0.9, "word_is_final": over}
            for at, word in enumerate(words)
        ]
        return {
            "type": "Turn",
            "turn_order": self._turn,
            "turn_is_formatted": True,  # partials of 3.5 carry it too
            "end_of_turn": over,
            "transcript": text,
            "utterance": text if over else "",
            "end_of_turn_confidence": 1.0 if over else 0.3,
            "words": listed,
        }


async def serve(
    channel: Channel, session: StageSession, backend: ChainBackend, _manner: ChainManner, api_key: str | None
) -> None:
    """Serve one socket until either side ends it."""
    async with backend.listen() as ears:
        await AssemblyAiHearing(channel, session, ears, api_key=api_key).run()


def credential_of(headers: Mapping[str, str]) -> str:
    """The credential in a request's headers, whose names are in lower case."""
    return headers.get("authorization", "")
