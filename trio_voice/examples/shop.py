"""The tools of a shop's telephone: where an order is, and a call back. Behind them is an order book in SQLite.

A persona lists them as ``trio_voice.examples.shop:get_order_status`` and ``...:schedule_callback``. The book is the
file ``orders.db`` in the daemon's working directory, or the one that ``TRIO_VOICE_ORDERS`` names in its environment; it
is made on first use, with three orders in it. To see who waits for a call:

    sqlite3 orders.db 'SELECT * FROM callbacks'

For a shop of one's own: copy this file to ``shop.py`` beside ``config.toml``, list ``shop:get_order_status``, and put
one's own database or HTTP API where the book is. What is worth keeping then:

- Plain functions, which run in a thread of their own: no call waits for a disk. Whatever raises is logged, and the
  model is told that it did not work.
- What was asked for wrongly is answered in words that the model can say, not with an exception.
- A tool may be abandoned while it runs, because the caller interrupts or hangs up. So each statement is a whole
  transaction, and asking for the call back again moves it instead of making a second one.
- Values never become part of a statement's text.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trio_voice.tools import CallFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_SECONDS: Final = 2.0
"""Time for which another process's transaction is waited for; less than ``tool_seconds``."""
LONGEST: Final = 300
"""Letters of what is written down of a caller's words."""
FEWEST_DIGITS: Final = 7
MOST_DIGITS: Final = 15
"""Of a telephone number (E.164)."""

_SCHEMA: Final = (
    """
CREATE TABLE IF NOT EXISTS orders (
    number TEXT PRIMARY KEY,
    item TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('being packed', 'on its way', 'delivered', 'cancelled')),
    expected_on TEXT
)
""",
    """
CREATE TABLE IF NOT EXISTS callbacks (
    call_id TEXT PRIMARY KEY,
    phone TEXT NOT NULL,
    preferred_time TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
)
""",
)
_FIRST_ORDERS: Final = (
    ("AB3792", "trail running shoes, size 42", "on its way", "+2 days"),
    ("CD1204", "leather boots, size 39", "being packed", "+5 days"),
    ("EF5580", "canvas sneakers, size 44", "delivered", "-3 days"),
)


def get_order_status(order_number: str) -> dict[str, str | None]:
    """Look up where an order is.

    Args:
        order_number: The order's number, two letters and four digits such as AB3792, as the caller said it.
    """
    number = as_order_number(order_number)
    if not number:
        return {
            "error": "That is no order number: they have two letters and four digits, like A B three seven nine two. "
            "Ask for it again, one letter and digit at a time.",
        }
    with _open_book() as book:
        found = book.execute("SELECT item, status, expected_on FROM orders WHERE number = ?", (number,)).fetchone()
    if found is None:
        return {
            "error": f"There is no order {' '.join(number)}. Read this number back; if it is right, offer a call back "
            "or a person.",
        }
    item, status, expected_on = found
    return {"order_number": number, "item": item, "status": status, "expected_on": expected_on}


def schedule_callback(call: CallFacts, preferred_time: str, reason: str = "", phone: str = "") -> dict[str, str]:
    """Have a colleague call this caller back. Asking again in the same call changes what was asked for before.

    Args:
        preferred_time: When they want to be called, in their own words, such as tomorrow after ten.
        reason: What it is about.
        phone: The number to call, only if it is not the one they are calling from.
    """
    number = as_phone_number(phone or call.other_number)
    if number is None:
        return {"error": "That is no telephone number that can be called. Ask for it again, digit by digit."}
    if not preferred_time.strip():
        return {"error": "Ask when they would like to be called."}
    with _open_book() as book:
        book.execute(
            "INSERT INTO callbacks (call_id, phone, preferred_time, reason) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (call_id) DO UPDATE SET phone = excluded.phone, preferred_time = excluded.preferred_time,"
            " reason = excluded.reason, asked_at = CURRENT_TIMESTAMP",
            (call.call_id, number, preferred_time.strip()[:LONGEST], reason.strip()[:LONGEST]),
        )
    return {"status": "written down", "phone": number, "preferred_time": preferred_time.strip()[:LONGEST]}


@contextmanager
def _open_book() -> Iterator[sqlite3.Connection]:
    """The order book, made if it is not there. Each statement is a transaction of its own.

    Raises:
        sqlite3.Error: it cannot be opened, or another process keeps it locked.
        OSError: it cannot be made.
    """
    path = Path(os.environ.get("TRIO_VOICE_ORDERS", "orders.db"))
    path.touch(mode=0o600)  # it holds telephone numbers
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)) as book:
        if not book.execute("SELECT 1 FROM sqlite_schema WHERE name = 'callbacks'").fetchone():
            _fill(book)
        yield book


def _fill(book: sqlite3.Connection) -> None:
    """Make the tables, all or nothing; whoever else does so at the same time comes second and finds it done."""
    book.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        book.execute(statement)
    book.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, date('now', ?))", _FIRST_ORDERS)
    book.execute("COMMIT")


# What people say, and recognisers write

_DIGITS: Final = {
    word: str(number)
    for number, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
} | {"oh": "0", "nought": "0"}
_TEENS: Final = {
    word: str(number)
    for number, word in enumerate(
        [
            *("ten", "eleven", "twelve", "thirteen", "fourteen"),
            *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        ],
        start=10,
    )
}
_TENS: Final = {
    word: str(number)
    for number, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_TIMES: Final = {"double": 2, "triple": 3}
_LETTERS: Final = {
    word: word[0]
    for word in (
        *("alfa", "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett"),
        *("juliet", "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango"),
        *("uniform", "victor", "whiskey", "xray", "yankee", "zulu"),
    )
}
_LONGEST_SPOKEN: Final = 200


def as_order_number(spoken: str) -> str:
    """An order number out of what was said: ``it is A B thirty-seven ninety two`` is ``AB3792``; empty if none is."""
    written = "".join(word.upper() for word in _as_written(spoken))
    found = re.search(r"([A-Z]{2})([0-9O]{4})(?![0-9])", written)
    return found[1] + found[2].replace("O", "0") if found else ""  # after the letters, an O is a zero


def as_phone_number(spoken: str) -> str | None:
    """A telephone number out of what was said, with its plus if it has one; ``None`` if it is none."""
    digits = "".join(letter for word in _as_written(spoken) for letter in word if letter.isdigit())
    if not FEWEST_DIGITS <= len(digits) <= MOST_DIGITS:
        return None
    return f"+{digits}" if spoken.strip().startswith(("+", "plus")) else digits


def _as_written(spoken: str) -> Iterator[str]:
    """The words of what was said, with numbers as digits and letters that were spelled by name as letters."""
    times, tens = 1, ""
    for word in re.findall(r"[a-z]+|[0-9]+", spoken[:_LONGEST_SPOKEN].lower()):
        if tens:
            unit = _DIGITS.get(word, "0")
            yield tens + unit
            tens = ""
            if unit != "0":
                continue
        if word in _TIMES:
            times = _TIMES[word]
        elif word in _TENS:
            tens = _TENS[word]
        else:
            yield (_DIGITS | _TEENS | _LETTERS).get(word, word) * times
            times = 1
    if tens:
        yield tens + "0"
