"""The sandbox's voice agent as a server: over channels in memory, or over WebSockets on loopback."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend, AgentBackendFactory
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS, USUAL
from trio_voice.sandbox.providers.assemblyai_agent.record import AgentSession
from trio_voice.sandbox.providers.assemblyai_agent.session import ServedSession
from trio_voice.sandbox.transport.serving import SocketServer, headers_of, opened


class VoiceAgentServer(SocketServer[AgentSession]):
    """A voice agent. It lets nobody in who has no key; its handshake is ``authorization``, the header."""

    path = "/v1/ws"
    name = "the voice agent"
    usual = USUAL
    no_faults = NO_FAULTS

    def handshake_of(self, request: trio_websocket.WebSocketRequest) -> dict[str, Any]:
        """The header."""
        return {"authorization": headers_of(request).get("authorization", "")}

    def _record(self, *, authorization: str = "Bearer sandbox", **known: Any) -> AgentSession:
        return AgentSession(authorization=authorization, **known)

    def _session(self, channel: Channel, record: AgentSession, backend: AgentBackend) -> ServedSession:
        refusal = None if self._lets_in(record.authorization) else "Invalid or missing API key"
        epoch = datetime.now(UTC).timestamp() - trio.current_time()
        return ServedSession(channel, record, backend, refusal=refusal, epoch=epoch, find=self._find)

    def _lets_in(self, authorization: str) -> bool:
        # Live, ``Bearer <key>`` and the bare key both work; a resume token is said to.
        key = authorization.removeprefix("Bearer ").strip()
        tokens = {session.resume_token for session in self.sessions}
        return bool(key) and (self._api_key in {None, key} or key in tokens)

    def _find(self, session_id: object) -> AgentSession | None:
        now = trio.current_time()
        known = (session for session in reversed(self.sessions) if session.session_id == session_id)
        return next((session for session in known if session.can_be_resumed(now)), None)


def open_voice_agent(
    make_backend: AgentBackendFactory, *, port: int = 0, **more: Any
) -> AbstractAsyncContextManager[VoiceAgentServer]:
    """A voice agent that listens on loopback; the arguments are ``SocketServer``'s and ``opened``'s."""
    return opened(VoiceAgentServer(make_backend, **more), port)
