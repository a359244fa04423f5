"""Legs that are lost: closed, stalled, or given up because their peer sends garbage. Pure: time is an argument.

Without the caller the call is over. Without the model another may take over (``failover.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.bridge.states import Model
from trio_voice.events.call import CALLER
from trio_voice.events.model import SILENT
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.failover import Failover
    from trio_voice.bridge.silence import Silence
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.events.call import LegClosed, LegStalled
    from trio_voice.events.model import ModelFault, SessionExpiring, Unrecognized

MAX_GARBAGE: Final = 100
"""Messages of one peer that mean nothing, before its leg is given up."""


class Losses:
    """Those of one call.

    Args:
        context: of the call.
        failover: who takes over from a model.
        speaking: the agent's voice.
        silence: what is filled meanwhile.
    """

    __slots__ = ("_context", "_failover", "_silence", "_speaking")

    def __init__(self, context: Context, failover: Failover, speaking: Speaking, silence: Silence) -> None:
        self._context = context
        self._failover = failover
        self._speaking = speaking
        self._silence = silence

    def model_lost(self, reason: EndReason, detail: str, now: float, *, passing: bool = True) -> None:
        """The model's session is of no use any more; ``passing`` if another of the same model may be."""
        takeover = self._failover.takeover
        successors = takeover.successors
        self._failover.lost(reason, detail, now, passing=passing)
        if self._context.states.model is Model.OPENING:
            self._speaking.is_asked = False
            if takeover.successors < successors:
                self._silence.model_replaced(now)
            else:
                self._silence.session_replaced()

    def does_not_answer(self, detail: str, now: float) -> None:
        """The model owes an answer and will not give it; another session may, once for each answer."""
        self.model_lost(EndReason.MODEL_FAILED, detail, now, passing=not self._silence.asked_another)

    def expires(self, fact: SessionExpiring, now: float) -> None:
        """The model's session is about to end. One that is silent again over the same answer was the second."""
        if fact.is_silent and self._silence.asked_another:
            self.does_not_answer("the model does not answer the caller", now)
            return
        self._failover.expires(fact, now)
        if self._context.states.model is Model.OPENING:
            self._silence.session_replaced()

    def faulted(self, fact: ModelFault, now: float) -> None:
        """A fatal fault."""
        if fact.code == SILENT:
            self.does_not_answer(fact.message, now)
        else:
            self.model_lost(EndReason.MODEL_FAILED, fact.message, now, passing=fact.passing)

    def unrecognized(self, fact: Unrecognized, now: float) -> None:
        """A message that means nothing: harmless, unless it is garbage and there is too much of it."""
        leg, record = fact.leg, self._context.record
        if not fact.garbage:
            record.count(f"unknown_{leg}_messages")
        elif record.count(f"{leg}_garbage") > MAX_GARBAGE:
            detail = f"the {leg}'s peer sent over {MAX_GARBAGE} messages of garbage; the last: {fact.what}"
            if leg == CALLER:
                self._context.end(EndReason.CALLER_LOST, detail)
            else:
                record.counters[f"{leg}_garbage"] = 0  # the next model's is another
                self.model_lost(EndReason.MODEL_FAILED, detail, now)

    def closed(self, fact: LegClosed, now: float) -> None:
        """A peer has closed its socket, or it broke."""
        if fact.leg == CALLER:
            self._context.end(EndReason.CALLER_LOST, fact.detail)
        else:
            reason = EndReason.MODEL_ENDED if fact.politely else EndReason.MODEL_FAILED
            self.model_lost(reason, fact.detail, now)

    def stalled(self, fact: LegStalled, now: float) -> None:
        """A peer does not read."""
        detail = f"the {fact.leg}'s peer stopped reading"
        if fact.leg == CALLER:
            self._context.end(EndReason.CALLER_STALLED, detail)
        else:
            self.model_lost(EndReason.MODEL_FAILED, detail, now)
