"""When a goodbye has been heard: the end of a call that the agent asked for, or its transfer, waits for this.

It has been heard when the model has nothing more to say, Twilio has played all of it (the last mark is back), and it
has been quiet for a moment. Models ask for the end before, while, or after they say goodbye, and some say none; so an
agent that has said nothing yet is given time to begin, and no goodbye lasts for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trio_voice.bridge.playback import Playback
    from trio_voice.tool_results import Then

GOODBYE_BEGINS_SECONDS: Final = 4.0
"""How long an agent that has asked for the end may take to begin its goodbye, if it has said none so far."""
GOODBYE_OVER_SECONDS: Final = 0.5
"""How long it must be quiet after a goodbye before it counts as finished."""
GOODBYE_SECONDS: Final = 30.0
"""For the whole goodbye, whatever happens in it."""
MARK_PATIENCE_SECONDS: Final = 1.5
"""How long after the clock says that all was played a mark may still be on its way back."""


class Goodbye:
    """One goodbye, from the moment that it was asked for.

    Args:
        then: what happens when it has been heard.
        now: that moment.
        spoken: whether the reply that asked for it could be heard already, in which case that may have been it.
    """

    def __init__(self, then: Then, now: float, *, spoken: bool) -> None:
        self.then = then
        self.spoken = spoken
        self._latest = now + GOODBYE_SECONDS
        self._quiet_since: float | None = None

    def begin_again(self) -> None:
        """The caller has spoken into it, and will be answered."""
        self._quiet_since, self.spoken = None, False

    def due(self, now: float, playback: Playback, *, more_to_come: bool) -> float:
        """When it counts as heard, if nothing changes; asked again whenever something has."""
        mark_due = playback.ends_at + MARK_PATIENCE_SECONDS
        if more_to_come or playback.is_playing(now) or (playback.awaits_marks and now < mark_due):
            self._quiet_since = None
            return min(self._latest, max(now, playback.ends_at) + MARK_PATIENCE_SECONDS)
        if self._quiet_since is None:
            self._quiet_since = now
        patience = GOODBYE_OVER_SECONDS if self.spoken else GOODBYE_BEGINS_SECONDS
        return min(self._latest, self._quiet_since + patience)
