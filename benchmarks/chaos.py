"""Random faults of every kind at random moments beside fifty live calls, and what becomes of those.

    make chaos                                                              ten minutes
    make chaos BENCH_ARGS="--seconds 60 --calls 20 --seed 7"

A real daemon, the calls that misbehave of ``neighbours.py``, and strangers at the port and signals beside them
(``neighbouring/strangers.py``). Control and chaos take turns, of some seconds each, in the same daemon with the same
calls. It has passed if the process is the one that it was, no neighbour was ended, every one of their frames came
back, none was later by over 100 ms than in the control, no call ended by a bug, and refusals were counted.

The same ``--seed`` is the same faults in the same order; when they come is the machine's affair, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx2
from neighbouring.calls import BETWEEN_SECONDS, Neighbours
from neighbouring.misbehaviour import MISBEHAVIOURS
from neighbours import daemon, rogue
from relaying.figures import percentile
from relaying.relays import AUTHORITIES, LOAD_CORE, running

if TYPE_CHECKING:
    from relaying.relays import Running

COUNTED: Final = {
    ("connection", "http2"): ("http_2", "upgrade_to_http_2"),
    ("connection", "two_lengths"): ("two_lengths",),
    ("connection", "wrong_host"): ("nested_json",),
    ("stream", "unknown_call"): ("stray_byte_behind_an_upgrade",),
}
"""Refusals, and the deeds that each of them is of."""
LATER_SECONDS: Final = 0.1
"""Most that the latest frame beside faults may be later than the latest of the control."""
TOKEN: Final = "chaos-chaos-chaos-chaos"  # noqa: S105 - of a daemon that lives as long as this


def metrics(base_url: str) -> dict[str, float]:
    """The daemon's counters, by name and labels."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    lines = httpx2.get(f"{base_url}/metrics", headers=headers, timeout=10).raise_for_status().text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def judge(ours: Running, done: dict[str, int]) -> list[str]:
    """A sentence for each promise that was broken."""
    failures = []
    try:
        os.kill(ours.pid, 0)
        counted = metrics(ours.base_url)
    except (OSError, httpx2.HTTPError) as gone:
        return [f"the daemon is gone: {gone}"]
    bugs = sum(value for name, value in counted.items() if "calls" in name and 'end_reason="bug"' in name)
    if bugs:
        failures.append(f"{bugs:g} calls ended by a bug")
    refused = sum(value for name, value in counted.items() if "refus" in name)
    for (what, code), deeds in COUNTED.items():
        wanted = sum(done.get(deed, 0) for deed in deeds) - done.get("refused", 0)
        found = counted.get(f'trio_voice_refusals_total{{code="{code}",what="{what}"}}', 0)
        if found < wanted:
            failures.append(f"{wanted - found:g} of {wanted} refusals ({what}, {code}) were not counted")
    at_port = sum(count for deed, count in done.items() if not deed.startswith(("reload", "refused")))
    if at_port and not refused:
        failures.append("no refusal was counted")
    print(f"refusals counted: {refused:g}, deeds at the port: {at_port}")
    return failures


def run(calls: int, seconds: float, seed: str) -> list[str]:
    """Chaos for so long; what should not have happened."""
    chance, names, failures = random.Random(f"chaos {seed}"), list(MISBEHAVIOURS), list[str]()
    neighbours = Neighbours()
    control: list[float] = []
    beside: list[float] = []

    def go_on(seconds: float, into: list[float]) -> None:
        into.append(percentile(neighbours.go_on(seconds).delays, 1))

    with rogue() as bad, running(daemon(bad, names), neighbours.load.model_url, AUTHORITIES) as ours:
        neighbours.begin(ours, calls)
        ends_at, done = time.monotonic() + seconds, dict[str, int]()
        while time.monotonic() < ends_at:
            length = chance.uniform(2, 6)
            go_on(length, control)
            command = [sys.executable, "-m", "neighbouring.strangers", urlsplit(ours.base_url).netloc]
            strangers = subprocess.Popen(
                [*command, str(ours.pid), f"{seed} {len(beside)}"],
                cwd=Path(__file__).parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),  # noqa: PLW1509 - no threads
            )
            name = chance.choice(names)
            bad.begin(name, ours.base_url)
            go_on(length, beside)
            bad.cease()
            told, _ = strangers.communicate()
            for deed, count in json.loads(told or b"{}").items():
                done[deed] = done.get(deed, 0) + count
            print(f"{control[-1] * 1000:9.1f}{beside[-1] * 1000:9.1f}  {name}", flush=True)
            neighbours.go_on(BETWEEN_SECONDS + MISBEHAVIOURS[name].lingers_seconds)
        later = max(beside) - max(control)
        print(f"latest frame: {max(control) * 1000:.0f} ms in the control, {max(beside) * 1000:.0f} ms beside faults")
        if later > LATER_SECONDS:
            failures.append(f"a frame was {later * 1000:.0f} ms later than in the control")
        failures += neighbours.broken_promises()
        print("done: " + ", ".join(f"{deed} {count}" for deed, count in sorted(done.items())))
        failures += judge(ours, done)
    neighbours.load.close()
    return failures


def main() -> None:
    """Run, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    os.environ["TRIO_VOICE_API_TOKEN"] = TOKEN
    os.sched_setaffinity(0, {LOAD_CORE})
    print(f"{options.calls} neighbours, seed {options.seed}; the latest frame of each turn, one way, in ms")
    print(f"{'control':>9}{'beside':>9}  while")
    failures = run(options.calls, options.seconds, options.seed)
    print("\n".join(["", *(f"FAILED  {failure}" for failure in failures), "failed" if failures else "passed"]))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
