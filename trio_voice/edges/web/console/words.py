"""Figures as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def clock(seconds: float | None) -> str:
    """A length: ``3 s``, ``1:03``, ``1:02:03``."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def stamp(at: float) -> str:
    """A moment of a call, to the tenth of a second: ``1:03.5``; behind a minus sign, before its stream came."""
    minutes, seconds = divmod(round(abs(at), 1), 60)
    sign = "\N{MINUS SIGN}" if round(at, 1) < 0 else ""
    return f"{sign}{int(minutes)}:{seconds:04.1f}"


def moment(at: datetime | None) -> str:
    """A time of day, in UTC, to the second."""
    return "–" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")


def milliseconds(ms: float | None) -> str:
    """A short time: ``783 ms``."""
    return "–" if ms is None else f"{ms:.0f} ms"


def amount(value: float | None, currency: str | None) -> str:
    """Money, to the hundredth of a cent: a call costs little. Unknown where no price is set."""
    if value is None or currency is None:
        return "–"
    return f"$ {value:.4f}" if currency == "USD" else f"{value:.4f} {currency}"
