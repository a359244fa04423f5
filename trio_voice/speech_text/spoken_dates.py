"""Days, hours and heights in words, as people of a language say them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trio_voice.speech_text.spoken_patterns import (
    AFTER_DER,
    AFTER_GERMAN,
    FEMININE,
    FIRST,
    HOUR_H,
    START,
    TELEPHONE,
    any_of,
)
from trio_voice.speech_text.spoken_words import MONTH_FIRST

if TYPE_CHECKING:
    from trio_voice.speech_text.spoken_numbers import Numbers
    from trio_voice.speech_text.spoken_patterns import Rule, Said
    from trio_voice.speech_text.spoken_words import SpokenWords


class Dates:
    """Rules of one language.

    Args:
        language: a BCP 47 tag; which of two figures is the month depends on all of it.
        words: what the language says around figures.
        numbers: its numbers.
        telephone: what is said for a telephone number, whose pattern is tried after those of dates of figures and
            before those of times.
    """

    def __init__(self, language: str, words: SpokenWords, numbers: Numbers, telephone: Said) -> None:
        self._lang = numbers.lang
        self._words = words
        self._numbers = numbers
        self._telephone = telephone
        self._month_first = language.lower() in MONTH_FIRST

    def rules(self) -> list[Rule]:
        """In the order in which they are tried."""
        words = self._words
        short = (month[:3] for month in words.months if self._lang == "en")
        months = any_of({*words.months, *short})
        reverse: list[Rule] = []
        if self._lang == "en":
            reverse = [
                (
                    re.compile(
                        rf"{START}(?:the\s)?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?(?P<month>{months})\b"
                        rf"(?:,?\s(?P<y>\d{{4}}))?(?![\w:])"
                    ),
                    self._named_date,
                )
            ]
            named = rf"\b(?P<month>{months})\.?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?P<y>\d{{4}}))?(?![\w:])"
        else:
            shorter = "|".join({month[:size] for month in words.months for size in (3, 4)} | {"mrt"})
            named = (
                rf"{START}(?P<d>\d{{1,2}})(?:\.|er|º)?\s(?:de\s)?"
                rf"(?:(?P<month>{months})\b|(?P<short>{shorter})(?:\.|(?=\s(?:de\s)?\d{{4}}\b)))"
                rf"(?:\s(?:de\s)?(?P<y>\d{{4}})\b)?"
            )
            reverse = [
                (
                    re.compile(rf"{START}(?P<d>0[1-9]|1[3-9]|2\d|3[01])/(?P<m>0?[1-9]|1[0-2])(?![\w/])(?!\s?\")"),
                    self._day_and_month,
                )
            ]
            if self._lang == "nl":
                reverse.append(
                    (re.compile(rf"{START}(?P<d>1[3-9]|2\d|3[01])-(?P<m>0?[1-9]|1[0-2])(?![\w-])"), self._day_and_month)
                )
        return [
            (re.compile(rf"{START}(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})(?!\w)"), self._date),
            (
                re.compile(rf"{START}(?P<a>\d{{1,2}})(?P<sep>[/-])(?P<b>\d{{1,2}})(?P=sep)(?P<y>\d{{4}})(?![\w-])"),
                self._slashed,
            ),
            (
                re.compile(rf"{START}(?P<a>\d{{1,2}})/(?P<b>\d{{1,2}})/(?P<y>\d\d)(?![\w/-])"),
                self._slashed,
            ),
            (re.compile(rf"{START}(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}})?(?!\w)"), self._date),
            (TELEPHONE, self._telephone),  # behind dates of figures, and before times
            (
                re.compile(rf"{START}(?P<h>\d{{1,2}})(?::(?P<m>\d\d)(?::\d\d)?)?\s?(?P<half>[AaPp])\.?[Mm]\b\.?"),
                self._half_day,
            ),
            (
                re.compile(
                    rf"{START}(?P<h>\d{{1,2}})(?P<sep>[:.hH]|\sh\s?)(?P<m>\d\d)(?!\d|[.,:]\d)"
                    rf"(?:\s(?P<word>{any_of(words.hour_words)})\b)?"
                ),
                self._time,
            ),
            (re.compile(rf"{START}(?:(?P<from>\d{{1,2}})\s?[–-]\s?)?(?P<h>\d{{1,2}})\s?h(?!\w)"), self._hour),
            (re.compile(r"\b(?P<ft>\d)'(?P<in>\d{1,2})(?:\"|”|'')?(?!\w)"), self._feet),
            *reverse,
            (re.compile(named), self._named_date),
        ]

    def _half_day(self, found: re.Match[str]) -> str:
        half = f"{found['half'].lower()}.m."
        hour, minute = int(found["h"]), int(found["m"] or 0)
        if hour > 24 or minute > 59:
            return found[0]
        return f"{self._clock(hour, minute)} {half}"

    def _clock(self, hour: int, minute: int) -> str:
        said = self._numbers.said(hour)
        if not minute:
            return said
        small = f"oh {self._numbers.said(minute)}" if minute < 10 and self._lang == "en" else self._numbers.said(minute)
        return f"{said} {small}"

    def _time(self, found: re.Match[str]) -> str:
        hour, minute = int(found["h"]), int(found["m"])
        separator, word = found["sep"].strip(), found["word"]
        is_time = (
            separator == ":" or (separator == "." and word) or (separator in "hH" and self._lang in ("fr", "pt", "es"))
        )
        if hour > 24 or minute > 59 or not is_time:
            return found[0]
        if self._lang == "en":
            if hour > 12:
                return f"{self._clock(hour - 12, minute)} p.m."
            return self._clock(hour, minute) + ("" if minute else " o'clock")
        said, small = self._numbers.said(hour), self._numbers.said(minute)
        if self._lang == "de":
            said = self._numbers.counting(str(hour))
        elif self._lang in FEMININE:
            said = re.sub(*FEMININE[self._lang], said)
        form = (self._words.hour if minute else self._words.full_hour).format(h=said, m=small)
        return form.replace("une heures", "une heure").replace("zéro heures", "zéro heure") if hour < 2 else form

    def _hour(self, found: re.Match[str]) -> str:
        """An hour and the letter for it, where that is not a length of time."""
        hour = int(found["h"])
        if hour > 24 or self._lang not in HOUR_H:
            return found[0]
        said, word = self._numbers.said(hour), HOUR_H[self._lang]
        since = f"{found['from']} {self._words.to} " if found["from"] else ""
        return f"{since}{re.sub(*FEMININE[self._lang], said)} {word.removesuffix('s') if hour == 1 else word}"

    def _feet(self, found: re.Match[str]) -> str:
        """Somebody's height, as it is told where there are feet."""
        if self._lang != "en":
            return found[0]
        return f"{self._numbers.cardinal(found['ft'])} foot {self._numbers.cardinal(found['in'])}"

    def _day(self, day: int, before: str) -> str:
        if self._lang in ("en", "de"):
            said = self._numbers.said(day, "ordinal")
            if self._lang == "de":
                before = before[-20:].lower()
                return said + ("n" if AFTER_GERMAN.search(before) else "" if AFTER_DER.search(before) else "r")
            return said
        if day == 1 and self._lang in FIRST:
            return FIRST[self._lang]
        return self._numbers.said(day)

    def _said_date(self, found: re.Match[str], day: int, month: int, year: str | None) -> str:
        if not 1 <= day <= 31 or not 1 <= month <= 12:
            return found[0]
        form = self._words.date if year else self._words.date_without_year
        return form.format(
            day=self._day(day, found.string[max(found.start() - 24, 0) : found.start()]),
            month=self._words.months[month - 1],
            year=self._numbers.year(year if len(year) == 4 else f"20{year}") if year else "",
        )

    def _date(self, found: re.Match[str]) -> str:
        return self._said_date(found, int(found["d"]), int(found["m"]), found["y"])

    def _slashed(self, found: re.Match[str]) -> str:
        a, b = int(found["a"]), int(found["b"])
        day, month = (b, a) if (self._month_first and a <= 12) or b > 12 else (a, b)
        return self._said_date(found, day, month, found["y"])

    def _day_and_month(self, found: re.Match[str]) -> str:
        if found[0] in ("24/7", "16/9"):  # around the clock, and the shape of a screen
            return found[0]
        return self._said_date(found, int(found["d"]), int(found["m"]), None)

    def _named_date(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        short = groups.get("short")
        name = (short or found["month"]).replace("mrt", "maart")
        month = next((at for at, whole in enumerate(self._words.months, start=1) if whole.startswith(name)), 0)
        said = self._said_date(found, int(found["d"]), month, found["y"])
        return f"{said}." if found[0].endswith(".") and not found.string[found.end() :].strip() else said
