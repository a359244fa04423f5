"""Random faults of every kind at random moments beside fifty live calls, and what becomes of those.

    make chaos                                                              ten minutes
    make chaos BENCH_ARGS="--seconds 60 --calls 20 --seed 7"

A real daemon, the calls that misbehave of ``neighbours.py``, and strangers at the port and signals beside them
(``neighbouring/strangers.py``). Control and chaos take turns, of some seconds each, in the same daemon with the same
calls. It has passed if the process is the one that it was, no neighbour was ended, every one of their frames came
back, none was later by over 100 ms than in the control, and refusals were counted; and if of every kind that was played
calls have ended, none by a bug, with every session of a model closed in its time. The last column is by how much the
load itself was late at most: on a machine that is busy it says whose lateness it is.

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
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx2
from neighbouring.calls import BETWEEN_SECONDS, Neighbours
from neighbouring.misbehaviour import MISBEHAVIOURS, OPERATOR_TOKEN
from neighbours import daemon, rogue
from relaying.figures import percentile
from relaying.relays import AUTHORITIES, LOAD_CORE, running

from trio_voice.billing.cost import OUTLIVED_SECONDS, TOLERANCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

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
LATE_SECONDS: Final = OUTLIVED_SECONDS + TOLERANCE_SECONDS
SETTLE_SECONDS: Final = 4.0
"""For the last calls to be over, and written down."""


def metrics(base_url: str) -> dict[str, float]:
    """The daemon's counters, by name and labels."""
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    lines = httpx2.get(f"{base_url}/metrics", headers=headers, timeout=10).raise_for_status().text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def ended_calls(base_url: str) -> list[dict[str, Any]]:
    """The records of all calls that are over, whole."""
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    found: list[dict[str, Any]] = []
    with httpx2.Client(base_url=base_url, headers=headers, timeout=20) as http:
        after: str | None = ""
        while after is not None:
            page = http.get("/calls", params={"limit": 1000, "after": after}).raise_for_status().json()
            ended = [call["call_id"] for call in page["calls"] if call["state"] == "ended"]
            found += [http.get(f"/calls/{call_id}").raise_for_status().json() for call_id in ended]
            after = page["next"]
    return found


def broken_by(calls: list[dict[str, Any]], names: Iterable[str]) -> list[str]:
    """A sentence for each kind of misbehaviour whose calls did not end as every call does.

    Both sockets closed, and every session of a model in its time, with a reason that is no bug; and there was a call of
    each kind that was played.
    """
    failures = []
    for name in sorted(names):
        persona = f"p{[*MISBEHAVIOURS].index(name)}"
        own = [call for call in calls if call["persona"] == persona]
        reasons = Counter(call["end_reason"] for call in own)
        sessions = [session for call in own for session in call["model_sessions"]]
        late = [
            each for each in sessions if each["closed_at"] is None or (each["overrun_seconds"] or 0.0) > LATE_SECONDS
        ]
        print(f"{len(own):6} calls, {len(sessions)} sessions: {name}: {dict(reasons)}")
        if not own:
            failures.append(f"no call was made or none ended: {name}")
        if late:
            worst = max(each["overrun_seconds"] or float("inf") for each in late)
            failures.append(f"{len(late)} of {len(sessions)} sessions outlived their call by up to {worst:g} s: {name}")
        if odd := {reason for reason in reasons if reason in (None, "bug")}:
            failures.append(f"calls ended by {odd}: {name}")
    return failures


def judge(ours: Running, done: dict[str, int], played: set[str]) -> list[str]:
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
    return failures + broken_by(ended_calls(ours.base_url), played)


def run(calls: int, seconds: float, seed: str) -> list[str]:
    """Chaos for so long; what should not have happened."""
    chance, names, failures = random.Random(f"chaos {seed}"), list(MISBEHAVIOURS), list[str]()
    neighbours = Neighbours()
    control: list[float] = []
    beside: list[float] = []
    load: list[float] = []

    def go_on(seconds: float, into: list[float]) -> None:
        window = neighbours.go_on(seconds)
        into.append(percentile(window.delays, 1))
        load.append(percentile(window.lateness, 1))

    with rogue() as bad, running(daemon(bad, names), neighbours.load.model_url, AUTHORITIES) as ours:
        neighbours.begin(ours, calls)
        ends_at, done, played = time.monotonic() + seconds, dict[str, int](), set[str]()
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
            played.add(name)
            bad.begin(name, ours.base_url)
            go_on(length, beside)
            bad.cease()
            told, _ = strangers.communicate()
            for deed, count in json.loads(told or b"{}").items():
                done[deed] = done.get(deed, 0) + count
            columns = "".join(f"{late * 1000:9.1f}" for late in (control[-1], beside[-1], load[-1]))
            print(f"{columns}  {name}", flush=True)
            neighbours.go_on(BETWEEN_SECONDS + MISBEHAVIOURS[name].lingers_seconds)
        later = max(beside) - max(control)
        print(f"latest frame: {max(control) * 1000:.0f} ms in the control, {max(beside) * 1000:.0f} ms beside faults")
        if later > LATER_SECONDS:
            failures.append(f"a frame was {later * 1000:.0f} ms later than in the control")
        failures += neighbours.broken_promises()
        print("done: " + ", ".join(f"{deed} {count}" for deed, count in sorted(done.items())))
        neighbours.go_on(SETTLE_SECONDS)
        failures += judge(ours, done, played)
    neighbours.load.close()
    return failures


def main() -> None:
    """Run, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    print(f"{options.calls} neighbours, seed {options.seed}; the latest frame of each turn, one way, in ms")
    print(f"{'control':>9}{'beside':>9}{'load':>9}  while")
    failures = run(options.calls, options.seconds, options.seed)
    print("\n".join(["", *(f"FAILED  {failure}" for failure in failures), "failed" if failures else "passed"]))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
