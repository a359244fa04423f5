"""The sandbox's realtime server: over channels in memory, or over WebSockets on loopback."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend, AgentBackendFactory
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS
from trio_voice.sandbox.providers.openai_realtime.config import MODELS, Refusal
from trio_voice.sandbox.providers.openai_realtime.record import USUAL, RealtimeSession
from trio_voice.sandbox.providers.openai_realtime.session import ServedSession
from trio_voice.sandbox.transport.serving import SocketServer, headers_of, opened


class RealtimeServer(SocketServer[RealtimeSession]):
    """A realtime model. It lets nobody in who has no key.

    Its handshake is ``authorization`` and ``beta``, of the headers, and ``model``, of the query.

    Args:
        make_backend: as the others of ``SocketServer``.
        dialect: ``ga``, ``xai`` or ``beta``.
    """

    path = "/v1/realtime"
    name = "the realtime server"
    usual = USUAL
    no_faults = NO_FAULTS

    def __init__(self, make_backend: AgentBackendFactory, *, dialect: str = "ga", **more: Any) -> None:
        super().__init__(make_backend, **more)
        self.dialect = dialect

    def handshake_of(self, request: trio_websocket.WebSocketRequest) -> dict[str, Any]:
        """Two headers and the query's model."""
        headers = headers_of(request)
        model = parse_qs(urlsplit(request.path).query).get("model", [""])[0]
        return {"authorization": headers.get("authorization", ""), "model": model, "beta": "openai-beta" in headers}

    def _record(
        self,
        *,
        authorization: str = "Bearer sandbox",
        model: str | None = None,
        beta: bool | None = None,
        **known: Any,
    ) -> RealtimeSession:
        return RealtimeSession(
            authorization=authorization,
            model=next(iter(MODELS[self.dialect]), "") if model is None else model,
            dialect=self.dialect,
            beta=self.dialect == "beta" if beta is None else beta,
            **known,
        )

    def _session(self, channel: Channel, record: RealtimeSession, backend: AgentBackend) -> ServedSession:
        epoch = datetime.now(UTC).timestamp() - trio.current_time()
        return ServedSession(channel, record, backend, refusal=self._refusal(record), epoch=epoch)

    def _refusal(self, record: RealtimeSession) -> Refusal | None:
        """Reason for which somebody is not let in. The upgrade has succeeded by then: the first event says so."""
        key = record.authorization.removeprefix("Bearer ").strip()
        if not key or self._api_key not in {None, key}:
            return Refusal("invalid_api_key", "Incorrect API key provided.")
        if record.beta and self.dialect == "ga":
            words = "The Realtime Beta API is no longer supported. Please use the GA API instead."
            return Refusal("beta_api_shape_disabled", words)
        if MODELS[self.dialect] and record.model not in MODELS[self.dialect]:
            return Refusal("invalid_model", f"Model {record.model!r} is not supported in realtime mode.")
        return None


def open_realtime(
    make_backend: AgentBackendFactory, *, port: int = 0, **more: Any
) -> AbstractAsyncContextManager[RealtimeServer]:
    """A realtime server that listens on loopback; the arguments are ``RealtimeServer``'s and ``opened``'s."""
    return opened(RealtimeServer(make_backend, **more), port)
