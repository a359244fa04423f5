"""Coverage of each folder of the package against ``tests/coverage.txt``, from the data of a run that is over.

``python tests/coverage_gate.py`` prints every row and fails where one is below; ``--write`` writes what was measured
into the table instead, but for ring 0, whose figure is an aim.
"""

import argparse
import json
import math
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import coverage

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "tests" / "coverage.txt"
RING_0 = {
    f"trio_voice/{name}" for name in ("audio", "billing", "bridge", "chain", "events", "protocols", "speech_text")
}
"""Folders whose figure is an aim: at least 98, their own folders, too."""


class Row(NamedTuple):
    """A folder, its files alone: least percentage of lines and branches, or the reason for which there is none."""

    folder: str
    least: int | None
    reason: str = ""


def rows(table):
    """The rows of the table's text."""
    found = []
    for line in table.splitlines():
        if line and not line.startswith("#"):
            folder, least, *reason = line.split(maxsplit=2)
            found.append(Row(folder, None if least == "-" else int(least), " ".join(reason)))
    return found


def is_ring_0(folder):
    return any(folder == each or folder.startswith(f"{each}/") for each in RING_0)


def by_folder(files):
    """Percentage of each folder, of a JSON report's files."""
    covered, all_of_it = defaultdict(int), defaultdict(int)
    for name, file in files.items():
        summary, folder = file["summary"], Path(name).parent.as_posix()
        covered[folder] += summary["covered_lines"] + summary["covered_branches"]
        all_of_it[folder] += summary["num_statements"] + summary["num_branches"]
    return {folder: 100 * covered[folder] / total if total else 100.0 for folder, total in all_of_it.items()}


def judged(table, measured):
    """A line for each row, and those rows that are below."""
    told, below = [], []
    for row in table:
        percent = measured.get(row.folder, 100.0)  # a folder without a statement is not in the report
        is_below = row.least is not None and percent < row.least
        below += [row] if is_below else []
        wanted = f"not gated: {row.reason}" if row.least is None else f"at least {row.least} %"
        told.append(f"{row.folder}: {percent:.1f} %, {wanted}{': BELOW' if is_below else ''}")
    return told, below


def written(text, measured):
    """The table's text with what was measured, whole percents, in each row but ring 0's."""
    lines = []
    for line in text.splitlines():
        folder = line.split(maxsplit=1)[0] if line else ""
        is_new = folder in measured and not is_ring_0(folder)
        lines.append(f"{folder} {math.floor(measured[folder])}" if is_new else line)
    return "\n".join(lines) + "\n"


def measure():
    """Percentage of each folder, by the data of the last run.

    Raises:
        SystemExit: there are none, or a run is not over: a process of it has data of its own.
    """
    parts = sorted(ROOT.glob(".coverage.*"))
    if parts:
        raise SystemExit(f"the run is not over, or was broken off: {parts[0].name} is still apart (rm .coverage.*)")
    if not (ROOT / ".coverage").exists():
        raise SystemExit("nothing was measured: make coverage")
    data = coverage.Coverage(data_file=str(ROOT / ".coverage"), config_file=str(ROOT / "pyproject.toml"))
    data.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        data.json_report(outfile=str(report))
        return by_folder(json.loads(report.read_text())["files"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what was measured into the table")
    wanted, measured = parser.parse_args(), measure()
    if wanted.write:
        TABLE.write_text(written(TABLE.read_text(), measured))
    told, below = judged(rows(TABLE.read_text()), measured)
    sys.stdout.write("\n".join(told) + "\n")
    sys.exit(f"{len(below)} of {len(told)} folders are covered less than they were" if below else 0)


if __name__ == "__main__":
    main()
