"""Backchannels: words that tell that a listener listens, and do not ask for the floor.

A pure function of the text, linear in its length. What it cannot judge takes the floor: a caller who was heard for
nothing costs a pause, one who was not heard costs the conversation.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.speech_text.languages import phrases_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_LETTERS: Final = 2_000
"""Nobody agrees at such length: a longer text takes the floor unread."""

# Recognisers write noises as [noise], (coughs), *laughs*, <unk>. A telephone number in brackets has digits.
_NOISE: Final = re.compile(r"\[[^\[\]\d]{0,60}\]|\([^()\d]{0,60}\)|<[^<>\d]{0,60}>|\*[^*\d]{0,60}\*")
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’\u2018\u02bc`\u00b4", "'"))
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_DRAWN_OUT: Final = re.compile(r"(\w)\1{2,}")
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")
_MURMUR: Final = re.compile(
    r"m+(?:h+m+)*|h+m+(?:h+m+)*|u+h*m*|e+h*m*|e+r+m*|a+h*m*|o+h*|a?ha+|(?:a+h*|u+h*|m+)h[aumn]+|huh"
)
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana and Han. A word has some two."""
_QUESTION: Final = re.compile("[?\u037e\u061f\uff1f\u00bf]")


def is_speech(text: str) -> bool:
    """True if there are words in what a recogniser has written, be it more than ``[noise]`` or a dot."""
    return len(text) > MAX_LETTERS or bool(words_of(_NOISE.sub(" ", text)))


def spoken_in(text: str) -> str:
    """The text if there are words in it, else none: nobody has said ``[noise]`` or a dot."""
    return text if is_speech(text) else ""


def takes_floor(
    text: str, language: str, extra: Sequence[str] = (), min_words: int | None = None, *, partial: bool = False
) -> bool:
    """True if a caller who says this while the agent speaks wants to be heard.

    Args:
        text: what the recogniser has written, partial or final.
        language: a BCP 47 tag; it chooses the words that only agree.
        extra: further words or phrases that only agree, the persona's ``backchannels``.
        min_words: how many words it takes. Questions, and words such as "no", "wait" and "stop", need no company.
        partial: whether more may come: "makes" may be the beginning of "makes sense", and "Preci" of "Precies".
    """
    if len(text) > MAX_LETTERS:
        return True
    words = words_of(_NOISE.sub(" ", text))
    if not words:
        return False
    lexicon = _lexicon(language, tuple(extra))
    if lexicon.agrees(words):
        return False
    may_agree = partial and lexicon.agrees(words, begun=True) and not lexicon.claims_in(words)
    if may_agree and _QUESTION.search(text) is None:
        return False
    if min_words is None or _count(words) >= min_words:
        return True
    return _QUESTION.search(text) is not None or lexicon.claims_in(words)


@attrs.frozen
class _Lexicon:
    agreeing: frozenset[tuple[str, ...]]
    claims: frozenset[tuple[str, ...]]

    def agrees(self, words: Sequence[str], *, begun: bool = False) -> bool:
        """True if the words are nothing but agreeing phrases, one behind the other; the last may be ``begun`` only."""
        longest = max(map(len, self.agreeing))
        reached = {0}  # so many words from the beginning can be told as phrases
        for end in range(1, len(words) + 1):
            is_reached = (end - 1 in reached and _MURMUR.fullmatch(words[end - 1]) is not None) or any(
                begin in reached and tuple(words[begin:end]) in self.agreeing
                for begin in range(max(end - longest, 0), end)
            )
            if is_reached:
                reached.add(end)
        if begun:
            rests = (" ".join(words[begin:]) for begin in reached if 0 < len(words) - begin <= longest)
            return any(" ".join(phrase).startswith(rest) for rest in rests for phrase in self.agreeing)
        return len(words) in reached

    def claims_in(self, words: Sequence[str]) -> bool:
        """True if one of the claims is among the words."""
        lengths = {len(claim) for claim in self.claims}
        return any(tuple(words[at : at + length]) in self.claims for length in lengths for at in range(len(words)))


@lru_cache(maxsize=64)
def _lexicon(language: str, extra: tuple[str, ...]) -> _Lexicon:
    phrases = phrases_of(language)
    return _Lexicon(_told_apart((*phrases.backchannels, *extra)), _told_apart(phrases.claims))


def _told_apart(phrases: Iterable[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(filter(None, (words_of(phrase) for phrase in phrases)))


def _count(words: Iterable[str]) -> int:
    return sum(max(1, len(_UNSPACED.findall(word)) // 2) for word in words)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, without case, accents and drawn-out letters: recognisers differ in all of them."""
    plain = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES)).casefold()
    return tuple(_DRAWN_OUT.sub(r"\1", word) for word in _WORD.findall(_ACCENTS.sub("", plain)))
