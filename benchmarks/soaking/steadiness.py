"""Resources that a process holds, looked at from outside, and their growth with the calls that it has had."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

HELD: Final = ("descriptors", "tasks", "threads", "resident_kb")
SURE: Final = 2.0
"""Standard errors on either side of a slope: where the true one lies, nineteen times out of twenty."""

Labels = tuple[tuple[str, str], ...]
Counts = dict[tuple[str, Labels], float]
"""Values of /metrics: by a sample's name and its labels, sorted."""


@attrs.frozen(kw_only=True)
class Sample:
    """Resources that the process holds at a moment when no call is live."""

    calls: int
    """That it has had by then."""
    descriptors: int
    tasks: int
    threads: int
    resident_kb: int
    cpu_seconds: float


@attrs.frozen
class Slope:
    """A straight line through samples, by least squares."""

    per_1000_calls: float
    error: float
    """The slope's standard error."""

    def grows(self, bound: float) -> bool:
        """True if it is certainly steeper than that."""
        return self.per_1000_calls - SURE * self.error > bound

    def tells(self, bound: float) -> bool:
        """True if a slope of more than that could not hide in the noise."""
        return self.per_1000_calls + SURE * self.error <= bound


def slope_of(samples: Sequence[Sample], name: str) -> Slope:
    """Slope of one of ``HELD`` with the number of calls.

    Raises:
        statistics.StatisticsError: fewer than three samples.
    """
    if len(samples) < 3:
        raise statistics.StatisticsError("a slope and its error need three samples")
    calls = [sample.calls / 1_000 for sample in samples]
    values = [float(getattr(sample, name)) for sample in samples]
    slope, offset = statistics.linear_regression(calls, values)
    middle = statistics.fmean(calls)
    spread = sum((x - middle) ** 2 for x in calls)
    unexplained = sum((y - offset - slope * x) ** 2 for x, y in zip(calls, values, strict=True))
    return Slope(slope, (unexplained / (len(samples) - 2) / spread) ** 0.5)


def look_at(pid: int, calls: int, tasks: float) -> Sample:
    """Resources that a process holds now."""
    root = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (root / "status").read_text(encoding="utf-8").splitlines())
    times = (root / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return Sample(
        calls=calls,
        descriptors=len(os.listdir(root / "fd")),  # noqa: PTH208 - the names are all that counts
        tasks=round(tasks),
        threads=int(status["Threads"]),
        resident_kb=int(status["VmRSS"].split()[0]),
        cpu_seconds=(int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
    )


async def read_metrics(http: httpx2.AsyncClient, url: str) -> Counts:
    """Every sample of a daemon's /metrics."""
    text = (await http.get(f"{url}/metrics")).raise_for_status().text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
