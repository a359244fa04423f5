"""Common parts of a chain's stages that are asked over HTTP: their view of HTTP, patience, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.session_record import Closing, ModelSessionRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from trio_voice.events.model import Usage
    from trio_voice.events.stage import ModelRequest
    from trio_voice.legs.session_ledger import Ledger

QUIET_SECONDS: Final = 10.0
"""Time that a provider may take for the next piece of an answer."""
PIECES_AT_ONCE: Final = 16
"""Pieces of an answer that are read before other calls have their turn."""
MAX_ANSWER_BYTES: Final = 8_388_608
MAX_REFUSAL_BYTES: Final = 16_384
HTTP_OK: Final = range(200, 300)


class Answer(Protocol):
    """An answer whose body is still coming."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, their names in lower case."""

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Raises ``ModelUnavailable`` if it breaks off."""


class Http(Protocol):
    """A client that posts requests."""

    def post(self, request: ModelRequest, /) -> AbstractAsyncContextManager[Answer]:
        """Send a request; leaving the block closes the answer. Raises ``ModelUnavailable``."""

    def warm(self, url: str, /) -> None:
        """See to it that a connection is open for the next request to this address. Never waits, never raises."""


async def read_all(answer: Answer, patience: trio.CancelScope, take: Callable[[bytes], bool]) -> None:
    """Give a body to ``take``, piece by piece, to its very end: only then can the connection be used again.

    Cancelling is safe.

    Args:
        answer: whose body it is.
        patience: the deadline, in whose scope this is called.
        take: what becomes of a piece; true if that puts the deadline off. Must not wait.

    Raises:
        ModelUnavailable: it broke off, or is too long.
    """
    size = count = 0
    while piece := await answer.receive():
        count += 1
        if count % PIECES_AT_ONCE == 0:  # all that has come may stand in a buffer, where waiting for it is no pause
            await trio.lowlevel.checkpoint()
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise ModelUnavailable(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        if take(piece):
            patience.deadline = trio.current_time() + QUIET_SECONDS


async def read_beginning(answer: Answer) -> bytes:
    """The beginning of a body."""
    body = b""
    while len(body) < MAX_REFUSAL_BYTES and (piece := await answer.receive()):
        body += piece
    return body[:MAX_REFUSAL_BYTES]


class RequestsRecord:
    """The record of a provider that is billed by what requests hold.

    It is not of a socket: it is opened before the first request can be sent, and closed when no request is open any
    more, which is the acknowledgement.
    """

    def __init__(self, provider: str, ledger: Ledger, wall_clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._ledger = ledger
        self._wall_clock = wall_clock
        self._record: ModelSessionRecord | None = None
        self._closed = False
        self._opened_at = 0.0

    async def open(self) -> None:
        """Write down that the provider will be asked, once. ``close`` must follow, even if this was cancelled."""
        if self._record is not None or self._closed:
            return
        self._opened_at = trio.current_time()
        self._record = ModelSessionRecord(self._provider, self._wall_clock())
        await self._ledger.opening(self._record)

    def add(self, usage: Usage) -> None:
        """Enter usage that will be billed; nothing any more after ``close``."""
        if self._record is not None:
            self._record.add_usage(usage.meters)

    def close(self) -> None:
        """Write down that no request is open any more. Idempotent; never waits."""
        record, self._record = self._record, None
        self._closed = True
        if record is None:
            return
        record.closed_at = self._wall_clock()
        record.seconds = round(trio.current_time() - self._opened_at, 3)
        record.closing = Closing.ACKNOWLEDGED
        self._ledger.closed(record)
