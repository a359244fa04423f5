"""Text made fit to be spoken: what a writer writes for the eye is left out, or said as people say it.

Language models write Markdown, HTML, links, emoji and stage directions, though they are asked not to; voices read them
aloud, sign by sign. ``speakable`` is the one place through which all text goes on its way to a voice, whoever wrote it.
Linear in the text, however it is made: every repetition is bounded, or of characters that nothing else matches.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

import attrs

from trio_voice.speech_text.languages import primary
from trio_voice.speech_text.spoken_forms import spelled
from trio_voice.speech_text.spoken_patterns import GERMAN_NUMBERED
from trio_voice.speech_text.stage_directions import is_stage_direction, is_tag


@attrs.frozen(kw_only=True)
class _Signs:
    """The names of signs that are said, in one language."""

    dot: str
    at: str
    slash: str
    dash: str
    underscore: str
    number: str
    conjunction: str
    less: str
    greater: str
    about: str
    at_least: str
    at_most: str
    plus_or_minus: str
    equals: str
    plus: str
    power: str
    star: str
    hash: str


_EN: Final = _Signs(
    dot="dot",
    at="at",
    slash="slash",
    dash="dash",
    underscore="underscore",
    number="number",
    conjunction="and",
    less="less than",
    greater="greater than",
    about="about",
    at_least="at least",
    at_most="at most",
    plus_or_minus="plus or minus",
    equals="equals",
    plus="plus",
    power="to the power of",
    star="star",
    hash="hash",
)
_AMERICAN: Final = attrs.evolve(_EN, hash="pound")
_AMERICA: Final = frozenset({"en", "en-us", "en-ca"})
"""Languages in which the key below the nine is the pound key. In lower case."""
_SIGNS: Final[Mapping[str, _Signs]] = {
    "en": _EN,
    "de": _Signs(
        dot="Punkt", at="ät", slash="Schrägstrich", dash="Bindestrich", underscore="Unterstrich", number="Nummer",
        conjunction="und", less="kleiner als", greater="größer als", about="etwa",
        at_least="mindestens", at_most="höchstens", plus_or_minus="plus minus", equals="gleich",
        plus="plus", power="hoch", star="Stern", hash="Raute",
    ),
    "fr": _Signs(
        dot="point", at="arobase", slash="barre oblique", dash="tiret", underscore="tiret bas", number="numéro",
        conjunction="et", less="inférieur à", greater="supérieur à", about="environ",
        at_least="au moins", at_most="au plus", plus_or_minus="plus ou moins", equals="égale",
        plus="plus", power="puissance", star="étoile", hash="dièse",
    ),
    "es": _Signs(
        dot="punto", at="arroba", slash="barra", dash="guion", underscore="guion bajo", number="número",
        conjunction="y", less="menor que", greater="mayor que", about="unos",
        at_least="al menos", at_most="como máximo", plus_or_minus="más menos", equals="es igual a",
        plus="más", power="elevado a", star="asterisco", hash="almohadilla",
    ),
    "it": _Signs(
        dot="punto", at="chiocciola", slash="barra", dash="trattino", underscore="trattino basso", number="numero",
        conjunction="e", less="minore di", greater="maggiore di", about="circa",
        at_least="almeno", at_most="al massimo", plus_or_minus="più o meno", equals="è uguale a",
        plus="più", power="elevato a", star="asterisco", hash="cancelletto",
    ),
    "pt": _Signs(
        dot="ponto", at="arroba", slash="barra", dash="hífen", underscore="sublinhado", number="número",
        conjunction="e", less="menor que", greater="maior que", about="cerca de",
        at_least="pelo menos", at_most="no máximo", plus_or_minus="mais ou menos", equals="é igual a",
        plus="mais", power="elevado a", star="asterisco", hash="cerquilha",
    ),
    "nl": _Signs(
        dot="punt", at="apenstaartje", slash="schuine streep", dash="streepje", underscore="liggend streepje",
        number="nummer", conjunction="en", less="kleiner dan", greater="groter dan", about="ongeveer",
        at_least="minstens", at_most="hooguit", plus_or_minus="plus min", equals="is",
        plus="plus", power="tot de macht", star="sterretje", hash="hekje",
    ),
}  # fmt: skip

LONGEST_PATH: Final = 40
"""Of a web address: a longer one is left out, nobody can follow it by ear."""

# Nothing in such a text needs a second look: letters, digits, spaces and the signs of plain sentences.
_PLAIN: Final = re.compile(r"(?!\d{1,3}\. )(?:[^\W_]|[ ,?!'’;]|\.(?=[ \n]|\Z)|(?<=[^\W_])-(?=[^\W_]))*")

_STYLED: Final = re.compile("[\U0001d400-\U0001d7ff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\ufb00-\ufb06]+")
"""Letters that are bold, wide or joined by themselves."""
_SHORTCODE: Final = re.compile(r"(?<![\w:]):(?=[a-z])[a-z0-9_+-]{2,30}:(?![\w:])")
"""Emoji by their names."""
_FENCE: Final = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$|`{3}[\w+#.-]{0,20}[ \t]*$", re.MULTILINE)
_RULE: Final = re.compile(r"^[ \t|:*_=-]*[-*_=|]{2}[ \t|:*_=-]*$", re.MULTILINE)
_MARKER: Final = re.compile(
    r"[ \t]*(?:>(?![\d$€£])[ \t]?){0,5}(?:(?P<heading>#{1,6}[ \t]+)|(?P<item>[-*+•·▪◦‣–—][ \t]+(?:\[[ xX]\][ \t]+)?)"
    r"|(?P<number>\d{1,3})[.)][ \t]+(?=\S))?"
)
_TABLE_ROW: Final = re.compile(r"[ \t]*\|(?P<cells>.*?)\|?[ \t]*")
_ENDED: Final = re.compile("[.!?…:;,\u3002\uff01\uff1f\u0964\u061f\u06d4][\"'”’»)\\]*_]*$")

_COMMENT: Final = re.compile(r"<!--[^<>]{0,2000}-->")
_AUTOLINK: Final = re.compile(r"<((?:https?:|mailto:|tel:)[^<>\s]{1,500}|[^<>\s@]{1,64}@[^<>\s@]{1,200})>")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
_IMAGE_OR_LINK: Final = re.compile(
    r"!?\[(?P<words>[^\[\]]{0,500})\](?:\([^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,500})?(?:\s{1,5}[^()]{0,200})?\)|\[[^\[\]]{0,100}\])"
)
_SOURCES: Final = re.compile(r"\s?\((?:\[[^\[\]]{0,200}\]\(https?:[^()\s]{1,2000}\)[,; ]{0,2}){1,9}\)")
"""Links in parentheses and nothing beside them: where it is from, as models that search the web tell it."""
_ESCAPED_BREAK: Final = re.compile(r"(?:\\[nr]){2,9}|(?<=[.!?,;])\\[nr]|(?<=:)\\[nr](?![a-z])")
"""A line break that was escaped twice."""
_LINK_TARGET: Final = re.compile(r"\]\((?:https?:|mailto:|tel:|/|#|www\.)[^()\s]{0,2000}\)")
_CITATION: Final = re.compile(r"\[\^?\d{1,3}\]|\[\^[\w-]{1,40}\]|【[^【】]{0,100}】")
_CITATIONS: Final = re.compile(r"(?:\[\^?\d{1,3}\]){2,20}(?!\()")
_ASIDE: Final = re.compile(
    r"(?<![*\w])\*(?P<star>[^*\n]{1,100})\*(?![*\w])|(?<![_\w])_(?P<bar>[^_\n]{1,100})_(?![_\w])|\((?P<round>[^()\n]{1,100})\)|\[(?P<square>[^\[\]\n]{1,100})\]"
    r"|\{(?P<curly>[^{}\n]{1,100})\}"
)
_EMOTICON: Final = re.compile(
    r"(?<!\S)(?:[:;=][-'^o]?[)(\]\[DPp/\\|*3oO]+|<3+|\^_*\^|[xX]D+|¯\\?_\(ツ\)_/¯)(?=[\s.,!?]|$)"
)
_ADDRESS: Final = re.compile(
    r"(?P<mail>(?:mailto:)?[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6})"
    r"|(?P<url>(?:https?://|www\.)[^\s<>\"“”«»]{1,2000})"
    r"|(?<![\w@.-])(?P<domain>(?:[A-Za-z0-9-]{1,63}\.){1,5}(?:com|org|net|edu|gov|info|biz|io|ai|app|dev|shop|store|online|tech|cloud|me|tv|eu|uk|us|ca|au|nz|ie|in|de|at|ch|fr|be|nl|es|pt|it|br|mx|ar|se|no|dk|fi|pl|cz|jp|cn)(?:/[^\s<>\"“”«»]{0,500})?)(?![\w@-])"
)  # fmt: skip
_FRACTION: Final = re.compile(r"\\d?frac\{([^{}]{1,40})\}\{([^{}]{1,40})\}")
_SIGN: Final = re.compile(r"\s?\\(?:times|cdot)\b\s?")
_NAMED: Final = re.compile(r"\\(approx|leq?|geq?|pm|div)(?![a-z])\s?|\\([%$&])")
_NAMES: Final = {"approx": "≈", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "pm": "±", "div": "÷"}
_MARKED: Final = re.compile(r"\\(?:text(?:bf|it|rm|tt|sf)?|math(?:bf|rm|it)|emph|underline)\{([^{}]{0,200})\}")
_MATHS: Final = re.compile(r"\$\$?(?P<words>[^$\d\s][^$\n]{0,200}|\d{1,9}\s?[^$\d\s.,][^$\n]{0,200})\$\$?(?!\d)")
"""TeX between its dollars; prices have a figure behind theirs."""
_DISPLAYED: Final = re.compile(r"\$\$([^$\n]{1,200})\$\$")
_ARROW: Final = re.compile(
    r"[ \t]*(?:[-=]{1,3}>|[\u2190-\u2194\u21d0-\u21d4\u27a1\u2794\u279c\u27f6]\ufe0f?)[ \t]*(?=[^\W_])"
)
_KEY: Final = re.compile(
    r"(?<![\w*#])(?P<first>[*#])(?P<n>\d{1,5})(?P<last>[*#])(?![\w*#])|(?<![\w*#])(?P<star>\*)(?=\d{2,5}(?![\w*]))"
    r"|\\(?P<escaped>[*#])(?![\w*#])"
    r"|(?<![^\s\"'`(“])(?P<alone>[*#])(?=[\s.,;:!?)\"'`”]|\Z)"
)
"""A key of a telephone. Asterisks come in pairs otherwise, or begin the items of a list."""
_NUMERO: Final = re.compile(r"№\s?(?=\d)|(?<!\w)[Nn](?:\.?º|°)\s?(?=\d)|#[ \t]?(?=[A-Z]{1,4}-?\d)")
_COMPARED: Final = re.compile(r"(?:(?<=[\d%]\s)|(?<=(?<!\w)\w\s))[<>](?=\s)|(?<=\s)[<>](?=\s(?:[$€£]?\d|\w(?!\w)))")
_EQUALS: Final = re.compile(r"(?<=[^\W_])(?P<left>\s?)=(?P<right>\s?)(?=[^\W_])|(?<=\w\s)=(?=\s-?\w)")
_TIMES: Final = re.compile(r"(?<=\d)[ \t]?\*[ \t]?(?=\d)")
_EMOJI: Final = re.compile(
    "[\u2190-\u21ff\u2300-\u23ff\u2460-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\ufe0f\u20e3"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f©®™]+(?:\u200d[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f]+)*"
)
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"
)
_SPACE: Final = re.compile(r"[^\S\n]+")
_PLACED: Final = re.compile(r" +(?=[,;:!?…](?!\d)|\.(?!\w))")
_CROWDED: Final = re.compile(r"[,;:]+(?=[,;:.!?])|(?<=[!?…])[,;:]+")
_REPEATED: Final = re.compile(r"([!?,;])(?:\s?\1)+|\.{4,}")
_EMPTY: Final = re.compile(r"\((?:see|cf\.|siehe|voir|véase|vedi|ver|zie)?\s*\)|\[\s*\]|\"\s*\"|“\s*”|'\s+'")
_LEADING: Final = re.compile(r"^[\s,.;:!?…)\]}•·*_|/\\–—-]+(?=[^\s\d$€£])|^[\s,.;:!?…)\]}•·*_|]+")
_LETTER: Final = re.compile(r"[^\W_]")


_SIGNS_LEFT: Final = re.compile(r"(?<=[.!?…])(?: ?[/@$%:|~=><+-]{1,4}| [!\"'(_;]{1,2}|;)\Z")
"""Signs behind the last sentence, of a call that stood there."""


def speakable(text: str, language: str = "en-US", *, spelled_out: bool = False) -> str:
    """The text as a voice should be given it: one line without markup; empty if there is no word in it.

    Args:
        text: what a model, an operator or the configuration wrote; any piece of it, cut by ``Sentences`` or whole.
        language: a BCP 47 tag, of the signs that are said: "example dot com".
        spelled_out: figures and abbreviations in words, for a voice that does not read them by itself.
    """
    text = _STYLED.sub(lambda styled: unicodedata.normalize("NFKC", styled[0]), text)
    if not _PLAIN.fullmatch(text):
        text = _without_markup(text, _signs_of(language), is_german=primary(language) == "de")
    if spelled_out:
        text = spelled(text, language)
    text = _SIGNS_LEFT.sub("", " ".join(text.split()))
    return text if _LETTER.search(text) else ""


def _signs_of(language: str) -> _Signs:
    return _AMERICAN if language.lower() in _AMERICA else _SIGNS.get(primary(language), _EN)


def _without_markup(text: str, signs: _Signs, *, is_german: bool) -> str:
    text = _UNSEEN.sub("", text.replace("\r\n", "\n"))
    if "&" in text:
        text = html.unescape(text).replace("\0", "")
    if "\\" in text:
        text = _ESCAPED_BREAK.sub("\n", text)
        text = _MARKED.sub(r"\1", _NAMED.sub(lambda sign: _NAMES.get(sign[1]) or sign[2], text))
        text = _MATHS.sub(r"\g<words>", _SIGN.sub(" × ", _FRACTION.sub(r"\1/\2", text)))
    text = _DISPLAYED.sub(r" \1 ", text)
    text = _ARROW.sub(", ", _COMMENT.sub(" ", _FENCE.sub("", text)))
    text = _AUTOLINK.sub(r"\1", text)
    text = "\n".join(_lines(text, numbered=GERMAN_NUMBERED if is_german else None))
    text = _CITATIONS.sub("", text)
    text = _IMAGE_OR_LINK.sub(lambda link: link["words"], _SOURCES.sub("", text))
    text = _CITATION.sub("", _LINK_TARGET.sub("", text))
    text = _ASIDE.sub(_without_stage_direction, text)
    text = _ADDRESS.sub(lambda found: _address(found, signs), text)
    text = _SHORTCODE.sub(" ", _EMOTICON.sub("", _TAG.sub(" ", text)))
    text = _EMOJI.sub(" ", text)
    return _tidy(_without_signs(text, signs))


def _lines(text: str, *, numbered: re.Pattern[str] | None) -> list[str]:
    """The lines without what marks headings, quotations, lists and tables; each of those ends like a sentence.

    Before nouns that are ``numbered``, a number and a dot are part of what is said: German "1. Stock".
    """
    lines = []
    for line in _RULE.sub("", text).split("\n"):
        marker = _MARKER.match(line)
        rest = line[marker.end() :] if marker else line
        row = _TABLE_ROW.fullmatch(line)
        if row and "|" in row["cells"] + ("|" if line.rstrip().endswith("|") else ""):
            rest = ", ".join(filter(None, (cell.strip() for cell in row["cells"].split("|"))))
        elif marker and marker["number"] and numbered is not None and numbered.match(rest):
            rest = line
        elif marker and marker["number"]:
            rest = f"{marker['number']}, {rest}"
        rest = rest.strip()
        lines.append(rest)
    *before, last = lines
    return [line if not line or _ENDED.search(line[-12:]) else f"{line}." for line in before] + [last]


def _without_stage_direction(aside: re.Match[str]) -> str:
    words = aside[aside.lastgroup or 0]
    return " " if is_stage_direction(words) or (aside["square"] and is_tag(words)) else aside[0]


def _address(found: re.Match[str], signs: _Signs) -> str:
    address = found[0]
    end = len(address.rstrip(".,;:!?'’)]}*_"))
    address, behind = address[:end], address[end:]
    address = re.sub(r"^(?:https?://|mailto:)?(?:www\.)?", "", address)
    if not found["mail"]:
        address = re.split(r"[?#]", address)[0].rstrip("/")
        if len(address.partition("/")[2]) > LONGEST_PATH:
            address = address.partition("/")[0]
    names = {
        ".": signs.dot,
        "@": signs.at,
        "/": signs.slash,
        "-": signs.dash,
        "_": signs.underscore,
        "+": signs.plus,
    }
    return re.sub(r"[.@/_+-]", lambda sign: f" {names[sign[0]]} ", address).strip() + behind


def _without_signs(text: str, signs: _Signs) -> str:
    """The text without markup, and with names for signs that have one."""
    text = _TIMES.sub(" × ", text)
    text = re.sub(r"(?<![\w.,)\]])\.(?=\d)", "0.", text)
    text = _NUMERO.sub(f"{signs.number} ", text)
    text = re.sub(r"\b([CF])#(?!\w)", r"\1 sharp", text)
    text = _KEY.sub(lambda found: _key(found, signs), text)
    text = re.sub(r"#[ \t]?(?=\d)", f"{signs.number} ", text)
    text = re.sub(r"(?<!\w)[~≈]\s?(?=\d)", f"{signs.about} ", text)
    text = re.sub(r"(?<!\w)[<>](?=[$€£]?\d)", lambda sign: f"{signs.less if sign[0] == '<' else signs.greater} ", text)
    text = re.sub(
        r"[≥≤]\s?(?=[$€£]?\d)", lambda sign: f"{signs.at_least if sign[0][0] == '≥' else signs.at_most} ", text
    )
    text = re.sub(r"±\s?(?=\d)", f"{signs.plus_or_minus} ", text)
    text = re.sub(r"\b([A-Za-z])\+\+(?!\w)", rf"\1 {signs.plus} {signs.plus}", text)
    text = re.sub(r"(?<!\S)@(?=[^\W\d])", f"{signs.at} ", text)
    text = re.sub(r"(?<=\w) \+ (?=\w)|(?<=\d)\+(?= |$)", f" {signs.plus} ", text)
    text = _COMPARED.sub(lambda sign: signs.less if sign[0] == "<" else signs.greater, text)
    text = re.sub(r"\s>(?=\s)", ",", text)  # the way through a menu
    text = _EQUALS.sub(f" {signs.equals} ", text)
    text = re.sub(r"(?<=\w)\^(?=[\w(-])", f" {signs.power} ", text)
    text = re.sub(r"(?<=[:;,])\s+[-–—]\s+(?=\w)", " ", text)
    text = re.sub(r"\s?&\s?", f" {signs.conjunction} ", text)
    text = re.sub(r"\s\|+\s", ", ", text)
    text = re.sub(r"(?<=\w)_+(?=\w)", " ", text)
    return re.sub(r"[*_`#~|<>\\^{}\[\]=]+", lambda run: " " if run[0] in "<>=|" else "", text)


def _key(found: re.Match[str], signs: _Signs) -> str:
    """A key's name; lonely asterisks are no keys where there are several of them."""
    names = {"*": signs.star, "#": signs.hash}
    if found["n"] and len(found[0]) == 3 and found[0][0] == found[0][-1] == "*":
        return found["n"]  # a key that is stressed
    if found["n"]:
        return f"{names[found['first']]} {found['n']} {names[found['last']]}"
    if found["escaped"]:
        return f" {names[found['escaped']]}"
    if found["star"]:
        return found[0] if found.string.count("*") > 1 else f"{signs.star} "
    before = found.string[: found.start()].rstrip(" \t`\"'(“")[-1:]
    if not (before.isalnum() or before == ",") or (found[0] == "*" and found.string.count("*") > 1):
        return found[0]
    return names[found[0]]


def _tidy(text: str) -> str:
    """Spaces and punctuation as they stood before something between them was left out."""
    text = _SPACE.sub(" ", _EMPTY.sub(" ", text))
    text = _PLACED.sub("", text)
    text = _REPEATED.sub(lambda run: "..." if run[0][0] == "." else run[1], text)
    return _LEADING.sub("", _CROWDED.sub("", text))
