"""Time at which a session is to be succeeded: some time before its longest time is over."""

from __future__ import annotations

import math
from typing import Any, Final

EXPIRING_SECONDS: Final = 60.0
"""Time before its end at which a session is to be succeeded: the next quiet moment may take a while."""
LONGEST_SECONDS: Final = 86_400.0
"""Bound of a session's end, which a server tells: its clock may be wrong."""


class Expiry:
    """One session's.

    Args:
        usual_seconds: how long the server keeps a session, if it does not say.
        started_at: the time of day, in seconds since 1970, if the server is to be believed about the end.
    """

    def __init__(self, usual_seconds: float, started_at: float | None) -> None:
        self._usual_seconds = usual_seconds
        self._started_at = started_at
        self._notice_seconds = EXPIRING_SECONDS
        self.wake_at = math.inf
        """Time at which ``pop`` has something to say."""

    def begin(self, expires_at: Any, now: float) -> None:
        """The server has made the session, and says when it will end, by the time of day."""
        seconds = self._usual_seconds
        if self._started_at is not None and isinstance(expires_at, int | float) and not isinstance(expires_at, bool):
            told = expires_at - self._started_at
            seconds = told if 0 < told < LONGEST_SECONDS else seconds
        self._notice_seconds = min(EXPIRING_SECONDS, seconds / 2)
        self.wake_at = now + seconds - self._notice_seconds

    def pop(self, now: float) -> float | None:
        """Seconds that are left, once it is time to say so."""
        if now < self.wake_at:
            return None
        self.wake_at = math.inf
        return self._notice_seconds
