"""The table that is printed and the picture in docs/explanation/performance.md."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from relaying.figures import FINE_STEP_CALLS
from relaying.relays import OURS_WITH_OPENAI, PIPECAT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from relaying.figures import Figures

ROWS = {
    "calls": ("calls at a time", ""),
    "cpu_us": ("CPU a relayed frame", "us"),
    "delay_p50_ms": ("added delay, median", "ms"),
    "delay_p99_ms": ("added delay, 99th percentile", "ms"),
    "calls_held": ("calls a core holds", ""),
    "half_delay_p50_ms": ("added delay at half of that, median", "ms"),
    "half_delay_p99_ms": ("added delay at half of that, 99th", "ms"),
    "memory_kb": ("memory a call", "kB"),
    "start_up_ms": ("start-up", "ms"),
    "twiml_cpu_ms": ("webhook to TwiML, CPU", "ms"),
    "twiml_ms": ("webhook to TwiML, wall clock", "ms"),
    "stop_p50_ms": ("stop to model's socket closed, median", "ms"),
    "stop_p99_ms": ("stop to model's socket closed, 99th", "ms"),
    "talk_cpu_ms": ("conversation, CPU a second of call", "ms"),
    "talk_delay_p99_ms": ("conversation, added delay, 99th", "ms"),
    "talk_clear_p99_ms": ("conversation, barge-in to clear, 99th", "ms"),
    "frames_lost": ("share of frames not relayed", ""),
    "load_busy": ("the load's own share of its core", ""),
    "load_late_p99_ms": ("the load's own lateness, 99th", "ms"),
}
STOP_OF_ALL = "stop to model's socket closed, 99th (ms)"
NO_RATIO = {"calls", "frames_lost", "load_busy", "load_late_p99_ms"}
FIRST = "trio_voice"
RATIOS = {"ours/node": (FIRST, "node"), "pipecat/ours": (PIPECAT.name, OURS_WITH_OPENAI.name)}
"""The relays of each ratio: both of the same protocol to the model."""
_WIDTH, _BAR, _LEFT, _GAP = 720, 15, 150, 26
_COLOURS = {FIRST: "#1f6feb", OURS_WITH_OPENAI.name: "#1f6feb"}


def medians(runs: Mapping[str, list[Figures]]) -> dict[str, Figures]:
    """One figure of each kind for each relay."""
    return {
        relay: {name: statistics.median(one[name] for one in figures if name in one) for name in _names(figures)}
        for relay, figures in runs.items()
        if figures
    }


def _names(figures: list[Figures]) -> list[str]:
    return list(dict.fromkeys(name for one in figures for name in one))


def table(title: str, relays: Mapping[str, Figures]) -> str:
    """Every figure of every relay, and the ratios of those that are there."""
    wide = {relay: max(len(relay), 10) + 2 for relay in relays}
    ratios = {words: pair for words, pair in RATIOS.items() if all(relay in relays for relay in pair)}
    lines = [title, _line("", [*relays], [*ratios], wide)]
    for name, (words, unit) in ROWS.items():
        cells = [relays[relay].get(name) for relay in relays]
        if all(cell is None for cell in cells):
            continue
        label = f"{words}{f' ({unit})' if unit else ''}"
        said = [_few(cell) if name == "calls_held" else _number(cell) for cell in cells]
        quotients = [_ratio(*(relays[relay].get(name) for relay in pair)) for pair in ratios.values()]
        lines.append(_line(label, said, [] if name in NO_RATIO else quotients, wide))
    return "\n".join(lines)


def _line(label: str, cells: list[str], ratios: list[str], wide: Mapping[str, int]) -> str:
    columns = "".join(f"{cell:>{width}}" for cell, width in zip(cells, wide.values(), strict=True))
    return f"{label:<40}{columns}" + "".join(f"{ratio:>14}" for ratio in ratios)


def _ratio(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one and other else ""


def _few(calls: float | None) -> str:
    return f"<{FINE_STEP_CALLS}" if calls == 0 else _number(calls)


def slope(title: str, figures: Figures) -> str:
    """Costs of live calls, by their number."""
    calls = [name.removeprefix("many_cpu_us_at_") for name in figures if name.startswith("many_cpu_us_at_")]
    rows = {
        "frames_at": "frames a second, all calls",
        "cpu_us_at": "CPU a relayed frame (us)",
        "delay_p99_ms_at": "added delay, 99th percentile (ms)",
        "memory_kb_at": "memory for each more call (kB)",
    }
    lines = [title, f"{'live calls':<40}" + "".join(f"{number:>9}" for number in calls)]
    for row, words in rows.items():
        lines.append(f"{words:<40}" + "".join(f"{_number(figures[f'many_{row}_{number}']):>9}" for number in calls))
    return "\n".join([*lines, f"{STOP_OF_ALL:<40}{_number(figures['many_stop_p99_ms']):>9}"])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def picture(plain: Mapping[str, Figures], tls: Mapping[str, Figures], caption: str) -> str:
    """Bars of the processor's time a relayed frame takes, without and with TLS to the model."""
    groups = [("plain", plain), ("TLS to the model", tls)]
    longest = max(figures["cpu_us"] for _, relays in groups for figures in relays.values())
    scale = (_WIDTH - _LEFT - 80) / longest
    body, y = [], 44
    for heading, relays in groups:
        if not relays:
            continue
        body.append(f'<text x="{_LEFT}" y="{y}" font-weight="bold">{heading}</text>')
        for relay, figures in sorted(relays.items(), key=lambda item: item[1]["cpu_us"]):
            y += _GAP
            length = figures["cpu_us"] * scale
            colour = _COLOURS.get(relay, "#8b949e")
            body.append(f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{relay}</text>')
            body.append(f'<rect x="{_LEFT}" y="{y - 12}" width="{length:.0f}" height="{_BAR}" rx="2" fill="{colour}"/>')
            body.append(f'<text x="{_LEFT + length + 6:.0f}" y="{y}">{figures["cpu_us"]:.0f} µs</text>')
        y += 40
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 6}" font-family="sans-serif" '
        f'font-size="13" fill="#57606a"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="{_LEFT}" y="20" font-size="15">CPU for each relayed 20 ms frame</text>'
    )
    return "\n".join([head, *body, f'<text x="{_LEFT}" y="{y}" font-size="11">{caption}</text>', "</svg>", ""])
