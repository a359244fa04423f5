"""A model leg that is a chain: it hears by one provider, thinks by another, speaks by a third.

One nursery holds the three: a socket that hears and a socket that speaks, each with its own reader, writer and entry
in the ledger like any model's (``legs/model.py``), and a task for each request to the language model. Between them
stands ``ChainTurns``, which decides; this file carries its words. What a turn has begun is one cancel scope for the
request and one context at the voice: a barge-in ends both.

Overflow: sound towards the recogniser is bounded by its writer, the oldest is dropped; what it hears and what the
voice says is handed on without waiting; text towards the voice is bounded by the length of an answer; the bridge bounds
what waits to be heard.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio

from trio_voice.events import model as c
from trio_voice.events.call import MODEL, EndRequested, Fact, LegClosed, LegStalled
from trio_voice.events.stage import CHAIN, BeSilent, Speak, StopThinking, Think

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from trio_voice.chain.turns import ChainTurns
    from trio_voice.events.model import ModelCommand
    from trio_voice.legs.chain.http_stage import Http
    from trio_voice.legs.chain.http_voice import HttpSpeaker
    from trio_voice.legs.chain.language_model import Thinker
    from trio_voice.legs.model import SocketModelLeg

log: Final = structlog.stdlib.get_logger("trio_voice.legs.chain")

HEARING: Final = "hearing"
THINKING: Final = "thinking"
SPEAKING: Final = "speaking"
MAX_EARLY: Final = 8
"""Commands that wait for all stages to be ready; beyond them the oldest is forgotten."""


class ChainLeg:
    """Three providers that are one model.

    Args:
        turns: the decisions, fresh.
        hearing: the recogniser's socket.
        thinker: the language model.
        speaking: the voice's socket, or what asks it over HTTP.
        open_http: what the language model is asked through.
        greeting: said when all are ready; empty for nothing.
    """

    capabilities = CHAIN

    def __init__(
        self,
        turns: ChainTurns,
        hearing: SocketModelLeg,
        thinker: Thinker,
        speaking: SocketModelLeg | HttpSpeaker,
        open_http: Callable[[], AbstractAsyncContextManager[Http]],
        greeting: str = "",
    ) -> None:
        self._turns = turns
        self._hearing = hearing
        self._thinker = thinker
        self._speaking = speaking
        self._open_http = open_http
        self._greeting = greeting
        self._not_ready = {HEARING, THINKING, SPEAKING}
        self._early: deque[ModelCommand] = deque(maxlen=MAX_EARLY)
        """What is wanted of it before it is ready."""
        self._session_id = ""
        self._accepted: dict[str, str] = {}
        self._requests: dict[int, trio.CancelScope] = {}
        self._timer_scope = trio.CancelScope()
        self._tell: Callable[[Fact], None]
        self._http: Http
        self._nursery: trio.Nursery

    async def run(self, tell: Callable[[Fact], None], _play: object = None) -> None:
        """Open the stages and join them until cancelled; every event and the end of either socket are told.

        Cancelling is safe; ``close`` must follow.
        """
        self._tell = tell
        async with self._open_http() as self._http, trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._run_stage, HEARING, self._hearing)
            self._nursery.start_soon(self._run_stage, SPEAKING, self._speaking)
            self._nursery.start_soon(self._prepare_to_think)
            self._nursery.start_soon(self._keep_time)

    async def _run_stage(self, stage: str, leg: SocketModelLeg | HttpSpeaker) -> None:
        def hear(event: Any) -> None:
            self._hear_stage(stage, leg.provider, event)

        await leg.run(hear)

    async def _prepare_to_think(self) -> None:
        await self._thinker.open()
        self._become_ready(THINKING)

    def _hear_stage(self, stage: str, provider: str, event: Any) -> None:
        """Something that a socket's reader or its end has to say."""
        match event:
            case c.ModelReady(session_id=session_id, accepted=accepted):
                self._session_id = self._session_id or session_id
                self._accepted |= {f"{provider}.{key}": value for key, value in accepted.items()}
                self._become_ready(stage)
            case c.ModelEnded():
                pass  # nobody asked for it: its socket's end follows, and is the model's
            case LegClosed(detail=detail):
                self._tell(LegClosed(MODEL, politely=False, detail=f"{provider} ({stage}): {detail}"))
            case LegStalled() | EndRequested() | c.ModelFault() | c.Unrecognized() | c.Usage():
                self._tell(event)
            case _:
                self._do(self._turns.handle(event, trio.current_time()))

    def _become_ready(self, stage: str) -> None:
        if stage not in self._not_ready:
            return
        self._not_ready.remove(stage)
        if not self._not_ready:
            self._tell(c.ModelReady(self._session_id, self._accepted))
            if self._greeting:
                self.obey(c.SayExactly(self._greeting))
            while self._early:
                self.obey(self._early.popleft())

    def obey(self, command: ModelCommand) -> None:
        """Put a command of the bridge on its way. Never waits."""
        if isinstance(command, c.HearCaller):
            self.hear_caller(command.payload)
        elif self._not_ready:
            self._early.append(command)
        else:
            self._do(self._turns.handle(command, trio.current_time()))

    def hear_caller(self, payload: str) -> None:
        """``obey`` for ``HearCaller``, by its payload."""
        self._hearing.hear_caller(payload)

    def _do(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            match output:
                case Speak() | BeSilent():
                    self._speaking.obey(output)
                case Think(number=number):
                    scope = self._requests[number] = trio.CancelScope()
                    self._nursery.start_soon(self._think, output, scope)
                case StopThinking(number=number):
                    if number in self._requests:
                        self._requests[number].cancel(reason="its answer is not wanted any more")
                case _:
                    self._tell(output)
        if self._turns.wake_at != self._timer_scope.deadline:  # setting a deadline has its price
            self._timer_scope.deadline = self._turns.wake_at

    async def _think(self, command: Think, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await self._thinker.think(command, self._http, self._hear_thought)
        finally:
            del self._requests[command.number]

    def _hear_thought(self, event: Any) -> None:
        if isinstance(event, c.Usage | c.Unrecognized):
            self._tell(event)
        else:
            self._do(self._turns.handle(event, trio.current_time()))

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._turns.wake_at) as self._timer_scope:
                await trio.sleep_forever()
            self._do(self._turns.tick(trio.current_time()))

    def hurry(self, deadline: float) -> None:
        """The call is ending: whatever is being sent must be finished by then."""
        self._hearing.hurry(deadline)
        self._speaking.hurry(deadline)

    async def close(self) -> None:
        """End both sessions with their providers' consent if it can be had, each without waiting for the other.

        The caller's cancel scope says how long this may take; whenever it returns or raises, both sockets are closed
        and every record says how. Idempotent.
        """
        self._thinker.close()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_close, self._hearing)
            nursery.start_soon(_close, self._speaking)


async def _close(leg: SocketModelLeg | HttpSpeaker) -> None:
    try:
        await leg.close()
    except Exception:  # logged, and the other stage still says goodbye
        log.exception("close_bug")
