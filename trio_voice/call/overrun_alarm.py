"""Every call is reckoned up at its end, and a session that outlives its call sets off an alarm while its meter runs.

The line ``call_audited`` says of each call how long it and its sessions were and what both meters are estimated to come
to; ``session_outlived_call`` is the alarm. There is one for each session that was open for more than 2 s after its call
(``cost.is_late``), at the moment that it becomes late if anybody watches; for each that its call has left open; and for
each that a dead daemon had open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.billing.cost import is_late, overrun_of, price_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from trio_voice.billing.prices import Prices
    from trio_voice.call.call import Call
    from trio_voice.journal import JournaledCall
    from trio_voice.record import CallRecord
    from trio_voice.session_record import ModelSessionRecord

log: Final = structlog.stdlib.get_logger("trio_voice.auditor")

WATCH_SECONDS: Final = 1.0
"""Between two looks at the calls that are ending."""
ADVICE: Final = "its meter may have run on: look for the session in the provider's console, and report the line"


class OverrunAlarm:
    """Reckons calls up.

    Args:
        prices: what things cost, where anybody has said; may be replaced.
        on_alarm: told of each session that sets off the alarm, once; must not wait.
    """

    def __init__(self, prices: Prices | None, on_alarm: Callable[[ModelSessionRecord], None]) -> None:
        self.prices = prices
        self._on_alarm = on_alarm
        self._alarmed: dict[str, set[int]] = {}
        """Of calls that are not over: which of their sessions have set off the alarm, by place."""

    def audit(self, call: CallRecord) -> None:
        """Enter costs and overruns in the record of a call that is over, and log the sum. To be told once of each."""
        missing = price_call(call, self.prices) if self.prices is not None else []
        alarmed = self._alarmed.pop(call.call_id, set())
        for place, session in enumerate(call.model_sessions):
            session.overrun_seconds = overrun_of(call, session)
            late = session.overrun_seconds is not None and is_late(session.overrun_seconds)
            if (late or session.closed_at is None) and place not in alarmed:
                self._alarm(call, session, overrun_seconds=session.overrun_seconds)
        log.info(
            "call_audited",
            call_id=call.call_id,
            call_sid=call.call_sid,
            persona=call.persona,
            end_reason=call.end_reason,
            call_seconds=call.seconds,
            model_seconds=call.model_seconds,
            model_minus_call_seconds=None if call.seconds is None else round(call.model_seconds - call.seconds, 3),
            sessions=[_session_line(session) for session in call.model_sessions],
            currency=call.currency,
            telephone_cost=call.telephone_cost,
            model_cost=call.model_cost,
            cost=call.cost,
            **({"prices_missing": missing} if missing else {}),
        )

    async def watch(self, calls: Callable[[], Iterable[Call]]) -> None:
        """Look until cancelled whether a session that is open has outlived its call: it may never be closed.

        Args:
            calls: those whose sockets are not yet closed.
        """
        while True:
            for call in calls():
                if is_late(call.ending_seconds):
                    self._look_at(call)
            await trio.sleep(WATCH_SECONDS)

    def _look_at(self, call: Call) -> None:
        alarmed = self._alarmed.setdefault(call.record.call_id, set())
        for place, session in enumerate(call.record.model_sessions):
            if session.closed_at is None and place not in alarmed:
                alarmed.add(place)
                self._alarm(call.record, session, overrun_seconds=round(call.ending_seconds, 3))

    def settled(self, call: JournaledCall, at: datetime) -> None:
        """Sound the alarm for what a dead daemon had open: nobody saw when the provider noticed.

        Args:
            call: as it was found, before it was closed in the journal.
            at: when it was.
        """
        last_seen = max(call.run.beat_at, call.began_at)
        at_most = max(0.0, (at - last_seen).total_seconds())
        for session in call.record.model_sessions:
            if session.closed_at is None:
                self._alarm(call.record, session, overrun_seconds_at_most=round(at_most, 3))

    def _alarm(self, call: CallRecord, session: ModelSessionRecord, **overrun: float | None) -> None:
        log.error(
            "session_outlived_call",
            call_id=call.call_id,
            call_sid=call.call_sid,
            model=session.model,
            provider=session.provider,
            session_id=session.session_id,
            opened_at=session.opened_at.isoformat(),
            closing=session.closing,
            still_open=session.closed_at is None,
            **overrun,
            advice=ADVICE,
        )
        self._on_alarm(session)


def _session_line(session: ModelSessionRecord) -> dict[str, object]:
    return {
        "model": session.model,
        "provider": session.provider,
        "closing": session.closing,
        "seconds": session.seconds,
        "billed_seconds": session.billed_seconds,
        "overrun_seconds": session.overrun_seconds,
        "meters": session.meters,
        "cost": session.cost,
    }
