"""Costs of a call, and overruns of its model sessions: a record and the prices in, figures out.

An estimate of both meters: Twilio's own is in its console, the providers' on their bills. What is unknown is ``None``
and never 0: a price that nobody has set, or the length of a session that is not closed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.billing.prices import UNITS
from trio_voice.session_record import Closing

if TYPE_CHECKING:
    from trio_voice.billing.prices import ModelPrices, Prices, TwilioPrices
    from trio_voice.record import CallRecord
    from trio_voice.session_record import ModelSessionRecord

OUTLIVED_SECONDS: Final = 2.0
"""Most time after its call that a session may still be open: the promise, whatever ``close_seconds`` says."""
TOLERANCE_SECONDS: Final = 0.1
"""Allowance for the measuring. A peer that does not answer is cut off at the deadline, which by default is the promise
to the millisecond; a busy loop wakes for it some milliseconds late, and three lengths are rounded to one."""
MAX_BILLED_SECONDS: Final = 86_400.0
"""A provider's own figure is a stranger's; beyond a day it is none."""
FREE_STATUSES: Final = frozenset({"busy", "canceled", "failed", "no-answer"})
"""Twilio's words for calls that nobody answered, and that cost nothing (Twilio, "Call resource")."""


def overrun_of(call: CallRecord, session: ModelSessionRecord) -> float | None:
    """Seconds after its call's end at which a session was closed; less than 0 if it was before.

    The end is the first sign of it. Both are measured by the clock of one process, which does not jump; so ``None`` for
    what a dead daemon left, of which only the times of day are known.
    """
    if call.seconds is None or session.seconds is None or session.opened_after_seconds is None or session.settled:
        return None
    return round(session.opened_after_seconds + session.seconds - call.seconds, 3)


def is_late(overrun_seconds: float) -> bool:
    """True if a session that was open for so long after its call has outlived it."""
    return overrun_seconds > OUTLIVED_SECONDS + TOLERANCE_SECONDS


def believed_seconds(session: ModelSessionRecord) -> float | None:
    """Seconds that the provider says it bills, if it says and that can be."""
    said = session.billed_seconds
    return said if said is not None and 0 <= said <= MAX_BILLED_SECONDS else None


@attrs.frozen
class SessionCost:
    """Cost of one session."""

    amount: float | None
    missing: tuple[str, ...] = ()
    """The keys of the prices that it would take to know."""


def session_cost(session: ModelSessionRecord, prices: Prices) -> SessionCost:
    """Cost of a session. Of one that a later run closed it is the most that it can be."""
    name = f"prices.{session.model or session.provider}"
    table = prices.of(session.model, session.provider)
    if table is None:
        return SessionCost(None, (name,))
    amounts: dict[str, float] = dict(session.meters)
    if table.minute is not None:
        seconds = _billed_seconds(session, table)
        if seconds is None:
            return SessionCost(None)
        amounts["seconds"] = seconds
    cost, missing = 0.0, []
    for meter, amount in amounts.items():
        key, unit = UNITS.get(meter, (meter, 1))  # type: ignore[call-overload]  # an older daemon's, from the journal
        price = getattr(table, key, None)
        if price is not None:
            cost += amount / unit * price
        elif amount:
            missing.append(f"{name}.{key}")
    return SessionCost(None, tuple(missing)) if missing else SessionCost(round(cost, 6))


def _billed_seconds(session: ModelSessionRecord, table: ModelPrices) -> float | None:
    """By the provider's clock where it says, else by ours and with what is billed for a goodbye that was not heard."""
    said = believed_seconds(session)
    if said is None:
        said = session.meters.get("seconds")
    if said is not None or session.seconds is None:
        return said
    unheard = session.session_id is not None and session.closing is not Closing.ACKNOWLEDGED
    return session.seconds + (table.unacknowledged_seconds or 0.0 if unheard else 0.0)


def telephone_cost(call: CallRecord, prices: TwilioPrices) -> float | None:
    """Twilio's bill for a call while it was with us, in started minutes: the telephone, and the media stream.

    A call that was put through to somebody goes on at Twilio, and so does its cost; recordings and the number's rent
    are not in it.
    """
    if call.is_browser_call:
        return 0.0
    if call.seconds is None:  # no stream came
        return 0.0 if call.twilio_status in FREE_STATUSES else None
    rate = prices.inbound_minute if call.direction == "inbound" else prices.outbound_minute
    detection = prices.machine_detection if call.answered_by is not None else 0.0
    if rate is None or prices.media_stream_minute is None or detection is None:
        return None
    return round(max(1, math.ceil(call.seconds / 60)) * (rate + prices.media_stream_minute) + detection, 6)


def telephone_minute(direction: str, prices: TwilioPrices) -> float:
    """Price of a started minute at Twilio, as far as there are prices."""
    rate = prices.inbound_minute if direction == "inbound" else prices.outbound_minute
    return (rate or 0.0) + (prices.media_stream_minute or 0.0)


def price_call(call: CallRecord, prices: Prices) -> list[str]:
    """Enter in the record of a call that is over what it has cost.

    Returns:
        The keys of the prices that it would take to know what is unknown of its sessions.
    """
    call.currency = prices.currency
    call.telephone_cost = telephone_cost(call, prices.twilio)
    missing: dict[str, None] = {}
    for session in call.model_sessions:
        cost = session_cost(session, prices)
        session.cost = cost.amount
        missing |= dict.fromkeys(cost.missing)
    return list(missing)
