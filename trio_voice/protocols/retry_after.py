"""Pauses that a server asks for before the next question, in a header or in words.

Sources: RFC 9110 (10.2.3), the drafts of ``RateLimit`` fields, the vendors' pages on their limits, and refusals in the
issue trackers of OpenAI's, Azure's, Groq's, OpenRouter's, Cerebras', Mistral's, Gemini's and Anthropic's clients (2023
to 2026).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_SAID: Final = 2_000
"""Letters of an error that are looked at."""
MAX_HEADER: Final = 200

_WAIT: Final = re.compile(
    r"(?:try again|again|retry|retry[_ ]after|retrydelay\W{1,4}|wait|available|resets?) ?(?:in|after|for)?[:=]? ?\"?"
    r"(?:about |approximately |another |~ ?)?"
    r"(?:(?P<hours>\d{1,3}) ?h(?:ours?)? ?)?(?:(?P<minutes>\d{1,4}) ?m(?:in(?:utes?)?)? ?)?"
    r"(?P<number>\d{1,6}(?:\.\d{1,9})?) ?(?P<unit>ms|milliseconds?|seconds?|secs?|s|minutes?|m)\b",
    re.IGNORECASE,
)
_BARE_WAIT: Final = re.compile(r"retry[_ -]after\"?\s?[:=]\s?\"?(\d{1,6}(?:\.\d{1,9})?)(?![\w.])", re.IGNORECASE)
"""The same in seconds without a unit, as a field in a text."""
_RESET_AT: Final = re.compile(r"ratelimit-?reset\W{1,4}(\d{10,13})\b", re.IGNORECASE)
"""A header that is quoted in the words (OpenRouter)."""
_DURATION: Final = re.compile(
    r"(?:(?P<hours>\d{1,4})h)?(?:(?P<minutes>\d{1,4})m(?!s))?(?:(?P<number>\d{1,6}(?:\.\d{1,9})?)(?P<unit>ms|s))?"
)
_RESET: Final = re.compile(r"(?:[a-z]{1,20}-)?ratelimit(?:by[a-z]{1,20})?-(?:[a-z-]{0,40}-)?reset(?:-[a-z-]{1,40})?")
"""Names of headers with the time at which a limit begins anew; ``remaining`` in the place of ``reset`` is what is
left of it."""
_NUMBER: Final = re.compile(r"\d{1,13}(?:\.\d{1,9})?")
_POLICY: Final = re.compile(r"\b(?:r|remaining)=0\b.{0,80}\b(?:t|reset)=(\d{1,9})\b")
"""A limit that is used up, in the drafts' ``RateLimit``."""
_EPOCH: Final = 1e9
"""Numbers from here on are times since 1970: in seconds, or in milliseconds from a hundred times as much."""
_SECONDS: Final = {"ms": 0.001, "mil": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0}
"""By the beginning of the unit's name."""


def wait_seconds(headers: Mapping[str, str], said: str) -> float | None:
    """The pause that a server asks for before the next question; ``None`` if it says nothing of it.

    Args:
        headers: the answer's, their names in lower case. A time of day is reckoned from its ``date``.
        said: the error's words, such as "Please try again in 2.4s".
    """
    now = _moment(headers.get("date", ""))
    told = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(told):
        return float(told) / 1_000
    if (seconds := _until(headers.get("retry-after", ""), now)) is not None:
        return seconds
    found = _WAIT.search(said[:MAX_SAID])
    if found is not None:
        return _seconds_of(found)
    if (bare := _BARE_WAIT.search(said[:MAX_SAID])) is not None:
        return float(bare[1])
    if (at := _RESET_AT.search(said[:MAX_SAID])) is not None:
        return _until(at[1], now)
    return max(_resets(headers, now), default=None)


def _resets(headers: Mapping[str, str], now: datetime | None) -> Iterator[float]:
    """Seconds until each limit begins anew of which nothing is left."""
    for name, told in headers.items():
        if _RESET.fullmatch(name) and headers.get(name.replace("reset", "remaining"), "0").strip() in {"0", "0.0"}:
            seconds = _until(told, now)
            if seconds is not None:
                yield seconds
    if (policy := _POLICY.search(headers.get("ratelimit", "")[:MAX_HEADER])) is not None:
        yield float(policy[1])


def _until(told: str, now: datetime | None) -> float | None:
    """Seconds until what a header tells: a number, a duration, or a time of day, which is nothing without ``now``."""
    told = told[:MAX_HEADER].strip()
    if _NUMBER.fullmatch(told) and float(told) < _EPOCH:
        return float(told)
    if (found := _DURATION.fullmatch(told)) is not None and any(found.groups()):
        return _seconds_of(found)
    until = _moment(told)
    return None if until is None or now is None else max((until - now).total_seconds(), 0.0)


def _moment(told: str) -> datetime | None:
    """A time of day, as HTTP, RFC 3339 or a count since 1970 tells it."""
    told = told[:MAX_HEADER].strip()
    if _NUMBER.fullmatch(told):
        since = float(told)
        return datetime.fromtimestamp(since / 1_000 if since >= 100 * _EPOCH else since, UTC)
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(told)
        except (ValueError, TypeError):
            continue
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return None


def _seconds_of(found: re.Match[str]) -> float:
    hours, minutes = float(found["hours"] or 0), float(found["minutes"] or 0)
    return 3_600 * hours + 60 * minutes + float(found["number"] or 0) * _SECONDS[(found["unit"] or "s").lower()[:3]]
