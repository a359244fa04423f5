"""Cuts a language model's answer into pieces to be spoken, as soon as each stands.

The first piece ends with the first clause, or before a word that joins another, so that the caller hears something
soon; those after it are sentences, because a voice speaks a sentence better in one breath. All the text comes out
again in order, but for white space, what has no letter or digit in it and what is beyond ``MAX_LETTERS``.

A piece goes out without waiting for what follows its end where that could hardly change it. Dots need the most care:
abbreviations, numbers, initials, addresses and whatever a small letter follows do not end a sentence, and nothing is
cut inside brackets, links, tags and asides, which are told apart as a whole (``speech_text/speakable.py``).

Time is linear in the text, however it comes: a piece is never looked for in more than ``LONGEST_LETTERS``.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from trio_voice.speech_text import abbreviations as words
from trio_voice.speech_text.languages import primary

MAX_LETTERS: Final = 20_000
"""Of one answer: twenty minutes of speech. What a model writes beyond them is dropped."""
LONGEST_LETTERS: Final = 300
"""A sentence that is longer is cut between words: whoever waits for its end keeps the caller waiting."""
FIRST_LETTERS: Final = 10
"""Least words of a clause with its comma: "Well," alone sounds torn off."""
JOINED_LETTERS: Final = 24
"""Least words before a joining word."""
LONGEST_MARK: Final = 64
"""No mark that matters has more letters: a joining word and the spaces around it."""
MAX_SPAN: Final = 200
"""Brackets that are open for longer are taken for letters."""

LONGEST_WORD: Final = 41
"""As far before a dot the word is looked at."""

_WIDE: Final = "\u3002\uff01\uff1f\uff61\u0964\u0965\u061f\u06d4\u0589\u1362\u17d4\u104b"
"""Marks that end a sentence in other scripts, with or without a space behind them."""
_MARK: Final = re.compile(rf"[.!?…]+|[{_WIDE}]+|\n|[\[\]()<>*]|[,;:—–]|\s(?=[^\W\d_]+\s)")
_CLOSING: Final = re.compile("[\"'”’»)\\]*_」』\uff09]*")
_SPACES: Final = re.compile(r"\s*")
_SPACE_DUE: Final = re.compile(rf"[^\w\s{_WIDE}」』\uff09]\Z")
"""The space behind a piece that went out without waiting for it."""
_NEXT_WORD: Final = re.compile(r"[\"'“\u2018«(\[*_]*([^\W_][\w'’]*)?")
_LETTER: Final = re.compile(r"[^\W_]")
_LETTERS: Final = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")
_DOTTED: Final = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}")
_ORDINAL: Final = re.compile(r"\d{1,2}\.[-–]?\d{1,2}|[IVX]{1,5}")
"""Days of a month, and Roman numerals, in whose languages a dot makes them ordinals."""
_NUMBER: Final = re.compile(r"\d.*|[IVXLC]+")
_LAST_WORD: Final = re.compile(r"[^\s\"'“”\u2018«(\[*_]{1,40}$")
_CLOSER: Final = {"[": "]", "(": ")", "<": ">", "*": "*"}


class Sentences:
    """The pieces of one answer.

    Args:
        language: a BCP 47 tag.
    """

    def __init__(self, language: str = "en-US") -> None:
        self._dotted_ordinals = primary(language) in words.DOTTED_ORDINALS
        self._joining = words.JOINING.get(primary(language), frozenset())
        self._room = MAX_LETTERS
        self._text = ""
        self._start = 0
        """Of the next piece, in the text; the text before it is gone at the end of ``add``."""
        self._seen = 0
        """Up to here there is no end of the piece."""
        self._span: tuple[str, int] | None = None
        """The mark that closes the brackets that are open, and the place where they began."""
        self._first = True
        self._longest_delta = 0
        """1 if the text comes letter by letter: then the next is not worth doing without."""
        self._list_number = 0
        """The last number that began an item of a list."""

    def add(self, text: str) -> list[str]:
        """The pieces that a further text completes."""
        self._longest_delta = max(self._longest_delta, len(text))
        text = text[: self._room]
        self._room -= len(text)
        self._text += text if self._text or self._first else text.lstrip()
        pieces: list[str] = []
        while (end := self._next_end()) is not None:
            piece = self._text[self._start : end]
            self._seen, self._span = end, None
            if _has_word(piece):
                pieces.append(piece + " " if _SPACE_DUE.search(piece) else piece)
                self._first = False
            elif len(piece) < LONGEST_LETTERS:
                continue  # goes along with what follows
            self._start = end
        self._text = self._text[self._start :]
        self._seen -= self._start
        if self._span is not None:
            self._span = (self._span[0], self._span[1] - self._start)
        self._start = 0
        return pieces

    def rest(self) -> str:
        """Text that stands when the answer is over; empty if there is no word in it."""
        text, self._text, self._seen, self._span = self._text, "", 0, None
        return text if _has_word(text) else ""

    def _next_end(self) -> int | None:
        """End of the next piece, if that can be told already."""
        text, latest = self._text, self._start + LONGEST_LETTERS
        while mark := _MARK.search(text, self._seen, latest):
            end = self._end_at(mark)
            if end is not None and end < 0:
                if len(text) > latest:
                    break
                return None
            self._seen = max(self._seen, mark.end())
            if end is not None:
                return end
        if len(text) <= latest:
            self._seen = max(self._seen, len(text) - LONGEST_MARK)
            return None
        return text.rfind(" ", self._start, latest) + 1 or latest

    def _end_at(self, mark: re.Match[str]) -> int | None:
        """End of the piece if it ends with this mark; None if it does not, negative if that is yet to be seen."""
        sign, at = mark[0], mark.start()
        if self._span is not None and at - self._span[1] > MAX_SPAN:
            self._span = None
        if sign == "\n":
            return mark.end()
        if sign in "[]()<>*":
            return self._bracket(sign, at)
        if self._span is not None:
            return None
        if sign.isspace():
            return self._before_joining(mark.end())
        if sign in ",;:—–":
            return self._clause_end(mark.end())
        return self._sentence_end(sign, at, mark.end())

    def _bracket(self, sign: str, at: int) -> int | None:
        """Note what is open; an end is nowhere near."""
        after = self._text[at + 1 : at + 2]
        if self._span is not None and sign == self._span[0]:
            if sign == "]" and not after:
                return -1
            self._span = (")", self._span[1]) if sign == "]" and after == "(" else None
        elif self._span is None and sign in _CLOSER:
            if sign == "*" and (self._text[at - 1 : at] == "*" or after == "*"):
                return None
            if sign in "<*" and not after:
                return -1
            if sign == "<" and not (after.isalpha() or after in "/!"):
                return None
            if sign == "*" and not after.isalpha():
                return None
            self._span = (_CLOSER[sign], at)
        return None

    def _before_joining(self, at: int) -> int | None:
        if not self._first or at - self._start < JOINED_LETTERS:
            return None
        word = _next_word(self._text, at)
        if word is None or word.word not in self._joining:
            return None
        return None if words.PAIRED & {*self._text[self._start : at].lower().split()} else at

    def _clause_end(self, after: int) -> int | None:
        text, sign = self._text, self._text[after - 1]
        if not self._first or after - self._start < FIRST_LETTERS:
            return None
        spaces = _SPACES.match(text, after)
        end = after if spaces is None else spaces.end()
        is_range = sign == "–" and not text[after - 2].isspace()
        if end == after and (is_range or sign not in "—–"):
            if end < len(text):
                return None
            return -1 if is_range or not text[after - 2].isalpha() or self._may_be_address(after - 1) else end
        if not text[max(self._start, after - 3) : after - 1].rstrip()[-1:].isdigit():
            return end
        if end == len(text):
            return -1
        return None if text[end].isdigit() else end

    def _sentence_end(self, sign: str, at: int, after: int) -> int | None:
        text = self._text
        closed = _CLOSING.match(text, after)
        after = after if closed is None else closed.end()
        quoted = after > at + len(sign)
        spaces = _SPACES.match(text, after)
        end = after if spaces is None else spaces.end()
        if sign[0] in _WIDE:
            return end
        if end == after and end < len(text):
            return None
        following = _next_word(text, end)
        if not {"!", "?"}.isdisjoint(sign):
            if following is None:
                return -1 if self._in_quotes(at) or (end == at + len(sign) and self._longest_delta == 1) else end
            return None if quoted and following.word[:1].islower() else end
        if len(sign) > 1 or sign == "…":
            return -1 if following is None else None if following.word[:1].islower() else end
        return self._dot_end(at, after, end, following)

    def _dot_end(self, at: int, after: int, end: int, following: _NextWord | None) -> int | None:
        """End of the sentence if a dot ends one."""
        text = self._text
        found = _LAST_WORD.search(text, max(self._start, at - LONGEST_WORD), at)
        last = found[0] if found else ""
        plain = last.lower()
        if last in words.TITLES or plain in words.WITHIN or (len(last) == 1 and last.isalpha() and last != "I"):
            return None
        if last.isdecimal():
            return self._number_end(last, at, end, following)
        if self._dotted_ordinals and _ORDINAL.fullmatch(last):
            return None
        if plain.endswith("str") and (following is None or following.word[:1].isdigit()):
            return -1 if following is None else None  # Hauptstr. 5
        if plain in words.BEFORE_NUMBER:
            return -1 if following is None else None if _NUMBER.fullmatch(following.word) else end
        if _DOTTED.fullmatch(last) or (
            plain in words.PERHAPS_LAST and (last[:1].isupper() or plain not in words.ONLY_CAPITALISED)
        ):
            if following is None or (following.word[:1].isupper() and not following.whole):
                return -1
            return end if following.word in words.STARTERS else None
        if following is not None:
            return None if following.word[:1].islower() else end
        if end > after:
            return end
        # Nothing is known of what follows: wait where it could belong to the dot.
        is_sure = _LETTERS.fullmatch(last) and self._longest_delta != 1 and not self._may_be_address(at)
        return end if is_sure and not self._in_quotes(at) else -1

    def _number_end(self, last: str, at: int, end: int, following: _NextWord | None) -> int | None:
        text, short = self._text, len(last) <= 2
        line = text[max(self._start, at - 8) : at].rpartition("\n")[2].strip(" *_#>-")
        begins_item = (line == last and at - self._start <= 8) or (
            short and int(last) == 1 and text[max(self._start, at - 3) : at - 1].strip() in (":", "-", ";")
        )
        if begins_item or (short and int(last) == self._list_number + 1 > 1):
            self._list_number = int(last)
            return None
        if self._dotted_ordinals and short:
            return None
        if following is None:
            return -1
        return None if following.word[:1].islower() or following.word[:1].isdigit() else end

    def _may_be_address(self, at: int) -> bool:
        """True if the words before could be the beginning of an address."""
        before = self._text[max(self._start, at - 60) : at].lower()
        return "@" in before or "://" in before or not words.ADDRESS_WORDS.isdisjoint(re.split(r"[\s:.]+", before))

    def _in_quotes(self, at: int) -> bool:
        piece = self._text[self._start : at]
        return piece.count('"') % 2 == 1 or piece.count("“") > piece.count("”")


@attrs.frozen
class _NextWord:
    word: str
    """Empty if a sign comes first."""
    whole: bool
    """Its end has come, too."""


def _next_word(text: str, at: int) -> _NextWord | None:
    """The word that begins here, behind quotes and brackets; None if it has not come."""
    match = _NEXT_WORD.match(text, at)
    if match is None or match.end() == at == len(text) or (not match[1] and match.end() == len(text)):
        return None
    return _NextWord(match[1] or "", whole=match.end() < len(text))


def _has_word(text: str) -> bool:
    return _LETTER.search(text) is not None
