"""The stage of a chain that speaks over HTTP: a request for each piece of text, one after the other in a context."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import trio

from trio_voice.chain.tries import LONGEST_WAIT_SECONDS
from trio_voice.errors import ModelUnavailable
from trio_voice.events.model import ModelFault, ModelReady
from trio_voice.events.stage import Sound
from trio_voice.legs.chain.contexts import SpeechContexts
from trio_voice.legs.chain.http_stage import HTTP_OK, QUIET_SECONDS, RequestsRecord, read_all, read_beginning
from trio_voice.protocols.retry_after import wait_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from trio_voice.events.stage import ModelRequest
    from trio_voice.legs.chain.contexts import Context
    from trio_voice.legs.chain.http_stage import Http
    from trio_voice.legs.session_ledger import Ledger

RETRY_SECONDS: Final = 0.3
MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which another try may be answered."""


class VoiceRequests(Protocol):
    """A voice's protocol, without I/O."""

    @property
    def provider(self) -> str:
        """The kind's name, for the record."""

    @property
    def address(self) -> str:
        """The base of its requests' URLs: a connection can be opened there ahead of them."""

    def request(self, text: str, before: str, /) -> ModelRequest:
        """The request for the sound of a text; ``before`` is what the context has said until then."""

    def refusal(self, status: int, body: bytes, /) -> ModelFault:
        """The failure that an answer of another status than 200 means."""


def says_words(content_type: str, first: bytes) -> bool:
    """True if an answer of 200 is words about an error: JSON, HTML or plain text, by its head and its first bytes.

    The head alone does not do: frameworks call whatever they are given HTML.
    """
    kind = content_type.partition(";")[0].strip().lower()
    begins = first.lstrip()[:64]
    is_told = kind == "text/html" or kind.endswith("json")
    return kind == "text/plain" or (is_told and begins.isascii() and begins[:1] in {b"{", b"[", b"<"})


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
        self._tell: Callable[[Any], None]
        self._http: Http
        self._contexts: SpeechContexts

    @property
    def provider(self) -> str:
        """The kind's name, for the record."""
        return self._voice.provider

    async def run(self, tell: Callable[[Any], None]) -> None:
        """Speak what ``execute`` is given, until cancelled. Cancelling is safe; ``close`` must follow."""
        self._tell = tell
        await self._record.open()
        async with self._open_http() as self._http, trio.open_nursery() as nursery:
            self._contexts = SpeechContexts(nursery, tell, self._record, self._say)
            self.warm()
            tell(ModelReady(""))
            await trio.sleep_forever()

    def warm(self) -> None:
        """Have a connection open for the next text. Never waits."""
        self._http.warm(self._voice.address)

    def execute(self, command: Any) -> None:
        """Put a command on its way. Never waits."""
        self._contexts.execute(command)

    async def _say(self, context: Context, text: str) -> ModelFault | None:
        """Have one text spoken, asked for once more if that may help; why it was not."""
        request = self._voice.request(text, context.said)
        refusal, wait = await self._try_to_say(context.name, request)
        if refusal is None or wait is None:
            return refusal
        await trio.sleep(wait)
        refusal, _ = await self._try_to_say(context.name, request)
        return refusal

    async def _try_to_say(self, name: str, request: ModelRequest) -> tuple[ModelFault | None, float | None]:
        """Ask for the sound of a text; why there is none, and the seconds until there may be some; None for never."""
        failure, sounded = f"no sound, or no more of it, within {QUIET_SECONDS:g} s", False

        def hear(piece: bytes) -> bool:
            nonlocal sounded
            sounded = True
            self._sound(name, piece)
            return True

        with trio.move_on_after(QUIET_SECONDS) as patience:  # noqa: ASYNC912 - asking is a checkpoint
            try:
                async with self._http.post(request) as answer:
                    if answer.status not in HTTP_OK:
                        body = await read_beginning(answer)
                        refusal = self._voice.refusal(answer.status, body)
                        if answer.status not in MAY_PASS:
                            return refusal, None
                        wait = wait_seconds(answer.headers, body.decode(errors="replace"))
                        if (wait or 0.0) > LONGEST_WAIT_SECONDS:
                            return refusal, None
                        return attrs.evolve(refusal, passing=True), wait or RETRY_SECONDS
                    if says_words(answer.headers.get("content-type", ""), first := await answer.receive()):
                        return self._voice.refusal(answer.status, first + await read_beginning(answer)), None
                    if first:
                        hear(first)
                        await read_all(answer, patience, hear)
                    return None, None
            except ModelUnavailable as failed:
                failure = str(failed)
        fault = ModelFault("speech_unavailable", f"{self.provider}: {failure}", fatal=True, passing=True)
        return fault, None if sounded or patience.cancelled_caught else RETRY_SECONDS

    def _sound(self, name: str, piece: bytes) -> None:
        self._tell(Sound(name, binascii.b2a_base64(piece, newline=False).decode()))

    def set_close_deadline(self, _deadline: float) -> None:
        """The call is ending. Nothing is sent that could take long."""

    async def close(self) -> None:
        """Write down that no request is open any more. Idempotent; never waits."""
        self._record.close()
