"""The sandbox's realtime server: over channels in memory, or over WebSockets on loopback."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlsplit

import trio
import trio_websocket

from trio_voice.legs.channel import Channel
from trio_voice.sandbox.openai_realtime.config import MODELS, Refusal
from trio_voice.sandbox.openai_realtime.record import USUAL, Manner, RealtimeSession
from trio_voice.sandbox.openai_realtime.session import ServedSession
from trio_voice.sandbox.sockets import SandboxSocket, serve_sockets
from trio_voice.sandbox.voice_agent.cast import Casting
from trio_voice.sandbox.voice_agent.faults import NO_FAULTS, Faults
from trio_voice.sandbox.wire import CLOSE_SECONDS

PATH: Final = "/v1/realtime"


class RealtimeServer:
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
        self.manner = manner
        self.faults = faults
        self.dialect = dialect
        self.url = ""
        """Where it listens, if it does."""
        self.sessions: list[RealtimeSession] = []
        """All sessions, in the order in which their sockets were opened."""
        self._casting = casting
        self._api_key = api_key
        self._keeps_audio = keeps_audio
        self._opened = trio.Event()

    @property
    def urls(self) -> Mapping[str, str]:
        """The same, by the path of the key in a table of ``[models]``."""
        return {"url": self.url}

    @property
    def open_sessions(self) -> list[RealtimeSession]:
        """Those whose socket is not known to be gone."""
        return [session for session in self.sessions if session.is_open]

    async def wait_session(self, number: int = 1) -> RealtimeSession:
        """The session that is the ``number``-th to be opened, once it is. Cancelling is safe."""
        while len(self.sessions) < number:
            await self._opened.wait()
        return self.sessions[number - 1]

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
        self.sessions.append(record)
        self._opened.set()
        self._opened = trio.Event()
        try:
            async with self._casting() as cast:
                epoch = datetime.now(UTC).timestamp() - now
                refusal = self._refusal(record, beta=self.dialect == "beta" if beta is None else beta)
                await ServedSession(channel, record, cast, refusal=refusal, epoch=epoch).run()
        finally:
            record.close(trio.current_time())
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await channel.abort()

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
        headers = {name.lower(): value.decode("latin-1") for name, value in request.headers}
        address = urlsplit(request.path)
        if address.path == PATH:
            await server.serve_session(
                socket,
                authorization=headers.get(b"authorization", ""),
                model=parse_qs(address.query).get("model", [""])[0],
                beta=b"openai-beta" in headers,
            )
        else:
            await socket.aclose(1008, f"the realtime server is at {PATH}")

    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve_sockets, serve, port=port))
        server.url = f"ws://127.0.0.1:{port}{PATH}"
        yield server
        nursery.cancel_scope.cancel()
