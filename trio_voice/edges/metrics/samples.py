"""The metrics of the last hours, a few of them, so that a page can draw them without a database of metrics.

A sample is taken every half a minute, on the grid of the clock, so that those of several processes can be added up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from trio_voice.edges.metrics.metrics import Metrics

STEP_SECONDS: Final = 30
KEPT: Final = 720
"""Six hours."""
GAUGES: Final = ("trio_voice_calls", "trio_voice_model_sessions_open")
COUNTERS: Final = (
    *("trio_voice_calls_ended_total", "trio_voice_sessions_outlived_total", "trio_voice_model_session_seconds_total"),
    *("trio_voice_model_cost_total", "trio_voice_telephone_cost_total"),
)
HISTOGRAMS: Final = (
    *("trio_voice_turn_latency_seconds_bucket", "trio_voice_turn_heard_after_seconds_bucket"),
    "trio_voice_relay_delay_seconds_bucket",
)
LABELS: Final = ("state", "provider", "end_reason", "le")
"""Labels that samples are told apart by; the others are added up."""

Sample = dict[str, float]
"""Values by name and, where there is one of ``LABELS``, its value: ``trio_voice_calls state=live``."""


class Samples:
    """Those of one process.

    Args:
        metrics: sampled.
        clock: the time of day.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._clock = clock
        self.taken: deque[tuple[int, Sample]] = deque(maxlen=KEPT)
        """Each with its time, in seconds since 1970."""

    async def keep(self) -> None:
        """Take samples until cancelled."""
        while True:
            self.take()
            now = self._clock().timestamp()
            await trio.sleep(STEP_SECONDS - now % STEP_SECONDS)

    def take(self) -> None:
        """Take one, now."""
        at = round(self._clock().timestamp() / STEP_SECONDS) * STEP_SECONDS
        sample = self._metrics.sums((*GAUGES, *COUNTERS, *HISTOGRAMS), LABELS)
        if self.taken and self.taken[-1][0] >= at:
            self.taken.pop()
        self.taken.append((at, sample))


def together(processes: Iterable[list[list[Any]]]) -> list[tuple[int, Sample]]:
    """The samples of several processes added up, by time."""
    found: dict[int, Sample] = {}
    for taken in processes:
        for at, sample in taken:
            total = found.setdefault(int(at), {})
            for name, value in sample.items():
                total[name] = total.get(name, 0.0) + value
    return sorted(found.items())


def labelled(sample: Sample, name: str, label: str) -> dict[str, float]:
    """Values of one name by the value of its label."""
    prefix = f"{name} {label}="
    return {key.removeprefix(prefix): value for key, value in sample.items() if key.startswith(prefix)}


def increments(before: Sample, after: Sample) -> Sample:
    """Growth of each counter between two samples; of a process that began anew, all that it has."""
    grown = {name: (value, before.get(name, 0.0)) for name, value in after.items()}
    return {name: value - was if value >= was else value for name, (value, was) in grown.items()}


def quantile(sample: Sample, name: str, share: float) -> float | None:
    """A quantile of a histogram, by its buckets, in seconds; ``None`` if nothing was observed."""
    buckets = sorted((float(edge), count) for edge, count in labelled(sample, name, "le").items())
    if not buckets or buckets[-1][1] <= 0:
        return None
    wanted, below, lower = share * buckets[-1][1], 0.0, 0.0
    for edge, count in buckets:
        if count >= wanted:
            if edge == float("inf") or count == below:
                return lower
            return lower + (edge - lower) * (wanted - below) / (count - below)
        below, lower = count, edge
    return lower
