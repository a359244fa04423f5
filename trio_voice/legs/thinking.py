"""The stage of a chain that thinks: one request at a time to a language model, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from trio_voice.conversation import Usage
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.requests import HTTP_OK, QUIET_SECONDS, RequestsRecord, read_all, read_beginning
from trio_voice.stages import Think, ThoughtFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from trio_voice.legs.ledger import Ledger
    from trio_voice.legs.requests import Http
    from trio_voice.persona import ToolSchema
    from trio_voice.stages import LanguageModel

ANSWER_SECONDS: Final = 90.0
"""For a whole answer."""


class Thinker:
    """A language model in one call.

    It is billed by tokens, so its record is that of requests.
    """

    def __init__(
        self, model: LanguageModel, tools: tuple[ToolSchema, ...], ledger: Ledger, wall_clock: Callable[[], datetime]
    ) -> None:
        self._model = model
        self._tools = tools
        self._record = RequestsRecord(model.provider, ledger, wall_clock)

    async def open(self) -> None:
        """Write down that the model will be asked. ``close`` must follow, even if this was cancelled."""
        await self._record.open()

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
            await read_all(answer, patience, lambda piece: self._tell_all(reader.receive(piece), tell))
            self._tell_all(reader.end(), tell)

    def _tell_all(self, events: Any, tell: Callable[[Any], None]) -> None:
        for event in events:
            if isinstance(event, Usage):
                self._record.add(event)
            tell(event)

    def close(self) -> None:
        """Write down that no request is open any more. Idempotent."""
        self._record.close()
