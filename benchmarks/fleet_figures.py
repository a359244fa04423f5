"""Figures that `fleet.py` reckons with, measured on this machine with our daemon and a journal in PostgreSQL.

    unshare --net sh -c 'ip link set lo up && exec .venv/bin/python benchmarks/fleet_figures.py --journal URL'

URL is of an empty database that is reached by a socket of the file system (``postgresql://name@/base?host=/DIR``): in a
network of its own, the loopback has nothing but the calls' packets. Printed is TOML for ``planning/figures.toml``; what
else the machine does is in the processor's times, so the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from processes import SETTLE_SECONDS, of_a_call
from relaying.load import Load
from relaying.models import AssemblyAI
from relaying.relays import CONFIG, LONGEST_LEAD, Relay, running

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = ("calls", "model_sessions")
Counts = tuple[int, ...]


def _daemon(journal: str, model_url: str, folder: str) -> list[str]:
    text = CONFIG.format(kind="assemblyai-agent", url=model_url, folder=folder, lead=LONGEST_LEAD, workers=1)
    config = Path(folder) / "config.toml"
    config.write_text(text.replace(f"sqlite:///{folder}/journal.db", journal), encoding="utf-8")
    return [sys.executable, "-m", "trio_voice", "--config", str(config), "serve"]


def on_the_loopback() -> Counts:
    """Bytes and packets that went through it so far, each once."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return tuple(int(word) for word in counts.split()[:2])
    raise SystemExit("there is no loopback here")


def in_the_database(database: psycopg.Connection[tuple[int, ...]]) -> Counts:
    """Bytes of WAL, and bytes of the two tables with their indexes."""
    wal = database.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    sizes = [database.execute("SELECT pg_total_relation_size(%s)", [name]).fetchone() for name in TABLES]
    assert wal is not None
    return int(wal[0]), sum(int(size[0]) for size in sizes if size is not None)


def difference(before: Counts, now: Counts) -> Counts:
    """Growth of each."""
    return tuple(after - first for first, after in zip(before, now, strict=True))


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--journal", required=True, help="postgresql:// of an empty database")
    parser.add_argument("--calls", type=int, default=60, help="live at once, and short ones a round")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    load = Load(AssemblyAI())
    relay = Relay("trio_voice", partial(_daemon, options.journal))
    rounds: dict[str, list[float]] = {}

    def note(**found: float) -> None:
        for name, value in found.items():
            rounds.setdefault(name, []).append(value)

    with running(relay, load.model_url, os.devnull) as ours, psycopg.connect(options.journal, autocommit=True) as base:
        for _ in range(options.rounds):
            before = in_the_database(base)
            note(call_cpu_ms=of_a_call(ours, load, options.calls))
            wal, stored = difference(before, in_the_database(base))
            note(call_wal_bytes=wal / options.calls, call_stored_bytes=stored / options.calls)
            memory = ours.resident_bytes()
            live = []
            for _ in range(options.calls):
                live.append(load.add(ours.webhook()))
                load.run(0.01)
            load.run(SETTLE_SECONDS)
            cpu, packets = ours.cpu(), on_the_loopback()
            window = load.run(options.seconds)
            sent, count = difference(packets, on_the_loopback())
            note(
                frame_cpu_us=(ours.cpu() - cpu) / window.frames * 1e6,
                frame_bytes=sent / window.frames,
                frame_packets=count / window.frames,
                call_memory_kb=max(0, ours.resident_bytes() - memory) / options.calls / 1e3,
            )
            for call in live:
                load.stop(call)
            load.run(5, until=lambda live=live: all(call.over for call in live))  # type: ignore[misc]  # a default gives a lambda no type
    load.close()
    best: dict[str, Callable[[list[float]], float]] = {"call_cpu_ms": min, "frame_cpu_us": min, "call_memory_kb": max}
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"# {datetime.now(tz=UTC):%Y-%m-%d}, {machine}, load {os.getloadavg()[0]:.1f}; rounds: {options.rounds}")
    for name, values in rounds.items():
        print(f"{name} = {best.get(name, statistics.median)(values):.3g}  # {min(values):.3g} to {max(values):.3g}")


if __name__ == "__main__":
    main()
