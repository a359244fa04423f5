"""Numbers in words, by ``num2words``, and what a language adds: German "ein Euro", Spanish "veintiún euros"."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from num2words import num2words

from trio_voice.speech_text.languages import primary
from trio_voice.speech_text.spoken_words import DECIMAL_DOT

if TYPE_CHECKING:
    from trio_voice.speech_text.spoken_words import SpokenWords

MOST_DIGITS: Final = 12
"""A longer number, and one of five or more without separators, is said figure by figure."""


class Numbers:
    """Numbers of one language, as they are said, and as they are written."""

    def __init__(self, language: str, words: SpokenWords) -> None:
        self.lang = primary(language)
        self._num2words = "pt_BR" if language.lower() == "pt-br" else self.lang
        self._words = words
        self.decimal = "." if language.lower() in DECIMAL_DOT else words.decimal
        self.group = "[,’']" if self.decimal == "." else r"[.\u00a0\u202f ]"

    @property
    def pattern(self) -> str:
        """A pattern of a number as it is written."""
        part = rf"(?:{re.escape(self.decimal)}\d{{1,6}})?(?!\d)"
        return rf"(?:\d{{1,3}}(?:{self.group}\d{{3}}){{1,4}}{part}|\d{{1,15}}{part})"

    def said(self, number: int, to: str = "cardinal") -> str:
        """A number in words."""
        return words_of(number, self._num2words, to)

    def cardinal(self, figures: str) -> str:
        """A number as it is written, in words."""
        whole, _, part = re.sub(self.group, "", figures).partition(self.decimal)
        if len(whole) > MOST_DIGITS or (len(whole) > 1 and whole.startswith("0")):
            said = self.one_by_one(whole)
        else:
            said = self.said(int(whole))
        if not part:
            return said
        small = (
            self.one_by_one(part)
            if len(part) > 2 or part.startswith("0") or self.lang == "en"
            else self.said(int(part))
        )
        return f"{said} {self._words.point} {small}"

    def one_by_one(self, figures: str) -> str:
        """Each figure by itself, as those of a code."""
        return " ".join(self.said(int(figure)) for figure in figures if figure.isdigit())

    def counting(self, figures: str) -> str:
        """Before something that is counted: German "ein Euro", Spanish "veintiún euros"."""
        said = self.cardinal(figures)
        if self.lang == "de":
            return re.sub("eins$", "ein", said)
        if self.lang == "es":
            return re.sub("uno$", "un", re.sub("iuno$", "iún", said))
        return re.sub("^uno$", "un", said) if self.lang == "it" else said

    def is_one(self, figures: str) -> bool:
        """True if what is counted stands in the singular."""
        return figures.lstrip("0") == "1"

    def year(self, figures: str) -> str:
        """A year: English says it in pairs."""
        return self.said(int(figures), "year") if self.lang in ("en", "de") else self.said(int(figures))


@lru_cache(maxsize=4_096)
def words_of(number: int, language: str, to: str = "cardinal") -> str:
    """A number in words of a language that ``num2words`` knows."""
    said = str(num2words(number, lang=language, to=to))
    return said.replace(",", "").replace(" and ", " ") if language == "en" else said
