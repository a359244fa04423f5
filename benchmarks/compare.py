"""The outcomes of several runs of ``faults.py --json`` beside one another, as a table in Markdown.

    python benchmarks/compare.py ours.json node.json pipecat.json

A cell is the seconds from the first sign of the end until both sides were released, the worst of the fault's phases;
where one of them never was it says which, and "untold" is a provider that could have been told and was not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def cell(cases: list[dict[str, Any]], patience: float) -> str:
    """What one server made of one fault."""
    ran = [case for case in cases if not case["not_run"]]
    if not ran:
        return ""
    sides = {side: all(case[f"{side}_seconds"] is not None for case in ran) for side in ("model", "caller")}
    never = [side for side, released in sides.items() if not released]
    if never:
        words = f"**> {patience:.0f}** {'both' if len(never) == 2 else never[0]}"
    else:
        worst = max(max(case["model_seconds"], case["caller_seconds"]) for case in ran)
        late = any("late" in case["problems"] for case in ran)
        words = f"**{worst:.1f}**" if late else f"{worst:.1f}"
    return words + (", untold" if any("untold" in case["problems"] for case in ran) else "")


def tally(document: dict[str, Any]) -> str:
    """How often a server did as is promised here."""
    ran = [case for case in document["cases"] if not case["not_run"]]
    kept = sum(1 for case in ran if not case["problems"])
    late = sum(1 for case in ran if "late" in case["problems"])
    return f"{kept} of {len(ran)}, {late} late"


def main(files: list[str]) -> None:
    """Print the table."""
    documents = [json.loads(Path(file).read_text()) for file in files]
    faults = list(dict.fromkeys(case["fault"] for case in documents[0]["cases"]))
    print("| fault | " + " | ".join(document["target"] for document in documents) + " |")
    print("|---" * (len(documents) + 1) + "|")
    for fault in faults:
        cells = [
            cell([case for case in document["cases"] if case["fault"] == fault], document["patience"])
            for document in documents
        ]
        limits = {
            case["limit_name"]: case["limit_seconds"]
            for case in documents[0]["cases"]
            if case["fault"] == fault and case["limit_name"] and case["limit_name"] != "goodbye"
        }
        bounds = "".join(f" (`{name}` {seconds:g})" for name, seconds in limits.items())
        print(f"| {fault}{bounds} | " + " | ".join(cells) + " |")
    print("| **as promised** | " + " | ".join(map(tally, documents)) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
