"""Answers that go round in circles: the same sentence again and again, or the same few words without an end."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_WORD: Final = re.compile(r"\w+")
SHORTEST: Final = 3
"""Words of a sentence whose repetition tells something: "Yes." may be said often."""
TIMES: Final = 3
"""Times at which a sentence is one too many."""
MANY_WORDS: Final = 24
"""Words of a sentence that is a circle by itself if it has but few different ones."""


class Circles:
    """The sentences of one answer."""

    def __init__(self) -> None:
        self._said: Counter[tuple[str, ...]] = Counter()

    def closes(self, sentence: str) -> bool:
        """True if this further sentence shows that the answer has no end of its own. Linear in its letters."""
        words = tuple(_WORD.findall(sentence.casefold()))
        if len(words) < SHORTEST:
            return False
        self._said[words] += 1
        few = len(words) >= MANY_WORDS and len(set(words)) * 6 <= len(words)
        return few or self._said[words] >= TIMES
