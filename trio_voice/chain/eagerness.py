"""Reasons to begin an answer before the caller's turn is over, or not to."""

from __future__ import annotations

from collections import deque
from typing import Final

from trio_voice.chain.reply import words_of
from trio_voice.speech_text.unfinished import is_unfinished

REMEMBERED: Final = 8
"""Pauses of a call that tell what the next one means."""


class Eagerness:
    """One call's: where callers mostly go on after a pause, nothing is begun in it.

    Whether they do is seen from all pauses, also from those in which nothing was begun.

    Args:
        language: of the talk.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._ended: deque[bool] = deque(maxlen=REMEMBERED)
        """Of the last pauses: true if the turn was over."""
        self._pause: list[str] | None = None
        """The words at the pause of which it is not known yet."""

    def begins(self, text: str) -> bool:
        """True if the answer to these words is to begin though more of them may come; it is told of a pause."""
        if is_unfinished(text, self._language):
            self._pause = None
            return False
        if self._pause != words_of(text):
            self.went_on()
            self._pause = words_of(text)
        return self._ended.count(False) <= self._ended.count(True) + 1

    def went_on(self) -> None:
        """The caller has gone on after the pause, if there was one."""
        if self._pause is not None:
            self._pause = None
            self._ended.append(False)

    def over(self, text: str) -> None:
        """The turn is over with these words."""
        if self._pause is not None:
            self._ended.append(self._pause == words_of(text))
            self._pause = None
