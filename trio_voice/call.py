"""One call, from an accepted stream to nothing left.

The story, in one nursery:

    the caller's leg reads and writes, the model's leg connects, reads and writes, a timer wakes the bridge
      → each message is told to the bridge, which answers with commands, obeyed at once and without waiting
      → the first sign of the end cancels the nursery
      → both legs say goodbye side by side, for at most ``close_seconds`` from that sign
      → the record is closed

The bound counts from the first sign, wherever it came from. A cancellation from outside (the daemon goes down hard, or
an old Quart cancels its handler when the peer disconnects) is noticed by a task that does nothing else, and the
goodbyes are said all the same, under a shield that has the same deadline.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.bridge import (
    Bridge,
    ClearPlayback,
    EndCall,
    EndRequested,
    Fact,
    PlaceMark,
    PlayAudio,
)
from trio_voice.record import CallRecord, CallState, EndReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from trio_voice.bridge import Command
    from trio_voice.legs.caller import CallerLeg
    from trio_voice.legs.model import ModelLeg
    from trio_voice.persona import Limits, Persona

log: Final = structlog.stdlib.get_logger("trio_voice.call")


def wall_clock() -> datetime:
    """The time of day, in UTC, for what people read. Nothing is measured with it."""
    return datetime.now(UTC)


class Call:
    """A live call: what the registry holds, and what anybody outside may ask of it.

    Args:
        record: filled in as the call goes.
        persona: who answers; kept for the whole call, whatever is reloaded meanwhile.
        limits: likewise.
        caller: the accepted stream.
        model: the model, not yet opened.
        expected_call_sid: the call that the stream was promised to, where it is known.
    """

    def __init__(
        self,
        record: CallRecord,
        persona: Persona,
        limits: Limits,
        caller: CallerLeg,
        model: ModelLeg,
        expected_call_sid: str | None = None,
    ) -> None:
        self.record = record
        self._limits = limits
        self._caller = caller
        self._model = model
        self._began = trio.current_time()
        self._bridge = Bridge(persona, limits, model.capabilities, record, self._began, expected_call_sid)
        self._scope = trio.CancelScope()
        self._timer_scope = trio.CancelScope()
        self._ended_at = math.inf
        self._closing_at = math.inf
        """When both sockets must be closed; known from the first sign of the end."""

    def end(self, reason: EndReason, detail: str) -> None:
        """End the call from outside. Does not wait; only the first reason counts."""
        self._tell(EndRequested(reason, detail))

    async def run(self, cancelled_because: EndReason = EndReason.DRAIN) -> None:
        """Live the call to its end.

        Raises nothing but ``Cancelled``: an exception in here ends this call as a bug. Cancelling is safe: both legs
        are closed, within ``close_seconds``, before it returns.

        Args:
            cancelled_because: the end reason if the call is cancelled from outside.
        """
        record = self.record
        record.state, record.started_at = CallState.LIVE, wall_clock()
        log.info("call_started", persona=record.persona, direction=record.direction)
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._notice_cancellation)
                    nursery.start_soon(self._caller.run, self._tell)
                    nursery.start_soon(self._model.run, self._tell)
                    nursery.start_soon(self._keep_time)
        except Exception:  # one call's failure stays one call's failure
            log.exception("call_bug")
            record.end_reason, record.end_detail = (
                EndReason.BUG,
                "an error in trio_voice; the log has its traceback",
            )
        finally:
            if record.end_reason is None:
                record.end_reason, record.end_detail = cancelled_because, "cancelled from outside the call"
            await self._close()  # noqa: ASYNC102 - its shield and its deadline are inside

    def _tell(self, fact: Fact) -> None:
        """Tell the bridge and do what it says. Called between checkpoints, so nothing interleaves."""
        self._obey(self._bridge.handle(fact, trio.current_time()))
        self._timer_scope.deadline = min(self._timer_scope.deadline, self._bridge.wake_at)

    def _obey(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case PlayAudio() | PlaceMark() | ClearPlayback():
                    self._caller.obey(command)
                case EndCall(reason=reason, detail=detail):
                    self.record.end_reason, self.record.end_detail = reason, detail
                    self._scope.cancel(reason=f"{reason}: {detail}")
                case _:
                    self._model.obey(command)

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._bridge.wake_at) as self._timer_scope:
                await trio.sleep_forever()
            self._obey(self._bridge.tick(trio.current_time()))

    async def _notice_cancellation(self) -> None:
        """Start the clock of the end the moment the call is cancelled, be it from inside or outside."""
        try:
            await trio.sleep_forever()
        finally:
            self._begin_to_close()

    def _begin_to_close(self) -> None:
        if self._closing_at == math.inf:
            self.record.state = CallState.ENDING
            self._ended_at = trio.current_time()
            self._closing_at = self._ended_at + self._limits.close_seconds
            self._caller.hurry(self._closing_at)
            self._model.hurry(self._closing_at)

    async def _close(self) -> None:
        """Both goodbyes, side by side, bounded by the deadline that the first sign set."""
        self._begin_to_close()
        with trio.CancelScope(deadline=self._closing_at, shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep_from_the_other, self._caller.close)
                nursery.start_soon(_keep_from_the_other, self._model.close)
        record = self.record
        record.state, record.ended_at = CallState.ENDED, wall_clock()
        record.seconds = round(self._ended_at - self._began, 3)
        record.closing_seconds = round(trio.current_time() - self._ended_at, 3)
        log.info(
            "call_ended",
            end_reason=record.end_reason,
            detail=record.end_detail,
            seconds=record.seconds,
            closing_seconds=record.closing_seconds,
            model_closing=[session.closing for session in record.model_sessions],
            **record.counters,
        )


async def _keep_from_the_other(close: Callable[[], Awaitable[None]]) -> None:
    """Run one leg's close so that its failure cannot skip the other's."""
    try:
        await close()
    except Exception:  # logged, and the other leg still says goodbye
        log.exception("close_bug")
