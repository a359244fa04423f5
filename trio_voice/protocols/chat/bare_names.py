"""Names of tools that stand in an answer by themselves, without arguments: ``/end_call``, ``[Ends the call]``.

A name that nobody would say (``end_call``) is a call wherever it is all of a sentence, whatever signs stand around it
and however its parts are joined. What a model says in brackets that it does is one, too, if it is a tool's words,
whatever their endings. "I will end the call now" is neither.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from trio_voice.speech_text.stage_directions import is_hang_up

IDENTIFIER: Final = re.compile(r"[_\d.]|[a-z][A-Z]")
"""A name that nobody would say."""
_PARTS: Final = re.compile(r"[^\W\d_]+|\d+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SIGNS: Final = re.compile(r"(?:^|[\s.!?…:,])[^\w\s.!?…:,'\"]{1,3}\Z")
"""Signs that stand directly before a name, behind a blank or the end of a sentence."""
_TAIL: Final = re.compile(r"(?:[^\w\n]|_){0,40}")
_ARTICLES: Final = frozenset({"the", "this", "a", "an", "to"})
_ENDING: Final = re.compile(r"(?:(?<=[b-df-hj-np-tv-z])(?:ing|ed)|(?<=[a-z]{3})s)\Z")
_DOUBLE: Final = re.compile(r"([b-df-hj-np-tv-z])\1\Z")
_HANGS_UP: Final = "end_call"
"""Our tool that ends a call."""
_HANG_UP_BEGINS: Final = (
    *("hang", "hung", "end", "terminat", "disconnect", "clos", "drop", "call", "line", "conversation", "the", "agent"),
    *("assistant", "operator", "puts", "legt", "auf", "beendet", "anruf", "gespräch", "cuelga", "colgar", "finaliza"),
    *("fin", "llamada", "raccroche", "appel", "riattacca", "desliga", "hangt", "einde"),
)


@lru_cache(maxsize=64)
def lone_names(known: frozenset[str]) -> re.Pattern[str] | None:
    """Tools' names that nobody would say, as one word and however they are spelled; ``None`` without any."""
    spelled = {
        "_?".join(map(re.escape, _PARTS.findall(_CAMEL.sub("_", name)))) for name in known if IDENTIFIER.search(name)
    }
    spelled.discard("")
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(spelled))})(?!_?[^\W_])", re.IGNORECASE) if spelled else None


def tool_of(written: str, known: frozenset[str]) -> str:
    """The tool whose name is written so, apart from signs and large letters; empty if there is none."""
    return next((name for name in known if _bare(name) == _bare(written)), "")


def _bare(name: str) -> str:
    return "".join(_PARTS.findall(name)).lower()


def letters_of_lone(window: str, length: int, before: str, *, begins_sentence: bool, is_all: bool) -> int | None:
    """Letters of a lone name and the signs behind it; 0 if it is part of a sentence, ``None`` if more must tell.

    Args:
        window: the text from the name on.
        length: letters of the name.
        before: the end of the line before it.
        begins_sentence: nothing but signs stands between the beginning of a sentence and the name.
        is_all: more may come behind the window.
    """
    has_sign = _SIGNS.search(before) is not None
    if not (begins_sentence or has_sign):
        return 0
    tail = _TAIL.match(window, length)
    end = tail.end() if tail is not None else length
    if end == len(window):
        return None if is_all else end
    if window[end] == "\n" or (begins_sentence and has_sign):
        return end
    return 0


def tool_alone(text: str, known: frozenset[str]) -> str:
    """The tool whose name is all that is in a text but signs; empty if there is more, or none."""
    name = text.strip().strip("/#$@!%:*_-><()[]{};.\"'` ")
    lone = lone_names(known)
    return tool_of(name, known) if lone is not None and lone.fullmatch(name) else ""


def tool_in_words(aside: str, known: frozenset[str]) -> str:
    """The tool that does what a model says in brackets that it does; empty if there is none."""
    if _HANGS_UP in known and is_hang_up(aside):
        return _HANGS_UP
    words = _stems(aside)
    return next((name for name in sorted(known) if "_" in name and _stems(name) == words), "")


def may_be_words(begun: str, known: frozenset[str]) -> bool:
    """True if the beginning of what stands in brackets may become the words of a tool."""
    first = begun.lower().partition(" ")[0]
    stems = [_stems(name)[0] for name in known if "_" in name and _stems(name)]
    stems += _HANG_UP_BEGINS if _HANGS_UP in known else ()
    return any(first.startswith(stem) or stem.startswith(first) for stem in stems)


def _stems(text: str) -> list[str]:
    words = [word for word in _PARTS.findall(text.lower()) if word not in _ARTICLES]
    return [_DOUBLE.sub(r"\1", _ENDING.sub("", word)).removesuffix("e") for word in words]
