"""The outcomes of several runs of ``faults.py --json`` beside one another, as a table in Markdown.

    python benchmarks/compare.py ours1.json ours2.json node.json pipecat.json

Runs of one server are put together. A cell is the worst of all runs, phases and kinds of model: seconds from the first
sign of the end until the model's socket was released, and until the caller was. Bold is later than promised; "untold"
is a provider that could have been told and was not.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

Case = dict[str, Any]


CLASSES = {
    "caller hangs up, or stop without a close": {"caller hangs up", "stop, socket left open"},
    "caller's socket cut or reset": {"caller's socket cut", "caller's socket reset"},
    "garbage from the caller, or nonsense and a hang-up": {
        "caller's frames are garbage",
        "nonsense from Twilio, hang-up",
    },
    "model closes, fails or refuses": {
        "model closes",
        "model fails and closes",
        "model refuses the handshake",
        "session expires as soon as it began",
    },
    "model's socket cut or reset": {"model's socket cut", "model's socket reset"},
    "model's TLS breaks, or an alert comes": {"TLS breaks", "TLS alert"},
    "garbage from the model, or nonsense and a hang-up": {
        "model's frames are garbage",
        "nonsense from the model, hang-up",
    },
    "model never answers, or is never ready": {"model never answers", "model is never ready"},
    "model vanishes or stops reading, caller hangs up": {
        "model vanishes, caller hangs up",
        "model stops reading, hang-up",
    },
    "caller hangs up, goodbye answered by a reset or garbage": {
        "goodbye answered by a reset",
        "goodbye answered by garbage",
    },
    "caller hangs up, goodbye or close ignored, or drowned": {
        "goodbye is ignored",
        "goodbye and close are ignored",
        "goodbye answered, close ignored",
        "goodbye drowned in audio",
    },
    "language model refuses or breaks off": {
        "language model refuses",
        "language model breaks off",
        "language model is reset",
        "language model answers garbage",
    },
    "language model raves, caller hangs up": {
        "language model talks nonsense, hang-up",
        "language model never stops, hang-up",
    },
}
"""Faults that make one line of the table."""


def fault_of(case: Case) -> str:
    """The class of the fault, or itself, without the stage of a chain that it struck."""
    words = re.sub(r" \((hearing|speaking)\)$", "", case["fault"])
    return next((name for name, faults in CLASSES.items() if words in faults), words)


def side(cases: list[Case], which: str, patience: float) -> str:
    """The worst of one side, in seconds."""
    ends = [case[f"{which}_seconds"] for case in cases]
    if None in ends:
        return f"**> {patience:g}**"
    late = any(case[f"{which}_seconds"] > case["bound_seconds"] for case in cases)
    return f"**{max(ends):.1f}**" if late else f"{max(ends):.1f}"


def cell(cases: list[Case], patience: float) -> str:
    """A server's result with one fault."""
    ran = [case for case in cases if not case["not_run"] and not case["unreached"]]
    if not ran:
        return ""
    problems = {problem for case in ran for problem in case["problems"]} - {"late"}
    return ", ".join([f"{side(ran, 'model', patience)} / {side(ran, 'caller', patience)}", *sorted(problems)])


def tally(cases: list[Case]) -> str:
    """Number of cases in which a server did as is promised here, of those that it has and came to."""
    ran = [case for case in cases if not case["not_run"] and not case["unreached"]]
    unreached = sum(1 for case in cases if case["unreached"])
    return f"{sum(1 for case in ran if not case['problems'])} of {len(ran)}" + (
        f" ({unreached} unreached)" if unreached else ""
    )


def silence(cases: list[Case]) -> str:
    """The longest time that a caller who was owed an answer has heard nothing; empty where nobody listened for it."""
    known = [case["silent_seconds"] for case in cases if case.get("silent_seconds") is not None]
    return f"{max(known):.2f}" if known else ""


def table(documents: list[dict[str, Any]]) -> str:
    """All of it; the first server's faults are the lines."""
    servers: dict[str, list[Case]] = {}
    patience: dict[str, float] = {}
    for document in documents:
        servers.setdefault(document["target"], []).extend(document["cases"])
        patience[document["target"]] = document["patience"]
    first = next(iter(servers.values()))
    rows = [["seconds, model / caller", *servers], ["---"] * (len(servers) + 1)]
    for fault in dict.fromkeys(map(fault_of, first)):
        limits = {
            f" (`{case['limit_name']}` {case['limit_seconds']:g})"
            for case in first
            if fault_of(case) == fault and (case["limit_name"] or "").endswith("_seconds")
        }
        cells = [
            cell([case for case in cases if fault_of(case) == fault], patience[name]) for name, cases in servers.items()
        ]
        rows.append([fault + "".join(sorted(limits)), *cells])
    rows.append(["**longest silence of a caller who is owed an answer**", *map(silence, servers.values())])
    rows.append(["**as promised**", *map(tally, servers.values())])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    print(table([json.loads(Path(file).read_text()) for file in sys.argv[1:]]))
