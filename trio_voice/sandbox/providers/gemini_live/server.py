"""The sandbox's Gemini Live as a server: over channels in memory, or over WebSockets on loopback."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend, AgentBackendFactory
from trio_voice.sandbox.providers.gemini_live.faults import NO_FAULTS, USUAL
from trio_voice.sandbox.providers.gemini_live.record import GeminiSession
from trio_voice.sandbox.providers.gemini_live.session import ServedSession
from trio_voice.sandbox.providers.gemini_live.setup import Refusal
from trio_voice.sandbox.transport.serving import SocketServer, headers_of, opened


class GeminiLiveServer(SocketServer[GeminiSession]):
    """A Gemini. Without an ``api_key`` it lets anybody in, who has none, too; its handshake is ``api_key``."""

    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    name = "Gemini Live"
    usual = USUAL
    no_faults = NO_FAULTS

    def handshake_of(self, request: trio_websocket.WebSocketRequest) -> dict[str, Any]:
        """The header ``x-goog-api-key``."""
        return {"api_key": headers_of(request).get("x-goog-api-key", "")}

    def _record(self, *, api_key: str = "sandbox", **known: Any) -> GeminiSession:
        return GeminiSession(api_key=api_key, **known)

    def _session(self, channel: Channel, record: GeminiSession, backend: AgentBackend) -> ServedSession:
        refusal = None
        if self._api_key not in {None, record.api_key}:
            refusal = Refusal(1007, "API key not valid. Please pass a valid API key.")
        return ServedSession(channel, record, backend, refusal=refusal, find=self._find)

    def _find(self, handle: str) -> GeminiSession | None:
        return next((session for session in self.sessions if handle in session.handles), None)


def open_gemini_live(
    make_backend: AgentBackendFactory, *, port: int = 0, **more: Any
) -> AbstractAsyncContextManager[GeminiLiveServer]:
    """A Gemini that listens on loopback; the arguments are ``SocketServer``'s and ``opened``'s."""
    return opened(GeminiLiveServer(make_backend, **more), port)
