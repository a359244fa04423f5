"""Figures in words, as people say them: times, prices, dates, telephone numbers, ordinals, units, abbreviations.

For voices that do not read them by themselves (``reads_figures`` of their protocol). Dates and hours have their rules
in ``spoken_dates.py``, numbers their words in ``spoken_numbers.py``; what stands around them is here. A language
without an entry in ``WORDS`` is left as it is written.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from trio_voice.speech_text.agreement import agreed
from trio_voice.speech_text.languages import primary
from trio_voice.speech_text.short_forms import applied, rules_of
from trio_voice.speech_text.spoken_dates import Dates
from trio_voice.speech_text.spoken_numbers import Numbers, words_of
from trio_voice.speech_text.spoken_patterns import (
    AFTER_GERMAN,
    CODE_OF_GROUPS,
    DATIVE_DER,
    DOTS,
    ELIDED,
    EMERGENCY,
    FRACTIONS,
    GERMAN_NOUNS,
    GERMAN_NUMBERED,
    IBAN,
    MEASURED,
    MINUS,
    MIXED,
    NO_ARTICLE,
    NO_CENTS,
    NUMBERED,
    OF,
    OF_MONEY,
    ORDINAL,
    PER,
    PERIODS,
    SCALES,
    START,
    STREET,
    THOUSANDS,
    VULGAR,
    any_of,
)
from trio_voice.speech_text.spoken_words import PESO, PESOS, Currency, SpokenWords
from trio_voice.speech_text.word_tables import WORDS

if TYPE_CHECKING:
    from trio_voice.speech_text.spoken_patterns import Rule


def spelled(text: str, language: str) -> str:
    """The text with its figures in words; unchanged in a language whose words are not known here."""
    forms = _forms_of(language)
    return text if forms is None else forms.spelled(text)


@lru_cache(maxsize=32)
def _forms_of(language: str) -> _Forms | None:
    words = WORDS.get(primary(language))
    return None if words is None else _Forms(language, words)


class _Forms:
    """The rules of one language, in the order in which they are tried: each leaves no figure behind where it fits."""

    def __init__(self, language: str, words: SpokenWords) -> None:
        self._numbers = Numbers(language, words)
        self._lang = self._numbers.lang
        self._words = words
        self._short_forms = rules_of(self._lang, words, words_of, self._numbers.decimal)
        self._currencies = {**words.currencies, **({"$": PESO} if language.lower() in PESOS else {})}
        self._wordy = len(self._of_words())
        self._rules = [
            *self._of_words(),
            (IBAN, self._iban),
            *Dates(language, words, self._numbers, self._telephone).rules(),
            *self._of_amounts(),
            *self._of_numbers(),
        ]

    def _of_words(self) -> list[Rule]:
        rules: list[Rule] = [(re.compile(rf"(?<!\w)(?:{any_of(self._words.abbreviations)})(?!\w)"), self._abbreviation)]
        if self._lang == "de":  # Hauptstr. 5
            rules.append((re.compile(r"(?<=[a-zäöüß])str\.(?=\s\d)"), lambda _: "straße"))
        return rules

    def _of_amounts(self) -> list[Rule]:
        n, signs = self._numbers.pattern, any_of(self._words.currencies)
        short = "[KkMmB]|bn" if self._lang == "en" else "(?!)"
        return [
            (CODE_OF_GROUPS, lambda found: ", ".join(map(self._numbers.one_by_one, re.split(r"\D", found[0])))),
            (OF_MONEY, lambda found: found["of"] + self._currencies[found["sign"]].many),
            (
                re.compile(
                    rf"(?:(?P<sign>{signs})\s?(?P<n>{n})(?:\s(?P<scale>{SCALES})\b|(?P<short>{short})\b)?"
                    rf"|{START}(?P<n2>{n})(?:\s(?P<scale2>{SCALES}))?\s?(?P<sign2>{signs})(?!\w))"
                    r"(?:\s?/\s?(?P<per>[^\W\d_]{2,20}))?"
                ),
                self._price,
            ),
            (re.compile(rf"{START}(?P<a>{n})\s?[–—-]\s?(?P<b>{n})(?=\s?(?:%|°|[^\W\d]|[\s.,;!?]|$))"), self._range),
            (
                re.compile(rf"{MINUS}(?<![\w.,/])(?P<n>{n})\s?(?P<unit>%|{any_of(self._words.units)})(?![\w/])"),
                self._measure,
            ),
        ]

    def _of_numbers(self) -> list[Rule]:
        behind = r"(?P<between>[\s:]{1,3}(?:(?:is|ist|est|es|è|é)\s)?)(?P<n>\d{3,})\b"
        code = rf"\b(?P<word>{any_of(self._words.codes)}){behind}"
        return [
            (
                re.compile(
                    rf"(?<![\w.,/])(?P<n>\d{{1,3}}(?:{self._numbers.group}\d{{3}})+|\d{{1,4}}){ORDINAL[self._lang]}(?!\w)"
                ),
                self._ordinal,
            ),
            (re.compile(code, re.IGNORECASE), self._code),
            (EMERGENCY, lambda found: found["before"] + self._numbers.one_by_one(found["n"])),
            (
                re.compile(
                    rf"{START}(?:(?P<whole>\d{{1,3}})\s)?(?P<n>\d{{1,3}}/\d{{1,3}})(?![\d/])"
                    rf"(?:\s?(?P<unit>{any_of(self._words.units)})(?![\w/])|(?!\w))"
                ),
                self._fraction,
            ),
            (re.compile(r"\b(?P<letters>[A-Z]{1,3})-?(?P<n>\d{1,4})\b"), self._lettered),
            (re.compile(rf"{MINUS}(?<![\w.,])(?P<n>{self._numbers.pattern})(?!\w)"), self._number),
            (re.compile(r"\d{1,64}"), self._digits),
        ]

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
        if self._lang == "it":
            text = ELIDED.sub("un'", text)
        return DOTS.sub(".", re.sub(r"\s?×\s?", f" {self._words.times} ", text))

    # Numbers

    def _number(self, found: re.Match[str]) -> str:
        figures = found["n"]
        before = f"{self._words.minus} " if found["minus"] else ""
        if figures.isdigit() and len(figures) >= 5 and not 0 < len(figures.rstrip("0")) <= len(figures) - 3:
            return before + self._numbers.one_by_one(figures)
        if figures.isdigit() and len(figures) == 4 and 1100 <= int(figures) <= 2099 and int(figures) % 1000:
            return before + self._numbers.year(figures)
        return before + agreed(
            self._numbers.cardinal(figures), found.string[found.end() : found.end() + 50], self._lang
        )

    def _iban(self, found: re.Match[str]) -> str:
        """An account's number: letters and figures one by one, in groups of four."""
        bare = found[0].replace(" ", "")
        groups = [bare[at : at + 4] for at in range(0, len(bare), 4)]
        return ", ".join(
            " ".join(self._numbers.one_by_one(sign) if sign.isdigit() else sign for sign in group) for group in groups
        )

    def _digits(self, found: re.Match[str]) -> str:
        """The words for figures that no other rule took: those inside of words."""
        before = found.string[max(found.start() - 1, 0) : found.start()]
        if len(found[0]) < 4 and found[0][0] != "0" and not before.isalnum():
            return f" {self._numbers.cardinal(found[0])} "
        return f" {self._numbers.one_by_one(found[0])} "

    def _code(self, found: re.Match[str]) -> str:
        return found["word"] + found["between"] + self._numbers.one_by_one(found["n"])

    def _lettered(self, found: re.Match[str]) -> str:
        figures = found["n"]
        said = (
            self._numbers.one_by_one(figures)
            if len(figures) > 2 or figures.startswith("0")
            else self._numbers.cardinal(figures)
        )
        return f"{found['letters']} {said}"

    def _fraction(self, found: re.Match[str]) -> str:
        whole, unit = found["whole"], self._words.units.get(found["unit"] or "")
        said = self._part(found, whole)
        return f"{said} {unit[1 if whole else 0]}" if unit else said

    def _part(self, found: re.Match[str], whole: str | None) -> str:
        named = FRACTIONS[self._lang].get(found["n"])
        if named is None:
            return self._parts(found) or " ".join(
                self._numbers.cardinal(figures) for figures in filter(None, (whole, *found["n"].split("/")))
            )
        half, other = MIXED[self._lang]
        return (
            (half if found["n"] == "1/2" else other).format(n=self._numbers.counting(whole), f=named)
            if whole
            else named
        )

    def _parts(self, found: re.Match[str]) -> str:
        """Eighths and the like, where they cannot be a day's: behind a whole number, or before what is measured."""
        above, below = map(int, found["n"].split("/"))
        after = found.string[found.end() : found.end() + 12]
        measured = found["whole"] or found["unit"] or MEASURED.match(after)
        if self._lang != "en" or not 0 < above < below <= 100 or not measured:
            return ""
        said = f"{words_of(above, 'en')} {words_of(below, 'en', 'ordinal')}{'s' if above > 1 else ''}"
        return f"{self._numbers.cardinal(found['whole'])} and {said}" if found["whole"] else said

    def _range(self, found: re.Match[str]) -> str:
        if len(found["a"]) > 1 and found["a"].startswith("0"):
            return f"{self._numbers.one_by_one(found['a'])}, {self._numbers.one_by_one(found['b'])}"  # parts of a code
        return f"{found['a']} {self._words.to} {found['b']}"

    def _ordinal(self, found: re.Match[str]) -> str:
        said = self._numbers.said(int(re.sub(self._numbers.group, "", found["n"])), "ordinal")
        if self._lang == "de":
            before = found.string[max(found.start() - 20, 0) : found.start()]
            noun = GERMAN_NUMBERED.match(found.string[found.end() : found.end() + 20].lstrip())
            ending = GERMAN_NOUNS[noun[0]] if noun else ""
            if AFTER_GERMAN.search(before) or (DATIVE_DER.search(before) and ending != "er"):
                return f"{said}n"
            return said.removesuffix("e") + ending if noun and NO_ARTICLE.search(before) else said
        if self._lang == "fr" and found["n"] == "1" and not found[0].endswith("er"):
            return f"{said[:-2]}ère"
        if found[0].endswith("ª") and said.endswith("o"):
            return said[:-1] + "a"
        if found[0].endswith("er") and self._lang == "es":
            return said.removesuffix("o")  # before a noun
        return said

    # Amounts

    def _price(self, found: re.Match[str]) -> str:
        figures, scale = found["n"] or found["n2"], found["scale"] or found["scale2"]
        currency = self._currencies[found["sign"] or found["sign2"]]
        scale = scale or THOUSANDS.get(found["short"] or "")
        per = found["per"] and f" {PER[self._lang]} {self._per(found['per'])}"
        whole, _, part = re.sub(self._numbers.group, "", figures).partition(self._numbers.decimal)
        if scale or (part and len(part) != 2):
            amount = f"{self._numbers.cardinal(figures)} {scale} {self._of(scale, currency)}" if scale else ""
            amount = amount or f"{self._numbers.cardinal(figures)} {currency.many}"
        else:
            amount = self._amount(whole, part.lstrip("0"), currency)
        return amount + (per or "")

    def _per(self, short: str) -> str:
        """The name of a measure or a time behind a price."""
        unit = self._words.units.get(short)
        return PERIODS.get(short, unit[0] if unit else short)

    def _amount(self, whole: str, cents: str, currency: Currency) -> str:
        coins = currency.cent if self._numbers.is_one(cents) else currency.cents
        if not whole.strip("0") and cents:
            return f"{self._numbers.counting(cents)} {coins}"
        many = self._of("million" if whole.endswith("000000") else "", currency)
        money = f"{self._numbers.counting(whole)} {currency.one if self._numbers.is_one(whole) else many}"
        if not cents:
            return money
        small = f"{self._numbers.counting(cents)} {coins}" if self._words.names_cents else self._numbers.cardinal(cents)
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
            return f"{before}{self._numbers.cardinal(found['n'])} {self._words.percent}"
        one, many = self._words.units[found["unit"]]
        name = one if self._numbers.is_one(found["n"]) else many
        whole = found["n"].isdigit() and agreed(self._numbers.cardinal(found["n"]), f" {name}", self._lang)
        return f"{before}{whole or self._numbers.counting(found['n'])} {name}"

    def _telephone(self, found: re.Match[str]) -> str:
        text, after = found[0], found.string[found.end() : found.end() + 12]
        if sum(letter.isdigit() for letter in text) < 7:
            return text
        if re.fullmatch(rf"[1-9]\d{{0,2}}(?:{self._numbers.group}\d{{3}})+", text) and (
            " " not in text
            or " 000" in text
            or self._lang == "fr"
            or text[1:3].find(" ") >= 0
            or re.match(rf"\s?(?:{any_of(self._currencies)})", after)
        ):
            return text  # a large number
        if text.startswith("+"):
            text = re.sub(r"\(0\)", " ", text)  # what is not dialled from abroad
        groups = re.findall(r"\d+", text)
        if self._lang == "fr" and all(len(group) == 2 for group in groups):
            said = [
                self._numbers.one_by_one(group) if group[0] == "0" else words_of(int(group), "fr") for group in groups
            ]
        else:
            said = [self._numbers.one_by_one(group) for group in groups]
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
        if said in NUMBERED and not after.strip()[:1].isdigit():
            return short
        ends = short.endswith(".") and (not after or after[0] == "\n")
        return f"{said}." if ends else said
