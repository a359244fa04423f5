"""Short ways of writing made longer, before figures become words: decades, ranges, days of the week, Roman numerals.

Figures stay figures here; ``spoken_forms.py`` says them. Every pattern is bounded, so the work is linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trio_voice.speech_text.spoken_patterns import DOT, PER, PERIOD_NAMES, PERIODS, POWERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trio_voice.speech_text.spoken_words import SpokenWords

_ROMAN: Final = r"X{0,3}(?:IX|IV|V?I{0,3})"
_VALUES: Final = {"I": 1, "V": 5, "X": 10}
_RULERS: Final = (
    "Henry|Louis|Charles|George|Edward|Elizabeth|James|William|Richard|Philip|Frederick|Francis|Benedict|Pius|Paul"
    "|Heinrich|Ludwig|Karl|Friedrich|Wilhelm|Georg|Henri|Philippe|François|Napoléon|Felipe|Carlos|Alfonso|Fernando"
    "|Luis|Luigi|Carlo|Vittorio|Umberto|Pedro|João|Willem|Lodewijk|Luís|Paolo|Paulo|Pablo"
)
_ORDINAL_SIGN: Final = {"es": "º", "it": "º", "pt": "º"}
_OFTEN: Final = {"es": "veces", "it": "volte", "pt": "vezes"}
"""Behind a number that tells how often, where that is not said like a product."""
_CENTURY: Final = {"fr": "siècles?", "it": "secolo", "nl": "eeuw"}
_TENS: Final = ("", "", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_HUNDREDS: Final = {"11": "eleven", "12": "twelve", "13": "thirteen", "14": "fourteen", "15": "fifteen",
                    "16": "sixteen", "17": "seventeen", "18": "eighteen", "19": "nineteen", "20": "twenty"}  # fmt: skip

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS: Final = {day[:3]: day for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")}
_SQUARES: Final = {"ft": "feet", "mi": "miles", "m": "meters"}
_EQUALS: Final = "(?:=|equals|gleich|égale|es igual a|è uguale a|é igual a|is)"
"""The sign as it stands in a text that is made fit to be spoken."""
_Rule = tuple["re.Pattern[str]", "str | Callable[[re.Match[str]], str]"]


def rules_of(language: str, words: SpokenWords, in_words: Callable[[int, str, str], str], decimal: str) -> list[_Rule]:
    """The rules of one language, in the order in which they are to be applied.

    Args:
        language: the first part of its tag.
        words: its own.
        in_words: says a number in a language, in the form that is named last.
        decimal: what stands between whole and part there.
    """
    to, days = words.to, words.days
    times = words.times
    sums = {
        **dict.fromkeys("-\u2212", words.minus),
        **dict.fromkeys("x×*", times),
        **dict.fromkeys("/÷:", words.divided_by),
        "+": words.plus,
    }
    day = "|".join(sorted(days, key=len, reverse=True))
    units, group = words.units, "." if decimal == "," else ","
    month = "|".join(sorted({name[:size] for name in words.months for size in (3, 4, 20)}, key=len, reverse=True))

    def month_of(short: str) -> str:
        return next(name for name in words.months if name.startswith(short))

    rules: list[_Rule] = [
        *_BEFORE.get(language, ()),
        # Versions, powers, measures by the day, offsets of a clock
        (
            re.compile(
                r"(?i:\b(version|versión|versione|versão|versie|release|v))\s?(\d{1,4}(?:\.\d{1,4}){1,5})(?![\w.]*\d)"
            ),
            lambda found: (
                f"{found[1]} " + f" {DOT.get(language, '.')} ".join(found[2].split("."))
                if language in DOT
                else found[0]
            ),
        ),
        (
            re.compile(r"(?:(?<=\d)|(?<=(?<!\w)[a-ln-zA-LN-Z]))([²³])(?!\w)"),
            lambda found: f" {POWERS[language][found[1] == '³']}" if language in POWERS else found[0],
        ),
        (
            re.compile(rf"(?<=\d)(\s?[^\W\d]{{1,4}}|\s?°)/(?=(?:{'|'.join(PERIOD_NAMES)})\b)"),
            lambda found: f"{found[1]} {PER.get(language, '/')} ",
        ),
        (
            re.compile(r"\b(UTC|GMT)\s?([+\u2212-])\s?(?=\d)"),
            lambda found: f"{found[1]} {words.plus if found[2] == '+' else words.minus} ",
        ),
        # Amounts as another country writes them
        (
            re.compile(rf"(?<=[$€£])(\s?\d{{1,3}}(?:{decimal}\d{{3}}){{1,3}})(?![\w]|[.,]\d)"),
            lambda found: found[1].replace(decimal, group),
        ),
        (
            re.compile(rf"(?<![\w.,])(\d{{1,3}}(?:{decimal}\d{{3}}){{1,3}})[{group}](\d\d)(?![\w]|[.,]\d)"),
            lambda found: found[1].replace(decimal, group) + decimal + found[2],
        ),
        # Lengths of time, months from one to another, days before a date or from one to another
        (
            re.compile(r"(?<![\w.,])(\d{1,2})\s?(?:h|hrs?|u)\s?(\d{1,2})\s?(?:m|min)(?!\w)\.?"),
            lambda found: f"{found[1]} {units['h'][found[1] != '1']} {found[2]} {units['min'][found[2] != '1']}",
        ),
        (
            re.compile(rf"(?<!\w)({month})\.?\s?[-–]\s?({month})\b(?:\.(?=\s[\da-z]))?"),
            lambda found: f"{month_of(found[1])} {to} {month_of(found[2])}",
        ),
        (
            re.compile(rf"(?<!\w)({day})\.?(?=,?\s\d{{1,2}}(?:[./]\d|(?:\.|er|º)?\s(?:de\s)?(?:{month})\b))"),
            lambda found: days[found[1]],
        ),
        (
            re.compile(rf"(?<!\w)({day})\.?\s(a|al|au|à|até|bis|tot|t/m)\s({day})\b\.?(?=[\s,;:)]|\Z)"),
            lambda found: f"{days[found[1]]} {found[2]} {days[found[3]]}",
        ),
        (re.compile(r"(?<=\d)\s?([ck]?m)([23])\b"), lambda found: f" {found[1]}{'²³'[int(found[2]) - 2]}"),
        *_roman(language, words.counted, in_words),
        (
            re.compile(rf"(?<!\w)({day})\.?\s?[-–]\s?({day})\b(?:\.(?=\s[\da-z]))?"),
            lambda found: f"{days[found[1]]} {to} {days[found[2]]}",
        ),
        # What programs write
        (
            re.compile(
                r"(?<!\d)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?![\w:])"
            ),
            r"\1, \2",
        ),
        (re.compile(r"(?<![\w:.])(\d{1,2}:\d\d):00(?![\w:])"), r"\1"),
        (re.compile(r"(?<![\w:.])(\d{1,2}:\d\d):(\d\d)(?![\w:])"), r"\1, \2"),
        (re.compile(r"\b([vV])(?=\d)"), r"\1 "),
        # Ranges, ratios, areas
        (
            re.compile(rf"(?<![\w.,/-])(\d{{1,2}})\s?[-–]\s?(?=\d{{1,2}}\s(?:de\s)?(?:{month})\b)"),
            rf"\1 {to} ",
        ),
        (re.compile(r"(?<=\dh\d\d)\s?[-–]\s?(?=\d{1,2}h)"), f" {to} "),
        (re.compile(r"(?<=\d)\s?[–-]\s?(?=[$€£])|(?<=\d)\s?–\s?(?=\d)|(?<=[\w.€$£%])–(?=\d)"), f" {to} "),
        (re.compile(r"(?<=\d:\d\d)\s?-\s?(?=\d{1,2}:\d\d)|(?<=\d[hH€%])\s?-\s?(?=\d)"), f" {to} "),
        (re.compile(r"(?<=\d)-(?=\d{1,4}(?:[.,]\d{1,2})?\s?[€$£])"), f" {to} "),
        (re.compile(r"(?<![\w:.,])(\d{1,4}):(\d)(?![\w:])"), rf"\1 {words.ratio} \2"),
        # Sums: a sign is what it is in arithmetic where the outcome stands behind it
        (
            re.compile(rf"(?<![\w.,])\d{{1,9}}(?:\s?[-\u2212x×*/÷:+]\s?\d{{1,9}}){{1,4}}(?=\s?{_EQUALS}\s)"),
            lambda found: re.sub(r"\s?([-\u2212x×*/÷:+])\s?", lambda sign: f" {sums[sign[1]]} ", found[0]),
        ),
        (re.compile(r"(?<=\d)\s?÷\s?(?=\d)"), f" {words.divided_by} "),
        (re.compile(r"(?<=\d)\s?x\s?(?=\d)"), f" {words.by} "),
        # Signs of money
        (re.compile(r"([$€£])\.(?=\d\d\b)"), r"\g<1>0."),
        (
            re.compile(r"(?<![\w)])[-\u2212]\s?(?=[$€£¥₹]\s?\d)|(?<![\w)])[-\u2212](?=\d{1,9}(?:[.,]\d{1,3})?\s?[€£])"),
            f"{words.minus} ",
        ),
        (re.compile(r"([$€£¥₹])[-\u2212](?=\d)"), rf"{words.minus} \1"),
        (re.compile(r"(R\$|[$€£])\s?(\d{1,4}(?:[.,]\d\d)?)\s?[–-]\s?(?=\d{1,4}(?:[.,]\d\d)?\b)"), rf"\2 {to} \1"),
        (re.compile(r"(?<![\w+(.,])\+(?=\d{1,3}(?:[.,]\d{1,3})?(?:\s?[%°]|\s?$))"), f"{words.plus} "),
        (re.compile(r"(?<![\w.,$€£])(?<![$€£]\s)(\d{1,3})(?=[A-Z]\b)"), r"\1 "),
    ]
    if language == "en":
        rules += _ENGLISH
    often = re.compile(r"(?<=\d)\s?[x×](?=\s(?!\d)[^\W\d_])")
    rules.append((often, f" {_OFTEN.get(language, times)}"))
    if language == "de":
        rules += _GERMAN
        rules.append(
            (re.compile(r"(?<!\w)((?:1[1-9]|20)?\d0)er\b"), lambda found: f"{in_words(int(found[1]), 'de', 'year')}er")
        )
    return [*rules, *_OTHERS.get(language, ())]


def applied(rules: Iterable[_Rule], text: str) -> str:
    """The text with its short forms made longer."""
    for rule, said in rules:
        text = rule.sub(said, text)
    return text


def _roman(language: str, counted: Iterable[str], in_words: Callable[[int, str, str], str]) -> list[_Rule]:
    """Numerals behind words that are counted, and behind names of rulers."""

    def ruler(found: re.Match[str]) -> str:
        number = _value(found[2])
        if language == "en":
            return f"{found[1]} the {number}{_english_ending(number)}"
        if language == "de":
            dot = "." if found[0].endswith(".") and not found.string[found.end() :].strip() else ""
            return f"{found[1]} der {in_words(number, 'de', 'ordinal')}{dot}"
        if language == "nl":
            return f"{found[1]} de {number}e"
        sign = _ORDINAL_SIGN.get(language, "") if number <= 10 or language == "it" else ""
        return f"{found[1]} {number}{sign}"

    alone = "" if language == "en" else r"|I\b"
    behind = r"(?:\.(?!\s[^\W\da-zäöü]))?" if language == "de" else ""
    rules: list[_Rule] = [
        (
            re.compile(rf"\b((?i:{'|'.join(counted)}))\s(?=[XVI]+\b)(?!I\s[^\W_])({_ROMAN})\b"),
            lambda found: f"{found[1]} {_value(found[2])}",
        ),
        (re.compile(rf"\b({_RULERS})\s(?=[XVI]{{2,6}}\b|[VX]\b{alone})({_ROMAN})\b{behind}"), ruler),
    ]
    if language in _CENTURY:
        written = rf"\b(?=[XVI]{{1,6}}[a-zèº]*\s)({_ROMAN})(?:e|ème|er|º)?(?=\s{_CENTURY[language]})"
        sign = {"fr": "e", "nl": "e"}.get(language, "º")
        rules.append((re.compile(written), lambda found: f"{_value(found[1])}{sign}"))
    return rules


def _value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def _english_ending(number: int) -> str:
    return "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _pesos(found: re.Match[str]) -> str:
    amount = found[1].replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+", found[1]) else found[1]
    return f"{amount} pesos mexicanos"


def _days(found: re.Match[str]) -> str:
    return f"{found[1]} to {found[2]}{_english_ending(int(found[2]))}"


def _decade(found: re.Match[str]) -> str:
    century, ten = found[1] or "", int(found[2])
    if not century and found[0][:1].isdigit() and not _OF_DECADES.search(found.string[: found.start()][-20:]):
        return f"{ten}0 sec"
    if ten < 2:
        if century == "20":
            return "two thousands" if ten == 0 else "twenty tens"
        return f"{_HUNDREDS[century]} {'hundreds' if ten == 0 else 'tens'}" if century else found[0]
    return f"{_HUNDREDS[century]} {_TENS[ten]}" if century else _TENS[ten]


_GERMAN: Final[list[_Rule]] = [
    (re.compile(r"\b(?:CHF|Fr\.|SFr\.)\s?(\d{1,6})\.(\d\d)\b"), r"\1,\2 CHF"),
    (re.compile(r"\b(?:Fr\.|SFr\.)\s?(?=\d)"), "CHF "),
    (re.compile(r"(?<![\w.])(\d{1,2})\.(\d{1,2})\.(\d\d)(?![\w.]*\d)"), r"\1.\2.20\3"),
    (re.compile(r"\bMio\b\.?"), "Millionen"),
    (re.compile(r"\bMrd\b\.?"), "Milliarden"),
    (re.compile(r"\bTsd\b\.?"), "Tausend"),
]
_ORDINAL_DOT: Final[_Rule] = (re.compile(r"(?<=\d)\.(?=[ºª])"), "")
_DOTTED_TIME: Final[_Rule] = (re.compile(r"(?<![\w.,])(\d{1,2})\.([0-5]\d)(?![\w.,]*\d)"), r"\1:\2")
_BEFORE: Final[dict[str, list[_Rule]]] = {
    "de": [
        (
            re.compile(r"(?<![\w.])([XVI]{1,4})\.(?=\s(?:Weltkrieg|Quartal|Klasse|Stock|Etage|Liga)\b)"),
            lambda found: f"{_value(found[1])}.",
        ),
        (
            re.compile(
                r"(?<![\w.])(?<!\b[VvAa][Oo]m )(?<!\b[Aa]m )(?<!\bde[nm] )(\d{1,2}\.)\s?[-–]\s?"
                r"(?=\d{1,2}\.\s(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez))"
            ),
            r"vom \1 bis ",
        ),
        (re.compile(r"(?<![\w.])(\d{1,2}\.)\s?[-–]\s?(?=\d{1,2}\.\s[^\W\d])"), r"\1 bis "),
        (re.compile(r"(?<!\d )(?<!\d)\b([Mm])in\.\s(?=\d)"), r"\1indestens "),
        (re.compile(r"\bKap\.\s(?=[XVI]+\b|\d)"), "Kapitel "),
        (
            re.compile(r"(?<![\w/,.])(?:½|1/2)\s(?=(?:Stunde|Tasse|Portion|Flasche|Packung|Minute|Seite)\b)"),
            "eine halbe ",
        ),
        (re.compile(r"(?<![\w/,.])(?:½|1/2)\s(?=(?:Jahr|Kilo|Pfund|Glas|Dutzend)\b)"), "ein halbes "),
        (re.compile(r"(?<![\w/,.])(?:½|1/2)\s(?=(?:Liter|Tag|Meter|Monat|Löffel|Teelöffel)\b)"), "ein halber "),
        (re.compile(r"\b[oO]\.\s?Ä\."), "oder Ähnliches"),
        (re.compile(r"\b[uU]\.\s?Ä\."), "und Ähnliches"),
        (re.compile(r"\bi\.\s?d\.\s?R\."), "in der Regel"),
        (re.compile(r"\bz\.\s?T\."), "zum Teil"),
    ],
    "fr": [
        (re.compile(r"(?<!\w)N[o°]\s(?=\d)"), "numéro "),
        (re.compile(r"\b[Cc]hap\.\s(?=[XVI]+\b|\d)"), "chapitre "),
        (re.compile(rf"\b({_RULERS}) I[eᵉ]r\b"), r"\1 premier"),
        (
            re.compile(r"(?<![\w.,])(\d{1,2})\s?([hj])/(\d{1,2})\b"),
            lambda found: f"{found[1]} {'heures' if found[2] == 'h' else 'jours'} sur {found[3]}",
        ),
        (re.compile(r"(?<=\d)\s?M€"), " millions d'€"),
        (re.compile(r"(?<=\d)\s?Mds?€"), " milliards d'€"),
    ],
    "es": [
        (re.compile(r"(?<!\w)[nN]\.?[º°]\s?(?=\d)"), "número "),
        (re.compile(r"\b[Cc]ap\.\s(?=[XVI]+\b|\d)"), "capítulo "),
        (re.compile(r"(?<=\d)\s?mill?\.(?!\w)"), " millones"),
        (re.compile(r"\$\s?(\d[\d.,]{0,12})\s?MXN\b"), _pesos),
        (re.compile(r"(?<!\w)s\.\s(?=[XVI]+\b)"), "siglo "),
        (re.compile(r"(?<=\d)\s?M€"), " millones de €"),
        (re.compile(r"\bC/\s?(?=[A-ZÁÉÍÓÚ])"), "calle "),
    ],
    "it": [
        _DOTTED_TIME,
        (re.compile(r"(?<!\w)sec\.\s(?=[XVI]+\b)"), "secolo "),
        (re.compile(r"(?<=\d)\s?(?:mln|M)\s?€"), " milioni di €"),
        (re.compile(r"(?<=\d\s)mln\b"), "milioni"),
    ],
    "pt": [
        (re.compile(r"(?<!\w)séc\.\s(?=[XVI]+\b)"), "século "),
        (re.compile(r"(?<=\d)\s?mi\b(?=\s|[.,;!?]|\Z)"), " milhões"),
        (re.compile(r"(?<=\d)\s?bi\b(?=\s|[.,;!?]|\Z)"), " bilhões"),
    ],
    "nl": [
        _DOTTED_TIME,
        (re.compile(r"(?<=\d)\s?mln\b\.?"), " miljoen"),
        (re.compile(r"(?<=\d)\s?mld\b\.?"), " miljard"),
        (re.compile(r"(?<=[a-z])str\.(?=\s\d)"), "straat"),
    ],
}
_OTHERS: Final[dict[str, list[_Rule]]] = {
    "fr": [(re.compile(r"(?<![\w.,])(\d{1,6})\s?€(\d\d)\b"), r"\1,\2 €")],
    "es": [_ORDINAL_DOT],
    "pt": [_ORDINAL_DOT],
    "it": [(re.compile(r"(?<=\d)°(?=\s?[a-z])"), "º")],
    "nl": [(re.compile(r"(?<=\d:\d\d)\s?u\b\.?"), " uur")],
}
_OF_DECADES: Final = re.compile(
    r"\b(?:the|my|your|his|her|their|our|mid|early|late|roaring|swinging|and)[\s-]['’]?\Z", re.IGNORECASE
)
_ENGLISH: Final[list[_Rule]] = [
    (re.compile(r"(?<![\w.,])(\d{1,2})\.([0-5]\d)(?=\s?[ap]\.?m\b)", re.IGNORECASE), r"\1:\2"),
    (re.compile(r"(?<![\w:])00:(0[1-9]|[1-5]\d)(?![\w:]|\s?[ap]\.?m)"), r"12:\1 a.m."),
    (re.compile(r"(?<![\w.,$€£])(\d{1,3}\.\d{1,2})\s?M(?![\w/])"), r"\1 million"),
    (re.compile(r"(?<![\w.,$€£])(\d{1,3}\.\d{1,2})\s?B(?![\w/])"), r"\1 billion"),
    (re.compile(r"(?<![\w.,$€£])(\d{1,3}(?:\.\d{1,2})?)\s?bn\b"), r"\1 billion"),
    (re.compile(r"(?<=\dst|\dnd|\drd|\dth)\s?[-–]\s?(?=\d{1,3}(?:st|nd|rd|th)\b)"), " to "),
    (
        re.compile(
            r"(\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?\s\d{1,2})(?:\s?[-–]\s?|\sto\s)(\d{1,2})"
            r"(?![\w:.-]*\d|st|nd|rd|th)"
        ),
        _days,
    ),
    (re.compile(r"(?<![\w.,:])(\d{1,2})h([0-5]\d)(?!\w)"), r"\1 hr \2 min"),
    (re.compile(r"\b([Cc])h\.\s(?=\d|[XVI]+\b)"), r"\1hapter "),
    (re.compile(r"\b24/7/365\b"), "24/7, 365"),
    (re.compile(r"(?<![\w-])9-1-1(?![\w-])"), "9 1 1"),
    (re.compile(r"\b(144|240|360|480|720|1080|1440|2160)p\b"), r"\1 P"),
    (re.compile(r"(?<=\d)/(\d{1,2})(?:rds?|ths?|nds?)\b"), r"/\1"),
    (re.compile(r"(?<![\w.,$])([1-9][1-9])s(?!\w)"), r"\1 sec"),
    (re.compile(r"(?<=\d)\ss(?=[\s.,;:!?)]|\Z)"), " sec"),
    (re.compile(r"\bper (hr|yr|mo|wk|sec|min)\b\.?"), lambda found: f"per {PERIODS[found[1]]}"),
    (re.compile(r"(?<=\d)\s?sq\.?\s(ft|mi|m)\b\.?"), lambda found: f" square {_SQUARES[found[1]]}"),
    (re.compile(r"\b(\d{1,3}(?:st|nd|rd|th)\sSt)\b\.?"), r"\1reet"),
    (re.compile(r"^([^\"']{0,400}\d)\s?\"(?=\s[a-z])(?![^\"]{0,400}\")"), r"\1 inch"),
    (re.compile(r"^([^\"']{0,400}\d)\s?\"(?=[\s.,;:!?)]|\Z)(?![^\"]{0,400}\")"), r"\1 inches"),
    (re.compile(r"(?<![\w:])(?:00:00|24:00)(?![\w:])"), "midnight"),
    (re.compile(r"(?<![\w.,$€£])(\d{1,3})k(?=\s[a-z]{3}|[.,;!?](?!\w)|\Z)"), r"\1,000"),
    (re.compile(r"(?<![\w/])(\d(?:\.\d)?)\s?/\s?(5|10|100)(?=\s(?:stars?|points?)\b)"), r"\1 out of \2"),
    (
        re.compile(
            r"\b(Mon|Tue|Tues|Wed|Thu|Thurs|Fri|Sat|Sun)(?=,?\s(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|\d{1,2}(?:[:/]|\s?[ap]\.?m)))"
        ),
        lambda found: _DAYS[found[1][:3]],
    ),
    # A day and a month of which it is certain which is which
    (
        re.compile(r"(?<![\w/.$])(1[0-2]|[1-9])/(1[3-9]|2\d|3[01])(?![\w/]|\s?(?:inch|of\b|\"))"),
        lambda found: f"{_MONTHS[int(found[1]) - 1]} {found[2]}",
    ),
    (re.compile(r"(?<!\w)['’]?(1[1-9]|20)?([0-9])0['’]?s\b"), _decade),
    (re.compile(r"(?<=\d)(\s?[ap]\.?m\.?)\s?[–—-]\s?(?=\d)", re.IGNORECASE), r"\1 to "),
    (re.compile(r"\b(\d)\s?ft\.?\s(\d{1,2})\s?in\b\.?"), r"\1'\2"),
    (
        re.compile(r"(?<![\w-])(?:(1)-)?([89]\d\d)-(?=[A-Z]{3})"),
        lambda found: " ".join((found[1] or "") + found[2]) + " ",
    ),
    (re.compile(r"(?<=\d)(\s?(?:oz|lbs?|ft|hrs?|mins?|secs?|mi))\.(?=\s?[a-z,;:)])"), r"\1"),
    (
        re.compile(r"(?<![\w.,])\d{1,4}(?:\.\d{1,3}){2,5}(?![\w.]*\d)"),
        lambda found: " point ".join(found[0].split(".")),
    ),
    (re.compile(r"\b(\d{1,5}[A-Z]?\s(?:[NSEW]\.?\s)?[A-Z][a-z]{1,20}\sSt)\b\.?"), r"\1reet"),
    (re.compile(r"\bSt\.(?=\s[A-Z])"), "Saint"),
]
