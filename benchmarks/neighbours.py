"""Delay of fifty calls' frames beside one that misbehaves.

    make neighbours                                                         about six minutes
    .venv/bin/python benchmarks/neighbours.py --calls 20 --seconds 3 --only tool --json out.json

A real daemon, and ``relaying``'s load on a core of its own: every neighbour sends a frame each 20 ms, its
model says it back, and measured is how long each way takes through the daemon. Quiet and misbehaviour take turns, with
the same calls and in the same daemon; the calls that misbehave are made by a third process, which runs only when the
load has nothing to do, one at a time, and again at once when they are ended. The machine's other work is in both
figures, so what is told is their difference and their ratio, each the median of ``--rounds``; beside them, how late the
load itself was.

Passed is the run if no neighbour was ended and every one of its frames came back; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neighbouring import bad_tools, misbehaviour
from neighbouring.calls import BETWEEN_SECONDS, Neighbours
from neighbouring.misbehaviour import MISBEHAVIOURS
from relaying.figures import percentile
from relaying.relays import AUTHORITIES, LOAD_CORE, Relay, running, serve_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from relaying.load import Window

RECORDING = """
[recording]
directory = "{folder}/recordings"
keep_free_gb = 0
"""
ROGUE = """
[models.m{place}]
kind = "assemblyai-agent"
url = "ws://127.0.0.1:{port}/{place}"

[personas.p{place}]
model = "m{place}"
tools = [{tools}]
record = {record}
"""


HEARD_HERE = """
[models.m{place}]
kind = "chain"
stt = {{ kind = "local" }}
llm = {{ kind = "openai-chat", url = "http://127.0.0.1:{llm_port}/v1", model = "m" }}
tts = {{ kind = "local" }}

[personas.p{place}]
model = "m{place}"
"""


@dataclass
class Finding:
    """One misbehaviour beside the quiet before it; a round a pair."""

    name: str
    rounds: list[tuple[Window, Window]]

    def added_ms(self) -> float:
        """Delay that is added to frames, in the middle of all rounds."""
        return statistics.median(_p99_ms(bad) - _p99_ms(quiet) for quiet, bad in self.rounds)

    def ratio(self) -> float:
        """The same as a ratio."""
        return statistics.median(_p99_ms(bad) / _p99_ms(quiet) for quiet, bad in self.rounds)

    def as_json(self) -> dict[str, Any]:
        """Every figure, in milliseconds."""
        rounds = [
            {
                f"{what}_{figure}": round(value, 3)
                for what, window in zip(("quiet", "beside"), pair, strict=True)
                for figure, value in {
                    "p50_ms": percentile(window.delays, 0.5) * 1_000,
                    "p99_ms": _p99_ms(window),
                    "worst_ms": percentile(window.delays, 1) * 1_000,
                    "load_late_p99_ms": percentile(window.lateness, 0.99) * 1_000,
                    "frames": window.frames,
                }.items()
            }
            for pair in self.rounds
        ]
        figures = {"added_p99_ms": round(self.added_ms(), 3), "ratio": round(self.ratio(), 3)}
        return {"misbehaviour": self.name, **figures, "rounds": rounds}

    def as_line(self) -> str:
        """The result, for people."""
        quiet = statistics.median(_p99_ms(window) for window, _ in self.rounds)
        beside = statistics.median(_p99_ms(window) for _, window in self.rounds)
        worst = max(percentile(window.delays, 1) * 1_000 for _, window in self.rounds)
        late = statistics.median(percentile(window.lateness, 0.99) * 1_000 for _, window in self.rounds)
        middle = f"{quiet:9.2f}{beside:9.2f}{self.added_ms():+9.2f}{self.ratio():8.2f}"
        return f"{self.name:45}{middle}{worst:9.1f}{late:9.2f}"


HEADING = f"{'while one call ...':45}{'quiet':>9}{'beside':>9}{'added':>9}{'ratio':>8}{'worst':>9}{'load':>9}"


def _p99_ms(window: Window) -> float:
    return percentile(window.delays, 0.99) * 1_000


class Rogue:
    """The process whose calls misbehave."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self.port, self.llm_port = map(int, process.stdout.readline().split())
        """Ports of its models, and of its language model."""

    def begin(self, name: str, base_url: str) -> None:
        """Misbehave so, at the daemon of this address, instead of what it did before."""
        self._tell(f"{name} {base_url}\n")

    def cease(self) -> None:
        """Hang up, and do nothing."""
        self._tell("\n")

    def _tell(self, line: str) -> None:
        self._stdin.write(line.encode())
        self._stdin.flush()


@contextmanager
def rogue() -> Iterator[Rogue]:
    """Run it on the load's core, with what the load leaves of that."""
    process = subprocess.Popen(
        [sys.executable, "-m", misbehaviour.__name__],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),  # noqa: PLW1509 - no threads here
    )
    try:
        yield Rogue(process)
    finally:
        process.kill()
        process.wait()


def daemon(rogue: Rogue, names: list[str]) -> Relay:
    """Ours, with a persona for the neighbours and one for each misbehaviour that is wanted."""

    def command(echo_url: str, folder: str) -> list[str]:
        shutil.copy(bad_tools.__file__, folder)
        tools = ", ".join(f'"bad_tools:{tool}"' for tool in bad_tools.__all__)
        rogues = numbers = ""
        for place, (name, each) in enumerate(MISBEHAVIOURS.items()):
            if name in names:  # others need not be loaded
                template = HEARD_HERE if each.local else ROGUE
                record = '"here"' if each.is_recorded else "false"
                rogues += template.format(
                    place=place, port=rogue.port, llm_port=rogue.llm_port, tools=tools, record=record
                )
                numbers += f'"{misbehaviour.number_of(name)}" = "p{place}"\n'
        more = rogues + RECORDING.format(folder=folder)
        return serve_ours(echo_url, folder, numbers=numbers, more=more)

    return Relay("trio_voice", command, environment={"TRIO_VOICE_API_TOKEN": misbehaviour.OPERATOR_TOKEN})


def measure(
    calls: int, seconds: float, rounds: int, names: list[str], tell: Callable[[Finding], None]
) -> tuple[list[Finding], list[str]]:
    """Everything that there is to find, and what should not have happened."""
    findings, neighbours = [], Neighbours()
    with rogue() as bad, running(daemon(bad, names), neighbours.load.model_url, AUTHORITIES) as ours:
        neighbours.begin(ours, calls)
        for name in names:
            finding = Finding(name, [])
            for _ in range(rounds):
                quiet = neighbours.go_on(seconds)
                bad.begin(name, ours.base_url)
                neighbours.go_on(BETWEEN_SECONDS)
                finding.rounds.append((quiet, neighbours.go_on(seconds)))
                bad.cease()
                neighbours.go_on(BETWEEN_SECONDS + MISBEHAVIOURS[name].lingers_seconds)
            findings.append(finding)
            tell(finding)
        failures = neighbours.broken_promises()
    neighbours.load.close()
    return findings, failures


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=3, help="of each quiet and each misbehaviour")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], help="words of the misbehaviours to measure")
    parser.add_argument("--json", type=Path, help="keep every figure there")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    names = [name for name in MISBEHAVIOURS if not options.only or any(words in name for words in options.only)]
    print(f"{options.calls} neighbours; the 99th percentile of their frames' delay, one way, in ms\n\n{HEADING}")
    findings, failures = measure(
        options.calls, options.seconds, options.rounds, names, lambda finding: print(finding.as_line(), flush=True)
    )
    print("\n".join(["", *(f"FAILED  {failure}" for failure in failures), "failed" if failures else "passed"]))
    if options.json is not None:
        figures = {
            "calls": options.calls,
            "findings": [finding.as_json() for finding in findings],
            "failures": failures,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
