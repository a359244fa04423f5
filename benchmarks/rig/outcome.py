"""Outcome of a case, and the verdict on whether the promise was kept."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Self

import attrs

if TYPE_CHECKING:
    from rig.process import Footprint

PROMISE_SECONDS: Final = 2.0
"""From the first sign of the end to both sockets closed, whatever the peers do."""


SILENCE_SECONDS: Final = 6.0
"""Between two sounds, for a caller to whom an answer is owed."""


class Goodbye(enum.Enum):
    """Goodbye that the provider was told before its socket was closed; the worst first."""

    CUT = 0
    """Nothing."""
    CLOSE_FRAME = 1
    """A WebSocket close frame, which stops no meter where the protocol has a goodbye of its own."""
    SAID = 2
    NONE = 3
    """There was nobody to tell: no session, or one that had left or did not read."""


@attrs.frozen
class Outcome:
    """One case, or the worst of several runs of it. Seconds count from the first sign; ``None`` is never."""

    fault: str
    phase: str
    kind: str = ""
    limit_name: str | None = None
    limit_seconds: float = 0.0
    """Time that the server may take to notice, because nothing but this limit can; 0 if its limit is not known."""
    bound_seconds: float = PROMISE_SECONDS
    """Time by which both sides must be released, after what the limit allows; where that is not known, ever."""
    sessions: int = 0
    model_seconds: float | None = None
    caller_seconds: float | None = None
    goodbye: Goodbye = Goodbye.NONE
    rest_hang_up: bool = False
    silent_seconds: float | None = None
    """The longest time that a caller to whom an answer is owed has heard nothing; ``None`` where none is."""
    silent_bound_seconds: float = SILENCE_SECONDS
    had_last_word: bool = True
    """True if a caller to whom an answer is owed was told something after the sign, and was not cut off in it."""
    descriptors: int | None = None
    tasks: int | None = None
    threads: int | None = None
    memory_kb: int | None = None
    """Left over, against before. ``None`` where the process has ended or does not tell."""
    exit_status: int | None = None
    """Of a server that ended in this case."""
    ends_process: bool = False
    not_run: str = ""
    """Feature that the server does not offer, so that there is nothing to judge."""
    unreached: str = ""
    """Reason for which the call did not come to the phase, which is a failure."""

    @property
    def clean(self) -> bool:
        """True if the server was left as it was."""
        return not self.not_run and not self.unreached and not self._is_late() and not self._leaks()

    @property
    def problems(self) -> list[str]:
        """Breaches of the promise."""
        if self.not_run:
            return []
        if self.unreached:
            return ["unreached"]
        found = []
        if self._is_late():
            found.append("late")
        if self.goodbye in {Goodbye.CUT, Goodbye.CLOSE_FRAME}:
            found.append("untold")
        if self.silent_seconds is not None and self.silent_seconds > self.silent_bound_seconds:
            found.append("silent")
        if not self.had_last_word:
            found.append("no last word")
        if self._leaks():
            found.append("left over")
        if self.exit_status is not None and not self.ends_process:
            found.append("died")
        return found

    def _is_late(self) -> bool:
        both = (self.model_seconds, self.caller_seconds)
        return any(seconds is None or seconds > self.bound_seconds for seconds in both)

    def _leaks(self) -> bool:
        return (self.descriptors or 0) > 0 or (self.tasks or 0) > 0

    def with_footprints(self, before: Footprint, after: Footprint) -> Self:
        """The same, with what is left over."""
        return attrs.evolve(
            self,
            descriptors=after.descriptors - before.descriptors,
            threads=after.threads - before.threads,
            memory_kb=after.memory_kb - before.memory_kb,
            tasks=after.tasks - before.tasks if after.tasks is not None and before.tasks is not None else None,
        )

    @classmethod
    def worst(cls, outcomes: list[Outcome]) -> Outcome:
        """The slowest of several runs, with the most that any of them has left."""
        for each in outcomes:
            if each.not_run or each.unreached:
                return each
        ran = outcomes
        return attrs.evolve(
            ran[0],
            model_seconds=_slowest([each.model_seconds for each in ran]),
            caller_seconds=_slowest([each.caller_seconds for each in ran]),
            silent_seconds=None if ran[0].silent_seconds is None else _slowest([each.silent_seconds for each in ran]),
            had_last_word=all(each.had_last_word for each in ran),
            goodbye=min((each.goodbye for each in ran), key=lambda goodbye: goodbye.value),
            rest_hang_up=all(each.rest_hang_up for each in ran),
            descriptors=_most([each.descriptors for each in ran]),
            tasks=_most([each.tasks for each in ran]),
            threads=_most([each.threads for each in ran]),
            memory_kb=_most([each.memory_kb for each in ran]),
            exit_status=next((each.exit_status for each in ran if each.exit_status is not None), None),
        )


def _slowest(seconds: list[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return max(known) if len(known) == len(seconds) else None


def _most(counts: list[int | None]) -> int | None:
    return max((each for each in counts if each is not None), default=None)
