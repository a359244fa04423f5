"""The sandbox's realtime server: over channels in memory, or over WebSockets on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.cast import Casting
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS, Faults
from trio_voice.sandbox.providers.openai_realtime.config import MODELS, Refusal
from trio_voice.sandbox.providers.openai_realtime.record import USUAL, Manner, RealtimeSession
from trio_voice.sandbox.providers.openai_realtime.session import ServedSession
from trio_voice.sandbox.transport.serving import SocketServer, headers_of, listening
from trio_voice.sandbox.transport.sockets import SandboxSocket

PATH: Final = "/v1/realtime"


class RealtimeServer(SocketServer[RealtimeSession]):
    """A realtime model that anybody may call, and what it knows of every session it has had.

    Args:
        casting: makes ears, voice and mind of each session: ``Script(...).cast`` or ``speaking(...)``.
        api_key: the one that is let in; ``None`` lets every key in, but not the lack of one.
        dialect: ``ga``, ``xai`` or ``beta``.
        manner: of the sessions to come, and may be exchanged between them, as may ``faults``.
        keeps_audio: see ``RealtimeSession.keeps_audio``; false for a benchmark.
    """

    def __init__(
        self,
        casting: Casting,
        *,
        api_key: str | None = None,
        dialect: str = "ga",
        manner: Manner = USUAL,
        faults: Faults = NO_FAULTS,
        keeps_audio: bool = True,
    ) -> None:
        super().__init__()
        self.manner = manner
        self.faults = faults
        self.dialect = dialect
        self._casting = casting
        self._api_key = api_key
        self._keeps_audio = keeps_audio

    async def serve_session(
        self,
        channel: Channel,
        *,
        authorization: str = "Bearer sandbox",
        model: str | None = None,
        beta: bool | None = None,
        manner: Manner | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Serve the other end of a channel until either side ends it, and close it.

        ``authorization`` and ``beta`` are headers of the upgrade, ``model`` stands in its query. Cancelling is safe and
        takes at most two seconds. What the cast raises comes through: a sandbox that hides its mistakes proves nothing.
        """
        now = trio.current_time()
        known = MODELS[self.dialect]
        record = RealtimeSession(
            authorization=authorization,
            model=next(iter(known), "") if model is None else model,
            dialect=self.dialect,
            opened_at=now,
            manner=manner or self.manner,
            faults=faults or self.faults,
            keeps_audio=self._keeps_audio,
        )
        async with self._keep(record, channel), self._casting() as cast:
            epoch = datetime.now(UTC).timestamp() - now
            refusal = self._refusal(record, beta=self.dialect == "beta" if beta is None else beta)
            await ServedSession(channel, record, cast, refusal=refusal, epoch=epoch).run()

    def _refusal(self, record: RealtimeSession, *, beta: bool) -> Refusal | None:
        """Why somebody is not let in. The upgrade has succeeded by then: it is the first event that says so."""
        key = record.authorization.removeprefix("Bearer ").strip()
        if not key or self._api_key not in {None, key}:
            return Refusal("invalid_api_key", "Incorrect API key provided.")
        if beta and self.dialect == "ga":
            words = "The Realtime Beta API is no longer supported. Please use the GA API instead."
            return Refusal("beta_api_shape_disabled", words)
        if MODELS[self.dialect] and record.model not in MODELS[self.dialect]:
            return Refusal("invalid_model", f"Model {record.model!r} is not supported in realtime mode.")
        return None


@asynccontextmanager
async def open_realtime(
    casting: Casting,
    *,
    port: int = 0,
    api_key: str | None = None,
    dialect: str = "ga",
    manner: Manner = USUAL,
    faults: Faults = NO_FAULTS,
    keeps_audio: bool = True,
) -> AsyncIterator[RealtimeServer]:
    """A realtime server that listens on loopback, at ``server.url``, until the block is left.

    The arguments are its own. Sessions still open then are closed. Needs the real clock.
    """
    server = RealtimeServer(
        casting, api_key=api_key, dialect=dialect, manner=manner, faults=faults, keeps_audio=keeps_audio
    )

    async def serve(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
        headers = headers_of(request)
        await server.serve_session(
            socket,
            authorization=headers.get("authorization", ""),
            model=parse_qs(urlsplit(request.path).query).get("model", [""])[0],
            beta="openai-beta" in headers,
        )

    async with listening(serve, PATH, port, "the realtime server") as server.url:
        yield server
