"""Runs cases: a few servers side by side, each with its own Twilio and model, one case after another on each."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter, deque
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import httpx2
import trio

from rig.call import Call, Phase, Unreached
from rig.cases import Case
from rig.faults import FAULTS
from rig.model import Model, authority, open_model
from rig.outcome import PROMISE_SECONDS, SILENCE_SECONDS, Goodbye, Outcome
from rig.process import DidNotStart, Footprint, ServerProcess, Target, last_words, open_server
from rig.protocols import KINDS
from rig.rest import Account, open_account
from rig.twilio import NoStream, Unsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SETTLE_SECONDS: Final = 3.0
"""For what was left of a call to go, when both its sockets are closed."""
LATE_SESSION_SECONDS: Final = 0.3
"""A server that opens its model's socket after the caller has left does so within this, or not in this case."""
ACT_SECONDS: Final = 2.0
"""For an act of ours, which may have to write to somebody who does not read."""


@attrs.frozen(kw_only=True)
class Plan:
    """Options of a run."""

    target: Target
    patience: float
    """Seconds until a socket that has not been closed counts as never closed."""
    slack: float
    """Seconds beyond the promise that this machine may take, which does other things besides."""
    times: int
    """Times that each case is run on the same process."""
    workers: int


class Stand:
    """A server under test with a Twilio and a model of its own, for one case after another of one kind of model."""

    def __init__(self, plan: Plan, kind: str, account: Account, model: Model, numbers: Callable[[], int]) -> None:
        self._plan = plan
        self._kind = kind
        self._account = account
        self._model = model
        self._numbers = numbers
        self._server: ServerProcess | None = None
        self._stack = AsyncExitStack()

    async def aclose(self) -> None:
        """End the server under test."""
        self._server = None
        await self._stack.aclose()

    async def _ready_server(self) -> ServerProcess:
        """A server that has had a call already: the first one loads what is kept for ever."""
        if self._server is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            known = {
                "model_table": KINDS[self._kind].table,  # first: it has words of its own
                **self._model.urls,
                "rest_url": self._account.api_url,
                "public_url": "https://rig.example.com",
                "account_sid": self._account.account_sid,
                "auth_token": self._account.auth_token,
                "authority": authority(),
            }
            self._server = await self._stack.enter_async_context(open_server(self._plan.target, known, folder))
            first = await self._call(self._server, Case(FAULTS[0], Phase.REPLY, self._kind))
            if first.unreached:
                raise DidNotStart(f"its first call went wrong: {first.unreached}; {last_words(folder)}")
            await self._settled(self._server, None)
        return self._server

    async def try_case(self, case: Case) -> Outcome:
        """Run a case, as often as is planned; the worst that was seen of it."""
        outcomes = []
        for _ in range(1 if case.fault.ends_process else self._plan.times):
            server = await self._ready_server()
            before = await self._settled(server, None)
            outcome = await self._call(server, case)
            if server.exit_status is None:
                after = await self._settled(server, before)
                outcome = outcome.with_footprints(before, after)
            else:
                outcome = attrs.evolve(outcome, exit_status=server.exit_status)
            outcomes.append(outcome)
            if case.fault.ends_process or server.exit_status is not None or not outcome.clean:
                await self.aclose()  # the next case begins with a process that nothing was done to
        return Outcome.worst(outcomes)

    async def _settled(self, server: ServerProcess, before: Footprint | None) -> Footprint:
        """Resources that it holds once it is idle: as much as before, or no longer changing for a moment."""
        footprint = await server.footprint()
        with trio.move_on_after(SETTLE_SECONDS):
            while True:
                await trio.sleep(0.1 if before is not None else 0.3)
                now = await server.footprint()
                same = now.descriptors == footprint.descriptors and now.tasks == footprint.tasks
                footprint = now
                if same if before is None else (now.descriptors <= before.descriptors and now.tasks == before.tasks):
                    break
        return footprint

    async def _call(self, server: ServerProcess, case: Case) -> Outcome:
        self._model.behave(case.manner_of)
        name = case.limit
        limit = self._plan.target.limits.get(name, 0.0) if name is not None else 0.0
        known = name is None or limit > 0
        outcome = Outcome(
            case.words,
            case.phase.value,
            kind=case.kind,
            limit_name=name,
            limit_seconds=limit,
            bound_seconds=limit + PROMISE_SECONDS + self._plan.slack if known else self._plan.patience,
            silent_bound_seconds=SILENCE_SECONDS + self._plan.slack,
            ends_process=case.fault.ends_process,
        )
        async with trio.open_nursery() as nursery:
            call = Call(self._numbers(), self._account, self._model, server, nursery)
            call.tool, call.stage = case.fault.tool, case.stage
            try:
                await call.reach(case.phase)
                *before, last = case.fault.acts
                for act in before:
                    await act(call)
                sign_at = trio.current_time()
                with trio.move_on_after(ACT_SECONDS):
                    await last(call)
                await self._wait_over(call, self._plan.patience + limit)
                outcome = await self._judge(call, outcome, sign_at, case)
            except Unsupported as missing:
                outcome = attrs.evolve(outcome, not_run=str(missing))
            except (Unreached, NoStream, EOFError, OSError, httpx2.HTTPError) as wrong:
                outcome = attrs.evolve(outcome, unreached=str(wrong) or repr(wrong))
            if case.fault.ends_process:
                with trio.move_on_after(self._plan.patience):
                    await server.wait()
            nursery.cancel_scope.cancel(reason="the case is over")
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await self._model.forget()
            await call.phone.forget()
        return outcome

    @staticmethod
    async def _wait_over(call: Call, seconds: float) -> None:
        with trio.move_on_after(seconds):
            while True:
                for line in call.lines():
                    await line.wait_released()
                await trio.sleep(LATE_SESSION_SECONDS)
                if call.is_over():
                    return

    @staticmethod
    async def _judge(call: Call, outcome: Outcome, sign_at: float, case: Case) -> Outcome:
        sessions = call.model.sessions
        goodbyes = [await session.goodbye(tellable=case.can_tell(session.stage)) for session in sessions]
        released_after = call.phone.released_after(sign_at)
        if case.is_owed:
            until = trio.current_time() if released_after is None else sign_at + released_after
            outcome = attrs.evolve(
                outcome,
                silent_seconds=call.phone.sounds.longest_silence(call.phone.started_at, until),
                had_last_word=call.phone.sounds.words_after(sign_at, until),
            )
        return attrs.evolve(
            outcome,
            sessions=len(sessions),
            model_seconds=_latest([session.line.released_at for session in sessions], sign_at),
            caller_seconds=released_after,
            goodbye=min(goodbyes, default=Goodbye.NONE, key=lambda goodbye: goodbye.value),
            rest_hang_up=call.phone.completed_at is not None,
        )


def _latest(ends: list[float | None], since: float) -> float | None:
    """Seconds until all had ended; ``None`` if one has not."""
    latest = 0.0
    for end in ends:
        if end is None:
            return None
        latest = max(latest, end - since)
    return latest


@asynccontextmanager
async def open_stand(plan: Plan, kind: str, numbers: Callable[[], int]) -> AsyncIterator[Stand]:
    """A Twilio, a model and room for a server between them."""
    async with open_account() as account, open_model(KINDS[kind]) as model:
        stand = Stand(plan, kind, account, model, numbers)
        try:
            yield stand
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
                await stand.aclose()


def _first(failures: BaseException) -> BaseException:
    """The one inside the groups that nurseries make."""
    while isinstance(failures, BaseExceptionGroup):
        failures = failures.exceptions[0]
    return failures


async def run_cases(plan: Plan, cases: list[Case], report: Callable[[Outcome], None]) -> list[Outcome]:
    """Run them all; each outcome is reported as it comes, and all are returned in the order of the cases.

    Raises:
        DidNotStart: the server under test does not run at all.
    """
    waiting: dict[str, deque[tuple[int, Case]]] = {}
    for place, case in enumerate(cases):
        waiting.setdefault(case.kind, deque()).append((place, case))
    working = Counter[str]()
    numbers = itertools.count(1).__next__
    outcomes: dict[int, Outcome] = {}

    async def work() -> None:
        while any(waiting.values()):
            kind = max(waiting, key=lambda each: len(waiting[each]) / (1 + working[each]))
            working[kind] += 1
            async with open_stand(plan, kind, numbers) as stand:
                while waiting[kind]:
                    place, case = waiting[kind].popleft()
                    outcomes[place] = await stand.try_case(case)
                    report(outcomes[place])
            working[kind] -= 1

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(min(plan.workers, len(cases))):
                nursery.start_soon(work)
    except* DidNotStart as failures:
        raise _first(failures) from None
    return [outcomes[place] for place in range(len(cases))]
