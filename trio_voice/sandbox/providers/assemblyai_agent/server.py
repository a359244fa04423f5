"""The sandbox's voice agent as a server: over channels in memory, or over WebSockets on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.cast import Casting
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS, USUAL, Faults, Manner
from trio_voice.sandbox.providers.assemblyai_agent.record import AgentSession
from trio_voice.sandbox.providers.assemblyai_agent.session import ServedSession
from trio_voice.sandbox.transport.serving import SocketServer, headers_of, listening
from trio_voice.sandbox.transport.sockets import SandboxSocket

PATH: Final = "/v1/ws"


class VoiceAgentServer(SocketServer[AgentSession]):
    """A voice agent that anybody may call, and what it knows of every session it has had.

    Args:
        casting: makes ears, voice and mind of each session: ``Script(...).cast`` or ``speaking(...)``.
        api_key: the one that is let in; ``None`` lets every key in, but not the lack of one.
        manner: of the sessions to come, and may be exchanged between them, as may ``faults``.
        keeps_audio: see ``AgentSession.keeps_audio``; false for a benchmark.
    """

    def __init__(
        self,
        casting: Casting,
        *,
        api_key: str | None = None,
        manner: Manner = USUAL,
        faults: Faults = NO_FAULTS,
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
        authorization: str = "Bearer sandbox",
        manner: Manner | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Serve the other end of a channel until either side ends it, and close it.

        ``authorization`` is the header of the upgrade. Cancelling is safe and takes at most two seconds. What the cast
        raises comes through: a sandbox that hides its mistakes proves nothing.
        """
        now = trio.current_time()
        record = AgentSession(
            authorization=authorization,
            opened_at=now,
            manner=manner or self.manner,
            faults=faults or self.faults,
            keeps_audio=self._keeps_audio,
        )
        async with self._keep(record, channel), self._casting() as cast:
            refusal = None if self._lets_in(authorization) else "Invalid or missing API key"
            epoch = datetime.now(UTC).timestamp() - now
            await ServedSession(channel, record, cast, refusal=refusal, epoch=epoch, find=self._find).run()

    def _lets_in(self, authorization: str) -> bool:
        # Live, ``Bearer <key>`` and the bare key both work; a resume token is said to.
        key = authorization.removeprefix("Bearer ").strip()
        tokens = {session.resume_token for session in self.sessions}
        return bool(key) and (self._api_key in {None, key} or key in tokens)

    def _find(self, session_id: object) -> AgentSession | None:
        now = trio.current_time()
        known = (session for session in reversed(self.sessions) if session.session_id == session_id)
        return next((session for session in known if session.can_be_resumed(now)), None)


@asynccontextmanager
async def open_voice_agent(
    casting: Casting,
    *,
    port: int = 0,
    api_key: str | None = None,
    manner: Manner = USUAL,
    faults: Faults = NO_FAULTS,
    keeps_audio: bool = True,
) -> AsyncIterator[VoiceAgentServer]:
    """A voice agent that listens on loopback, at ``agent.url``, until the block is left; the arguments are its own.

    Sessions still open then are closed. Needs the real clock.
    """
    agent = VoiceAgentServer(casting, api_key=api_key, manner=manner, faults=faults, keeps_audio=keeps_audio)

    async def serve(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
        await agent.serve_session(socket, authorization=headers_of(request).get("authorization", ""))

    async with listening(serve, PATH, port, "the voice agent") as agent.url:
        yield agent
