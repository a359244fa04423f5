"""The stage of a chain that thinks: one request at a time to a language model, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from trio_voice.conversation import Usage
from trio_voice.errors import ModelUnavailable
from trio_voice.record import Closing, ModelSessionRecord
from trio_voice.stages import Think, ThoughtFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from trio_voice.legs.ledger import Ledger
    from trio_voice.persona import ToolSchema
    from trio_voice.stages import LanguageModel, ModelRequest

QUIET_SECONDS: Final = 10.0
"""How long a language model may take for its first words, and for the next ones."""
ANSWER_SECONDS: Final = 90.0
"""For a whole answer."""
MAX_ANSWER_BYTES: Final = 8_388_608
MAX_REFUSAL_BYTES: Final = 16_384
HTTP_OK: Final = 200


class Answer(Protocol):
    """An answer whose body is still coming."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Raises ``ModelUnavailable`` if it breaks off."""


class Http(Protocol):
    """What posts requests."""

    def post(self, request: ModelRequest, /) -> AbstractAsyncContextManager[Answer]:
        """Send a request; leaving the block closes the answer. Raises ``ModelUnavailable``."""


class Thinker:
    """A language model in one call.

    It is billed by tokens, so its record is not of a socket: it is opened before the first request can be sent, and
    closed when no request is open any more, which is the acknowledgement.
    """

    def __init__(
        self, model: LanguageModel, tools: tuple[ToolSchema, ...], ledger: Ledger, wall_clock: Callable[[], datetime]
    ) -> None:
        self._model = model
        self._tools = tools
        self._ledger = ledger
        self._wall_clock = wall_clock
        self._record: ModelSessionRecord | None = None
        self._opened_at = 0.0

    async def open(self) -> None:
        """Write down that the model will be asked. ``close`` must follow, even if this was cancelled."""
        self._opened_at = trio.current_time()
        self._record = ModelSessionRecord(self._model.provider, self._wall_clock())
        await self._ledger.opening(self._record)

    async def think(self, command: Think, http: Http, tell: Callable[[Any], None]) -> None:
        """Ask, and tell what comes of it. Never raises but ``Cancelled``; cancelling is safe: the request is closed."""
        number, failure = command.number, ""
        await trio.sleep(command.after_seconds)
        with trio.move_on_after(ANSWER_SECONDS) as whole:  # noqa: ASYNC912 - asking is a checkpoint
            with trio.move_on_after(QUIET_SECONDS) as patience:  # noqa: ASYNC912 - as above
                try:
                    await self._ask(command, http, tell, patience)
                except ModelUnavailable as failed:
                    failure = str(failed)
        if whole.cancelled_caught or patience.cancelled_caught:
            failure = f"no answer, or no more of it, within {QUIET_SECONDS:g} s"
        if failure:
            tell(ThoughtFailed(number, "unavailable", f"the language model: {failure}", retryable=True))

    async def _ask(self, command: Think, http: Http, tell: Callable[[Any], None], patience: trio.CancelScope) -> None:
        reader = self._model.reader(command.number)
        async with http.post(self._model.request(command.conversation, self._tools)) as answer:
            if answer.status != HTTP_OK:
                tell(self._model.refusal(command.number, answer.status, await read_beginning(answer)))
                return
            size = 0
            # To the very end, though the answer may be over before: only then can the connection be used again.
            while piece := await answer.receive():
                patience.deadline = trio.current_time() + QUIET_SECONDS
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    raise ModelUnavailable(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
                self._tell_all(reader.receive(piece), tell)
            self._tell_all(reader.end(), tell)

    def _tell_all(self, events: Any, tell: Callable[[Any], None]) -> None:
        for event in events:
            if isinstance(event, Usage) and self._record is not None:
                self._record.add_usage(event.meters)
            tell(event)

    def close(self) -> None:
        """Write down that no request is open any more. Idempotent."""
        record = self._record
        if record is None:
            return
        self._record = None
        record.closed_at = self._wall_clock()
        record.seconds = round(trio.current_time() - self._opened_at, 3)
        record.closing = Closing.ACKNOWLEDGED
        self._ledger.closed(record)


async def read_beginning(answer: Answer) -> bytes:
    """The beginning of a body."""
    body = b""
    while len(body) < MAX_REFUSAL_BYTES and (piece := await answer.receive()):
        body += piece
    return body[:MAX_REFUSAL_BYTES]
