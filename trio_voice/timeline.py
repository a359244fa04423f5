"""Timeline of a call beyond what was said, asked of tools and opened: what Twilio told us, and when."""

from __future__ import annotations

import enum
from typing import Final

import attrs

MAX_EVENTS: Final = 300
"""Of one call's timeline. The first are kept, and those beyond them counted (``timeline_events_over_the_bound``)."""
MAX_STRETCHES: Final = 500
"""Stretches of speech whose marks one call's record holds; the first are kept."""
MAX_LETTERS: Final = 200
"""Of the words of an event, which may be a stranger's."""


class EventKind(enum.StrEnum):
    """Kinds of what a timeline holds."""

    CALLBACK = "callback"
    """Twilio has told us something by a webhook: which, and its word."""
    BARGE_IN = "barge_in"
    """The caller took the floor while the agent was speaking."""
    FALSE_INTERRUPTION = "false_interruption"
    """Sound that cut the agent off was a noise, or an "uh-huh": it went on."""
    TAKEOVER = "takeover"
    """A model was lost, and another session takes over."""
    RENEWAL = "renewal"
    """The provider ends a session after a time: another goes on."""
    OPERATOR = "operator"
    """An operator has steered the call."""


@attrs.define
class TimelineEvent:
    """One thing that happened in a call."""

    kind: str
    """``callback``, ``barge_in``, ``false_interruption``, ``takeover``, ``renewal`` or ``operator``."""
    at: float
    """Seconds since the call began; less than 0 before its stream came."""
    detail: str = ""
    """The same in words."""


@attrs.define
class Marks:
    """Marks of one stretch of the agent's speech: how Twilio told us that it was heard."""

    at: float
    """Time at which the first of them was to be reached, in seconds since the call began."""
    until: float
    """Time at which the latest came back."""
    placed: int = 0
    """Marks that were sent."""
    played: int = 0
    """Marks that came back because all before them had been played."""
    discarded: int = 0
    """Marks whose sound a barge-in threw away."""
    late_ms: float = 0.0
    """Most by which one of them came back later than its sound was to be over, by our clock."""

    @property
    def pending(self) -> int:
        """Marks that have not come back."""
        return self.placed - self.played - self.discarded
