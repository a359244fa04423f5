"""Calls of neighbours, each frame of which is counted: what is asked of them is that none is ended and none is lost."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relaying.load import Load
from relaying.models import AssemblyAI

if TYPE_CHECKING:
    from relaying.load import Window
    from relaying.relays import Running

BETWEEN_SECONDS: Final = 1.0
"""Time after a round that counts for neither side: things from before are still going on."""
LATE_SECONDS: Final = 10.0
"""For the last frames to come back."""
STILL_LOOKS: Final = 100
"""To find a moment when no frame is on its way."""


class Neighbours:
    """A load of calls at a daemon."""

    def __init__(self) -> None:
        self.load = Load(AssemblyAI())
        self._arrived = 0.0
        self._early = 0.0
        """Frames from before the models were ready, which nobody says back."""

    def begin(self, ours: Running, calls: int) -> None:
        """So many calls, one after the other, of a daemon all of whose threads may run on any core."""
        let_move(ours.pid)
        for _ in range(calls):
            self.load.add(ours.webhook())
            self.go_on(0.01)
        self.go_on(BETWEEN_SECONDS)
        self._early = min(self._missing() for _ in range(STILL_LOOKS) if self.go_on(0.005))

    def go_on(self, seconds: float) -> Window:
        """Let all of them speak for so long."""
        window = self.load.run(seconds)
        self._arrived += window.frames
        return window

    def broken_promises(self) -> list[str]:
        """A sentence if neighbours were ended, and one if frames were lost. They speak no more then."""
        failures = []
        if ended := sum(call.over for call in self.load.calls.values()):
            failures.append(f"{ended} neighbours were ended")
        for call in self.load.calls.values():
            call.stopped_at = time.perf_counter()
        self.go_on(LATE_SECONDS)
        if (lost := self._missing() - self._early) > 0:  # fewer than at first: some of those were only late
            failures.append(f"{lost:.0f} frames did not arrive")
        return failures

    def _missing(self) -> float:
        return 2 * sum(call.sequence for call in self.load.calls.values()) - self._arrived


def let_move(pid: int) -> None:
    """Let all threads of a process run on any core: on a single one, none that computes can hold up the others."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))
