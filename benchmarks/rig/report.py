"""The table, and the same as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs

from rig.outcome import Goodbye, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

WORDS: Final = {
    Goodbye.SAID: "yes",
    Goodbye.CLOSE_FRAME: "close frame",
    Goodbye.CUT: "no",
    Goodbye.NONE: "-",
}
"""Words of the column "told"."""
HEAD: Final = (
    f"{'kind':<16} {'fault':<43} {'phase':<13} {'model':>6} {'told':<11} {'caller':>6} "
    f"{'silence':>7} {'fds':>4} {'tasks':>5} {'threads':>7} {'memory':>9}  verdict"
)


class Table:
    """Prints outcomes, a line each.

    Args:
        patience: what stands for never.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def line(self, outcome: Outcome) -> str:
        """One outcome."""
        where = f"{outcome.kind:<16} {outcome.fault:<43} {outcome.phase:<13}"
        if outcome.not_run or outcome.unreached:
            return f"{where} " + (
                f"unreached: {outcome.unreached}" if outcome.unreached else f"not run: {outcome.not_run}"
            )
        model = "-" if outcome.sessions == 0 else self._seconds(outcome.model_seconds, outcome)
        left = [
            f"{_count(outcome.descriptors):>4}",
            f"{_count(outcome.tasks):>5}",
            f"{_count(outcome.threads):>7}",
            f"{_count(outcome.memory_kb, ' kB'):>9}",
        ]
        verdict = ", ".join(outcome.problems) or "ok"
        if outcome.limit_seconds and outcome.limit_name:
            verdict += f" (within {outcome.limit_name} {outcome.limit_seconds:g})"
        if outcome.exit_status is not None:
            verdict += f" (exit status {outcome.exit_status})"
        caller = self._seconds(outcome.caller_seconds, outcome)
        silence = "-" if outcome.silent_seconds is None else f"{outcome.silent_seconds:.2f}"
        return f"{where} {model:>6} {WORDS[outcome.goodbye]:<11} {caller:>6} {silence:>7} {' '.join(left)}  {verdict}"

    def _seconds(self, seconds: float | None, outcome: Outcome) -> str:
        return f"> {self._patience + outcome.limit_seconds:.0f}" if seconds is None else f"{seconds:.2f}"


def _count(count: int | None, unit: str = "") -> str:
    return "-" if count is None else f"{count:+d}{unit}" if count else "0"


def summary(outcomes: Iterable[Outcome]) -> str:
    """One line about all of them."""
    ran = [outcome for outcome in outcomes if not outcome.not_run]
    counts = Counter(problem for outcome in ran for problem in outcome.problems)
    kept = sum(1 for outcome in ran if not outcome.problems)
    problems = "".join(f", {count} {problem}" for problem, count in counts.most_common())
    return f"{kept} of {len(ran)} as promised{problems}"


def as_json(target: str, patience: float, outcomes: Iterable[Outcome]) -> str:
    """All of it, for a program."""
    document: dict[str, Any] = {
        "target": target,
        "patience": patience,
        "cases": [
            attrs.asdict(outcome) | {"goodbye": outcome.goodbye.name.lower(), "problems": outcome.problems}
            for outcome in outcomes
        ],
    }
    return json.dumps(document, indent=1)
