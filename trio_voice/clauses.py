"""Cuts a language model's answer into pieces to be spoken, as soon as each stands.

The first piece ends with the first clause, so that the caller hears something soon; those after it are sentences,
because a voice speaks a sentence better in one breath. All the text comes out again, in order and unchanged.
"""

from __future__ import annotations

import re
from typing import Final

FIRST_LETTERS: Final = 16
"""The first piece has at least so many, or is a whole sentence: "Well," alone sounds torn off."""
LONGEST_LETTERS: Final = 300
"""A sentence that is longer is cut between words: whoever waits for its end keeps the caller waiting."""

# A dot inside a number or an address has no space after it. Opening words that end in a dot are not sentences.
_SENTENCE_END: Final = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bNo)(?<!\bMrs)[.!?…]+[\"'”’)\]]*\s|\n|[\u3002\uff01\uff1f]"
)
_CLAUSE_END: Final = re.compile(r"[,;:—–]\s")


class Clauses:
    """The pieces of one answer."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def add(self, text: str) -> list[str]:
        """The pieces that a further text completes."""
        self._text += text
        pieces: list[str] = []
        while (end := self._next_end()) is not None:
            piece, self._text = self._text[:end], self._text[end:]
            if piece.strip():
                pieces.append(piece)
                self._first = False
        return pieces

    def rest(self) -> str:
        """What stands when the answer is over; empty if there is no word in it."""
        text, self._text = self._text, ""
        return text if text.strip() else ""

    def _next_end(self) -> int | None:
        sentence = _SENTENCE_END.search(self._text)
        ends = [sentence.end()] if sentence else []
        if self._first:
            clause = _CLAUSE_END.search(self._text, FIRST_LETTERS)
            ends += [clause.end()] if clause else []
        if not ends and len(self._text) > LONGEST_LETTERS:
            ends = [self._text.rfind(" ", 0, LONGEST_LETTERS) + 1 or LONGEST_LETTERS]
        return min(ends, default=None)
