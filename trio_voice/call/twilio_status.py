"""Twilio's words for the state of a call, which its callbacks say twice, late and out of order."""

from __future__ import annotations

from typing import Final

from trio_voice.record import TERMINAL_STATUSES, CallState

STATES: Final = {
    "queued": CallState.DIALING,
    "initiated": CallState.DIALING,
    "ringing": CallState.RINGING,
}
"""Twilio's status of a call that has not been answered, and our ``CallState``."""
_PROGRESS: Final = ("queued", "initiated", "ringing", "in-progress")
"""Twilio's words for a call that is not over, in their order; callbacks are not delivered in any."""
DIALED: Final = frozenset({"initiated", "ringing"})


def rank(status: str | None) -> int:
    """Rank of a status on a call's way; an unknown one is further than none."""
    if status in TERMINAL_STATUSES:
        return len(_PROGRESS)
    return _PROGRESS.index(status) if status in _PROGRESS else -1
