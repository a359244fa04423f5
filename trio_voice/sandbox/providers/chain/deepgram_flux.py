"""Deepgram's Flux, from the server's side: ``/v2/listen``.

After Deepgram's pages (2026-11) and the SDK's types; where they are silent it is strict. When the ears report silence
the turn may be over, and it is when so much more of the sound was silent as the manner says (``settle_ms``); whoever
goes on before has resumed it. Other than the real one it knows no words while they are being said, so that a turn
starts with none, and noise may start one, which then ends with none.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.assemblyai_agent import AgentBackend
from trio_voice.sandbox.providers.chain.backend import ChainBackend
from trio_voice.sandbox.providers.chain.faults import ChainManner
from trio_voice.sandbox.providers.chain.recogniser import BYTES_PER_MS, Recogniser
from trio_voice.sandbox.providers.chain.wire import StageSession
from trio_voice.sandbox.transport.wire import parse
from trio_voice.speech import SpeechStarted

MODELS: Final = ("flux-general-en", "flux-general-multi")
IDLE_SECONDS: Final = 10.0
"""Without any sound."""
TAKEN: Final = {"eager_eot_threshold": (0.3, 0.9), "eot_threshold": (0.5, 1.0), "eot_timeout_ms": (500, 60_000)}


class FluxHearing(Recogniser):
    """Serves one socket."""

    def __init__(self, channel: Channel, session: StageSession, backend: AgentBackend, manner: ChainManner) -> None:
        super().__init__(channel, session, backend)
        self._manner = manner
        self._request_id = secrets.token_hex(16)
        self._sequence = 0
        self._index = 0
        self._settled_at = 0
        """In bytes heard: then a turn whose words are known is over."""
        self._in_turn = False
        self._told_early = False

    def _say_ready(self) -> None:
        self._post("Connected")

    def _idle_seconds(self) -> float:
        return IDLE_SECONDS

    def _fail_idle(self) -> None:
        self._fail("NET-0001", "no sound was sent in time", is_mistake=False)

    def _post(self, kind: str, **more: Any) -> None:
        self._wire.post({"type": kind, "request_id": self._request_id, "sequence_id": self._sequence, **more})
        self._sequence += 1

    def _fail(self, code: str, description: str, *, is_mistake: bool = True) -> None:
        if is_mistake:
            self._session.complain(code, description)
        self._post("Error", code=code, description=description)
        self._wire.end(1011, code)

    # From the client

    def _hear(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._fed_at = trio.current_time()
            if self._take_sound(message, before_ready=""):
                self._settle()
            return
        match (parse(message) or {}).get("type"):
            case "CloseStream":
                self._take_goodbye()
            case "Configure" | "ForceEndTurn":
                pass
            case unknown:
                self._fail("UNPARSABLE_CLIENT_MESSAGE", f"unknown message type {unknown!r}")

    def _started(self, _report: SpeechStarted) -> None:
        if not self._in_turn:
            self._in_turn = True
            self._tell("StartOfTurn")
        elif self._told_early:
            self._tell("TurnResumed")
        self._told_early = False

    def _stopped(self) -> None:
        self._settled_at = self._heard_bytes + self._manner.settle_ms * BYTES_PER_MS

    def _say_over(self) -> None:
        if self._in_turn:
            self._finish_turn()
        self._wire.end(1000)

    def _understood(self) -> None:
        if self._parts:
            self._tell("Update")
            if "eager_eot_threshold" in self._session.query and self._manner.settle_ms:
                self._told_early = True
                self._tell("EagerEndOfTurn")
        self._settle()

    def _settle(self) -> None:
        known = self._in_turn and not (self._speaking or self._understanding)
        if known and self._heard_bytes >= self._settled_at:
            self._finish_turn()

    def _finish_turn(self) -> None:
        self._tell("EndOfTurn", trigger="model")
        self._index += 1
        self._parts.clear()
        self._in_turn = self._told_early = False

    def _tell(self, event: str, **more: Any) -> None:
        words = " ".join(self._parts).split()
        sure = {"EndOfTurn": 0.9, "EagerEndOfTurn": 0.6}
        self._post(
            "TurnInfo",
            event=event,
            turn_index=self._index,
            audio_window_start=0.0,
            audio_window_end=self._heard_bytes / BYTES_PER_MS / 1_000,
            transcript=" ".join(words),
            words=[{"word": word, "confidence": 0.9} for word in words],
            end_of_turn_confidence=sure.get(event, 0.1),
            **more,
        )


def refusal_of(session: StageSession, api_key: str | None) -> tuple[int, str] | None:
    """The HTTP status of a handshake that is not accepted, and why."""
    scheme, _, key = session.credential.partition(" ")
    if scheme not in {"Token", ""} or api_key not in {None, key}:
        return 401, "Invalid credentials."
    query = session.query
    if query.get("model") not in MODELS:
        return 400, f"model must be one of {', '.join(MODELS)}"
    if query.get("encoding") != "mulaw" or query.get("sample_rate") != "8000":
        return 400, "the sandbox hears mu-law at 8 kHz only"
    for name, (least, most) in TAKEN.items():
        if name in query and not least <= float(query[name]) <= most:
            return 400, f"{name} must be from {least} to {most}"
    return None


async def serve(
    channel: Channel, session: StageSession, backend: ChainBackend, manner: ChainManner, _api_key: str | None
) -> None:
    """Serve one socket until either side ends it. The key was looked at in the handshake."""
    listen = backend.listen_early or backend.listen
    async with listen() as ears:
        await FluxHearing(channel, session, ears, manner).run()


def credential_of(headers: Mapping[str, str]) -> str:
    """The credential in a request's headers, whose names are in lower case."""
    return headers.get("authorization", "")
