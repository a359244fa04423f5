"""Patterns of figures that are said in a way of their own, and the words of them that differ by language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Said: TypeAlias = "Callable[[re.Match[str]], str]"
"""Words for what was found."""
Rule: TypeAlias = "tuple[re.Pattern[str], Said]"
"""A pattern, and the words for what it finds."""

FRACTIONS: Final = {
    "en": {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters"},
    "de": {"1/2": "ein halb", "1/3": "ein Drittel", "2/3": "zwei Drittel", "1/4": "ein Viertel", "3/4": "drei Viertel"},
    "fr": {"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart", "3/4": "trois quarts"},
    "es": {"1/2": "medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto", "3/4": "tres cuartos"},
    "it": {"1/2": "mezzo", "1/3": "un terzo", "2/3": "due terzi", "1/4": "un quarto", "3/4": "tre quarti"},
    "pt": {"1/2": "meio", "1/3": "um terço", "2/3": "dois terços", "1/4": "um quarto", "3/4": "três quartos"},
    "nl": {"1/2": "een half", "1/3": "een derde", "2/3": "twee derde", "1/4": "een kwart", "3/4": "drie kwart"},
}
MEASURED: Final = re.compile(r"\s?(?:of\b|inch|cup|mile|full|teaspoon|tablespoon|hour|of an|\")")
"""English words behind a part."""
MIXED: Final = {
    "en": ("{n} and a half", "{n} and {f}"),
    "de": ("{n}einhalb", "{n} {f}"),
    "fr": ("{n} et demi", "{n} {f}"),
    "es": ("{n} y medio", "{n} y {f}"),
    "it": ("{n} e mezzo", "{n} e {f}"),
    "pt": ("{n} e meio", "{n} e {f}"),
    "nl": ("{n} en een half", "{n} {f}"),
}
"""A number with a half, and with another fraction, behind it."""
PER: Final = {"en": "per", "de": "pro", "fr": "par", "es": "por", "it": "al", "pt": "por", "nl": "per"}
PERIOD_NAMES: Final = (
    *("day", "week", "month", "year", "person", "night", "hour", "Tag", "Woche", "Monat", "Jahr", "Person", "Nacht"),
    *("Stunde", "jour", "semaine", "mois", "an", "personne", "nuit", "heure", "día", "semana", "mes", "año", "persona"),
    *("noche", "hora", "giorno", "settimana", "mese", "anno", "notte", "ora", "dia", "mês", "ano", "pessoa", "noite"),
    *("dag", "maand", "jaar", "persoon", "nacht", "uur"),
)
"""Behind a measure and a slash."""
DOT: Final = {"de": "Punkt", "fr": "point", "es": "punto", "it": "punto", "pt": "ponto", "nl": "punt"}
"""Between the numbers of a version."""
POWERS: Final = {
    "en": ("squared", "cubed"),
    "de": ("hoch zwei", "hoch drei"),
    "fr": ("au carré", "au cube"),
    "es": ("al cuadrado", "al cubo"),
    "it": ("al quadrato", "al cubo"),
    "pt": ("ao quadrado", "ao cubo"),
    "nl": ("kwadraat", "tot de derde"),
}
PERIODS: Final = {
    "mo": "month",
    "yr": "year",
    "hr": "hour",
    "wk": "week",
    "pp": "person",
    "min": "minute",
    "sec": "second",
}
"""English, behind a price and a slash."""
THOUSANDS: Final = {
    "K": "thousand", "k": "thousand", "M": "million", "m": "million", "B": "billion", "bn": "billion",
}  # fmt: skip
"""English, right behind a price."""
VULGAR: Final = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4"}
SCALES: Final = (
    "thousand|million|billion|Tausend|Millionen|Million|Milliarden|Milliarde|millions|milliards|milliard|millones|millón"
    "|mil|milioni|milione|miliardi|milhões|milhão|miljoen|miljard"
)
FEMININE: Final = {"fr": ("un$", "une"), "es": ("uno$", "una"), "it": ("uno$", "una"), "pt": ("um$", "uma")}
"""Hours are feminine there."""
NUMBERED: Final = frozenset(
    {
        *("number", "Nummer", "numéro", "número", "numero", "nummer", "volume"),
        *("page", "Seite", "página", "pagina", "bladzijde"),
        *("Artikel", "article", "artículo", "articolo", "artigo", "artikel"),
    }
)
"""Words whose abbreviations are words of their own where no number follows."""
FIRST: Final = {"fr": "premier", "it": "primo", "pt": "primeiro"}
"""Of a month."""
HOUR_H: Final = {"fr": "heures", "es": "horas", "pt": "horas"}
"""Languages in which 13h is a time of day."""
START: Final = r"(?<![\w.,])"
MINUS: Final = r"(?P<minus>(?<!\S)[-\u2212\u2013])?"
ORDINAL: Final = {
    "en": "(?:st|nd|rd|th)",
    "de": r"\.(?=\s(?:[A-ZÄÖÜ]|(?:und|oder|bis)\s(?:\d{1,2}\.|\w{2,20}te[rn]?\b))"
    r"|(?<=\b[aAvV]m\s\d\.)|(?<=\b[aAvV]m\s\d\d\.))",
    "fr": "(?:er|ère|re|e|ème|nde?)",
    "es": "(?:[ºª]|er|do|ro|to|vo)",
    "it": "[ºª°]",
    "pt": "[ºª]",
    "nl": "(?:ste|de|e)",
}
"""Endings that make a number the third, by language."""
TELEPHONE: Final = re.compile(
    r"(?<!\w)\+\d{1,3}(?:[ .-]?\(0\))?(?:[ .-]?\d{1,12}(?!\d)){1,7}(?!\w)"
    r"|(?<![\w.,])\+?(?:\(\d{2,5}\)|\d{1,4})(?:[ .-]?\(\d{1,5}\))?(?:[ .-]\d{2,8}){2,6}(?!\w)"
    r"|(?<![\w.,-])0\d{1,4}[-/]\d{5,9}(?![\w-])|(?<![\w.,-])0\d{2,4}/\d{2,4}(?: \d{2,8}){1,4}(?!\w)"
    r"|(?<![\w.,-])\d{3}-\d{4}(?![\w-])|\(\d{3}\) ?\d{3}-\d{4}|\+\d{7,15}"
)
_NOUNS: Final = {
    "er": "Stock|Tag|Termin|Versuch|Platz|Gang|Hof|Schritt|Advent|Punkt|Teil|Monat|Weihnachtstag|Preis|Weltkrieg"
    "|Geburtstag",
    "e": "Etage|Klasse|Liga|Reihe|Stufe|Runde|Stunde|Woche|Seite|Auflage|Person|Straße|Tür",
    "es": "Obergeschoss|Untergeschoss|OG|UG|Stockwerk|Mal|Halbjahr|Quartal|Haus|Zimmer|Kapitel",
}
GERMAN_NOUNS: Final = {noun: ending for ending, nouns in _NOUNS.items() for noun in nouns.split("|")}
"""Nouns that are numbered, by the ending of the number without an article."""
_MONTHS: Final = (
    "Jan(?:uar)?|Feb(?:ruar)?|März|Apr(?:il)?|Mai|Juni?|Juli?|Aug(?:ust)?|Sept?(?:ember)?|Okt(?:ober)?|Nov(?:ember)?"
    "|Dez(?:ember)?"
)
GERMAN_NUMBERED: Final = re.compile(rf"(?:{'|'.join(GERMAN_NOUNS)}|{_MONTHS})\b")
NO_ARTICLE: Final = re.compile(r"(?:\A|[^\w\s]\s?|\b(?:[km]?ein|dein|sein|ihr|unser|euer))\s?\Z", re.IGNORECASE)
"""Text before a number that has the ending itself."""
DATIVE_DER: Final = re.compile(
    r"\b(?:in|an|auf|vor|hinter|neben|zwischen|mit|von|zu|bei|nach|seit|aus|ab|über|unter)\sder\s\Z", re.IGNORECASE
)
AFTER_DER: Final = re.compile(r"\bder\s(?:\d{1,2}\.\s(?:und|oder|bis)\s)?\Z")
OF: Final = {"es": "de ", "pt": "de ", "it": "di ", "fr": "d'"}
STREET: Final = re.compile(r"\d\s[A-Z][a-z]{1,20}\s\Z")
OF_MONEY: Final = re.compile(
    r"(?P<of>(?:millones|milhões|milioni|miliardi|millions|milliards)\s(?:de\s|di\s|d['’]))(?P<sign>[€$£]|R\$)"
)
NO_CENTS: Final = re.compile(r"(?<=\d),[-–—]+(?!\w)|(?<=\d)\.[-–—]+(?=\s|$)")
"""Whole amounts, as they are written in the Netherlands and in Germany."""
EMERGENCY: Final = re.compile(
    r"(?P<before>\b(?:call|dial|ring|text|bel|disque|lig(?:ue|ar)|(?:wähl|ruf|appele|compos|llam|marqu|chiam)\w{0,6})\s"
    r"(?:[^\W\d_]{1,4}\s){0,2})"
    r"(?P<n>911|999|112|110|113|115|118|119|144|133|122|190|192|193|988|[2-8]11|061|062|091|116117)\b(?![.,:]\d|\s(?-i:[A-Z]))",
    re.IGNORECASE,
)
"""Short numbers behind a word for telephoning."""
IBAN: Final = re.compile(
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}(?![A-Za-z0-9])){2,8}(?: [A-Z0-9]{1,3}\b)?|\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b"
)
CODE_OF_GROUPS: Final = re.compile(r"(?<![\w.,-])(?:\d{2,6}(?:-\d{1,6}){2,6}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2})(?![\w-])")
"""Figures in groups that are neither a date nor a telephone number."""
ELIDED: Final = re.compile(r"\buna\s(?!(?:a[dil]?|all[ae]|agli|ed?|od?|ogni|in)\b)(?=[aeoàèò]|i(?![aeou])|u(?![aeio]))")
"""Italian before a vowel: "un'ora"."""
DOTS: Final = re.compile(r"(?<!\.)\.\.(?!\.)")
AFTER_GERMAN: Final = re.compile(
    r"\b(?:am|vom|zum|dem|den|bis|ab|seit|im|beim)\s+(?:\d{1,2}\.\s(?:und|oder|bis)\s+)?$", re.IGNORECASE
)


def any_of(texts: Iterable[str]) -> str:
    """A pattern of any of these, the longest first."""
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
