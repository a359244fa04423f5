"""Notices that an answer is owed to the caller and that nothing can be heard of it.

Models answer with text alone, with nothing, with digital silence, or do not begin to answer at all, and none of this is
an error to them. What can be heard, or a tool that is asked for, is an answer; whatever else comes is none. The model
is asked once more; if that brings nothing either, it is as good as dead. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import enum
import math
from typing import Final

NUDGE: Final = (
    "The caller has said something and is waiting. Answer now; if you did not understand, ask them to say it again."
)
ALOUD: Final = "The caller could not hear your last answer. Say it aloud now, word for word: {}"
"""Words for a model whose answer had a text and no sound."""
REST: Final = (
    "Your last answer broke off, and the caller is waiting. Finish it in one short sentence, in other words than those "
    "that were left out."
)
"""Words for a model whose answer was cut by a filter, by its length or by a fault of its own."""
ANSWER_SECONDS: Final = 2.5
"""Time after the caller's turn, or a reply that was asked for, that its making may take to begin; and the least time
after that before a reply that was silent is asked for again."""
MAX_WAIT_SECONDS: Final = 5.0
"""A longer wait that a provider asks for is not kept: another session or model is used."""
MAKING_SECONDS: Final = 8.0
"""Time that a reply may be made without a sound: some models think first."""


OTHERWISE: Final = (
    "Your answer broke off again and cannot be given. Tell the caller in one short sentence that you cannot say it, "
    "and ask what else you can do."
)
"""Words for a model whose answer broke off again and again."""
MAX_RESTS: Final = 2
"""Answers that break off one after the other and whose end is asked for."""


class Rests:
    """Answers that break off, one after the other: their end is asked for, then something else."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> str | None:
        """Words for a model of which one more has broken off; ``None`` if it was asked for everything."""
        self._count += 1
        if self._count <= MAX_RESTS:
            return REST
        return OTHERWISE if self._count == MAX_RESTS + 1 else None

    def begin_again(self) -> None:
        """An answer came whole, a tool is asked for, or the caller has said something else."""
        self._count = 0


class Step(enum.Enum):
    """Outcome of an answer that is owed."""

    ASK = "none comes: ask for it"
    LEAVE = "still none: another session should take over"


class Unanswered:
    """Answers that one session owes the caller."""

    __slots__ = ("_asked", "_due_at", "_owed_at", "_suspended")

    def __init__(self) -> None:
        self._owed_at = self._due_at = math.inf
        self._asked = self._suspended = False

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return self._due_at

    @property
    def is_owed(self) -> bool:
        """True if an answer is waited for."""
        return self._due_at < math.inf

    @property
    def is_suspended(self) -> bool:
        """True if an answer was waited for when the caller began to speak."""
        return self._suspended

    def owe(self, now: float, wait: float = 0.0) -> None:
        """The caller has spoken, or the model was asked to; with a ``wait`` that the provider asks for first."""
        self._owed_at = now + wait
        self._due_at = self._owed_at + ANSWER_SECONDS

    def making(self, now: float) -> None:
        """An answer has begun, and has no sound yet."""
        if self.is_owed:
            self._due_at = now + MAKING_SECONDS

    def silent(self, now: float) -> None:
        """It is over, and nothing could be heard of it."""
        if self.is_owed:
            self._due_at = max(now, self._owed_at + ANSWER_SECONDS)

    def suspend(self) -> None:
        """The caller speaks: nothing is due before they have finished."""
        self._suspended = self._suspended or self.is_owed
        self._due_at = math.inf

    def resume(self, now: float) -> None:
        """They have, without a word: what was owed before still is."""
        if self._suspended:
            self.owe(now)
        else:
            self.settle()

    def settle(self) -> None:
        """It is heard, or nobody waits for it any more."""
        self._due_at, self._asked, self._suspended = math.inf, False, False

    def tick(self, now: float) -> Step | None:
        """The step that is due by now. Harmless to call too early."""
        if now < self._due_at:
            return None
        if self._asked:
            self.settle()
            return Step.LEAVE
        self._asked = True
        self.owe(now)
        return Step.ASK
