"""Figures in words, as people say them: times, prices, dates, telephone numbers, ordinals, units, abbreviations.

For voices that do not read them by themselves (``reads_figures`` of their protocol). Numbers are ``num2words``'; what
stands around them is ours. A language without an entry in ``WORDS`` is left as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from num2words import num2words

from trio_voice.speech_text.agreement import agreed
from trio_voice.speech_text.languages import primary
from trio_voice.speech_text.short_forms import applied, rules_of
from trio_voice.speech_text.spoken_patterns import (
    AFTER_DER,
    AFTER_GERMAN,
    DOTS,
    EMERGENCY,
    FEMININE,
    FIRST,
    FRACTIONS,
    HOUR_H,
    MEASURED,
    MINUS,
    MIXED,
    NO_CENTS,
    OF,
    OF_MONEY,
    ORDINAL,
    PER,
    PERIODS,
    SCALES,
    START,
    STREET,
    TELEPHONE,
    THOUSANDS,
    VULGAR,
)
from trio_voice.speech_text.spoken_words import DECIMAL_DOT, MONTH_FIRST, PESO, PESOS, WORDS, Currency, SpokenWords

MOST_DIGITS: Final = 12
"""A longer number, and one of five or more without separators, is said figure by figure."""


def spelled(text: str, language: str) -> str:
    """The text with its figures in words; unchanged in a language whose words are not known here."""
    forms = _forms_of(language)
    return text if forms is None else forms.spelled(text)


@lru_cache(maxsize=32)
def _forms_of(language: str) -> _Forms | None:
    words = WORDS.get(primary(language))
    return None if words is None else _Forms(language, words)


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


class _Forms:
    """The rules of one language, in the order in which they are tried: each leaves no figure behind where it fits."""

    def __init__(self, language: str, words: SpokenWords) -> None:
        self._lang = primary(language)
        self._numbers = "pt_BR" if language.lower() == "pt-br" else self._lang
        self._words = words
        self._month_first = language.lower() in MONTH_FIRST
        self._decimal = "." if language.lower() in DECIMAL_DOT else words.decimal
        self._group = "[,’']" if self._decimal == "." else r"[.\u00a0\u202f ]"
        self._short_forms = rules_of(self._lang, words, _words_of)
        self._currencies = {**words.currencies, **({"$": PESO} if language.lower() in PESOS else {})}
        self._wordy = len(self._of_words())
        self._rules = [*self._of_words(), *self._of_dates(), *self._of_amounts(), *self._of_numbers()]

    def _of_words(self) -> list[_Rule]:
        rules: list[_Rule] = [
            (re.compile(rf"(?<!\w)(?:{_any_of(self._words.abbreviations)})(?!\w)"), self._abbreviation)
        ]
        if self._lang == "de":  # Hauptstr. 5
            rules.append((re.compile(r"(?<=[a-zäöüß])str\.(?=\s\d)"), lambda _: "straße"))
        return rules

    def _of_dates(self) -> list[_Rule]:
        words = self._words
        short = (month[:3] for month in words.months if self._lang == "en")
        months = _any_of({*words.months, *short})
        reverse: list[_Rule] = []
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
            named = (
                rf"{START}(?P<d>\d{{1,2}})(?:\.|er|º)?\s(?:de\s)?(?P<month>{months})(?:\s(?:de\s)?(?P<y>\d{{4}}))?\b"
            )
        return [
            (re.compile(rf"{START}(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})(?!\w)"), self._date),
            (
                re.compile(rf"{START}(?P<a>\d{{1,2}})(?P<sep>[/-])(?P<b>\d{{1,2}})(?P=sep)(?P<y>\d{{4}})(?![\w-])"),
                self._slashed,
            ),
            (re.compile(rf"{START}(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}})?(?!\w)"), self._date),
            (TELEPHONE, self._telephone),
            (
                re.compile(rf"{START}(?P<h>\d{{1,2}})(?::(?P<m>\d\d)(?::\d\d)?)?\s?(?P<half>[AaPp])\.?[Mm]\b\.?"),
                self._half_day,
            ),
            (
                re.compile(
                    rf"{START}(?P<h>\d{{1,2}})(?P<sep>[:.hH]|\sh\s?)(?P<m>\d\d)(?!\d|[.,:]\d)"
                    rf"(?:\s(?P<word>{_any_of(words.hour_words)})\b)?"
                ),
                self._time,
            ),
            (re.compile(rf"{START}(?:(?P<from>\d{{1,2}})\s?[–-]\s?)?(?P<h>\d{{1,2}})\s?h(?!\w)"), self._hour),
            (re.compile(r"\b(?P<ft>\d)'(?P<in>\d{1,2})(?:\"|”|'')?(?!\w)"), self._feet),
            *reverse,
            (re.compile(named), self._named_date),
        ]

    def _of_amounts(self) -> list[_Rule]:
        n, signs = self._number_pattern, _any_of(self._words.currencies)
        short = "[KkMmB]|bn" if self._lang == "en" else "(?!)"
        return [
            (OF_MONEY, lambda found: found["of"] + self._currencies[found["sign"]].many),
            (
                re.compile(
                    rf"(?:(?P<sign>{signs})\s?(?P<n>{n})(?:\s(?P<scale>{SCALES})\b|(?P<short>{short})\b)?"
                    rf"|{START}(?P<n2>{n})(?:\s(?P<scale2>{SCALES}))?\s?(?P<sign2>{signs})(?!\w))"
                    r"(?:\s?/\s?(?P<per>[^\W\d_]{2,20}))?"
                ),
                self._price,
            ),
            (re.compile(rf"{START}(?P<a>{n})\s?[–—-]\s?(?P<b>{n})(?=\s?(?:%|[^\W\d]|[\s.,;!?]|$))"), self._range),
            (
                re.compile(rf"{MINUS}(?<![\w.,])(?P<n>{n})\s?(?P<unit>%|{_any_of(self._words.units)})(?![\w/])"),
                self._measure,
            ),
        ]

    def _of_numbers(self) -> list[_Rule]:
        behind = r"(?P<between>[\s:]{1,3}(?:(?:is|ist|est|es|è|é)\s)?)(?P<n>\d{3,})\b"
        code = rf"\b(?P<word>{_any_of(self._words.codes)}){behind}"
        return [
            (re.compile(rf"(?<![\w.,])(?P<n>\d{{1,4}}){ORDINAL[self._lang]}(?!\w)"), self._ordinal),
            (re.compile(code, re.IGNORECASE), self._code),
            (EMERGENCY, lambda found: found["before"] + self._one_by_one(found["n"])),
            (re.compile(rf"{START}(?:(?P<whole>\d{{1,3}})\s)?(?P<n>\d{{1,3}}/\d{{1,3}})(?![\w/])"), self._fraction),
            (re.compile(r"\b(?P<letters>[A-Z]{1,3})-?(?P<n>\d{1,4})\b"), self._lettered),
            (re.compile(rf"{MINUS}(?<![\w.,])(?P<n>{self._number_pattern})(?!\w)"), self._number),
            (re.compile(r"\d{1,64}"), self._digits),
        ]

    @property
    def _number_pattern(self) -> str:
        part = rf"(?:{re.escape(self._decimal)}\d{{1,6}})?(?!\d)"
        return rf"(?:\d{{1,3}}(?:{self._group}\d{{3}}){{1,4}}{part}|\d{{1,15}}{part})"

    def spelled(self, text: str) -> str:
        text = applied(self._short_forms, text)
        if any(letter.isdigit() or letter in "½⅓⅔¼¾" for letter in text):
            text = re.sub("(?<=\\d)(?=[½⅓⅔¼¾])", " ", text)
            text = re.sub("[½⅓⅔¼¾]", lambda sign: VULGAR[sign[0]], text)
            text = NO_CENTS.sub("", text)
            rules = self._rules
        else:
            rules = self._rules[: self._wordy]
        for rule, said in rules:
            text = rule.sub(said, text)
        return DOTS.sub(".", re.sub(r"\s?×\s?", f" {self._words.times} ", text))

    # Numbers

    def _cardinal(self, figures: str) -> str:
        """A number as it is written, in words."""
        whole, _, part = re.sub(self._group, "", figures).partition(self._decimal)
        if len(whole) > MOST_DIGITS or (len(whole) > 1 and whole.startswith("0")):
            said = self._one_by_one(whole)
        else:
            said = _words_of(int(whole), self._numbers)
        if not part:
            return said
        small = (
            self._one_by_one(part)
            if len(part) > 2 or part.startswith("0") or self._lang == "en"
            else _words_of(int(part), self._numbers)
        )
        return f"{said} {self._words.point} {small}"

    def _one_by_one(self, figures: str) -> str:
        return " ".join(_words_of(int(figure), self._numbers) for figure in figures if figure.isdigit())

    def _counting(self, figures: str) -> str:
        """Before something that is counted: German "ein Euro", Spanish "veintiún euros"."""
        said = self._cardinal(figures)
        if self._lang == "de":
            return re.sub("eins$", "ein", said)
        if self._lang == "es":
            return re.sub("uno$", "un", re.sub("iuno$", "iún", said))
        return re.sub("^uno$", "un", said) if self._lang == "it" else said

    def _is_one(self, figures: str) -> bool:
        return figures.lstrip("0") == "1"

    def _year(self, figures: str) -> str:
        return (
            _words_of(int(figures), self._numbers, "year")
            if self._lang in ("en", "de")
            else _words_of(int(figures), self._numbers)
        )

    def _number(self, found: re.Match[str]) -> str:
        figures = found["n"]
        before = f"{self._words.minus} " if found["minus"] else ""
        if figures.isdigit() and len(figures) >= 5 and not 0 < len(figures.rstrip("0")) <= len(figures) - 3:
            return before + self._one_by_one(figures)
        if figures.isdigit() and len(figures) == 4 and 1100 <= int(figures) <= 2099 and int(figures) % 1000:
            return before + self._year(figures)
        return before + agreed(self._cardinal(figures), found.string[found.end() : found.end() + 50], self._lang)

    def _digits(self, found: re.Match[str]) -> str:
        """The words for figures that no other rule took: those inside of words."""
        return f" {self._one_by_one(found[0])} "

    def _code(self, found: re.Match[str]) -> str:
        return found["word"] + found["between"] + self._one_by_one(found["n"])

    def _lettered(self, found: re.Match[str]) -> str:
        figures = found["n"]
        said = self._one_by_one(figures) if len(figures) > 2 or figures.startswith("0") else self._cardinal(figures)
        return f"{found['letters']} {said}"

    def _fraction(self, found: re.Match[str]) -> str:
        named, whole = FRACTIONS[self._lang].get(found["n"]), found["whole"]
        if named is None:
            return self._parts(found) or " ".join(
                self._cardinal(figures) for figures in filter(None, (whole, *found["n"].split("/")))
            )
        half, other = MIXED[self._lang]
        return (half if found["n"] == "1/2" else other).format(n=self._counting(whole), f=named) if whole else named

    def _parts(self, found: re.Match[str]) -> str:
        """Eighths and the like, where they cannot be a day's: behind a whole number, or before what is measured."""
        above, below = map(int, found["n"].split("/"))
        after = found.string[found.end() : found.end() + 12]
        if self._lang != "en" or not 0 < above < below <= 100 or not (found["whole"] or MEASURED.match(after)):
            return ""
        said = f"{_words_of(above, 'en')} {_words_of(below, 'en', 'ordinal')}{'s' if above > 1 else ''}"
        return f"{self._cardinal(found['whole'])} and {said}" if found["whole"] else said

    def _range(self, found: re.Match[str]) -> str:
        if len(found["a"]) > 1 and found["a"].startswith("0"):
            return f"{self._one_by_one(found['a'])}, {self._one_by_one(found['b'])}"  # parts of a code
        return f"{found['a']} {self._words.to} {found['b']}"

    def _ordinal(self, found: re.Match[str]) -> str:
        said = _words_of(int(found["n"]), self._numbers, "ordinal")
        if self._lang == "de" and AFTER_GERMAN.search(found.string[max(found.start() - 12, 0) : found.start()]):
            return f"{said}n"
        if found[0].endswith("ª") and said.endswith("o"):
            return said[:-1] + "a"
        if found[0].endswith("er") and self._lang == "es":
            return said.removesuffix("o")  # before a noun
        return said

    # Times and dates

    def _half_day(self, found: re.Match[str]) -> str:
        half = f"{found['half'].lower()}.m."
        hour, minute = int(found["h"]), int(found["m"] or 0)
        if hour > 24 or minute > 59:
            return found[0]
        return f"{self._clock(hour, minute)} {half}"

    def _clock(self, hour: int, minute: int) -> str:
        said = _words_of(hour, self._numbers)
        if not minute:
            return said
        small = (
            f"oh {_words_of(minute, self._numbers)}"
            if minute < 10 and self._lang == "en"
            else _words_of(minute, self._numbers)
        )
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
        said, small = _words_of(hour, self._numbers), _words_of(minute, self._numbers)
        if self._lang == "de":
            said = re.sub("eins$", "ein", said)
        elif self._lang in FEMININE:
            said = re.sub(*FEMININE[self._lang], said)
        form = (self._words.hour if minute else self._words.full_hour).format(h=said, m=small)
        return form.replace("une heures", "une heure").replace("zéro heures", "zéro heure") if hour < 2 else form

    def _hour(self, found: re.Match[str]) -> str:
        """An hour and the letter for it, where that is not a length of time."""
        hour = int(found["h"])
        if hour > 24 or self._lang not in HOUR_H:
            return found[0]
        said, word = _words_of(hour, self._numbers), HOUR_H[self._lang]
        since = f"{found['from']} {self._words.to} " if found["from"] else ""
        return f"{since}{re.sub(*FEMININE[self._lang], said)} {word.removesuffix('s') if hour == 1 else word}"

    def _feet(self, found: re.Match[str]) -> str:
        """Somebody's height, as it is told where there are feet."""
        if self._lang != "en":
            return found[0]
        return f"{self._cardinal(found['ft'])} foot {self._cardinal(found['in'])}"

    def _day(self, day: int, before: str) -> str:
        if self._lang in ("en", "de"):
            said = _words_of(day, self._numbers, "ordinal")
            if self._lang == "de":
                before = before[-20:].lower()
                return said + ("n" if AFTER_GERMAN.search(before) else "" if AFTER_DER.search(before) else "r")
            return said
        if day == 1 and self._lang in FIRST:
            return FIRST[self._lang]
        return _words_of(day, self._numbers)

    def _said_date(self, found: re.Match[str], day: int, month: int, year: str | None) -> str:
        if not 1 <= day <= 31 or not 1 <= month <= 12:
            return found[0]
        form = self._words.date if year else self._words.date_without_year
        return form.format(
            day=self._day(day, found.string[max(found.start() - 24, 0) : found.start()]),
            month=self._words.months[month - 1],
            year=self._year(year) if year else "",
        )

    def _date(self, found: re.Match[str]) -> str:
        return self._said_date(found, int(found["d"]), int(found["m"]), found["y"])

    def _slashed(self, found: re.Match[str]) -> str:
        a, b = int(found["a"]), int(found["b"])
        day, month = (b, a) if (self._month_first and a <= 12) or b > 12 else (a, b)
        return self._said_date(found, day, month, found["y"])

    def _named_date(self, found: re.Match[str]) -> str:
        name = found["month"]
        month = next(at for at, whole in enumerate(self._words.months, start=1) if whole.startswith(name))
        return self._said_date(found, int(found["d"]), month, found["y"])

    # Amounts

    def _price(self, found: re.Match[str]) -> str:
        figures, scale = found["n"] or found["n2"], found["scale"] or found["scale2"]
        currency = self._currencies[found["sign"] or found["sign2"]]
        scale = scale or THOUSANDS.get(found["short"] or "")
        per = found["per"] and f" {PER[self._lang]} {PERIODS.get(found['per'], found['per'])}"
        whole, _, part = re.sub(self._group, "", figures).partition(self._decimal)
        if scale or (part and len(part) != 2):
            amount = f"{self._cardinal(figures)} {scale} {self._of(scale, currency)}" if scale else ""
            amount = amount or f"{self._cardinal(figures)} {currency.many}"
        else:
            amount = self._amount(whole, part.lstrip("0"), currency)
        return amount + (per or "")

    def _amount(self, whole: str, cents: str, currency: Currency) -> str:
        coins = currency.cent if self._is_one(cents) else currency.cents
        if not whole.strip("0") and cents:
            return f"{self._counting(cents)} {coins}"
        many = self._of("million" if whole.endswith("000000") else "", currency)
        money = f"{self._counting(whole)} {currency.one if self._is_one(whole) else many}"
        if not cents:
            return money
        small = f"{self._counting(cents)} {coins}" if self._words.names_cents else self._cardinal(cents)
        return money + self._words.between_coins + small

    def _of(self, scale: str, currency: Currency) -> str:
        """A currency behind millions: "de euros" where they are a noun."""
        of = OF.get(self._lang, "") if scale[:3].lower() == "mil" and len(scale) > 5 else ""
        if of == "d'" and currency.many[0] not in "aeiouéy":
            of = "de "
        return of + currency.many

    def _measure(self, found: re.Match[str]) -> str:
        before = f"{self._words.minus} " if found["minus"] else ""
        if found["unit"] == "%":
            return f"{before}{self._cardinal(found['n'])} {self._words.percent}"
        one, many = self._words.units[found["unit"]]
        name = one if self._is_one(found["n"]) else many
        whole = found["n"].isdigit() and agreed(self._cardinal(found["n"]), f" {name}", self._lang)
        return f"{before}{whole or self._counting(found['n'])} {name}"

    def _telephone(self, found: re.Match[str]) -> str:
        text, after = found[0], found.string[found.end() : found.end() + 12]
        if sum(letter.isdigit() for letter in text) < 7:
            return text
        if re.fullmatch(rf"[1-9]\d{{0,2}}(?:{self._group}\d{{3}})+", text) and (
            " " not in text
            or " 000" in text
            or self._lang == "fr"
            or text[1:3].find(" ") >= 0
            or re.match(rf"\s?(?:{_any_of(self._currencies)})", after)
        ):
            return text  # a large number
        if text.startswith("+"):
            text = re.sub(r"\(0\)", " ", text)  # what is not dialled from abroad
        groups = re.findall(r"\d+", text)
        if self._lang == "fr" and all(len(group) == 2 for group in groups):
            said = [self._one_by_one(group) if group[0] == "0" else _words_of(int(group), "fr") for group in groups]
        else:
            said = [self._one_by_one(group) for group in groups]
        return (f"{self._words.plus} " if found[0].startswith("+") else "") + ", ".join(said)

    # Words

    def _abbreviation(self, found: re.Match[str]) -> str:
        short, said = found[0], self._words.abbreviations[found[0]]
        if (
            short == "Dr."
            and self._lang == "en"
            and STREET.search(found.string[max(found.start() - 24, 0) : found.start()])
        ):
            return "Drive." if re.match(r"\s[A-Z]", found.string[found.end() :]) else "Drive"
        after = found.string[found.end() : found.end() + 2]
        if said in ("number", "Nummer", "numéro", "número", "numero", "nummer") and not after.strip()[:1].isdigit():
            return short
        ends = short.endswith(".") and (not after or after[0] == "\n")
        return f"{said}." if ends else said


def _any_of(texts: Iterable[str]) -> str:
    """A pattern of any of these, the longest first."""
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


@lru_cache(maxsize=4_096)
def _words_of(number: int, language: str, to: str = "cardinal") -> str:
    said = str(num2words(number, lang=language, to=to))
    return said.replace(",", "").replace(" and ", " ") if language == "en" else said
