"""Cost so far of a call that is not over: an estimate of both meters as they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trio_voice.billing.cost import session_cost, telephone_cost
from trio_voice.record import sum_known

if TYPE_CHECKING:
    from trio_voice.billing.prices import Prices
    from trio_voice.record import CallRecord


@attrs.frozen
class RunningCost:
    """Both meters of a call at one moment; what has no price is not known."""

    telephone: float | None = None
    model: float | None = None
    currency: str | None = None

    @property
    def total(self) -> float | None:
        """Sum of both."""
        return sum_known((self.telephone, self.model))


def running_cost(call: CallRecord, prices: Prices | None, seconds: float) -> RunningCost:
    """Cost of a call that has lasted so many seconds. The record is left as it is.

    A session that is open is billed until now; what is billed on top of one that is not closed well is no cost yet.
    """
    if prices is None:
        return RunningCost()
    sofar = attrs.evolve(call, seconds=seconds)
    amounts: list[float | None] = []
    for session in call.model_sessions:
        is_open = session.seconds is None
        began = session.opened_after_seconds or 0.0
        running = attrs.evolve(
            session,
            seconds=max(0.0, seconds - began) if is_open else session.seconds,
            session_id=None if is_open else session.session_id,
        )
        amounts.append(session_cost(running, prices).amount)
    return RunningCost(telephone_cost(sofar, prices.twilio), sum_known(amounts), prices.currency)
