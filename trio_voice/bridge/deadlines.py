"""Ends that a call comes to by itself: its limits and longest waits. Pure: time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from trio_voice.bridge.states import Model
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.bridge.states import States
    from trio_voice.limits import Limits

ASKED_AT: Final = 2 / 3
"""The share of ``idle_seconds`` after which a silent caller is asked whether they are there."""
WORDLESS_SECONDS: Final = 120.0
"""Sounds of which no words come are a caller who thinks aloud for so long since they, or the agent, said something."""
LATE_WORDS_SECONDS: Final = 5.0
"""Most that the words of a sound are waited for once it is over; those of a short one as long as it was."""
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

    __slots__ = (
        "_asked_at",
        "_began",
        "_limits",
        "_quiet_since",
        "_sound_since",
        "_sound_until",
        "last_words_at",
        "ready_by",
    )

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._began = now
        self.ready_by = now + limits.model_ready_seconds
        """Time by which the session that is being opened must be ready."""
        self._quiet_since = now
        self._sound_since: float | None = None
        """Time at which the caller began to make the sound that they are making."""
        self._sound_until = -math.inf
        """Time until which words of what they last made a sound of may come."""
        self._asked_at: float | None = None
        """Time at which they were asked whether they are there, if they have not answered."""
        limit = limits.time_limit_seconds
        self.last_words_at = now + limit - LAST_WORDS_SECONDS if limit >= LONG_CALL_SECONDS else math.inf
        """Time at which the caller is to be told that the call ends; infinite once they were."""

    def model_opens(self, now: float) -> None:
        """A session begins to be opened."""
        self.ready_by = now + self._limits.model_ready_seconds

    # Silence of the caller's

    def caller_heard(self, now: float) -> None:
        """They are there: they say words, press keys, or are answered."""
        self._quiet_since, self._asked_at = max(self._quiet_since, now), None

    def caller_sounds(self, now: float, *, sounds: bool) -> None:
        """They seem to be speaking, or not any more.

        They may be thinking aloud, with words to come at the end; or it is a cough, or a road, and no words come. So it
        puts off what a silent caller is told, and makes them no less silent.
        """
        if sounds:
            self._sound_since = now if self._sound_since is None else self._sound_since
            self._sound_until = math.inf
        elif self._sound_since is not None:
            self._sound_until = now + min(now - self._sound_since, LATE_WORDS_SECONDS)
            self._sound_since = None

    def _once_words_may_have_come(self, at: float) -> float:
        return max(at, min(self._sound_until, self._quiet_since + WORDLESS_SECONDS))

    def agent_heard(self, until: float) -> None:
        """It is not silent before then; but what a silent caller is asked makes them no less silent."""
        if self._asked_at is None:
            self._quiet_since = max(self._quiet_since, until)

    @property
    def ask_at(self) -> float | None:
        """Time at which a caller who stays silent is to be asked; ``None`` if they were."""
        return None if self.was_asked else self._question_due

    @property
    def was_asked(self) -> bool:
        """True if they were, and have not said a word since."""
        return self._asked_at is not None

    def asked(self, now: float) -> None:
        """They are asked now."""
        self._asked_at = now

    @property
    def idle_at(self) -> float:
        """Time at which a caller who stays silent is told goodbye."""
        asked_at = self._question_due if self._asked_at is None else self._asked_at
        return self._once_words_may_have_come(asked_at + self._limits.idle_seconds * (1 - ASKED_AT))

    @property
    def _question_due(self) -> float:
        return self._once_words_may_have_come(self._quiet_since + self._limits.idle_seconds * ASKED_AT)

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
