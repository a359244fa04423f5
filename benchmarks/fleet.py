"""A plan for a fleet: what so many live calls take, reckoned from measured figures and played as a day.

    make fleet                                          the page docs/explanation/capacity.md, made anew
    .venv/bin/python benchmarks/fleet.py --calls 2500 --seconds 240 --outbound 0.8 --drain 600

The same arguments give the same answer: the day is simulated (``planning/simulation.py``), with a seed.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from planning.figures import read_figures
from planning.simulation import PATIENCE_SECONDS, Plan, Told, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planning.figures import Figure

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "capacity.md"
TEXT = Path(__file__).parent / "planning" / "capacity.md"
"""The page's words, with places for what is reckoned."""
SIZES = (100, 1_000, 10_000, 100_000)
FULL_CORE = 0.75
"""Share of a core that a node with all its seats taken may use."""
FRAMES_PER_SECOND = 100
"""Both ways."""
LOOK_SECONDS = 2.5
"""Between two looks of a node at all the others' runs."""
MAX_NODES = 256
LONG_DRAIN_SECONDS = 600.0


def seats_of(figures: dict[str, Figure], call_seconds: float) -> int:
    """``max_calls`` of a node of one core."""
    each = (figures["talk_cpu"].value + figures["call_cpu"].value / call_seconds) / 1e3
    return int(min(FULL_CORE / each, figures["held"].value))


def rounded(value: float) -> str:
    """Two digits that count, and words for large ones."""
    if value == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    value = round(value, digits)
    return f"{value:,.0f}" if digits <= 0 else f"{value:.{digits}f}".rstrip("0").rstrip(".")


def column(plan: Plan, figures: dict[str, Figure]) -> dict[str, str]:
    """All that is told of a fleet of one size, by what it is."""
    told = play(plan)
    patient = play(Plan(**{**vars(plan), "drain_seconds": LONG_DRAIN_SECONDS}))
    journals = math.ceil(told.most_nodes / MAX_NODES)
    value = {name: figure.value for name, figure in figures.items()}
    out = plan.outbound_share
    rows = value["rows_inbound"] * (1 - out) + value["rows_outbound"] * out
    commits = value["commits_inbound"] * (1 - out) + value["commits_outbound"] * out
    beats = told.most_nodes * value["beats"] / 60
    frames = told.most_live * FRAMES_PER_SECOND
    begin = plan.busiest
    return {
        "calls that begin, a second": rounded(begin),
        "nodes of one core, at most": f"{told.most_nodes:,}",
        "the same, on average over the day": rounded(told.node_seconds / told.seconds),
        "journals (at most 256 nodes each)": str(journals),
        "processor of a busy node": f"{processor(plan, told, figures):.0%}",
        "memory of all calls": f"{rounded(told.most_live * value['memory'] / 1e6)} GB",
        "network, in and out of the nodes": f"{rounded(frames * value['frame_bytes'] * 8 / 1e6)} Mbit/s",
        "packets a second": rounded(frames * value["frame_packets"]),
        "rows written a second": rounded(begin * rows),
        "commits a second, of calls / of heartbeats": f"{rounded(begin * commits)} / {rounded(beats)}",
        "write-ahead log": f"{rounded(begin * value['call_wal'] / 1e3)} kB/s",
        "runs that are read a second, each journal": rounded((told.most_nodes / journals) ** 2 / LOOK_SECONDS),
        "journal's growth in the busiest hour": f"{rounded(begin * 3_600 * value['call_stored'] / 1e6)} MB",
        "`calls_per_second` of the account": rounded(plan.pace),
        "longest wait for that pace": f"{rounded(told.longest_queue_seconds)} s",
        "calls refused for want of a seat": f"{told.refused:,}",
        "calls lost with a node that dies": str(told.died_with),
        f"rolling restart, `drain_seconds` = {plan.drain_seconds:.0f}": minutes(told.restart_seconds),
        "calls that it cuts off": share(told.cut_by_restart, told),
        "calls that scaling down cuts off": share(told.cut_by_scaling, told),
        f"rolling restart, `drain_seconds` = {LONG_DRAIN_SECONDS:.0f}": minutes(patient.restart_seconds),
        "calls that it cuts off then": share(patient.cut_by_restart, patient),
        "calls that scaling down cuts off then": share(patient.cut_by_scaling, patient),
    }


def processor(plan: Plan, told: Told, figures: dict[str, Figure]) -> float:
    """Share of its core that a node needs when all of them together have most calls."""
    each = (figures["talk_cpu"].value + figures["call_cpu"].value / plan.call_seconds) / 1e3
    return told.most_live / told.most_nodes * each


def minutes(seconds: float) -> str:
    """A time, in minutes."""
    return f"{rounded(seconds / 60)} min" if math.isfinite(seconds) else "longer than the day"


def share(calls: int, told: Told) -> str:
    """So many, and how many of a hundred."""
    return f"{rounded(calls)} ({calls / told.calls:.2%})" if calls else "0"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page() -> str:
    """docs/explanation/capacity.md, whole."""
    figures = read_figures()
    plans = [Plan(peak_calls=size, seats=seats_of(figures, Plan.call_seconds)) for size in SIZES]
    columns = [column(plan, figures) for plan in plans]
    one = plans[0]
    names = ["concurrent calls in the busiest hour", *(f"{plan.peak_calls:,}" for plan in plans)]
    day = table(names, ([name, *(each[name] for each in columns)] for name in columns[0]))
    measured = table(
        ["", "", "measured"], ([each.what, f"{each.value:,g} {each.unit}", each.how] for each in figures.values())
    )
    return TEXT.read_text(encoding="utf-8").format(
        day=day, measured=measured, seats=one.seats, plan=one, patience=PATIENCE_SECONDS / 60
    )


def main() -> None:
    """Reckon, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make the page anew")
    parser.add_argument("--calls", type=int, default=1_000, help="concurrent calls in the busiest hour")
    parser.add_argument("--seconds", type=float, default=Plan.call_seconds, help="a call's length, on average")
    parser.add_argument("--outbound", type=float, default=Plan.outbound_share, help="share of calls that are placed")
    parser.add_argument("--drain", type=float, default=Plan.drain_seconds, help="drain_seconds")
    parser.add_argument("--seats", type=int, help="max_calls of a node; by default what a core holds")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page(), encoding="utf-8")
        return
    figures = read_figures()
    plan = Plan(
        peak_calls=options.calls,
        seats=options.seats or seats_of(figures, options.seconds),
        call_seconds=options.seconds,
        outbound_share=options.outbound,
        drain_seconds=options.drain,
        seed=options.seed,
    )
    print(f"{plan.peak_calls:,} calls at once, {plan.seats} seats a node")
    for name, value in column(plan, figures).items():
        print(f"{name:52} {value}")


if __name__ == "__main__":
    main()
