"""The peers that live on this machine, one row for each kind of model.

They are behind ``url = "sandbox"`` in config.toml, and play ``trio-voice demo --model KIND``.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import httpx2
import trio

from trio_voice.sandbox.agent.replies import ChatResponses, KeywordResponses, ResponseGenerator
from trio_voice.sandbox.providers.assemblyai_agent import Manner, open_voice_agent, speaking
from trio_voice.speech import SILENCE_MS, load_speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from trio_voice.sandbox.providers.assemblyai_agent import AgentBackendFactory
    from trio_voice.speech import Speech


class PeerSession(Protocol):
    """One session as a peer knows it, whatever the family."""

    @property
    def is_open(self) -> bool:
        """True if its socket, or any of them, is not known to be gone."""

    @property
    def told_goodbye(self) -> bool:
        """True if the client said that it was over; also where the protocol has no word for it and it has closed."""

    @property
    def audio(self) -> bytes | bytearray:
        """Sound of the caller that it heard, decoded."""

    @property
    def audio_bytes_per_second(self) -> int:
        """Bytes of ``audio`` in a second: 8,000 is mu-law at 8 kHz, as Twilio has it."""

    @property
    def client_errors(self) -> Sequence[Any]:
        """Mistakes of the client."""

    async def wait_closed(self) -> None:
        """Until it is gone."""


class Peer(Protocol):
    """A server of one family, and what it knows."""

    @property
    def urls(self) -> Mapping[str, str]:
        """Addresses on which it listens, by the path of the key in its table of ``[models]``."""

    @property
    def open_sessions(self) -> Sequence[PeerSession]:
        """Those that are not known to be over."""

    async def wait_session(self, number: int = 1) -> PeerSession:
        """The session that is the ``number``-th to be opened, once it is."""


FIRST_ANSWER_SECONDS: Final = 60.0
"""Time for the first answer of a language model, which may have to be loaded."""


@attrs.frozen
class Chat:
    """An OpenAI-compatible server that answers in place of the intents."""

    url: str
    model: str
    key: str | None = None
    failures: list[str] = attrs.field(factory=list, eq=False)
    """Reasons for which it did not answer, in its own words where it has any."""

    async def ask_first(self) -> str:
        """One small question, before anybody calls: why there is no answer to it; empty if there is one."""
        async with httpx2.AsyncClient() as http:
            answers = ChatResponses(http, self.url, self.model, key=self.key, deadline_seconds=FIRST_ANSWER_SECONDS)
            await answers.reply("Hello.", (), "Answer in one word.", ())
        return answers.last_failure


@attrs.frozen(kw_only=True)
class PeerOptions:
    """Options that a peer is opened with."""

    speech: Speech
    make_generator: Callable[[], ResponseGenerator]
    key: str | None = None
    """Key that lets somebody in; without one, anybody comes in."""
    remembers: bool = True
    """Keep the sessions that are over, for whoever looks afterwards."""
    port: int = 0
    """Port on which a voice agent listens; 0 for a free one."""

    @property
    def make_backend(self) -> AgentBackendFactory:
        """Ears, voice and generator of each session."""
        return speaking(self.speech, self.make_generator)


PROMPT: Final = Manner(leading_silence_ms=20)
"""Hosted agents begin each reply with a silence of 0.2 s and more; here it would only add to the delay."""


@attrs.frozen(kw_only=True)
class PeerFactory:
    """Maker of the peer that plays one kind of model on this machine."""

    open: Callable[[PeerOptions], AbstractAsyncContextManager[Peer]]
    credentials: tuple[str, ...]
    """The secrets that a daemon gives to it."""
    keys: Mapping[str, str] = attrs.field(factory=dict)
    """Keys that a table of ``[models]`` needs besides ``kind`` and addresses, by path."""
    voices: tuple[str, str] = ("alba", "eve")
    """Two that the family has, for the demo's personas."""


def _voice_agent(options: PeerOptions) -> AbstractAsyncContextManager[Peer]:
    return open_voice_agent(options.make_backend, port=options.port, api_key=options.key, manner=PROMPT)


# The others are imported by whoever plays them: trio-voice talk need not wait for their code.
def _openai_realtime(options: PeerOptions) -> AbstractAsyncContextManager[Peer]:
    from trio_voice.sandbox.providers.openai_realtime import open_realtime  # noqa: PLC0415 - see above

    return open_realtime(options.make_backend, api_key=options.key)


def _gemini_live(options: PeerOptions) -> AbstractAsyncContextManager[Peer]:
    from trio_voice.sandbox.providers.gemini_live import open_gemini_live  # noqa: PLC0415 - see above

    return open_gemini_live(options.make_backend, api_key=options.key)


def _chain(options: PeerOptions) -> AbstractAsyncContextManager[Peer]:
    from trio_voice.sandbox.providers.chain import (  # noqa: PLC0415 - see above
        EARLY_MS,
        ChainManner,
        chain_speaking,
        open_chain,
    )

    backend = chain_speaking(options.speech, options.make_generator)
    return open_chain(
        backend,
        api_key=options.key,
        manner=ChainManner(settle_ms=SILENCE_MS - EARLY_MS),
        keeps_audio=options.remembers,
        remembers=options.remembers,
    )


PEERS: Final[Mapping[str, PeerFactory]] = {
    "assemblyai-agent": PeerFactory(open=_voice_agent, credentials=("ASSEMBLYAI_API_KEY",)),
    "openai-realtime": PeerFactory(open=_openai_realtime, credentials=("OPENAI_API_KEY",), voices=("marin", "cedar")),
    "gemini-live": PeerFactory(open=_gemini_live, credentials=("GEMINI_API_KEY",), voices=("Kore", "Puck")),
    "chain": PeerFactory(
        open=_chain,
        credentials=("ASSEMBLYAI_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY"),
        keys={
            "stt.kind": "assemblyai-streaming",
            "stt.credential": "ASSEMBLYAI_API_KEY",
            "llm.kind": "openai-chat",
            "llm.credential": "OPENAI_API_KEY",
            "llm.model": "the-one-on-this-machine",
            "tts.kind": "elevenlabs",
            "tts.credential": "ELEVENLABS_API_KEY",
        },
    ),
}


@asynccontextmanager
async def open_peer(
    kind: str,
    speech: Speech,
    chat: Chat | None = None,
    key: str | None = None,
    *,
    remembers: bool = True,
    port: int = 0,
) -> AsyncIterator[Peer]:
    """A peer of this kind, on loopback, until the block is left; the rest is as ``PeerOptions`` has it."""
    async with httpx2.AsyncClient() as http:
        make_generator: Callable[[], ResponseGenerator] = KeywordResponses
        if chat is not None:
            make_generator = partial(
                ChatResponses, http, chat.url, chat.model, key=chat.key, on_failure=chat.failures.append
            )
        options = PeerOptions(speech=speech, make_generator=make_generator, key=key, remembers=remembers, port=port)
        async with PEERS[kind].open(options) as peer:
            yield peer


@asynccontextmanager
async def open_peers(kinds: Iterable[str]) -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
    """A peer of each kind; where each listens, by its kind.

    Raises:
        SpeechUnavailable: the ``speech`` extra is not installed or does not work here.
    """
    speech = await trio.to_thread.run_sync(load_speech)
    async with AsyncExitStack() as stack:
        yield {
            kind: (await stack.enter_async_context(open_peer(kind, speech, remembers=False))).urls
            for kind in sorted(set(kinds))
        }
