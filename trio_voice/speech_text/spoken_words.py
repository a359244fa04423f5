"""The shape of a language's spoken forms, the short notation of their tables, and what differs by region.

The tables themselves are in ``word_tables.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Currency:
    """A currency and the words for its amounts."""

    one: str
    many: str
    cent: str
    cents: str


@attrs.frozen(kw_only=True)
class SpokenWords:
    """One language's. Abbreviations are written with the dots that they have, and matched in that case."""

    decimal: str
    """Between whole and part, as it is written; the other of comma and dot stands between thousands."""
    point: str
    """The same, as it is said."""
    minus: str
    percent: str
    times: str
    divided_by: str
    plus: str
    to: str
    """Between the ends of a range."""
    ratio: str
    """Between the numbers of a ratio or a score, 3:1."""
    by: str
    """Between the sides of an area, 3x4."""
    between_coins: str
    """Between whole amount and small change."""
    names_cents: bool
    """True if small change is called by its name behind a whole amount."""
    hour: str
    """Between hours and minutes; ``{h}`` and ``{m}``."""
    full_hour: str
    hour_words: tuple[str, ...] = ()
    """Written behind a time and part of how it is said, so not to be said twice."""
    codes: tuple[str, ...]
    """Words before figures that are said one by one."""
    months: tuple[str, ...]
    date: str
    """``{day}``, ``{month}``, ``{year}``."""
    date_without_year: str
    currencies: Mapping[str, Currency]
    units: Mapping[str, tuple[str, str]]
    """By their sign: for one, and for more."""
    abbreviations: Mapping[str, str]
    days: Mapping[str, str]
    """Of the week, by their short names without dots."""
    counted: tuple[str, ...]
    """Words before a Roman numeral that is said as a number: "Chapter IV"."""


def units_of(text: str) -> dict[str, tuple[str, str]]:
    """Units written ``sign/one/many``, with commas between them; by ``|`` where a sign has a slash itself."""
    units = {}
    for unit in text.split(","):
        sign, one, many = unit.strip().split("/") if unit.count("/") == 2 else unit.strip().split("|")
        units[sign] = (one, many)
    return units


def pairs_of(text: str) -> dict[str, str]:
    """Abbreviations and their words, written ``short=whole`` with commas between them."""
    return {short.strip(): whole.strip() for short, whole in (pair.split("=") for pair in text.split(","))}


def words_of(text: str) -> tuple[str, ...]:
    """Words with spaces between them."""
    return tuple(text.split())


def currencies_of(dollar: str, euro: str, pound: str) -> dict[str, Currency]:
    """Three currencies by their signs and codes, each written ``one/many/cent/cents``."""
    made: dict[str, Currency] = {}
    for signs, words in ((("$", "USD"), dollar), (("€", "EUR"), euro), (("£", "GBP"), pound)):
        one, many, cent, cents = words.split("/")
        made |= dict.fromkeys(signs, Currency(one=one, many=many, cent=cent, cents=cents))
    return made


_LATIN_AMERICA: Final = ("mx", "us", "pr", "gt", "hn", "ni", "pa", "sv", "do", "pe", "419")
DECIMAL_DOT: Final = frozenset(("de-ch", "de-li", "it-ch", *(f"es-{region}" for region in _LATIN_AMERICA)))
"""Regions that write a dot where their language writes a comma. In lower case."""
PESOS: Final = frozenset(f"es-{region}" for region in ("mx", "ar", "cl", "co", "uy", "do", "cu", "419"))
"""Regions in which $ stands for pesos. In lower case."""
PESO: Final = Currency(one="peso", many="pesos", cent="centavo", cents="centavos")
MONTH_FIRST: Final = frozenset(("en", "en-us", "en-ca", "en-ph"))
"""Languages in which 4/5/2026 is the fifth of April. In lower case."""
