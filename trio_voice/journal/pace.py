"""The pace at which an account's calls are placed, over all nodes of a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trio_voice.journal.database import Database

MAX_WAIT_SECONDS: Final = 20.0
"""For a call's turn: whoever asks is answered within the time of a request."""

_FIRST_PACE: Final = "INSERT INTO journal_pace (account, next_at) VALUES (?, 0) ON CONFLICT (account) DO NOTHING"


def take_turn(database: Database, account: str, per_second: float) -> float | None:
    """Take the next turn of an account, within a transaction.

    Returns:
        Seconds until then, by the database's clock; ``None``, and no turn, if that is too long.
    """
    every = 1 / per_second
    database.execute(_FIRST_PACE, [(account,)])
    now = database.now_sql
    database.execute(
        f"UPDATE journal_pace SET next_at = CASE WHEN next_at < {now} THEN {now} ELSE next_at END + ? "  # noqa: S608 - now is SQL of our own
        "WHERE account = ?",
        [(every, account)],
    )
    [(next_at, at)] = database.query(f"SELECT next_at, {now} FROM journal_pace WHERE account = ?", [account])  # noqa: S608 - likewise
    wait = float(next_at) - every - float(at)
    if wait > MAX_WAIT_SECONDS:
        database.execute("UPDATE journal_pace SET next_at = next_at - ? WHERE account = ?", [(every, account)])
        return None
    return max(0.0, wait)
