"""Changes of one line in the core, the call and its pumps: a sample of them, and those that no test notices.

    make mutants                                    300 of them, 20 minutes
    make mutants MUTANTS_ARGS="--count 30 --seed 2 --only 'trio_voice.bridge.*'"

mutmut makes the changes, runs the tests that reach each, and judges; ``[tool.mutmut]`` in pyproject.toml says where.
For a seed the same are drawn as long as the code is the same. Exit status 1 if more than a tenth survives; of one that
does, ``.venv-mutants/bin/mutmut show NAME`` tells what was changed.
"""

from __future__ import annotations

import fnmatch
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import click

MUTMUT: Final = Path(sys.executable).parent / "mutmut"
FATES: Final = {0: "survived", 33: "no tests", 34: "skipped", None: "not reached in time"}
"""Meanings of mutmut's exit codes; every other one is that of tests that noticed."""
MOST_SURVIVORS: Final = 0.1


def run_mutmut(*names: str, seconds: float | None = None, told: bool = True) -> None:
    environment = os.environ | {"HYPOTHESIS_PROFILE": "short"}
    command = [MUTMUT, "run", "--max-children", str(os.cpu_count() or 1), *names]
    try:
        output = None if told else subprocess.DEVNULL
        subprocess.run(command, env=environment, check=False, timeout=seconds, stdout=output, stderr=output)
    except subprocess.TimeoutExpired:
        click.echo("\nthe time is up")


def fates() -> dict[str, int | None]:
    """The exit code of each mutant's tests by its name; None if they were not run."""
    found: dict[str, int | None] = {}
    for path in Path("mutants").rglob("*.py.meta"):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


@click.command(help=__doc__)
@click.option("--count", default=300, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--minutes", default=20.0, show_default=True, help="For the mutants; the tests are run once before that.")
@click.option("--only", default="*", help="A pattern of mutants' names.")
def main(count: int, seed: int, minutes: float, only: str) -> None:
    click.echo("making the mutants, and seeing which tests reach which: some minutes")
    run_mutmut("none of them", told=False)
    names = sorted(name for name in fates() if fnmatch.fnmatch(name, only))
    drawn = random.Random(seed).sample(names, min(count, len(names)))
    run_mutmut(*drawn, seconds=60 * minutes)
    after = fates()
    fate_of = {name: FATES.get(after[name], "noticed") for name in drawn}
    for name in drawn:
        if fate_of[name] in {"survived", "no tests"}:
            click.echo(f"{fate_of[name]:10} {name}")
    counts = Counter(fate_of.values())
    click.echo(f"of {len(names)} mutants {len(drawn)} were drawn: " + ", ".join(f"{n} {f}" for f, n in counts.items()))
    judged = counts["noticed"] + counts["survived"] + counts["no tests"]
    sys.exit(counts["survived"] + counts["no tests"] > MOST_SURVIVORS * judged or not judged)


if __name__ == "__main__":
    main()
