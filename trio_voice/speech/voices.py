"""Voices, and the cutting of a text into what is said in one breath."""

from __future__ import annotations

import re
import textwrap
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

LONGEST_BREATH: Final = 80
"""Characters; five seconds of speech."""

_SENTENCE_END: Final = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s)|\n""")
_ABBREVIATION: Final = re.compile(r"\b(mr|mrs|ms|dr|prof|st|vs|approx|e\.g|i\.e|a\.m|p\.m|[a-z])\.$", re.IGNORECASE)
_CLAUSE_END: Final = re.compile(r"(?<=[,;:])\s+")


@attrs.frozen
class Voice:
    """A language of nanotts; pitch and speed are multiples of its own."""

    language: str
    pitch: float = 1.0
    speed: float = 1.0


VOICES: Final[Mapping[str, Voice]] = MappingProxyType(
    {
        "alba": Voice("en-US", speed=0.92),
        "eve": Voice("en-US", pitch=1.2, speed=0.85),
        "george": Voice("en-US", pitch=0.85, speed=0.92),
        "michael": Voice("en-US", pitch=0.75),
        "anna": Voice("en-GB", speed=0.92),
        "vera": Voice("en-GB", pitch=1.1, speed=0.92),
        "charles": Voice("en-GB", pitch=0.75, speed=0.92),
        "paul": Voice("en-GB", pitch=0.85, speed=0.92),
    }
)
"""By ids that a provider has for its own. In whole sentences, others than those by which these were chosen, our
recogniser understands 83 (anna) to 96 (alba) words in 100; of words said alone, three in four."""


def voice_named(name: str) -> Voice:
    """The voice with this id. Providers have more of them than we: an unknown one borrows ours, always the same."""
    if name in VOICES:
        return VOICES[name]
    return list(VOICES.values())[zlib.crc32(name.encode("utf-8", "replace")) % len(VOICES)]


_SPOKEN_HERE: Final = {"de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT"}
"""Languages of nanotts besides English."""


def voice_of(language: str) -> Voice:
    """The voice that says a persona's lines in its language (a BCP 47 tag); an English one where nanotts has no other.

    A line with a foreign accent is better than silence.
    """
    spoken = _SPOKEN_HERE.get(language.partition("-")[0].lower())
    return VOICES["alba"] if spoken is None else Voice(spoken)


def split_sentences(text: str) -> list[str]:
    """The pieces to say one after the other, so that the first is heard while the others are made.

    Pieces are sentences; one longer than ``LONGEST_BREATH`` is cut further, after a comma where it has one. None is
    empty, none has white space other than single spaces between its words.
    """
    return [breath for sentence in _sentences(text) for breath in _breaths(sentence)]


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text, start, mark.end()):
            yield text[start : mark.end()]
            start = mark.end()
    yield text[start:]


def _breaths(sentence: str) -> Iterator[str]:
    """As few as there can be, cut where a speaker would pause."""
    whole = " ".join(sentence.split())
    breath = ""
    for clause in [whole] if len(whole) <= LONGEST_BREATH else _CLAUSE_END.split(whole):
        for piece in textwrap.wrap(clause, LONGEST_BREATH, break_on_hyphens=False):
            if breath and len(breath) + 1 + len(piece) > LONGEST_BREATH:
                yield breath
                breath = piece
            else:
                breath = f"{breath} {piece}".lstrip()
    if breath:
        yield breath
