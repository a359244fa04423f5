"""Waterfall of a call's turns: from the caller's last sound, step by step, to the first that they heard."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.edges.web.console.words import milliseconds, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.record import Turn

STEPS: Final = (
    ("caller_stopped", "caller stopped"),
    ("final_transcript", "words certain"),
    ("decided", "end of turn decided"),
    ("first_token", "first token"),
    ("first_audio", "first audio"),
    ("first_frame", "sent"),
    ("first_mark", "heard"),
)
"""Stages of a turn (``bridge/latency.py``) and their words, in the order in which they are wont to come. A turn's times
count from the decision, which is therefore at 0."""
WIDTH: Final = 1_000
"""Of the longest turn, in units of its picture."""


@attrs.frozen
class Bar:
    """One step of a turn, from the one before it."""

    kind: str
    x: float
    width: float
    words: str


@attrs.frozen
class Fall:
    """One turn."""

    time: str
    bars: list[Bar]
    total: str
    """Time from the caller's last sound to the first that they heard, as far as both are known."""
    figures: list[str]
    """Milliseconds from its first step to each of ``STEPS``."""

    @property
    def words(self) -> str:
        """All of it for who cannot see the picture."""
        return ", ".join(bar.words for bar in self.bars)


def waterfall(turns: list[Turn]) -> list[Fall]:
    """Each turn, drawn to the scale of the longest."""
    known = [_steps(turn) for turn in turns]
    longest = max((ms[-1][1] - ms[0][1] for ms in known), default=0.0) or 1.0
    return [_fall(turn, steps, WIDTH / longest) for turn, steps in zip(turns, known, strict=True)]


def _steps(turn: Turn) -> list[tuple[str, float]]:
    """The steps that are known, in the order in which they came."""
    stages = {"decided": 0.0, "first_frame": turn.latency_ms} | turn.stages
    if "caller_stopped" not in stages and turn.heard_after_ms is not None:  # of a version that did not write it down
        stages["caller_stopped"] = min(0.0, turn.latency_ms - turn.heard_after_ms)
    found = [(name, stages[name]) for name, _ in STEPS if name in stages]
    return sorted(found, key=lambda step: step[1])


def _fall(turn: Turn, steps: list[tuple[str, float]], scale: float) -> Fall:
    start = steps[0][1]
    at = {name: f"{ms - start:.0f}" for name, ms in steps}
    return Fall(
        stamp(turn.at),
        list(_bars(steps, scale)),
        milliseconds(turn.heard_after_ms or turn.latency_ms),
        [at.get(name, "–") for name, _ in STEPS],
    )


def _bars(steps: list[tuple[str, float]], scale: float) -> Iterator[Bar]:
    words, start = dict(STEPS), steps[0][1]
    for (_, before), (name, ms) in pairwise(steps):
        x, width = (before - start) * scale, (ms - before) * scale
        yield Bar(name, round(x, 1), round(width, 1), f"{words[name]} {ms - start:.0f} ms")
