"""New tries of a session that could not be opened.

A provider that is restarting, full for a moment or out of reach refuses the first handshake and takes the second. What
names its cause (a key, a model, an address that is none) is not asked again. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.events.call import LegClosed
from trio_voice.events.model import ModelFault

if TYPE_CHECKING:
    from trio_voice.events.call import Fact

PAUSES: Final = (0.3, 0.6, 1.2, 2.0)
"""Seconds before each further try, if the provider asks for no other wait; the last goes on."""
MAX_RETRY_AFTER: Final = 5.0
"""A longer wait than this is not kept: the next model is used, if there is one."""
PATIENCE_SECONDS: Final = 5.0
"""Time in which a call's first session is tried again: a caller who hears nothing for longer than six seconds has been
left alone."""
IMPATIENCE_SECONDS: Final = 1.0
"""The same while another model could take over, or once the talk has begun: a caller whose model is lost has heard the
last line six seconds later, and that takes some four."""
LAST_TRY_SECONDS: Final = 1.0
"""Time before the model has to be ready in which no other try is begun."""


class Attempts:
    """Those at one session.

    Args:
        now: when the first is begun.
        ready_seconds: how long after that the model has to be ready.
        others: whether another model could take over.
        first: whether the call has had no session yet that was ready.
    """

    def __init__(self, now: float, ready_seconds: float, *, others: bool, first: bool) -> None:
        last = now + ready_seconds - LAST_TRY_SECONDS
        self._until = min(last, now + (PATIENCE_SECONDS if first and not others else IMPATIENCE_SECONDS))
        self._asked_until = self._until if others else last
        self._failed = 0

    def pause_after(self, fact: Fact, now: float) -> float | None:
        """Seconds to wait before the next try, if this fact ends one that may go better; ``None`` otherwise."""
        if not isinstance(fact, LegClosed | ModelFault) or not fact.passing:
            return None
        wait, until = PAUSES[min(self._failed, len(PAUSES) - 1)], self._until
        if fact.retry_after is not None:
            wait, until = max(fact.retry_after, PAUSES[0]), self._asked_until
        if wait > MAX_RETRY_AFTER or now + wait > until:
            return None
        self._failed += 1
        return wait
