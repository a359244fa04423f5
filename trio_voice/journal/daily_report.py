"""A day's sum, from the journal: what each model was used for, what both meters come to, what outlived its call.

A day has the calls that began in it, with all that they had, also where that went on after midnight. Costs are those
that were reckoned when each call ended; where its daemon died before that they are reckoned now, with today's prices.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.billing.cost import is_late, price_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from trio_voice.billing.prices import Prices
    from trio_voice.journal import JournaledCall
    from trio_voice.session_record import ModelSessionRecord

GONE_SECONDS: Final = 60
"""A daemon that has not written a heartbeat for so long, which it does every 5 s, is taken to be gone."""
ON_PAPER: Final = "on_paper"
"""The closing of a session whose daemon died: another closed it in the journal, and nobody told the provider."""
NEVER_CLOSED: Final = "never_closed"
"""That of one that nobody has closed, though its call is over or its daemon gone."""
OPEN: Final = "open"
"""That of one whose call is live."""
CLOSINGS: Final = ("acknowledged", "timed_out", "aborted", ON_PAPER, NEVER_CLOSED, OPEN)


@attrs.define
class Money:
    """A sum, some parts of which may be unknown."""

    amount: float = 0.0
    unknown: int = 0
    """Parts that nobody knows; they are not in the amount."""
    at_most: int = 0
    """Parts of the amount that may have been less."""

    def add(self, part: float | None, *, at_most: bool) -> None:
        """Add what something has cost, if that is known."""
        if part is None:
            self.unknown += 1
        else:
            self.amount = round(self.amount + part, 6)
            self.at_most += at_most

    def __str__(self) -> str:
        return f"{'at most ' * bool(self.at_most)}{self.amount:.4f}{f' + {self.unknown} unknown' * bool(self.unknown)}"


@attrs.define
class ModelSum:
    """Use of one model. Lengths are seconds."""

    calls: int = 0
    call_seconds: float = 0.0
    sessions: int = 0
    model_seconds: float = 0.0
    billed_seconds: float = 0.0
    """Seconds that providers said they bill, as far as they did."""
    overrun_seconds: float = 0.0
    """For how long sessions were open after their calls, together; one that was closed before takes nothing away."""
    longest_overrun_seconds: float = 0.0
    closings: Counter[str] = attrs.field(factory=Counter)
    cost: Money = attrs.field(factory=Money)
    """Of sessions whose calls are over."""

    def add(self, session: ModelSessionRecord, closing: str) -> None:
        """Add a session, but for its cost."""
        overrun = max(0.0, session.overrun_seconds or 0.0)
        self.sessions += 1
        self.model_seconds = round(self.model_seconds + (session.seconds or 0.0), 3)
        self.billed_seconds = round(self.billed_seconds + (session.billed_seconds or 0.0), 3)
        self.overrun_seconds = round(self.overrun_seconds + overrun, 3)
        self.longest_overrun_seconds = max(self.longest_overrun_seconds, overrun)
        self.closings[closing] += 1


@attrs.frozen(kw_only=True)
class Outlived:
    """A session that was open for more than 2 s after its call, or may have been."""

    call_id: str
    call_sid: str | None
    model: str | None
    provider: str
    session_id: str | None
    opened_at: str
    closing: str
    overrun_seconds: float | None
    """As measured; ``None`` where it was never closed, or by a later run."""
    seconds: float | None
    """Seconds that it was open, all in all; until a later run closed it, where its own did not."""
    seconds_at_least: float | None
    """Seconds that it was certainly open, where a later run closed it: until its daemon's last heartbeat."""


@attrs.define(kw_only=True)
class DaySum:
    """One day."""

    day: date
    currency: str | None
    prices_as_of: date | None
    calls: int = 0
    unanswered: int = 0
    """Of these calls, those whose stream never came."""
    live: int = 0
    """Of these calls, those that are not over: their costs are not in the sums."""
    models: dict[str, ModelSum] = attrs.field(factory=dict)
    total: ModelSum = attrs.field(factory=ModelSum)
    """Of all models; its calls are those that had a session."""
    telephone: Money = attrs.field(factory=Money)
    outlived: list[Outlived] = attrs.field(factory=list)

    def model(self, name: str) -> ModelSum:
        """The sum of this model."""
        return self.models.setdefault(name, ModelSum())

    @property
    def cost(self) -> Money:
        """Of both meters."""
        one, other = self.telephone, self.total.cost
        return Money(round(one.amount + other.amount, 6), one.unknown + other.unknown, one.at_most + other.at_most)

    def as_json(self) -> dict[str, Any]:
        """For programs."""

        def plain(_owner: object, _field: object, value: object) -> object:
            return value.isoformat() if isinstance(value, date) else value

        return attrs.asdict(self, value_serializer=plain) | {"cost": attrs.asdict(self.cost)}


def sum_up(calls: Iterable[JournaledCall], day: date, prices: Prices | None, now: datetime) -> DaySum:
    """Sum up a day.

    Args:
        calls: those that began in it, as the journal has them; costs that are missing are entered in their records.
        day: in UTC.
        prices: today's.
        now: to tell a daemon that lives from one that is gone.
    """
    found = DaySum(day=day, currency=prices.currency if prices else None, prices_as_of=prices.as_of if prices else None)
    for call in calls:
        _add(found, call, prices, now)
    return found


def _add(found: DaySum, call: JournaledCall, prices: Prices | None, now: datetime) -> None:
    record = call.record
    over = record.ended_at is not None or _is_gone(call, now)
    found.calls += 1
    found.live += not over
    found.unanswered += over and record.started_at is None
    if over:
        _add_costs(found, call, prices)
    names = {_name_of(session) for session in record.model_sessions}
    for sums in [*map(found.model, names), found.total] if names else []:
        sums.calls += 1
        sums.call_seconds = round(sums.call_seconds + (record.seconds or 0.0), 3)
    for session in record.model_sessions:
        closing = _closing_of(session, over=over)
        found.model(_name_of(session)).add(session, closing)
        found.total.add(session, closing)
        if closing in (ON_PAPER, NEVER_CLOSED) or is_late(session.overrun_seconds or 0.0):
            found.outlived.append(_outlived(call, session, closing))


def _add_costs(found: DaySum, call: JournaledCall, prices: Prices | None) -> None:
    """Add what a call has cost; in another currency than the day's it might as well be unknown."""
    record = call.record
    if record.currency is None and prices is not None:
        price_call(record, prices)
    found.currency = found.currency or record.currency
    known = record.currency == found.currency
    found.telephone.add(record.telephone_cost if known else None, at_most=call.settled_by is not None)
    for session in record.model_sessions:
        for sums in (found.model(_name_of(session)), found.total):
            sums.cost.add(session.cost if known else None, at_most=session.settled)


def _name_of(session: ModelSessionRecord) -> str:
    return session.model or session.provider


def _is_gone(call: JournaledCall, now: datetime) -> bool:
    return call.run.ended_at is not None or call.run.beat_at < now - timedelta(seconds=GONE_SECONDS)


def _closing_of(session: ModelSessionRecord, *, over: bool) -> str:
    if session.settled:
        return ON_PAPER
    if session.closed_at is None or session.closing is None:
        return NEVER_CLOSED if over else OPEN
    return session.closing.value


def _outlived(call: JournaledCall, session: ModelSessionRecord, closing: str) -> Outlived:
    return Outlived(
        call_id=call.record.call_id,
        call_sid=call.record.call_sid,
        model=session.model,
        provider=session.provider,
        session_id=session.session_id,
        opened_at=session.opened_at.isoformat(timespec="seconds"),
        closing=closing,
        overrun_seconds=session.overrun_seconds,
        seconds=session.seconds,
        seconds_at_least=session.seconds_at_least,
    )


# For people


def _length_of(each: Outlived) -> str:
    if each.seconds is None:
        return "unknown"
    if each.closing != ON_PAPER:
        return f"{each.seconds:.1f}"
    return f"{each.seconds_at_least or 0:.1f} to {each.seconds:.1f}"


def lines_of(found: DaySum) -> Iterator[str]:
    """A day as a plain table."""
    prices = f"{found.currency}, prices of {found.prices_as_of}" if found.prices_as_of else "no prices are set"
    yield f"{found.day}, UTC; {prices}"
    yield ""
    if found.models:
        rows = [*sorted(found.models.items()), ("all models", found.total)]
        yield from _table(
            ("model", "calls", "call min", "sessions", "model min", "billed min", "overrun s", "longest s", "cost"),
            [(name, *_figures(sums), str(sums.cost)) for name, sums in rows],
        )
        yield ""
        used = [closing for closing in CLOSINGS if closing != OPEN or found.total.closings[closing]]
        yield from _table(
            ("sessions", *used), [(name, *(str(sums.closings[closing]) for closing in used)) for name, sums in rows]
        )
        yield ""
    answered = found.calls - found.unanswered
    yield f"telephone: {found.calls} calls, {answered} of them with a stream; cost {found.telephone}"
    if found.live:
        yield f"calls that are not over, whose costs are in no sum: {found.live}"
    yield f"both meters: {found.cost} {found.currency or ''}".rstrip()
    if not found.outlived:
        yield "no session outlived its call by more than 2 s"
        return
    yield ""
    yield f"sessions that outlived their calls by more than 2 s, or may have: {len(found.outlived)}"
    yield from _table(
        ("call", "call SID", "model", "session", "opened", "closing", "overrun s", "open s"),
        [
            (
                each.call_id,
                each.call_sid or "",
                each.model or each.provider,
                each.session_id or "",
                each.opened_at,
                each.closing,
                "unknown" if each.overrun_seconds is None else f"{each.overrun_seconds:.3f}",
                _length_of(each),
            )
            for each in found.outlived
        ],
    )


def _figures(sums: ModelSum) -> tuple[str, ...]:
    return (
        str(sums.calls),
        f"{sums.call_seconds / 60:.2f}",
        str(sums.sessions),
        f"{sums.model_seconds / 60:.2f}",
        f"{sums.billed_seconds / 60:.2f}",
        f"{sums.overrun_seconds:.3f}",
        f"{sums.longest_overrun_seconds:.3f}",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they must be: words to the left, figures to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() for cell in column[1:]) for column in columns]
    for row in (head, *rows):
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(cell.rjust(width) if figures else cell.ljust(width) for cell, width, figures in cells).rstrip()
