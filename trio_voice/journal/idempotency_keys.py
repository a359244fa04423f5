"""Orders to place a call that may come twice: each by its ``Idempotency-Key``, over all nodes of a journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.journal import rows

if TYPE_CHECKING:
    from trio_voice.journal.database import Database

KEPT: Final = timedelta(hours=24)

_FORGET: Final = "DELETE FROM journal_orders WHERE made_at < ?"
_CLAIM: Final = """
    INSERT INTO journal_orders (idempotency_key, asked, run_id, made_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (idempotency_key) DO NOTHING
"""
_FIND: Final = "SELECT asked, run_id, answer FROM journal_orders WHERE idempotency_key = ? AND made_at >= ?"
_ANSWER: Final = "UPDATE journal_orders SET answer = ? WHERE idempotency_key = ?"
_RELEASE: Final = "DELETE FROM journal_orders WHERE idempotency_key = ?"
_FORGET_ONE: Final = "DELETE FROM journal_orders WHERE idempotency_key = ? AND made_at < ?"


@attrs.frozen
class Order:
    """One that was given before."""

    asked: str
    answer: str | None
    """Of whoever placed it; ``None`` while it is being placed, or if nobody knows what became of it."""


def claim(database: Database, key: str, asked: str, claimant: str) -> Order | None:
    """Claim a key, within a transaction; the order that has it already, if one has."""
    now = _now(database)
    database.execute(_FORGET_ONE, [(key, rows.moment(now - KEPT))])
    database.execute(_CLAIM, [(key, rows.kept(asked), claimant, rows.moment(now))])
    [(before, who, answer)] = database.query(_FIND, [key, ""])
    return None if who == claimant else Order(before, answer)


def find(database: Database, key: str) -> Order | None:
    """The order with a key."""
    found = database.query(_FIND, [key, rows.moment(_now(database) - KEPT)])
    return Order(found[0][0], found[0][2]) if found else None


def answer(database: Database, key: str, text: str | None) -> None:
    """Write down the answer; without one the key is free again."""
    if text is None:
        database.execute(_RELEASE, [(key,)])
    else:
        database.execute(_ANSWER, [(text, key)])


def forget(database: Database) -> None:
    """Forget the orders of yesterday."""
    database.execute(_FORGET, [(rows.moment(_now(database) - KEPT),)])


def _now(database: Database) -> datetime:
    """The time by the clock that all nodes share: one whose own is a day ahead forgets nobody's orders."""
    [(seconds,)] = database.query(f"SELECT {database.now_sql}")
    return datetime.fromtimestamp(float(seconds), UTC)
