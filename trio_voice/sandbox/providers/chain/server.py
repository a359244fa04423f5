"""The sandbox's chain: three servers that a test or a demo opens together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio
import trio_websocket

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.assemblyai_agent import AgentBackendFactory, ClientError
from trio_voice.sandbox.providers.chain import (
    assemblyai_streaming,
    cartesia,
    deepgram_flux,
    elevenlabs,
    elevenlabs_http,
)
from trio_voice.sandbox.providers.chain.backend import ChainBackend, chain_backend_of
from trio_voice.sandbox.providers.chain.elevenlabs_http import ElevenLabsHttpSpeaking
from trio_voice.sandbox.providers.chain.faults import NO_FAULTS, USUAL, ChainFaults, ChainManner, StageFaults
from trio_voice.sandbox.providers.chain.http import serve_http
from trio_voice.sandbox.providers.chain.thinking import Sink, Thinking
from trio_voice.sandbox.providers.chain.wire import StageSession
from trio_voice.sandbox.transport.serving import headers_of, kept
from trio_voice.sandbox.transport.sockets import SandboxSocket, serve_sockets

Serve = Callable[[Channel, StageSession, ChainBackend, ChainManner, str | None], Awaitable[None]]
"""The last is the key that is let in."""


@attrs.frozen
class StageEndpoint:
    """One of the providers' sockets."""

    part: str
    """``hearing`` or ``speaking``."""
    path: str
    """End of its address."""
    credential_of: Callable[[Mapping[str, str]], str]
    """Finder of the credential in a handshake's headers."""
    serve: Serve
    """Server of one socket, until either side ends it."""
    refusal_of: Callable[[StageSession, str | None], tuple[int, str] | None] = lambda _session, _key: None
    """The HTTP status of a handshake that is not accepted, and why; most accept, and say it afterwards."""


STAGE_ENDPOINTS: Final[Mapping[str, StageEndpoint]] = {
    "assemblyai-streaming": StageEndpoint(
        "hearing", "/v3/ws", assemblyai_streaming.credential_of, assemblyai_streaming.serve
    ),
    "deepgram-flux": StageEndpoint(
        "hearing", "/v2/listen", deepgram_flux.credential_of, deepgram_flux.serve, deepgram_flux.refusal_of
    ),
    "cartesia": StageEndpoint(
        "speaking", "/tts/websocket", cartesia.credential_of, cartesia.serve, cartesia.refusal_of
    ),
    "elevenlabs": StageEndpoint("speaking", "/multi-stream-input", elevenlabs.credential_of, elevenlabs.serve),
}


def provider_at(path: str) -> str | None:
    """The provider whose socket is at a path."""
    return next((provider for provider, endpoint in STAGE_ENDPOINTS.items() if path.endswith(endpoint.path)), None)


@attrs.frozen(eq=False)
class ChainSession:
    """One call's chain: the socket that hears, with the parts of the other stages that are the call's."""

    hearing: StageSession
    _server: "ChainServer"

    @property
    def _sockets(self) -> list[StageSession]:
        """Both sockets of this call, as far as they can be told apart: by the order in which they were opened."""
        number = self._server.hearing_sessions.index(self.hearing)
        return [self.hearing, *self._server.speaking_sessions[number : number + 1]]

    @property
    def is_open(self) -> bool:
        """True if any of its sockets is not known to be gone."""
        return any(session.is_open for session in self._sockets)

    @property
    def told_goodbye(self) -> bool:
        """True if each of its sockets was told before it was closed."""
        return all(session.told_goodbye for session in self._sockets)

    @property
    def audio(self) -> bytearray:
        """Sound of the caller that it heard."""
        return self.hearing.audio

    @property
    def audio_bytes_per_second(self) -> int:
        """Bytes of ``audio`` in a second."""
        return 8_000

    @property
    def client_errors(self) -> Sequence[ClientError]:
        """Mistakes of the client at any of the three."""
        mistakes = [mistake for session in self._sockets for mistake in session.client_errors]
        return mistakes + [mistake for each in self._server.thinking.exchanges for mistake in each.client_errors]

    async def wait_closed(self) -> None:
        """Return once both sockets are gone. Cancelling is safe."""
        for session in self._sockets:
            await session.wait_closed()


class ChainServer:
    """A recogniser, a language model and a voice, and what they know of every session they have had.

    Args:
        backend: who plays them: ``scripted(Script(...))``, or what plays a voice agent.
        api_key: the one that is let in at each; ``None`` lets anybody in, and who has none, too.
        manner: how they vary.
        faults: how they fail; may be exchanged between sessions.
        keeps_audio: see ``StageSession``; false for a benchmark.
        remembers: sessions and exchanges that are over; false for a server that is there for longer than a test.
    """

    def __init__(
        self,
        backend: ChainBackend | AgentBackendFactory,
        *,
        api_key: str | None = None,
        manner: ChainManner = USUAL,
        faults: ChainFaults = NO_FAULTS,
        keeps_audio: bool = True,
        remembers: bool = True,
    ) -> None:
        self.faults = faults
        self.hearing_sessions: list[StageSession] = []
        self.speaking_sessions: list[StageSession] = []
        self.turned_away: list[ClientError] = []
        """Mistakes for which a handshake was refused."""
        self.urls: Mapping[str, str] = {}
        """Addresses on which they listen, if they do, by the path of the key in config.toml."""
        self._backend = backend if isinstance(backend, ChainBackend) else chain_backend_of(backend)
        self._api_key = api_key
        self._manner = manner
        self._keeps_audio = keeps_audio
        self._remembers = remembers
        self.thinking = Thinking(self._backend.think, manner, faults.thinking, api_key, remembers=remembers)
        self.speaking_http = ElevenLabsHttpSpeaking(
            self._backend.say, manner, faults.speaking_http, api_key, remembers=remembers
        )
        self._opened = trio.Event()

    async def answer(self, target: str, headers: Mapping[str, str], body: bytes, sink: Sink) -> None:
        """Answer a request that comes over HTTP. Cancelling is safe."""
        answerer = self.speaking_http if target.startswith(elevenlabs_http.PATH) else self.thinking
        await answerer.answer(target, headers, body, sink)

    @property
    def sessions(self) -> list[StageSession]:
        """All sockets, both kinds."""
        return [*self.hearing_sessions, *self.speaking_sessions]

    @property
    def open_sessions(self) -> list[ChainSession]:
        """The chains any of whose sockets is not known to be gone."""
        chains = (ChainSession(session, self) for session in self.hearing_sessions)
        return [chain for chain in chains if chain.is_open]

    async def wait_session(self, number: int = 1) -> ChainSession:
        """The ``number``-th chain, once its recogniser's socket is opened. Cancelling is safe."""
        while len(self.hearing_sessions) < number:
            await self._opened.wait()
        return ChainSession(self.hearing_sessions[number - 1], self)

    async def serve_hearing(self, channel: Channel, *, url: str, headers: Mapping[str, str]) -> None:
        """Serve the other end of a channel as a recogniser, until either side ends it, and close it."""
        session = self._session(url, headers, self.faults.hearing)
        async with kept(session, channel, self.hearing_sessions, remembers=self._remembers):
            self._opened.set()
            self._opened = trio.Event()
            await self._serve(channel, session)

    async def serve_speaking(self, channel: Channel, *, url: str, headers: Mapping[str, str]) -> None:
        """Serve the other end of a channel as a voice, until either side ends it, and close it."""
        session = self._session(url, headers, self.faults.speaking)
        async with kept(session, channel, self.speaking_sessions, remembers=self._remembers):
            await self._serve(channel, session)

    async def _serve(self, channel: Channel, session: StageSession) -> None:
        serve = STAGE_ENDPOINTS[session.provider].serve
        await serve(channel, session, self._backend, self._manner, self._api_key)

    def refusal_of(self, url: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status of a handshake's answer instead of 101, and why: some providers let nobody in who is not welcome.

        ``headers`` with their names in lower case.
        """
        session = self._session(url, headers, StageFaults())
        refusal = STAGE_ENDPOINTS[session.provider].refusal_of(session, self._api_key)
        if refusal is not None and self._remembers:
            self.turned_away.append(ClientError(trio.current_time(), str(refusal[0]), refusal[1]))
        return refusal

    def _session(self, url: str, headers: Mapping[str, str], faults: StageFaults) -> StageSession:
        parts = urlsplit(url)
        provider = provider_at(parts.path) or ""
        return StageSession(
            provider=provider,
            credential=STAGE_ENDPOINTS[provider].credential_of(headers),
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            opened_at=trio.current_time(),
            faults=faults,
            keeps_audio=self._keeps_audio,
        )


@asynccontextmanager
async def open_chain(
    backend: ChainBackend | AgentBackendFactory,
    *,
    api_key: str | None = None,
    manner: ChainManner = USUAL,
    faults: ChainFaults = NO_FAULTS,
    keeps_audio: bool = True,
    remembers: bool = True,
) -> AsyncIterator[ChainServer]:
    """Three servers that listen on loopback, at ``chain.urls``, until the block is left; the arguments are its own.

    Sessions still open then are closed. Needs the real clock.
    """
    chain = ChainServer(
        backend, api_key=api_key, manner=manner, faults=faults, keeps_audio=keeps_audio, remembers=remembers
    )

    async def serve(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
        provider = provider_at(request.path.partition("?")[0])
        assert provider is not None  # noqa: S101 - others are refused
        serve = chain.serve_hearing if STAGE_ENDPOINTS[provider].part == "hearing" else chain.serve_speaking
        await serve(socket, url=request.path, headers=headers_of(request))

    def refuse(request: trio_websocket.WebSocketRequest) -> tuple[int, str] | None:
        if provider_at(request.path.partition("?")[0]) is None:
            return 404, "nothing of the chain is here"
        return chain.refusal_of(request.path, headers_of(request))

    async with trio.open_nursery() as nursery:
        sockets = await nursery.start(partial(serve_sockets, serve, refuse=refuse))
        http = await nursery.start(partial(serve_http, chain))
        chain.urls = {
            "stt.url": f"ws://127.0.0.1:{sockets}/v3/ws",
            "llm.url": f"http://127.0.0.1:{http}/v1",
            "tts.url": f"http://127.0.0.1:{sockets}",
        }
        yield chain
        nursery.cancel_scope.cancel()
