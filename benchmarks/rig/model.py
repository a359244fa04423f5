"""A model: the servers of its provider or providers, and what it is brought to do in one case."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs
import trio
import trustme

from rig.exchange import Exchange, Script
from rig.manner import ORDINARY, Handshake, Manner
from rig.protocols import HEARING, SPEAKING, THINKING
from rig.session import Session, SocketSession
from rig.wire import narrow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rig.manner import Manner
    from rig.protocols import Kind
    from rig.protocols.chat_completions import ChatCompletions
    from rig.protocols.protocol import ModelProtocol

LOOK_SECONDS: Final = 0.01


class Provider:
    """Server of one stage: accepts the connections of one case after another."""

    def __init__(
        self,
        stage: str,
        url: str,
        make: Callable[[Provider, trio.SocketStream], Session],
        listener: trio.SocketListener,
        nursery: trio.Nursery,
    ) -> None:
        self.stage = stage
        self.url = url.replace("{netloc}", f"127.0.0.1:{listener.socket.getsockname()[1]}")
        self.manner = ORDINARY
        """Manner of the next session."""
        self.script = Script()
        """Answers that come next, of a language model."""
        self.sessions: list[Session] = []
        """Those of the case, from the first connection on."""
        self.nursery = nursery
        self._make = make
        self._listener = listener
        self._arrived = trio.Event()

    async def serve(self) -> None:
        """Accept until cancelled."""
        await trio.serve_listeners(self._take, [self._listener])

    async def _take(self, stream: trio.SocketStream) -> None:
        session = self._make(self, stream)
        self.sessions.append(session)
        self._arrived.set()
        await session.run()
        await session.line.wait_released()

    async def wait_session(self) -> None:
        """Until the case has a session here."""
        await self._arrived.wait()

    async def forget(self) -> None:
        """The case is over: let go of everything that is still there."""
        for session in self.sessions:
            await session.line.abandon()
        self.sessions, self._arrived = [], trio.Event()
        self.manner, self.script = ORDINARY, Script()


class Model:
    """A model that is one socket; ``Chain`` is one that is more.

    Args:
        providers: by stage.
    """

    def __init__(self, providers: dict[str, Provider]) -> None:
        self.providers = providers
        (self._first, *_) = providers.values()

    @property
    def sessions(self) -> list[Session]:
        """All of the case."""
        return [session for provider in self.providers.values() for session in provider.sessions]

    @property
    def urls(self) -> dict[str, str]:
        """Addresses of the stages, by the words that stand for them in a configuration."""
        return {f"{stage}_url": provider.url for stage, provider in self.providers.items()}

    def behave(self, manner_of: Callable[[str], Manner]) -> None:
        """Set the manner of the next case's sessions, by stage."""
        for stage, provider in self.providers.items():
            provider.manner = manner_of(stage)

    def leave(self, stage: str = "") -> None:
        """Be had no more: whoever comes to this stage is refused. Else the call goes on with another session."""
        provider = self.providers[stage] if stage else self._first
        provider.manner = attrs.evolve(provider.manner, handshake=Handshake.REFUSED)

    async def forget(self) -> None:
        """The case is over."""
        for provider in self.providers.values():
            await provider.forget()

    def socket(self, stage: str = "") -> SocketSession | None:
        """The last session of a stage, which is a WebSocket; empty for the model's only one."""
        sessions = (self.providers[stage] if stage else self._first).sessions
        return sessions[-1] if sessions and isinstance(sessions[-1], SocketSession) else None

    def _here(self, stage: str = "") -> SocketSession:
        session = self.socket(stage)
        assert session is not None, "wait_begun() first"
        return session

    # Waiting

    async def wait_begun(self, stage: str) -> None:
        """Until the sessions are there that a case begins with; only the stage's that is to be struck, if any is."""
        del stage
        await self._first.wait_session()

    async def wait_configured(self) -> None:
        """Until the client has said what it wants."""
        await self._here().configured.wait()

    async def wait_greeted(self) -> None:
        """Until the greeting has been sent."""
        await self._here().greeted.wait()

    # Doing

    def lacks(self, tool: str) -> bool:
        """True if the client is known not to offer this tool."""
        return tool not in self._here().protocol.tools

    async def ask_for_tool(self, name: str) -> None:
        """Ask the client to run one of its tools."""
        await self._here().ask_for_tool(name)

    async def answer_at_length(self, milliseconds: int) -> None:
        """The caller interrupts; then begin to say something, and do not wait until it is said."""
        await self._here().be_interrupted()
        self._here().answer_at_length(milliseconds)

    async def say_goodbye(self, milliseconds: int) -> None:
        """After a tool: say something short, to its end."""
        await self._here().speak(milliseconds)

    async def think(self) -> None:
        """The caller says something that has to be thought about; until the client has asked for the answer."""
        raise NotImplementedError("only a chain is seen to think")


class Chain(Model):
    """A model that is a recogniser, a language model and a voice."""

    def __init__(self, providers: dict[str, Provider]) -> None:
        super().__init__(providers)
        self._said_before = 0

    @property
    def _script(self) -> Script:
        return self.providers[THINKING].script

    async def wait_begun(self, stage: str) -> None:
        """See ``Model``."""
        for each in (HEARING, SPEAKING):
            if stage in {"", each}:
                await self.providers[each].wait_session()

    async def wait_configured(self) -> None:
        """See ``Model``."""
        for stage in (HEARING, SPEAKING):
            await self.providers[stage].wait_session()
            await self._here(stage).configured.wait()

    async def wait_greeted(self) -> None:
        """See ``Model``. The greeting is heard by now: if the voice says nothing it was kept, and is not sent."""
        if self._here(SPEAKING).greets:
            await self._here(SPEAKING).greeted.wait()

    def lacks(self, tool: str) -> bool:
        """Never: what it offers is seen when it asks, and then it is too late."""
        del tool
        return False

    async def ask_for_tool(self, name: str) -> None:
        """See ``Model``."""
        self._said_before = self._here(SPEAKING).replies
        self._script.tool = name
        await self._hear_caller()
        await self._script.called.wait()

    async def answer_at_length(self, milliseconds: int) -> None:
        """See ``Model``."""
        self._script.goes_on = True
        self._here(SPEAKING).reply_ms = milliseconds
        await self._hear_caller()

    async def say_goodbye(self, milliseconds: int) -> None:
        """It does so by itself when it is told that the tool has run: wait until that has been said."""
        del milliseconds
        voice = self._here(SPEAKING)
        while voice.replies == self._said_before and voice.line.released_at is None:
            await trio.sleep(LOOK_SECONDS)

    async def think(self) -> None:
        """See ``Model``."""
        await self._hear_caller()
        await self._script.asked.wait()

    async def _hear_caller(self) -> None:
        self._here(SPEAKING).be_quiet()
        await self._here(HEARING).be_interrupted()


def _socket_of(
    protocol: Callable[[], ModelProtocol], tls: ssl.SSLContext | None
) -> Callable[[Provider, trio.SocketStream], Session]:
    return lambda at, stream: SocketSession(at.stage, stream, protocol(), at.manner, at.nursery, tls)


def _exchange_of(protocol: Callable[[], ChatCompletions]) -> Callable[[Provider, trio.SocketStream], Session]:
    return lambda at, stream: Exchange(at.stage, stream, protocol(), at.manner, at.script, at.nursery)


_AUTHORITY: Final = trustme.CA()


def authority() -> str:
    """The certificate, in PEM, of whoever vouches for the models that speak TLS."""
    return _AUTHORITY.cert_pem.bytes().decode()


def _speak_tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


@asynccontextmanager
async def open_model(kind: Kind) -> AsyncIterator[Model]:
    """A kind of model, each stage on a port of its own."""
    tls = _speak_tls() if kind.tls else None
    stages = {stage: (protocol.url, _socket_of(protocol, tls)) for stage, protocol in kind.sockets.items()}
    if kind.thinking is not None:
        stages[THINKING] = kind.thinking.url, _exchange_of(kind.thinking)
    async with trio.open_nursery() as nursery:
        providers = {}
        for stage, (url, make) in stages.items():
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            narrow(listener.socket)
            provider = providers[stage] = Provider(stage, url, make, listener, nursery)
            nursery.start_soon(provider.serve)  # noqa: ASYNC113 - the listener listens already
        try:
            yield Model(providers) if kind.thinking is None else Chain(providers)
        finally:
            nursery.cancel_scope.cancel(reason="the server under test is done")
