"""Figures of a run of the benchmark of turns, and the table of several."""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conversing.calls import Turn
    from conversing.providers import Providers

PLACES: Final = (0.5, 0.95, 0.99)
KINDS: Final = ("first", "later", "after idling")
"""Turns whose shares are told: nothing is begun early in them."""


@attrs.frozen
class Figures:
    """Figures of one server's calls. Times are milliseconds."""

    server: str
    shares: dict[str, list[float]]
    """Of the server itself, by kind of turn: median, 95th, 99th."""
    parts: list[float]
    """Medians of the three: to the question, to the voice, to the caller."""
    after_pause: list[float]
    """From the last transcript to the sound of the answer, where the recogniser had told that it may be over."""
    turns: int
    unanswered: int
    in_vain: int
    """Questions that were asked before the caller had finished."""
    wasted: int
    """Tokens of their answers."""
    connections: int
    """To the language model."""
    cpu_ms: float
    """Processor time of a second of a call."""
    greeting_first: float
    greeting_later: list[float]
    late: list[float]
    """Lateness of the callers and providers: median, 99th."""

    def plain(self) -> dict[str, Any]:
        """For a file."""
        return attrs.asdict(self)


def figures_of(server: str, providers: Providers, cpu_ms: float) -> Figures:
    """The figures of all calls of a run."""
    calls = [*providers.calls.values()]
    turns = [turn for call in calls for turn in call.turns]
    answered = [turn for turn in turns if turn.heard_at]
    plain = [turn for turn in answered if turn.kind in KINDS]
    in_vain = [question for question in providers.questions if question.in_vain]
    greeted = [(call.greeted_at - call.began) * 1_000 for call in calls]
    late = sorted(each * 1_000 for each in providers.lateness)
    return Figures(
        server=server,
        shares={
            kind: _places([sum(turn.shares) * 1_000 for turn in plain if turn.kind == kind], PLACES) for kind in KINDS
        },
        parts=[
            round(statistics.median(part) * 1_000, 1) for part in zip(*(turn.shares for turn in plain), strict=True)
        ],
        after_pause=_places([_wait(turn) for turn in answered if turn.kind == "eager"], PLACES),
        turns=len(turns),
        unanswered=len(turns) - len(answered),
        in_vain=len(in_vain),
        wasted=sum(question.tokens for question in in_vain),
        connections=providers.connections,
        cpu_ms=round(cpu_ms, 2),
        greeting_first=round(greeted[0], 1),
        greeting_later=_places(greeted[1:], PLACES),
        late=_places(late, (0.5, 0.99)),
    )


def _wait(turn: Turn) -> float:
    return (turn.heard_at - turn.final_sent) * 1_000


def _places(values: list[float], places: Sequence[float]) -> list[float]:
    """Quantiles, as far as there is anything."""
    ordered = sorted(values)
    return [round(ordered[min(int(len(ordered) * at), len(ordered) - 1)], 1) for at in places] if ordered else []


def table(figures: Sequence[Figures], calls: int) -> str:
    """A table in Markdown, a column a server."""
    rows: list[tuple[str, list[str]]] = [
        *((f"{kind} turns", [_told(each.shares[kind]) for each in figures]) for kind in KINDS),
        ("to the question, to the voice, to the caller", [_told(each.parts) for each in figures]),
        ("answer heard after a pause that was the end", [_told(each.after_pause) for each in figures]),
        ("answers begun in vain / tokens wasted", [f"{each.in_vain} / {each.wasted}" for each in figures]),
        ("connections to the language model", [str(each.connections) for each in figures]),
        ("processor time for a second of a call", [f"{each.cpu_ms:g}" for each in figures]),
        ("greeting heard after `start`, first call", [f"{each.greeting_first:g}" for each in figures]),
        ("greeting, later calls", [_told(each.greeting_later) for each in figures]),
        ("turns, unanswered", [f"{each.turns}, {each.unanswered}" for each in figures]),
        ("callers and providers late by (median, 99th)", [_told(each.late) for each in figures]),
    ]
    lines = [
        f"{calls} calls; the server's own share, median / 95th / 99th percentile, ms; load {os.getloadavg()[0]:.1f}",
        "",
        "| | " + " | ".join(each.server for each in figures) + " |",
        "|---" * (len(figures) + 1) + "|",
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows),
    ]
    return "\n".join(lines)


def _told(places: Sequence[float]) -> str:
    return " / ".join(f"{each:g}" for each in places) or "-"
