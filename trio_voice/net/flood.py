"""Bound on what a peer may send before it is cut off: a token limiter for each socket, filled by time."""

from __future__ import annotations

from typing import Final

import trio

FLOOD_BURST: Final = 2_000
"""Messages that a peer may send at once, and frames that bring none."""
FLOOD_PER_SECOND: Final = 400
"""The same a second, on the average. A telephone sends 50, a fast model some 200."""
FLOOD_MESSAGE_BYTES: Final = 4_096
"""A longer message counts as several: every byte is parsed, on the one thread that all calls share."""
FLOOD_HANDFUL: Final = 40
"""Messages between two looks at the clock."""


class Flooded(Exception):
    """The peer sends more messages than any call could need."""


class RateLimiter:
    """A token limiter: one message, one token, and one more for each further 4 KiB of it.

    Tokens are drawn from it by the handful, so that the clock need not be read for each message. Whoever hears a
    message does, with no call in between because it is done for every frame:

        limiter.in_hand -= 1 + len(message) // FLOOD_MESSAGE_BYTES
        if limiter.in_hand < 0:
            limiter.draw()
    """

    __slots__ = ("_at", "_tokens", "in_hand")

    def __init__(self) -> None:
        self.in_hand = 0
        """Tokens that were drawn and not spent; below 0 what is owed."""
        self._tokens = float(FLOOD_BURST)
        self._at = trio.current_time()

    def draw(self) -> None:
        """Draw a handful, and at least what is owed.

        Raises:
            Flooded: there are none left.
        """
        now = trio.current_time()
        earned = (now - self._at) * FLOOD_PER_SECOND
        handful = max(FLOOD_HANDFUL, -self.in_hand)
        self._tokens = min(FLOOD_BURST, self._tokens + earned) - handful
        self._at = now
        if self._tokens < 0:
            raise Flooded
        self.in_hand += handful
