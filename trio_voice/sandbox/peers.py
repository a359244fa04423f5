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

from trio_voice.sandbox.chain import open_chain
from trio_voice.sandbox.gemini_live import open_gemini_live
from trio_voice.sandbox.mind import ChatMind, IntentMind, Mind
from trio_voice.sandbox.openai_realtime import open_realtime
from trio_voice.sandbox.speech import load_speech
from trio_voice.sandbox.voice_agent import Manner, open_voice_agent, speaking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from trio_voice.sandbox.speech import Speech
    from trio_voice.sandbox.voice_agent import Casting


class PeerSession(Protocol):
    """What is known of one session, whatever the family."""

    @property
    def is_open(self) -> bool:
        """Whether its socket, or any of them, is not known to be gone."""

    @property
    def told_goodbye(self) -> bool:
        """Whether the client said that it was over; true where the protocol has no word for it and it has closed."""

    @property
    def audio(self) -> bytes | bytearray:
        """What it heard of the caller, decoded."""

    @property
    def audio_bytes_per_second(self) -> int:
        """How much of ``audio`` is a second: 8,000 is mu-law at 8 kHz, as Twilio has it."""

    @property
    def client_errors(self) -> Sequence[Any]:
        """What the client did wrong."""

    async def wait_closed(self) -> None:
        """Until it is gone."""


class Peer(Protocol):
    """A server of one family, and what it knows."""

    @property
    def urls(self) -> Mapping[str, str]:
        """Where it listens, by the path of the key in its table of ``[models]``."""

    @property
    def open_sessions(self) -> Sequence[PeerSession]:
        """Those that are not known to be over."""

    async def wait_session(self, number: int = 1) -> PeerSession:
        """The session that is the ``number``-th to be opened, once it is."""


@attrs.frozen
class Chat:
    """An OpenAI-compatible server that answers in place of the intents."""

    url: str
    model: str
    key: str | None = None


PROMPT: Final = Manner(leading_silence_ms=20)
"""Hosted agents begin each reply with a silence of 0.2 s and more; here it would only add to the delay."""


@attrs.frozen(kw_only=True)
class Family:
    """How one kind of model is played on this machine."""

    open: Callable[[Casting, str | None], AbstractAsyncContextManager[Peer]]
    """Opens a peer that lets in who has the key; without one, anybody who has any."""
    credentials: tuple[str, ...]
    """The secrets that a daemon gives to it."""
    keys: Mapping[str, str] = attrs.field(factory=dict)
    """What a table of ``[models]`` needs besides ``kind`` and addresses, by path."""
    voices: tuple[str, str] = ("alba", "eve")
    """Two that the family has, for the demo's personas."""


def _voice_agent(casting: Casting, key: str | None) -> AbstractAsyncContextManager[Peer]:
    return open_voice_agent(casting, api_key=key, manner=PROMPT)


def _openai_realtime(casting: Casting, key: str | None) -> AbstractAsyncContextManager[Peer]:
    return open_realtime(casting, api_key=key)


def _gemini_live(casting: Casting, key: str | None) -> AbstractAsyncContextManager[Peer]:
    return open_gemini_live(casting, api_key=key)


def _chain(casting: Casting, key: str | None) -> AbstractAsyncContextManager[Peer]:
    return open_chain(casting, api_key=key)


PEERS: Final[Mapping[str, Family]] = {
    "assemblyai-agent": Family(open=_voice_agent, credentials=("ASSEMBLYAI_API_KEY",)),
    "openai-realtime": Family(open=_openai_realtime, credentials=("OPENAI_API_KEY",), voices=("marin", "cedar")),
    "gemini-live": Family(open=_gemini_live, credentials=("GEMINI_API_KEY",), voices=("Kore", "Puck")),
    "chain": Family(
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
async def open_peer(kind: str, speech: Speech, chat: Chat | None = None, key: str | None = None) -> AsyncIterator[Peer]:
    """A peer of this kind, on loopback, until the block is left; it lets in who has the ``key``, if there is one."""
    async with httpx2.AsyncClient() as http:
        make_mind: Callable[[], Mind] = IntentMind
        if chat is not None:
            make_mind = partial(ChatMind, http, chat.url, chat.model, key=chat.key)
        async with PEERS[kind].open(speaking(speech, make_mind), key) as peer:
            yield peer


@asynccontextmanager
async def open_peers(kinds: Iterable[str]) -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
    """A peer of each kind; where each listens, by its kind.

    Raises:
        SpeechUnavailable: the ``speech`` extra is not installed or does not work here.
    """
    speech = await trio.to_thread.run_sync(load_speech)
    async with AsyncExitStack() as stack:
        yield {kind: (await stack.enter_async_context(open_peer(kind, speech))).urls for kind in sorted(set(kinds))}
