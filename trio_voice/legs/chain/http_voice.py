"""The stage of a chain that speaks over HTTP: a request for each piece of text, one after the other in a context."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.model import ModelFault, ModelReady, Usage
from trio_voice.events.stage import BeSilent, Sound, Speak, SpeechFailed, SpeechOver
from trio_voice.legs.chain.http_stage import HTTP_OK, QUIET_SECONDS, RequestsRecord, read_all, read_beginning

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from trio_voice.events.stage import ModelRequest
    from trio_voice.legs.chain.http_stage import Http
    from trio_voice.legs.session_ledger import Ledger

RETRY_SECONDS: Final = 0.3
MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of which the next answer may be another."""
MAX_TEXTS: Final = 1_000
"""That wait in one context; a reply that has more ends the session."""


class VoiceRequests(Protocol):
    """A voice's protocol, without I/O."""

    @property
    def provider(self) -> str:
        """The kind's name, for the record."""

    @property
    def address(self) -> str:
        """The base of its requests' URLs: a connection can be opened there ahead of them."""

    def request(self, text: str, before: str, /) -> ModelRequest:
        """What to send for the sound of a text; ``before`` is what the context has said until then."""

    def refusal(self, status: int, body: bytes, /) -> ModelFault:
        """What an answer of another status than 200 means."""


@attrs.define(eq=False)
class _Context:
    name: str
    texts_in: trio.MemorySendChannel[str]
    texts: trio.MemoryReceiveChannel[str]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class HttpSpeaker:
    """A voice in one call. To its chain it is like a ``SocketModelLeg``.

    It is billed by letters, so its record is that of requests.
    """

    times_words = False

    def __init__(
        self,
        voice: VoiceRequests,
        open_http: Callable[[], AbstractAsyncContextManager[Http]],
        ledger: Ledger,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._voice = voice
        self._open_http = open_http
        self._record = RequestsRecord(voice.provider, ledger, wall_clock)
        self._contexts: dict[str, _Context] = {}
        self._tell: Callable[[Any], None]
        self._http: Http
        self._nursery: trio.Nursery

    @property
    def provider(self) -> str:
        """The kind's name, for the record."""
        return self._voice.provider

    async def run(self, tell: Callable[[Any], None]) -> None:
        """Speak what ``execute`` is given, until cancelled. Cancelling is safe; ``close`` must follow."""
        self._tell = tell
        await self._record.open()
        async with self._open_http() as self._http, trio.open_nursery() as self._nursery:
            self.warm()
            tell(ModelReady(""))
            await trio.sleep_forever()

    def warm(self) -> None:
        """Have a connection open for the next text. Never waits."""
        self._http.warm(self._voice.address)

    def execute(self, command: Any) -> None:
        """Put a command on its way. Never waits."""
        match command:
            case Speak(context_id=name, text=text, last=last):
                self._speak(name, text, last=last)
            case BeSilent(context_id=name) if name in self._contexts:
                self._contexts.pop(name).scope.cancel(reason="the caller has interrupted it")
            case _:
                pass

    def _speak(self, name: str, text: str, *, last: bool) -> None:
        context = self._contexts.get(name)
        if context is None:
            context = self._contexts[name] = _Context(name, *trio.open_memory_channel[str](MAX_TEXTS))
            self._nursery.start_soon(self._serve, context)
        try:
            if text.strip():
                context.texts_in.send_nowait(text)
        except trio.WouldBlock:
            self._tell(ModelFault("speech_flood", f"more than {MAX_TEXTS} texts wait to be spoken", fatal=True))
        except trio.ClosedResourceError:
            pass  # after its last
        if last:
            context.texts_in.close()

    async def _serve(self, context: _Context) -> None:
        with context.scope:
            said = ""
            async for text in context.texts:
                self._count(text)
                refusal = await self._say(context, text, said)
                if refusal is not None:
                    self._refused(context, refusal)
                    return
                said += text
            del self._contexts[context.name]
            self._tell(SpeechOver(context.name))

    def _count(self, text: str) -> None:
        usage = Usage({"characters": len(text)})
        self._record.add(usage)
        self._tell(usage)

    def _refused(self, context: _Context, refusal: ModelFault) -> None:
        """A text was not spoken: the loss of its context, or of the session."""
        self._contexts.pop(context.name, None)
        if refusal.fatal:
            self._tell(refusal)
        else:
            self._tell(SpeechFailed(context.name, refusal.code, refusal.message))

    async def _say(self, context: _Context, text: str, said: str) -> ModelFault | None:
        """Have one text spoken, asked for once more if that may help; why it was not."""
        refusal: ModelFault | None = None
        for pause in (0.0, RETRY_SECONDS):
            await trio.sleep(pause)
            refusal, may_pass = await self._try_to_say(context.name, self._voice.request(text, said))
            if refusal is None or not may_pass:
                break
        return refusal

    async def _try_to_say(self, name: str, request: ModelRequest) -> tuple[ModelFault | None, bool]:
        """Ask for the sound of a text; why there is none, and whether there may be some the next time."""
        failure, sounded = f"no sound, or no more of it, within {QUIET_SECONDS:g} s", False

        def hear(piece: bytes) -> None:
            nonlocal sounded
            sounded = True
            self._sound(name, piece)

        with trio.move_on_after(QUIET_SECONDS) as patience:  # noqa: ASYNC912 - asking is a checkpoint
            try:
                async with self._http.post(request) as answer:
                    if answer.status != HTTP_OK:
                        refusal = self._voice.refusal(answer.status, await read_beginning(answer))
                        return refusal, answer.status in MAY_PASS
                    await read_all(answer, patience, hear)
                    return None, False
            except ModelUnavailable as failed:
                failure = str(failed)
        fault = ModelFault("speech_unavailable", f"{self.provider}: {failure}", fatal=True)
        return fault, not (sounded or patience.cancelled_caught)

    def _sound(self, name: str, piece: bytes) -> None:
        self._tell(Sound(name, binascii.b2a_base64(piece, newline=False).decode()))

    def set_close_deadline(self, _deadline: float) -> None:
        """The call is ending. Nothing is sent that could take long."""

    async def close(self) -> None:
        """Write down that no request is open any more. Idempotent; never waits."""
        self._record.close()
