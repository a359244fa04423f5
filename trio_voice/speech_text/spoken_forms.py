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

from trio_voice.speech_text.languages import primary
from trio_voice.speech_text.short_forms import applied, rules_of
from trio_voice.speech_text.spoken_words import DECIMAL_DOT, MONTH_FIRST, PESO, PESOS, WORDS, Currency, SpokenWords

MOST_DIGITS: Final = 12
"""A longer number, and one of five or more without separators, is said figure by figure."""

_FRACTIONS: Final = {
    "en": {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters"},
    "de": {"1/2": "ein halb", "1/3": "ein Drittel", "2/3": "zwei Drittel", "1/4": "ein Viertel", "3/4": "drei Viertel"},
    "fr": {"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart", "3/4": "trois quarts"},
    "es": {"1/2": "medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto", "3/4": "tres cuartos"},
    "it": {"1/2": "mezzo", "1/3": "un terzo", "2/3": "due terzi", "1/4": "un quarto", "3/4": "tre quarti"},
    "pt": {"1/2": "meio", "1/3": "um terço", "2/3": "dois terços", "1/4": "um quarto", "3/4": "três quartos"},
    "nl": {"1/2": "een half", "1/3": "een derde", "2/3": "twee derde", "1/4": "een kwart", "3/4": "drie kwart"},
}
_MIXED: Final = {
    "en": ("{n} and a half", "{n} and {f}"),
    "de": ("{n}einhalb", "{n} {f}"),
    "fr": ("{n} et demi", "{n} {f}"),
    "es": ("{n} y medio", "{n} y {f}"),
    "it": ("{n} e mezzo", "{n} e {f}"),
    "pt": ("{n} e meio", "{n} e {f}"),
    "nl": ("{n} en een half", "{n} {f}"),
}
"""A number with a half, and with another fraction, behind it."""
_PER: Final = {"en": "per", "de": "pro", "fr": "par", "es": "por", "it": "al", "pt": "por", "nl": "per"}
_PERIODS: Final = {
    "mo": "month",
    "yr": "year",
    "hr": "hour",
    "wk": "week",
    "pp": "person",
    "min": "minute",
    "sec": "second",
}
"""English, behind a price and a slash."""
_THOUSANDS: Final = {
    "K": "thousand", "k": "thousand", "M": "million", "m": "million", "B": "billion", "bn": "billion",
}  # fmt: skip
"""English, right behind a price."""
_VULGAR: Final = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4"}
_SCALES: Final = (
    "thousand|million|billion|Tausend|Millionen|Million|Milliarden|Milliarde|millions|milliards|milliard|millones|millón"
    "|mil|milioni|milione|miliardi|milhões|milhão|miljoen|miljard"
)
_FEMININE: Final = {"fr": ("un$", "une"), "es": ("uno$", "una"), "it": ("uno$", "una"), "pt": ("um$", "uma")}
"""Hours are feminine there."""
_FIRST: Final = {"fr": "premier", "it": "primo", "pt": "primeiro"}
"""Of a month."""
_HOUR_H: Final = {"fr": "heures", "es": "horas", "pt": "horas"}
"""Languages in which 13h is a time of day."""
_START: Final = r"(?<![\w.,])"
_MINUS: Final = r"(?P<minus>(?<!\S)[-\u2212])?"
_ORDINAL: Final = {
    "en": "(?:st|nd|rd|th)",
    "de": r"\.(?=\s[A-ZÄÖÜ])",
    "fr": "(?:er|ère|re|e|ème)",
    "es": "(?:[ºª]|er|do|ro|to|vo)",
    "it": "[ºª°]",
    "pt": "[ºª]",
    "nl": "(?:ste|de|e)",
}
"""Endings that make a number the third, by language."""
_TELEPHONE: Final = re.compile(
    r"(?<![\w.,])\+?(?:\(\d{2,5}\)|\d{1,4})(?:[ .-]?\(\d{1,5}\))?(?:[ .-]\d{2,8}){2,6}(?!\w)"
    r"|(?<![\w.,-])0\d{1,4}[-/]\d{5,9}(?![\w-])"
    r"|(?<![\w.,-])\d{3}-\d{4}(?![\w-])|\(\d{3}\) ?\d{3}-\d{4}|\+\d{7,15}"
)
_NO_CENTS: Final = re.compile(r"(?<=\d),[-–—]+(?!\w)")
"""Whole amounts, as they are written in the Netherlands and in Germany."""
_DOTS: Final = re.compile(r"(?<!\.)\.\.(?!\.)")
_AFTER_GERMAN: Final = re.compile(r"\b(?:am|vom|zum|dem|den|bis|ab|seit|im|beim)\s+$", re.IGNORECASE)


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
        if self._lang == "en":
            named = rf"\b(?P<month>{months})\.?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?P<y>\d{{4}}))?(?![\w:])"
        else:
            named = (
                rf"{_START}(?P<d>\d{{1,2}})(?:\.|er|º)?\s(?:de\s)?(?P<month>{months})(?:\s(?:de\s)?(?P<y>\d{{4}}))?\b"
            )
        return [
            (re.compile(rf"{_START}(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})(?!\w)"), self._date),
            (
                re.compile(rf"{_START}(?P<a>\d{{1,2}})(?P<sep>[/-])(?P<b>\d{{1,2}})(?P=sep)(?P<y>\d{{4}})(?![\w-])"),
                self._slashed,
            ),
            (re.compile(rf"{_START}(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}})?(?!\w)"), self._date),
            (_TELEPHONE, self._telephone),
            (
                re.compile(rf"{_START}(?P<h>\d{{1,2}})(?::(?P<m>\d\d)(?::\d\d)?)?\s?(?P<half>[AaPp])\.?[Mm]\b\.?"),
                self._half_day,
            ),
            (
                re.compile(
                    rf"{_START}(?P<h>\d{{1,2}})(?P<sep>[:.hH]|\sh\s?)(?P<m>\d\d)(?!\d|[.,:]\d)"
                    rf"(?:\s(?P<word>{_any_of(words.hour_words)})\b)?"
                ),
                self._time,
            ),
            (re.compile(rf"{_START}(?P<h>\d{{1,2}})\s?h(?!\w)"), self._hour),
            (re.compile(r"\b(?P<ft>\d)'(?P<in>\d{1,2})(?:\"|”|'')?(?!\w)"), self._feet),
            (re.compile(named), self._named_date),
        ]

    def _of_amounts(self) -> list[_Rule]:
        n, signs = self._number_pattern, _any_of(self._words.currencies)
        short = "[KkMmB]|bn" if self._lang == "en" else "(?!)"
        return [
            (
                re.compile(
                    rf"(?:(?P<sign>{signs})\s?(?P<n>{n})(?:\s(?P<scale>{_SCALES})\b|(?P<short>{short})\b)?"
                    rf"|{_START}(?P<n2>{n})(?:\s(?P<scale2>{_SCALES}))?\s?(?P<sign2>{signs})(?!\w))"
                    r"(?:\s?/\s?(?P<per>[^\W\d_]{2,20}))?"
                ),
                self._price,
            ),
            (re.compile(rf"{_START}(?P<a>{n})\s?[–—-]\s?(?P<b>{n})(?=\s?(?:%|[^\W\d]|[\s.,;!?]|$))"), self._range),
            (
                re.compile(rf"{_MINUS}(?<![\w.,])(?P<n>{n})\s?(?P<unit>%|{_any_of(self._words.units)})(?![\w/])"),
                self._measure,
            ),
        ]

    def _of_numbers(self) -> list[_Rule]:
        behind = r"(?P<between>[\s:]{1,3}(?:(?:is|ist|est|es|è|é)\s)?)(?P<n>\d{3,})\b"
        code = rf"\b(?P<word>{_any_of(self._words.codes)}){behind}"
        return [
            (re.compile(rf"(?<![\w.,])(?P<n>\d{{1,4}}){_ORDINAL[self._lang]}(?!\w)"), self._ordinal),
            (re.compile(code, re.IGNORECASE), self._code),
            (re.compile(rf"{_START}(?:(?P<whole>\d{{1,3}})\s)?(?P<n>\d{{1,3}}/\d{{1,3}})(?![\w/])"), self._fraction),
            (re.compile(r"\b(?P<letters>[A-Z]{1,3})-?(?P<n>\d{1,4})\b"), self._lettered),
            (re.compile(rf"{_MINUS}(?<![\w.,])(?P<n>{self._number_pattern})(?!\w)"), self._number),
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
            text = re.sub("[½⅓⅔¼¾]", lambda sign: _VULGAR[sign[0]], text)
            text = _NO_CENTS.sub("", text)
            rules = self._rules
        else:
            rules = self._rules[: self._wordy]
        for rule, said in rules:
            text = rule.sub(said, text)
        return _DOTS.sub(".", text.replace("×", self._words.times))

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
        if figures.isdigit() and len(figures) >= 5:
            return before + self._one_by_one(figures)
        if figures.isdigit() and len(figures) == 4 and 1100 <= int(figures) <= 2099 and int(figures) % 1000:
            return before + self._year(figures)
        return before + self._cardinal(figures)

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
        named, whole = _FRACTIONS[self._lang].get(found["n"]), found["whole"]
        if named is None:
            return " ".join(self._cardinal(figures) for figures in filter(None, (whole, *found["n"].split("/"))))
        half, other = _MIXED[self._lang]
        return (half if found["n"] == "1/2" else other).format(n=self._cardinal(whole), f=named) if whole else named

    def _range(self, found: re.Match[str]) -> str:
        if len(found["a"]) > 1 and found["a"].startswith("0"):
            return f"{self._one_by_one(found['a'])}, {self._one_by_one(found['b'])}"  # parts of a code
        return f"{found['a']} {self._words.to} {found['b']}"

    def _ordinal(self, found: re.Match[str]) -> str:
        said = _words_of(int(found["n"]), self._numbers, "ordinal")
        if self._lang == "de" and _AFTER_GERMAN.search(found.string[max(found.start() - 12, 0) : found.start()]):
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
        elif self._lang in _FEMININE:
            said = re.sub(*_FEMININE[self._lang], said)
        form = (self._words.hour if minute else self._words.full_hour).format(h=said, m=small)
        return form.replace("une heures", "une heure") if hour == 1 else form

    def _hour(self, found: re.Match[str]) -> str:
        """An hour and the letter for it, where that is not a length of time."""
        hour = int(found["h"])
        if hour > 24 or self._lang not in _HOUR_H:
            return found[0]
        said, word = _words_of(hour, self._numbers), _HOUR_H[self._lang]
        return f"{re.sub(*_FEMININE[self._lang], said)} {word.removesuffix('s') if hour == 1 else word}"

    def _feet(self, found: re.Match[str]) -> str:
        """Somebody's height, as it is told where there are feet."""
        if self._lang != "en":
            return found[0]
        return f"{self._cardinal(found['ft'])} foot {self._cardinal(found['in'])}"

    def _day(self, day: int, before: str) -> str:
        if self._lang in ("en", "de"):
            said = _words_of(day, self._numbers, "ordinal")
            if self._lang == "de":
                before = before[-12:].lower()
                return said + ("n" if _AFTER_GERMAN.search(before) else "" if before.endswith("der ") else "r")
            return said
        if day == 1 and self._lang in _FIRST:
            return _FIRST[self._lang]
        return _words_of(day, self._numbers)

    def _said_date(self, found: re.Match[str], day: int, month: int, year: str | None) -> str:
        if not 1 <= day <= 31 or not 1 <= month <= 12:
            return found[0]
        form = self._words.date if year else self._words.date_without_year
        return form.format(
            day=self._day(day, found.string[: found.start()]),
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
        scale = scale or _THOUSANDS.get(found["short"] or "")
        per = found["per"] and f" {_PER[self._lang]} {_PERIODS.get(found['per'], found['per'])}"
        whole, _, part = re.sub(self._group, "", figures).partition(self._decimal)
        if scale or (part and len(part) != 2):
            amount = " ".join(filter(None, (self._cardinal(figures), scale, currency.many)))
        else:
            amount = self._amount(whole, part.lstrip("0"), currency)
        return amount + (per or "")

    def _amount(self, whole: str, cents: str, currency: Currency) -> str:
        coins = currency.cent if self._is_one(cents) else currency.cents
        if not whole.strip("0") and cents:
            return f"{self._counting(cents)} {coins}"
        money = f"{self._counting(whole)} {currency.one if self._is_one(whole) else currency.many}"
        if not cents:
            return money
        small = f"{self._counting(cents)} {coins}" if self._words.names_cents else self._cardinal(cents)
        return money + self._words.between_coins + small

    def _measure(self, found: re.Match[str]) -> str:
        before = f"{self._words.minus} " if found["minus"] else ""
        if found["unit"] == "%":
            return f"{before}{self._cardinal(found['n'])} {self._words.percent}"
        one, many = self._words.units[found["unit"]]
        return f"{before}{self._counting(found['n'])} {one if self._is_one(found['n']) else many}"

    def _telephone(self, found: re.Match[str]) -> str:
        if sum(letter.isdigit() for letter in found[0]) < 7:
            return found[0]
        groups = re.findall(r"\d+", found[0])
        if self._lang == "fr" and all(len(group) == 2 for group in groups):
            said = [self._one_by_one(group) if group[0] == "0" else _words_of(int(group), "fr") for group in groups]
        else:
            said = [self._one_by_one(group) for group in groups]
        return (f"{self._words.plus} " if found[0].startswith("+") else "") + ", ".join(said)

    # Words

    def _abbreviation(self, found: re.Match[str]) -> str:
        short, said = found[0], self._words.abbreviations[found[0]]
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
