"""The sandbox's Gemini Live as a server: over channels in memory, or over WebSockets on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.cast import Casting
from trio_voice.sandbox.providers.gemini_live.faults import NO_FAULTS, USUAL, GeminiFaults, GeminiManner
from trio_voice.sandbox.providers.gemini_live.record import GeminiSession
from trio_voice.sandbox.providers.gemini_live.session import ServedSession
from trio_voice.sandbox.providers.gemini_live.setup import Refusal
from trio_voice.sandbox.transport.serving import SocketServer, headers_of, listening
from trio_voice.sandbox.transport.sockets import SandboxSocket

PATH: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


class GeminiLiveServer(SocketServer[GeminiSession]):
    """A Gemini that anybody may call, and what it knows of every session it has had.

    Args:
        casting: makes ears, voice and mind of each session: ``Script(...).cast`` or ``speaking(...)``.
        api_key: the one that is let in; ``None`` lets anybody in, and who has none, too.
        manner: of the sessions to come, and may be exchanged between them, as may ``faults``.
        keeps_audio: see ``GeminiSession.keeps_audio``; false for a benchmark.
    """

    def __init__(
        self,
        casting: Casting,
        *,
        api_key: str | None = None,
        manner: GeminiManner = USUAL,
        faults: GeminiFaults = NO_FAULTS,
        keeps_audio: bool = True,
    ) -> None:
        super().__init__()
        self.manner = manner
        self.faults = faults
        self._casting = casting
        self._api_key = api_key
        self._keeps_audio = keeps_audio

    async def serve_session(
        self,
        channel: Channel,
        *,
        api_key: str = "sandbox",
        manner: GeminiManner | None = None,
        faults: GeminiFaults | None = None,
    ) -> None:
        """Serve the other end of a channel until either side ends it, and close it.

        ``api_key`` is the header ``x-goog-api-key`` of the upgrade. Cancelling is safe and takes at most two seconds.
        What the cast raises comes through: a sandbox that hides its mistakes proves nothing.
        """
        record = GeminiSession(
            api_key=api_key,
            opened_at=trio.current_time(),
            manner=manner or self.manner,
            faults=faults or self.faults,
            keeps_audio=self._keeps_audio,
        )
        refusal = None
        if self._api_key not in {None, api_key}:
            refusal = Refusal(1007, "API key not valid. Please pass a valid API key.")
        async with self._keep(record, channel), self._casting() as cast:
            await ServedSession(channel, record, cast, refusal=refusal, find=self._find).run()

    def _find(self, handle: str) -> GeminiSession | None:
        return next((session for session in self.sessions if handle in session.handles), None)


@asynccontextmanager
async def open_gemini_live(
    casting: Casting,
    *,
    port: int = 0,
    api_key: str | None = None,
    manner: GeminiManner = USUAL,
    faults: GeminiFaults = NO_FAULTS,
    keeps_audio: bool = True,
) -> AsyncIterator[GeminiLiveServer]:
    """A Gemini that listens on loopback, at ``gemini.url``, until the block is left; the arguments are its own.

    Sessions still open then are closed. Needs the real clock.
    """
    gemini = GeminiLiveServer(casting, api_key=api_key, manner=manner, faults=faults, keeps_audio=keeps_audio)

    async def serve(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
        await gemini.serve_session(socket, api_key=headers_of(request).get("x-goog-api-key", ""))

    async with listening(serve, PATH, port, "Gemini Live") as gemini.url:
        yield gemini
