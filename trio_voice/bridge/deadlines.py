"""Ends that a call comes to by itself: its limits and longest waits. Pure: time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from trio_voice.bridge.states import Model
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.bridge.states import States
    from trio_voice.persona import Limits

ASKED_AT: Final = 2 / 3
"""The share of ``idle_seconds`` after which a silent caller is asked whether they are there."""
LAST_WORDS_SECONDS: Final = 5.0
"""Before a call has lasted as long as it may, or a drain has, whoever is still there is told goodbye."""
LONG_CALL_SECONDS: Final = 30.0
"""A shorter limit leaves no time for that."""


class Deadline(NamedTuple):
    """A moment at which a call ends if nothing changes, and why."""

    at: float
    reason: EndReason
    limit: str
    words: str


class Deadlines:
    """Those of one call.

    Args:
        limits: what bounds it.
        now: when its stream was accepted.
    """

    __slots__ = ("_began", "_limits", "_quiet_since", "_was_asked", "last_words_at", "ready_by")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._began = now
        self.ready_by = now + limits.model_ready_seconds
        """Time by which the session that is being opened must be ready."""
        self._quiet_since = now
        self._was_asked = False
        limit = limits.time_limit_seconds
        self.last_words_at = now + limit - LAST_WORDS_SECONDS if limit >= LONG_CALL_SECONDS else math.inf
        """Time at which the caller is to be told that the call ends; infinite once they were."""

    def model_opens(self, now: float) -> None:
        """A session begins to be opened."""
        self.ready_by = now + self._limits.model_ready_seconds

    # Silence of the caller's

    def caller_heard(self, now: float) -> None:
        """They are there."""
        self._quiet_since, self._was_asked = max(self._quiet_since, now), False

    def agent_heard(self, until: float) -> None:
        """It is not silent before then; but what a silent caller is asked makes them no less silent."""
        if not self._was_asked:
            self._quiet_since = max(self._quiet_since, until)

    @property
    def ask_at(self) -> float | None:
        """Time at which a caller who stays silent is to be asked; ``None`` if they were."""
        return None if self._was_asked else self._quiet_since + self._limits.idle_seconds * ASKED_AT

    @property
    def was_asked(self) -> bool:
        """True if they were, and have not said a word since."""
        return self._was_asked

    def asked(self) -> None:
        """They are asked now."""
        self._was_asked = True

    @property
    def idle_at(self) -> float:
        """Time at which a caller who stays silent is told goodbye."""
        return self._quiet_since + self._limits.idle_seconds

    # What ends the call at once

    @property
    def time_limit(self) -> Deadline:
        """The call's length."""
        words, at = "the call has lasted as long as it may", self._began + self._limits.time_limit_seconds
        return Deadline(at, EndReason.TIME_LIMIT, "time_limit_seconds", words)

    def detail_of(self, deadline: Deadline) -> str:
        """The record's words for an end that one has brought."""
        return f"{deadline.words}: {deadline.limit} = {getattr(self._limits, deadline.limit):g}"

    def of(self, states: States, echo_due: float, dead_at: float) -> Iterator[Deadline]:
        """All that count in these states.

        Args:
            states: the call's.
            echo_due: when Twilio's oldest mark should have been back.
            dead_at: when a stream without media counts as dead.
        """
        limits = self._limits
        yield self.time_limit
        if states.started:
            gap, stalled = limits.media_gap_seconds, EndReason.CALLER_STALLED
            words = "no media came from Twilio, nor an answer to a mark"
            yield Deadline(dead_at, stalled, "media_gap_seconds", words)
            words = "Twilio does not say that it has played what it was sent"
            yield Deadline(echo_due + gap, stalled, "media_gap_seconds", words)
        else:
            words = "Twilio opened the stream and did not start it"
            yield Deadline(self._began + limits.start_seconds, EndReason.START_TIMEOUT, "start_seconds", words)
        if states.model is Model.OPENING:
            yield Deadline(
                self.ready_by, EndReason.MODEL_FAILED, "model_ready_seconds", "the model was not ready in time"
            )
