"""The stage of a chain that thinks: requests to a language model over HTTP, or to one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.events.model import Usage
from trio_voice.events.stage import Think, ThoughtFailed
from trio_voice.legs.chain.http_stage import HTTP_OK, QUIET_SECONDS, RequestsRecord, read_all, read_beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from trio_voice.events.stage import LanguageModel
    from trio_voice.legs.chain.http_stage import Http
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.persona import ToolSchema

log: Final = structlog.stdlib.get_logger("trio_voice.legs.thinking")

ANSWER_SECONDS: Final = 90.0
"""For a whole answer."""


class Thinker:
    """The language models of one call: the next takes over where one fails.

    They are billed by tokens, so their records are those of requests.
    """

    def __init__(
        self,
        models: Sequence[LanguageModel],
        tools: tuple[ToolSchema, ...],
        ledger: Ledger,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._models = models
        self._tools = tools
        self._records = [RequestsRecord(model.provider, ledger, wall_clock) for model in models]

    async def open(self) -> None:
        """Write down that the first model will be asked. ``close`` must follow, even if this was cancelled."""
        await self._records[0].open()

    def warm(self, http: Http) -> None:
        """Have a connection open for the next question. Never waits."""
        http.warm(self._models[0].address)

    async def load(self, http: Http) -> None:
        """Have a server of one's own load its model, which may take long. Never raises but ``Cancelled``."""
        model = self._models[0]
        request = model.loading()
        if request is None:
            return
        with trio.move_on_after(model.first_byte_seconds(others=False)) as patience:  # noqa: ASYNC912 - asking is a checkpoint
            try:
                async with http.post(request) as answer:
                    await read_all(answer, patience, lambda _piece: True)
            except ModelUnavailable as failed:
                log.info("not_loaded", why=str(failed))  # the first question will tell

    async def think(self, command: Think, http: Http, tell: Callable[[Any], None]) -> None:
        """Ask, and tell what comes of it. Never raises but ``Cancelled``; cancelling is safe: the request is closed."""
        number, failure = command.number, ""
        if command.after_seconds:
            await trio.sleep(command.after_seconds)
        await self._records[command.member].open()
        first_byte = self._models[command.member].first_byte_seconds(others=len(self._models) > 1)
        with trio.move_on_after(ANSWER_SECONDS) as whole:  # noqa: ASYNC912 - asking is a checkpoint
            with trio.move_on_after(first_byte) as patience:  # noqa: ASYNC912 - as above
                try:
                    await self._ask_twice(command, http, tell, patience)
                except ModelUnavailable as failed:
                    failure = str(failed)
        if whole.cancelled_caught or patience.cancelled_caught:
            failure = f"no answer within {first_byte:g} s, or no more of it within {QUIET_SECONDS:g} s"
        if failure:
            tell(ThoughtFailed(number, "unavailable", f"the language model: {failure}", retryable=True))

    async def _ask_twice(
        self, command: Think, http: Http, tell: Callable[[Any], None], patience: trio.CancelScope
    ) -> None:
        """Ask, and if nothing comes for long ask a second time; whichever begins to answer is heard.

        Raises:
            ModelUnavailable: neither could be heard out. Cancelling is safe.
        """
        asked: list[trio.CancelScope] = []
        heard: list[trio.CancelScope] = []
        failed: dict[trio.CancelScope, ModelUnavailable] = {}
        first_is_over, begun = trio.Event(), trio.Event()

        async def ask() -> None:
            with trio.CancelScope() as scope:  # noqa: ASYNC912 - asking is a checkpoint
                asked.append(scope)

                def hear(event: Any) -> None:
                    is_first = scope is asked[0]
                    if not (heard or is_first or first_is_over.is_set()) and isinstance(event, ThoughtFailed):
                        return  # the first may still be answered
                    if not heard:
                        heard.append(scope)
                        begun.set()
                        for other in asked:
                            if other is not scope:
                                other.cancel(reason="the other question is being answered")
                    if heard == [scope]:
                        tell(event)

                try:
                    await self._ask(command, http, hear, patience)
                except ModelUnavailable as unavailable:
                    failed[scope] = unavailable
            if scope is asked[0]:
                first_is_over.set()
            begun.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            with trio.move_on_after(self._models[command.member].second_after_seconds):
                await begun.wait()
            if not begun.is_set():
                nursery.start_soon(ask)
        told = [failed[scope] for scope in heard or asked if scope in failed]
        if told:
            raise told[0]

    async def _ask(self, command: Think, http: Http, tell: Callable[[Any], None], patience: trio.CancelScope) -> None:
        model, number = self._models[command.member], command.number
        reader = model.reader(number, self._tools if command.with_tools else ())
        async with http.post(model.request(command.conversation, self._tools, with_tools=command.with_tools)) as answer:
            if answer.status not in HTTP_OK:
                body = await read_beginning(answer)
                tell(model.refusal(number, answer.status, body, answer.headers))
                return

            def take(piece: bytes) -> bool:
                self._tell_all(reader.receive(piece), command, tell)
                return reader.has_gone_on

            await read_all(answer, patience, take)
            self._tell_all(reader.end(), command, tell)

    def _tell_all(self, events: Any, command: Think, tell: Callable[[Any], None]) -> None:
        for event in events:
            if isinstance(event, Usage):
                self._records[command.member].add(event)
            tell(event)

    def close(self) -> None:
        """Write down that no request is open any more. Idempotent."""
        for record in self._records:
            record.close()
