"""``[limits] daily_cost``: what all calls of a day may cost, by UTC, over all nodes of a journal, on both meters.

A call is refused that could pass it. What is counted: the cost of the day's ended calls, here and (as the journal has
it) elsewhere; for each call that is promised or lives, here or elsewhere, the most that it may come to within its time
limit (elsewhere: that of the one that asks); for the one that asks, a minute. So whoever has stolen a token and places
many calls at once is stopped by their time limits, and the day's last call may pass the ceiling by what is left of its
own. Of what other processes take the journal is asked every ``LOOK_SECONDS``: within such a time each may take what is
left for its own. Calls that live go on. What has no price is not counted: it is unknown, and ``check`` says so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.errors import CallRefused
from trio_voice.journal import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from trio_voice.journal import Journal
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

log: Final = structlog.stdlib.get_logger("trio_voice.budget")

LOOK_SECONDS: Final = 5.0
"""Between two looks at what the other nodes have spent."""
KEPT_DAYS: Final = 3
"""Days whose calls are remembered."""


class Budget:
    """Money that may still be spent today.

    Args:
        daily_cost: the ceiling.
        minute_cost: what a minute of a call of this persona and direction comes to, as far as there are prices.
        clock: the time of day, in UTC.
    """

    def __init__(
        self, daily_cost: float, minute_cost: Callable[[Persona, str], float], clock: Callable[[], datetime]
    ) -> None:
        self.daily_cost = daily_cost
        self._minute_cost = minute_cost
        self._clock = clock
        self._spent: dict[date, dict[str, float]] = {}
        """Of calls that are over, by the day on which they began, and by call: a clock that comes back finds them."""
        self._reserved: dict[str, float] = {}
        """By call, of those that are not."""
        self._elsewhere: tuple[date, float, int] = clock().date(), 0.0, 0
        """Cost of others' calls on a day, and number of those that live."""
        self._alarmed_on: date | None = None

    @property
    def spent(self) -> float:
        """Cost of today's ended calls, as far as it is known."""
        return sum(self._spent.get(self._today, {}).values()) + self._of_others[0]

    @property
    def _today(self) -> date:
        return self._clock().date()

    @property
    def _of_others(self) -> tuple[float, int]:
        """Cost of others' calls today, and number of those that live; nothing until they were looked at today."""
        day, cost, live = self._elsewhere
        return (cost, live) if day == self._today else (0.0, 0)

    def reserve(self, call_id: str, persona: Persona, direction: str, seconds: float) -> None:
        """Promise a call what it may come to within its time limit.

        Raises:
            CallRefused: ``budget``.
        """
        minute = self._minute_cost(persona, direction)
        most = minute * max(1, math.ceil(seconds / 60))
        committed = self.spent + sum(self._reserved.values()) + self._of_others[1] * most
        if committed + minute > self.daily_cost:
            self._alarm()
            raise CallRefused("budget", f"the day's ceiling is reached: [limits] daily_cost = {self.daily_cost:g}")
        self._reserved[call_id] = most

    def settle(self, call: CallRecord) -> None:
        """A call is over: what it has cost is in its record."""
        self._reserved.pop(call.call_id, None)
        day = self._today if call.started_at is None else call.started_at.date()
        self._spent.setdefault(day, {})[call.call_id] = sum(
            filter(None, [call.telephone_cost, *(each.cost for each in call.model_sessions)])
        )
        while len(self._spent) > KEPT_DAYS:
            del self._spent[next(iter(self._spent))]
        if self.spent >= self.daily_cost:
            self._alarm()

    async def watch(self, journal: Journal) -> None:
        """Look until cancelled at what other nodes have spent; without the journal the last look counts."""
        while True:
            midnight = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
            try:
                self._elsewhere = midnight.date(), *await journal.spent_elsewhere(midnight)
            except JournalUnavailable as trouble:
                log.warning("budget_unknown_elsewhere", error=str(trouble))
            await trio.sleep(LOOK_SECONDS)

    @property
    def is_reached(self) -> bool:
        """True if a call was refused today, or all is spent."""
        return self._alarmed_on == self._today

    def _alarm(self) -> None:
        """Once a day."""
        if not self.is_reached:
            self._alarmed_on = self._today
            log.error(
                "daily_cost_reached",
                daily_cost=self.daily_cost,
                spent=round(self.spent, 4),
                reserved=round(sum(self._reserved.values()), 4),
                effect="new calls are refused until midnight UTC, live ones go on",
            )
