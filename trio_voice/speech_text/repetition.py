"""Repetition: words that are a run of what somebody else has said, as an echo on the line brings them.

Pure functions of the texts. What they cannot judge is no repetition.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trio_voice.speech_text.backchannels import words_of
from trio_voice.speech_text.languages import has_phrases, phrases_of

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_WORDS: Final = 3
"""Fewer may be anybody's."""
MOST_WORDS: Final = 60
"""An agent falls silent when it is spoken over: it says no more words meanwhile."""
MOST_SAID: Final = 600
"""The latest words of what was said that are looked through."""
WORDS_AN_ERROR: Final = 5
"""Recognisers get one word in so many wrong."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")


def said_without_choice(text: str, language: str) -> tuple[str, ...]:
    """Words of a text, but for the sentences that offer a choice; none if its last does, or is judged by nobody."""
    if not has_phrases(language):
        return ()
    choices = frozenset(word for phrase in phrases_of(language).choices for word in words_of(phrase))
    sentences = [words_of(sentence) for sentence in _SENTENCE_END.split(text.strip())]
    if not choices.isdisjoint(sentences[-1]):
        return ()
    return tuple(word for sentence in sentences if choices.isdisjoint(sentence) for word in sentence)


def repeats(words: Sequence[str], said: Sequence[str], *, begun: bool = False) -> bool:
    """True if the words are a run of what was said, with an error in five.

    Of words that have only ``begun``, the last may be a part of one, and one of three may be an error: the next may be
    right.
    """
    errors = len(words) // WORDS_AN_ERROR
    if begun and len(words) >= LEAST_WORDS:
        errors = max(errors, 1)
    said = said[-MOST_SAID:]
    known = set(said)
    if len(words) > MOST_WORDS or sum(word not in known for word in words[:-1]) > errors:
        return False
    return _edits(words, said, begun=begun) <= errors


def _edits(words: Sequence[str], said: Sequence[str], *, begun: bool) -> int:
    """The least words to change, to leave out or to add that make the words a run of what was said."""
    costs = [0] * (len(said) + 1)
    for number, word in enumerate(words, 1):
        may_go_on = begun and number == len(words)
        diagonal, costs[0] = costs[0], number
        for at, other in enumerate(said, 1):
            is_same = word == other or (may_go_on and other.startswith(word))
            diagonal, costs[at] = costs[at], min(diagonal + (not is_same), costs[at] + 1, costs[at - 1] + 1)
    return min(costs)
