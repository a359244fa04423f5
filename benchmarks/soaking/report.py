"""Plan of a soak, its outcome, and its report."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import attrs

from benchmarks.soaking.endings import ENDINGS
from benchmarks.soaking.steadiness import HELD, Sample, Slope, slope_of

MEMORY_BOUND_KB: Final = 64.0
"""Of growth for each 1,000 calls: 64 bytes a call, less than the smallest thing that could be kept of one."""
ENDS_AS_IT_BEGAN: Final = ("descriptors", "tasks", "threads")
SHOWN_FAILURES: Final = 50


@attrs.frozen(kw_only=True)
class Plan:
    """Plan of what is to be played."""

    calls: int = 10_000
    at_once: int = 60
    round_calls: int = 400
    """After so many, all are waited for and the daemon is looked at."""
    warm_up_calls: int = 2_000
    """Calls until which what is held grows: 1,000 calls are remembered, SQLite's cache fills."""
    seconds: float = math.inf
    """No round is begun when calls have been made for so long, however many they were."""
    endings: tuple[str, ...] = tuple(ENDINGS)


@attrs.define(kw_only=True)
class Report:
    """Outcome of it."""

    plan: Plan
    played: Counter[str] = attrs.field(factory=Counter)
    samples: list[Sample] = attrs.field(factory=list)
    """The first one before any call, the last one after all."""
    seconds: float = 0.0
    """That calls were being made in."""
    failures: list[str] = attrs.field(factory=list)
    tries_left_out: int = 0
    """Second tries that were not begun, since another model takes over a second after the first."""

    @property
    def calls(self) -> int:
        """Number of endings that were played."""
        return self.played.total()

    @property
    def calls_a_second(self) -> float:
        """The rate; 0 before the first."""
        return self.calls / self.seconds if self.seconds else 0.0

    @property
    def warm(self) -> list[Sample]:
        """The samples after the warm-up."""
        return [sample for sample in self.samples if sample.calls >= self.plan.warm_up_calls]

    @property
    def slopes(self) -> dict[str, Slope]:
        """Of each thing that a process holds; none if there are too few samples for an estimate of its error."""
        return {name: slope_of(self.warm, name) for name in HELD} if len(self.warm) >= 3 else {}

    def judge(self) -> None:
        """Judge whether what the daemon holds ends as it began, and does not grow with the calls."""
        first, last = self.samples[0], self.samples[-1]
        for name in ENDS_AS_IT_BEGAN:
            if getattr(last, name) > getattr(first, name):
                words = f"{name}: {getattr(last, name)} at the end, {getattr(first, name)} at the beginning"
                self.failures.append(words)
        for name, slope in self.slopes.items():
            if slope.grows(MEMORY_BOUND_KB if name == "resident_kb" else 0):
                words = f"{name} grows by {slope.per_1000_calls:.2f} ± {slope.error:.2f} for every 1,000 calls"
                self.failures.append(words)

    def as_text(self) -> str:
        """The report, for people."""
        first, last = self.samples[0], self.samples[-1]
        used = last.cpu_seconds - first.cpu_seconds
        rate = f"{self.calls} calls, {self.plan.at_once} at once: {self.calls_a_second:.1f} a second"
        lines = [
            f"{rate}, {used / max(1, self.calls) * 1_000:.1f} ms of the daemon's processor for each",
            "",
            f"{'':14}{'at first':>10}{'at last':>10}{'slope for 1,000 calls':>24}",
        ]
        slopes = self.slopes
        for name in HELD:
            slope = slopes.get(name)
            words = "" if slope is None else f"{slope.per_1000_calls:+.3f} ± {slope.error:.3f}"
            lines.append(f"{name:14}{getattr(first, name):>10}{getattr(last, name):>10}{words:>24}")
        if slopes:
            lines.append(f"(from call {self.warm[0].calls} on, {len(self.warm)} samples, ± one standard error)")
        lines += ["", *(f"{times:7}  {name}" for name, times in self.played.most_common())]
        if self.tries_left_out:
            lines += ["", f"{self.tries_left_out} second tries were not begun: the daemon was 0.1 s late with them"]
        lines += ["", *(f"FAILED  {failure}" for failure in self.failures[:SHOWN_FAILURES])]
        if len(self.failures) > SHOWN_FAILURES:
            lines.append(f"... and {len(self.failures) - SHOWN_FAILURES} more")
        lines.append("failed" if self.failures else "passed")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The report, for programs."""
        return {
            "plan": attrs.asdict(self.plan) | {"seconds": None if math.isinf(self.plan.seconds) else self.plan.seconds},
            "calls_a_second": self.calls_a_second,
            "slopes_per_1000_calls": {name: attrs.asdict(slope) for name, slope in self.slopes.items()},
            "samples": [attrs.asdict(sample) for sample in self.samples],
            "played": dict(self.played),
            "failures": self.failures,
            "tries_left_out": self.tries_left_out,
        }
