"""AssemblyAI's streaming speech-to-text, from the server's side.

After ``protocols/assemblyai.md``, parts B and C; where the sources are silent it is strict.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.assemblyai_agent import AgentBackend
from trio_voice.sandbox.providers.chain.wire import StageSession, StageWire
from trio_voice.sandbox.transport.wire import parse
from trio_voice.speech import SpeechStarted

SHORTEST_BYTES: Final = 50 * 8
LONGEST_BYTES: Final = 1_000 * 8
WAITING_UTTERANCES: Final = 10
UNDERSTAND_SECONDS: Final = 15.0
LONGEST_SECONDS: Final = 10_798.0
MODELS: Final = ("universal-3-6-pro", "universal-3-5-pro", "u3-rt-pro", "universal-streaming-english")


class AssemblyAiHearing:
    """Serves one socket."""

    def __init__(self, channel: Channel, session: StageSession, backend: AgentBackend, *, api_key: str | None) -> None:
        self._session = session
        self._backend = backend
        self._api_key = api_key
        self._wire = StageWire(channel, session, self._hear)
        self._utterances_in, self._utterances = trio.open_memory_channel[bytes](WAITING_UTTERANCES)
        self._turn = 0
        self._heard_bytes = 0
        self._fed_at = trio.current_time()
        self._parts: list[str] = []
        self._speaking = False

    async def run(self) -> None:
        """Serve until either side ends it."""
        await self._wire.run(self._begin)

    def _begin(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self._fail(*refusal, is_mistake=True)
        elif not self._session.faults.never_ready:
            for task in (self._become_ready, self._listen, self._expire):
                self._wire.nursery.start_soon(task)

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

    async def _become_ready(self) -> None:
        session = self._session
        await trio.sleep(session.faults.ready_delay_seconds)
        session.ready_at = trio.current_time()
        self._wire.post(
            {
                "type": "Begin",
                "id": secrets.token_hex(16),
                "expires_at": int(datetime.now(UTC).timestamp() + LONGEST_SECONDS),
                "configuration": {"model": session.query["speech_model"], "mode": session.query.get("mode")},
            }
        )

    async def _expire(self) -> None:
        """End a session that nobody feeds, as ``inactivity_timeout`` asks for."""
        limit = float(self._session.query.get("inactivity_timeout", LONGEST_SECONDS))
        while trio.current_time() < self._fed_at + limit:  # noqa: ASYNC110 - audio that comes meanwhile moves it
            await trio.sleep_until(self._fed_at + limit)
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
                self._session.told_goodbye = True
                self._session.ended_at = trio.current_time()
                if not self._session.faults.never_acknowledges_end:
                    self._utterances_in.close()  # the open turn is flushed first
            case "KeepAlive" | "UpdateConfiguration" | "ForceEndpoint":
                pass
            case unknown:
                self._fail(3006, f"Unknown message type {unknown!r}", is_mistake=True)

    def _hear_sound(self, sound: bytes) -> None:
        if not SHORTEST_BYTES <= len(sound) <= LONGEST_BYTES:
            self._fail(3007, f"Input Duration Violation: {len(sound) / 8:g} ms", is_mistake=True)
            return
        if self._session.ready_at is None:
            self._session.complain(3006, "sound before Begin")
            return
        self._heard_bytes += len(sound)
        if self._session.keeps_audio:
            self._session.audio += sound
        for report in self._backend.ears.hear(sound):
            if isinstance(report, SpeechStarted):
                self._speaking = True
                self._wire.post({"type": "SpeechStarted", "timestamp": report.at_ms, "confidence": 0.9})
            else:
                self._speaking = False
                try:
                    self._utterances_in.send_nowait(report.utterance)
                except trio.WouldBlock:
                    self._session.complain("", "speaks faster than it can be understood")
                except trio.ClosedResourceError:
                    pass  # after Terminate

    async def _listen(self) -> None:
        async for utterance in self._utterances:
            with trio.move_on_after(UNDERSTAND_SECONDS):
                self._parts += filter(None, [await self._backend.transcribe(utterance)])
            if self._speaking or self._utterances.statistics().current_buffer_used:
                continue  # the caller has gone on: still the same turn
            self._finish_turn()
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


def credential_of(headers: Mapping[str, str]) -> str:
    """What counts of a request's headers, their names in lower case."""
    return headers.get("authorization", "")
