"""``GET /calls``: what its query means, and the calls of memory and journal put together."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from trio_voice.journal.selection import Selection
from trio_voice.phone_numbers import MIN_OF_AN_END, number_or_end
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_CALLS: Final = 1_000
MAX_LETTERS: Final = 200
"""Of words that are looked for."""
NO_END: Final = f"must be the last {MIN_OF_AN_END} digits at least, or all of it"
JUST_ENDED: Final = timedelta(seconds=10)
"""Within which the journal has heard of it."""


def selection_of(query: Mapping[str, str]) -> Selection:
    """The selection that a query asks for.

    Raises:
        ValueError: a value cannot be meant; its words say which and why.
    """
    asked = query.get("number", "").strip()
    number = number_or_end(asked)
    if asked and number is None:
        raise ValueError(f"number: {NO_END}")
    end_reason = query.get("end_reason") or None
    if end_reason is not None and end_reason not in set(EndReason):
        raise ValueError(f"end_reason: there is none such; there are {', '.join(EndReason)}")
    limit = query.get("limit") or "100"
    if not re.fullmatch("[0-9]{1,6}", limit) or int(limit) < 1:
        raise ValueError(f"limit: must be a number from 1 to {MAX_CALLS}")
    after = query.get("after") or None
    if after is not None and not re.fullmatch("[0-9a-f]{32}", after):
        raise ValueError("after: must be what the page before had as next")
    return Selection(
        since=_time(query, "since"),
        until=_time(query, "until"),
        persona=query.get("persona") or None,
        end_reason=end_reason,
        number=number,
        words=_words(query),
        after=after,
        limit=min(int(limit), MAX_CALLS),
    )


def _words(query: Mapping[str, str]) -> str | None:
    words = " ".join(query.get("words", "").split())
    if len(words) > MAX_LETTERS or not words.isprintable():
        raise ValueError(f"words: must be at most {MAX_LETTERS} letters that can be printed")
    return words or None


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    written = query.get(name)
    if not written:
        return None
    try:
        # A plus sign that nobody has encoded has become a space on its way.
        read = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", written))
        read.astimezone(UTC)
    except (ValueError, OverflowError):  # of the first and the last day there may be no time in UTC
        read = None
    if read is None or read.tzinfo is None:
        raise ValueError(f"{name}: must be a time with its zone, like 2026-01-31T09:00:00Z")
    return read


def together(
    here: Iterable[dict[str, Any]], journaled: list[dict[str, Any]] | None, limit: int, *, first_page: bool
) -> dict[str, Any]:
    """The answer: calls that are not over, and behind them those that are, the newest first.

    Args:
        here: of the registries, ended ones too.
        journaled: a page of ended ones and one more; ``None`` if the journal cannot be read.
        limit: of that page.
        first_page: whether those that are not over are wanted.
    """
    known = list(here)
    alive = [call for call in known if call["state"] != "ended"] if first_page else []
    if journaled is None:
        return {"calls": alive + [call for call in known if call["state"] == "ended"], "next": None}
    ids = {call["call_id"] for call in alive}
    page = [call for call in journaled[:limit] if call["call_id"] not in ids]
    last = journaled[limit - 1]["call_id"] if len(journaled) > limit else None
    if first_page:
        page = _just_ended(known, page, is_last=last is None) + page
    return {"calls": alive + page, "next": last}


def _just_ended(known: list[dict[str, Any]], page: list[dict[str, Any]], *, is_last: bool) -> list[dict[str, Any]]:
    """Calls that ended a moment ago, so that the journal has them as living still. They are on this page or on none."""
    listed = {call["call_id"] for call in page}
    earliest = "" if is_last or not page else page[-1]["started_at"] or ""
    since = (datetime.now(UTC) - JUST_ENDED).isoformat()
    return [
        call
        for call in known
        if call["state"] == "ended"
        and call["call_id"] not in listed
        and (call["ended_at"] or "") > since
        and (call["started_at"] or call["ended_at"]) > earliest
    ]
