"""Refusals in the log: of thousands a second, one line of a kind in ten seconds, which says how many there were."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    import structlog

COMPLAINT_SECONDS: Final = 10.0
"""Between two lines of one kind."""


class Complaints:
    """Log lines about those who were turned away. All are counted in ``/metrics``, by whoever turns them away.

    Args:
        log: where it is said.
    """

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._untold: Counter[tuple[str, str]] = Counter()
        self._next: dict[tuple[str, str], float] = {}

    def warn(self, event: str, kind: str, **facts: object) -> None:
        """Say it, unless this kind was spoken of a moment ago.

        Args:
            event: the line's.
            kind: one of a few that we know; never what a stranger wrote.
            facts: of this one, the latest.
        """
        key = (event, kind)
        self._untold[key] += 1
        now = trio.current_time()
        if now >= self._next.get(key, now):
            self._next[key] = now + COMPLAINT_SECONDS
            self._log.warning(event, **facts, times=self._untold.pop(key))
