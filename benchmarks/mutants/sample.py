"""Changes of one line in the core, the call and its pumps: a sample of them, and those that nothing notices.

    make mutants                                    300 of them, 20 minutes
    make mutants MUTANTS_ARGS="--count 30 --seed 2 --only 'trio_voice.bridge.*'"

mutmut makes the changes, runs the tests that reach each, and judges; ``[tool.mutmut]`` in pyproject.toml says where and
leaves out the reason of ``CancelScope.cancel``, which only a debugger shows. Its output is in ``mutants/run.log``. What
the tests do not notice is shown to mypy, as ``make lint`` does: it refuses a ``None`` where there must be a number.
Those are counted on their own, since no test bites on them.

For a seed the same are drawn as long as the code is the same. Exit status 1 if more than a tenth survives, 2 if mutmut
fails; of one that survives, ``.venv-mutants/bin/mutmut show NAME`` tells what was changed.
"""

from __future__ import annotations

import fnmatch
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final, NoReturn

import click

BIN: Final = Path(sys.executable).parent
LOG: Final = Path("mutants/run.log")
STATISTICS: Final = Path("mutants/mutmut-stats.json")
"""Tests by the functions that they reach: mutmut's, written once all of them have passed."""
FATES: Final = {0: "survived", 33: "no tests", 34: "skipped", None: "not reached in time"}
"""Meanings of mutmut's exit codes; every other one is that of tests that noticed."""
MOST_SURVIVORS: Final = 0.1


def run_mutmut(*names: str, seconds: float | None = None) -> int:
    """The exit status of ``mutmut run``; 0 if the time was up."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": "short"}
    command = [BIN / "mutmut", "run", "--max-children", str(os.cpu_count() or 1), *names]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        try:
            run = subprocess.run(
                command, env=environment, check=False, timeout=seconds, stdout=log, stderr=subprocess.STDOUT
            )
        except subprocess.TimeoutExpired:
            click.echo("the time is up")
            return 0
    return run.returncode


def give_up() -> NoReturn:
    """End with one line: what mutmut prints then has the name of every test in it."""
    lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    click.echo(f"mutmut failed: {last[:200]} (all of it is in {LOG})", err=True)
    sys.exit(2)


def fates() -> dict[str, int | None]:
    """The exit code of each mutant's tests by its name; None if they were not run."""
    found: dict[str, int | None] = {}
    for path in Path("mutants").rglob("*.py.meta"):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def with_mutant(source: str, name: str) -> str:
    """A module's source with one of its mutants in it; unchanged if the place is not found, or is not the only one."""
    shown = subprocess.run([BIN / "mutmut", "show", name], capture_output=True, text=True, check=True).stdout
    hunk = shown.partition("\n@@")[2].splitlines()[1:]
    indent = "    " if "ǁ" in name else ""  # mutmut shows a method as if it were a function
    before, after = (
        "\n".join(indent + line[1:] if line[1:] else "" for line in hunk if line[:1] != other) for other in "+-"
    )
    return source.replace(before, after) if source.count(before) == 1 else source


def refused_by_types(names: list[str]) -> set[str]:
    """Those mutants that mypy refuses, each tried in a copy of the package."""
    refused = set()
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree("trio_voice", Path(copy, "trio_voice"))
        shutil.copy("pyproject.toml", copy)
        command = [BIN / "mypy", "--cache-dir", ".cache", "trio_voice"]
        before = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if before.returncode:
            click.echo(f"mypy refuses the code as it is, and so tells nothing here: {before.stdout.splitlines()[-1:]}")
            return set()
        for name in names:
            path = Path(copy, *name.split(".")[:-1]).with_suffix(".py")
            source = path.read_text(encoding="utf-8")
            path.write_text(with_mutant(source, name), encoding="utf-8")
            if subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode:
                refused.add(name)
            path.write_text(source, encoding="utf-8")
    return refused


@click.command(help=__doc__)
@click.option("--count", default=300, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--minutes", default=20.0, show_default=True, help="For the mutants; the tests are run once before that.")
@click.option("--only", default="*", help="A pattern of mutants' names.")
def main(count: int, seed: int, minutes: float, only: str) -> None:
    click.echo("making the mutants, and seeing which tests reach which: some minutes")
    run_mutmut("none of them")  # fails when it looks for that one, after all that is wanted of it
    names = sorted(name for name in fates() if fnmatch.fnmatch(name, only))
    if not names or not STATISTICS.exists():
        give_up()
    drawn = random.Random(seed).sample(names, min(count, len(names)))
    if run_mutmut(*drawn, seconds=60 * minutes):
        give_up()
    after = fates()
    fate_of = {name: FATES.get(after[name], "noticed") for name in drawn}
    refused = refused_by_types([name for name in drawn if fate_of[name] in {"survived", "no tests"}])
    fate_of |= dict.fromkeys(refused, "refused by mypy")
    for name in drawn:
        if fate_of[name] in {"survived", "no tests"}:
            click.echo(f"{fate_of[name]:10} {name}")
    counts = Counter(fate_of.values())
    click.echo(f"of {len(names)} mutants {len(drawn)} were drawn: " + ", ".join(f"{n} {f}" for f, n in counts.items()))
    survived = counts["survived"] + counts["no tests"]
    judged = counts["noticed"] + counts["refused by mypy"] + survived
    if judged:
        click.echo(f"{survived / judged:.1%} of {judged} survived")
    sys.exit(survived > MOST_SURVIVORS * judged or not judged)


if __name__ == "__main__":
    main()
