"""Questions to a language model that were not answered: asked again, otherwise, of another, or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from trio_voice.events.stage import ThoughtFailed

RETRY_SECONDS: Final = 0.3
"""Before the same is asked again where the provider names no pause."""
LONGEST_WAIT_SECONDS: Final = 5.0
"""The longest pause that a provider may ask for; for a longer one another is asked."""
MAX_ASKED: Final = 2
"""Questions to one member of the list, if it does not say when to ask again."""
MAX_ASKED_AS_TOLD: Final = 3
MAX_SHORTENED: Final = 3
MAX_ADAPTED: Final = 8
"""Peculiarities of a server that one question may find out."""
MAX_EMPTY: Final = 3
"""Answers without a word; the last of them was asked for in plain words."""


@attrs.define
class Tries:
    """Tries of one question, and the models that were asked.

    Args:
        members: how many language models there are.
        member: the one that is asked.
    """

    members: int = 1
    member: int = 0
    asked: int = 1
    passed_on: int = 0
    shortened: int = 0
    adapted: int = 0
    empty: int = 0
    rephrased: bool = False
    plain: bool = False

    def after_failure(self, failed: ThoughtFailed, *, can_shorten: bool) -> float | None:
        """Seconds until the question is put again, in the way that has been noted here; ``None`` to give it up."""
        wait = failed.wait_seconds
        if failed.remedy == "adapted" and self.adapted < MAX_ADAPTED:
            self.adapted += 1
            return 0.0
        if failed.remedy == "shorten" and can_shorten and self.shortened < MAX_SHORTENED:
            self.shortened += 1
            return 0.0
        if failed.remedy == "rephrase" and not self.rephrased:
            self.rephrased = True
            return 0.0
        hangs = failed.code == "unavailable" and self.passed_on < self.members - 1
        if not failed.retryable or hangs or (wait or 0.0) > LONGEST_WAIT_SECONDS:
            return self._ask_next()
        if self.asked >= (MAX_ASKED if wait is None else MAX_ASKED_AS_TOLD):
            return self._ask_next()
        self.asked += 1
        return wait or RETRY_SECONDS

    def once_plainly(self) -> bool:
        """True if the question has not been put without tools and the talk before it; then it is now."""
        was_plain, self.plain = self.plain, True
        return not was_plain

    def after_nothing(self) -> float | None:
        """The same after an answer without a word."""
        self.empty += 1
        self.asked += 1
        return 0.0 if self.empty < MAX_EMPTY else self._ask_next()

    def _ask_next(self) -> float | None:
        if self.passed_on >= self.members - 1:
            return None
        self.passed_on += 1
        self.member = (self.member + 1) % self.members
        self.asked, self.empty = 1, 0
        return 0.0
