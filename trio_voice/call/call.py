"""One call, from an accepted stream to nothing left.

The story, in one nursery:

    the caller's leg reads and writes, the model's leg connects, reads and writes, a timer wakes the bridge
      → each message is told to the bridge, which answers with commands, obeyed at once and without waiting
      → the first sign of the end cancels the nursery
      → each leg says goodbye as soon as it has stopped, for at most ``close_seconds`` from that sign
      → the record is closed

Which sign says why is told in ``first_sign.py``.

The bound counts from the first sign, wherever it came from. A cancellation from outside (the daemon goes down hard, or
an old Quart cancels its handler when the peer disconnects) is noticed by the timer's task, which waits for nobody, and
the goodbyes are said all the same, under a shield that has the same deadline.

A frame passes through a dozen of a call's parts, and what that costs is mostly waiting for memory; so they have slots.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.bridge.bridge import Bridge
from trio_voice.bridge.watcher import NOBODY
from trio_voice.call.call_tools import CallTools
from trio_voice.call.first_sign import log_end, says_why, stream_tells_within
from trio_voice.call.transfers import Transfers
from trio_voice.errors import CallRefused
from trio_voice.events.call import (
    ClearPlayback,
    EndCall,
    EndRequested,
    Fact,
    LastWordsDue,
    MachineAnswered,
    PlaceMark,
    PlayAudio,
    RunTool,
    ToolReturned,
    TransferCall,
    TransferFailed,
    TransferRequested,
)
from trio_voice.events.caller import CallerStopped
from trio_voice.events.model import ReplyAudio
from trio_voice.legs.pumps import BUG_DETAIL
from trio_voice.legs.session_ledger import Ledger
from trio_voice.persona import SILENT
from trio_voice.record import CallRecord, CallState, EndReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from trio_voice.bridge.watcher import Watcher
    from trio_voice.call.expected import CameBack
    from trio_voice.call.tools import Tool
    from trio_voice.call.transfers import CallControl
    from trio_voice.events.call import Command, OperatorFact
    from trio_voice.legs.caller import CallerLeg
    from trio_voice.legs.succession import Succession
    from trio_voice.limits import Limits
    from trio_voice.persona import Lines, Persona
    from trio_voice.recorder.recordings import OpenRecording

log: Final = structlog.stdlib.get_logger("trio_voice.call")


def wall_clock() -> datetime:
    """The time of day, in UTC, for what people read. Nothing is measured with it."""
    return datetime.now(UTC)


class Call:
    """A live call: what the registry holds, and what anybody outside may ask of it.

    Args:
        record: filled in as the call goes.
        persona: who answers; kept for the whole call, whatever is reloaded meanwhile.
        limits: kept for the whole call, too.
        caller: the accepted stream.
        model: the models, none yet opened.
        tools: what the model may call, by name.
        phone: what can be done to the telephone call besides ending it; ``None`` without Twilio's REST API.
        ledger: where a hand-over is written down.
        expected_call_sid: the call that the stream was promised to, where it is known.
        lines: what the persona says when no model speaks.
        came_back: where the caller was put through before, and nobody answered.
        recording: what is recorded of it on this machine, if anything is.
        watcher: told of what changes while it lives.
    """

    __slots__ = (
        "_began",
        "_bridge",
        "_caller",
        "_came_back",
        "_closing_at",
        "_ended_at",
        "_limits",
        "_model",
        "_now",
        "_nursery",
        "_persona",
        "_phone_is_over",
        "_scope",
        "_timer_scope",
        "_tools",
        "_transfers",
        "_watcher",
        "record",
    )

    def __init__(
        self,
        record: CallRecord,
        persona: Persona,
        limits: Limits,
        caller: CallerLeg,
        model: Succession,
        *,
        tools: Mapping[str, Tool] | None = None,
        phone: CallControl | None = None,
        ledger: Ledger | None = None,
        expected_call_sid: str | None = None,
        lines: Lines = SILENT,
        came_back: CameBack | None = None,
        recording: OpenRecording | None = None,
        watcher: Watcher = NOBODY,
    ) -> None:
        self.record = record
        self._watcher = watcher
        self._persona = persona
        self._phone_is_over = False
        self._limits = limits
        self._caller = caller
        self._model = model
        self._now = trio.lowlevel.current_clock().current_time
        """As ``trio.current_time``, which looks for this clock anew each time."""
        self._began = self._now() if came_back is None else came_back.began
        self._came_back = came_back is not None
        self._transfers = Transfers(record, phone, ledger or Ledger(record), limits.tool_seconds, self._began)
        self._tools = CallTools(tools or {}, record, persona, limits.tool_seconds, self._began, recording, watcher)
        self._bridge = Bridge(
            persona,
            limits,
            model.capabilities,
            record,
            self._now(),
            expected_call_sid,
            successors=model.successors,
            lines=lines,
            opening="" if came_back is None else came_back.why,
            watcher=watcher,
        )
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._timer_scope = trio.CancelScope()
        self._ended_at = math.inf
        self._closing_at = math.inf
        """Time by which both sockets must be closed; known from the first sign of the end."""

    @property
    def ending_seconds(self) -> float:
        """Seconds since the first sign of its end; 0 while there is none."""
        return max(0.0, trio.current_time() - self._ended_at)

    @property
    def seconds(self) -> float:
        """Length so far, until the first sign of its end."""
        return min(self._now(), self._ended_at) - self._began

    @property
    def is_muted(self) -> bool:
        """True while the operator has muted the agent."""
        return self._bridge.is_silenced

    @property
    def speaker(self) -> str:
        """Holder of the floor: ``caller``, ``agent`` or nobody."""
        return self._bridge.speaker(self._now())

    def ask(self, wish: OperatorFact) -> None:
        """Do what the operator wants of a call. Does not wait.

        Raises:
            CallRefused: it cannot be done: ``not_live``, ``not_supported`` or ``muted``.
        """
        if self._nursery is None or self._closing_at < math.inf or self._phone_is_over:
            raise CallRefused("not_live", "the call is not live")
        if isinstance(wish, TransferRequested):
            self._transfers.check(wish.number)
        refusal = self._bridge.refusal_of(wish)
        if refusal is not None:
            raise CallRefused(*refusal)
        log.info("operator_asked", wish=type(wish).__name__)
        self._on_fact(wish)

    def machine_answered(self) -> None:
        """Twilio has found that a machine answered the call and has finished its greeting. Does not wait."""
        self._on_fact(MachineAnswered(is_fax=self.record.answered_by == "fax"))

    def phone_over(self, detail: str) -> None:
        """Twilio says by callback that the telephone call is over; the module says what comes of it. Does not wait."""
        if self._closing_at == math.inf and not self._phone_is_over:
            self._phone_is_over = True
            self._ended_at = trio.current_time()
            self._start(self._let_stream_tell, detail)

    def stream_replaced(self) -> None:
        """Twilio has opened another stream of this call: this one is over, whether or not it says so. Does not wait."""
        if self._closing_at == math.inf:
            self.record.handed_over = True
            self.phone_over("Twilio has opened another stream of this call")

    async def _let_stream_tell(self, detail: str) -> None:
        """End the call unless its stream says why it is over. Cancelling is safe: then it has."""
        await trio.sleep(stream_tells_within(self._limits.close_seconds))
        if self.record.handed_over:
            self._on_fact(CallerStopped())
        else:
            self._on_fact(EndRequested(EndReason.TWILIO_ENDED, detail))

    def say_last_words(self, reason: EndReason, detail: str) -> None:
        """It will be ended in a moment, for this reason: tell the caller goodbye, and end it then. Does not wait."""
        self._on_fact(LastWordsDue(reason, detail))

    def end(self, reason: EndReason, detail: str) -> None:
        """End the call from outside. Does not wait; only the first reason counts."""
        self._on_fact(EndRequested(reason, detail))

    async def run(self, cancelled_because: EndReason = EndReason.DRAIN) -> None:
        """Live the call to its end.

        Raises nothing but ``Cancelled``: an exception in here ends this call as a bug. Cancelling is safe: both legs
        are closed, within ``close_seconds``, before it returns.

        Args:
            cancelled_because: the end reason if the call is cancelled from outside.
        """
        record = self.record
        record.state = CallState.LIVE
        record.begin(wall_clock())
        log.info("call_started", persona=record.persona, direction=record.direction)
        self._watcher.state()
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    self._nursery.start_soon(self._live_leg, self._model)
                    self._nursery.start_soon(self._run_timer)
                    if record.answered_by_machine and not self._came_back:  # it was quicker than the stream
                        self.machine_answered()
                    await self._live_leg(self._caller)
        except* Exception:  # one call's failure stays one call's failure, and beside a cancellation it is one too
            log.exception("call_bug")
            if record.end_reason is None:
                record.end_reason, record.end_detail = EndReason.BUG, BUG_DETAIL
        finally:
            if record.end_reason is None:
                record.end_reason, record.end_detail = cancelled_because, "cancelled from outside the call"
            self._write_down()

    async def _live_leg(self, leg: CallerLeg | Succession) -> None:
        """One leg from its first word to its goodbye, which does not wait for the other leg: its peer may be stalled.

        Cancelling is safe: the leg is closed, by the deadline that the first sign of the end has set.
        """
        try:
            if leg is self._caller:
                await self._caller.run(self._on_fact, self._forward_caller_audio)
            else:
                await self._model.run(self._on_fact, self._forward_reply_audio)
        finally:
            self._scope.cancel(reason="neither leg outlives the other")
            self._begin_to_close()
            try:
                with trio.CancelScope(deadline=self._closing_at, shield=True):
                    await leg.close()
            except Exception:  # logged, and the other leg still says goodbye
                log.exception("close_bug")

    def _forward_caller_audio(self, payload: str) -> None:
        """Tell the bridge of ``CallerAudio`` and obey, in one step: nearly all that ever happens.

        An error in here ends the call at once, by the reader that met it (``legs/pumps.py``).
        """
        if self._closing_at < math.inf:
            return
        if self._bridge.forward_caller_audio(payload, self._now()):
            self._model.forward_caller_audio(payload)

    def _forward_reply_audio(self, reply_id: str, payload: str) -> None:
        """Tell the bridge of ``ReplyAudio`` and obey, likewise."""
        if self._closing_at < math.inf:
            return
        mark = self._bridge.forward_reply_audio(reply_id, payload, self._now())
        if mark is None:
            self._on_fact(ReplyAudio(reply_id, payload))
            return
        self._caller.forward_reply_audio(payload, mark)
        if mark:
            self._set_timer()

    def _on_fact(self, fact: Fact) -> None:
        """Tell the bridge and do what it says. Called between checkpoints, so nothing interleaves."""
        if self._closing_at < math.inf:
            return  # the first sign has won: what comes of hurrying the legs is no other
        if self._phone_is_over and not says_why(fact):
            return
        try:
            commands = self._bridge.handle(fact, self._now())
            if commands:
                self._execute(commands)
        except Exception:
            self._scope.cancel(reason="a bug")  # at once: whoever told may have to wait for a stalled writer
            raise
        self._set_timer()

    def _set_timer(self) -> None:
        if self._bridge.wake_at < self._timer_scope.deadline:  # noqa: PLR1730 - setting a deadline has its price
            self._timer_scope.deadline = self._bridge.wake_at

    def _execute(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case PlayAudio() | PlaceMark() | ClearPlayback():
                    self._caller.execute(command)
                case EndCall(reason=reason, detail=detail, transferred=transferred, deaf=deaf):
                    if deaf:
                        self._caller.give_up()
                    self.record.end_reason, self.record.end_detail = reason, detail
                    self._transfers.is_stopped = transferred
                    if reason is EndReason.HANGUP and self._transfers.may_be_done:
                        self.record.handed_over = True  # the stop may be Twilio's answer: then it tells how it went
                    self._scope.cancel(reason=f"{reason}: {detail}")
                case RunTool():
                    self._start(self._run_tool, command)
                case TransferCall(number=number):
                    self._start(self._transfer, number or self._persona.transfer_to)
                case _:
                    self._model.execute(command)

    def _start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Begin something in the call's nursery. A call that has not begun, or has ended, begins nothing."""
        if self._nursery is not None:
            self._nursery.start_soon(function, *args)

    async def _run_tool(self, wanted: RunTool) -> None:
        self._on_fact(ToolReturned(wanted.call_id, await self._tools.run(wanted)))

    async def _transfer(self, number: str | None) -> None:
        """Put the caller through. Twilio answers by stopping the stream."""
        if not await self._transfers.put_through(number):
            self._on_fact(TransferFailed())

    async def _run_timer(self) -> None:
        """Wake the bridge when it has asked for it, and start the clock of the end the moment the call is cancelled.

        Be it from inside or outside: this task has nothing to say goodbye to, and so is cancelled at once.
        """
        try:
            while True:
                with trio.CancelScope(deadline=self._bridge.wake_at) as self._timer_scope:
                    await trio.sleep_forever()
                self._execute(self._bridge.tick(trio.current_time()))
        finally:
            self._begin_to_close()

    def _begin_to_close(self) -> None:
        if self._closing_at == math.inf:
            self.record.state = CallState.ENDING
            self._watcher.state()
            self._ended_at = min(self._ended_at, trio.current_time())
            self._closing_at = self._ended_at + self._limits.close_seconds
            self._caller.set_close_deadline(self._closing_at)
            self._model.set_close_deadline(self._closing_at)

    def _write_down(self) -> None:
        record = self.record
        self._bridge.close(self._ended_at)
        record.state, record.ended_at = CallState.ENDED, wall_clock()
        record.seconds = round(self._ended_at - self._began, 3)
        record.closing_seconds = round(trio.current_time() - self._ended_at, 3)
        log_end(record)
