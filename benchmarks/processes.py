"""Two processes for a port: what ``workers = 2`` costs, beside one daemon, and two daemons behind HAProxy.

    make processes                                          about six minutes
    .venv/bin/python benchmarks/processes.py --calls 40 --rounds 5

All of them live at once and are measured in turn: the processor time, in user and kernel, of all their processes,
HAProxy's included, for a call that is announced, taken, joined to its model and hung up, and for each frame of so many
live calls. A machine that is busy is so for all, so that the figure to keep is the ratio.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from relaying.load import Load
from relaying.models import AssemblyAI
from relaying.relays import BOTH_CORES, RELAYS, WORKERS, Relay, Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[1] / "examples" / "nodes" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy")
SETTLE_SECONDS = 1.5
OPEN_SECONDS = 0.1
"""Time in which a short call is joined to its model."""


class Together(Running):
    """Several processes behind one address."""

    def __init__(self, parts: list[Running], balancer: int, base_url: str) -> None:
        super().__init__(balancer, base_url, 0.0)
        self._parts = parts

    def cpu(self) -> float:
        """Seconds of processor of all of them."""
        return super().cpu() + sum(part.cpu() for part in self._parts)

    def resident_bytes(self) -> int:
        """Memory of all of them."""
        return super().resident_bytes() + sum(part.resident_bytes() for part in self._parts)


def _node(node: str, journal: Path, model_url: str, folder: str) -> list[str]:
    """The command of one of several that share a journal."""
    command = RELAYS["trio_voice"].command(model_url, folder)
    config = Path(folder) / "config.toml"
    text = config.read_text(encoding="utf-8").replace("[twilio]", f'node = "{node}"\n[twilio]', 1)
    config.write_text(text.replace(f"{folder}/journal.db", f"{journal}/journal.db"), encoding="utf-8")
    return command


@contextmanager
def behind_haproxy(model_url: str) -> Iterator[Running]:
    """Two nodes, and the balancer of the examples in front of them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        relays = [Relay(node, partial(_node, node, folder), BOTH_CORES) for node in ("01", "02")]
        nodes = [stack.enter_context(running(relay, model_url, os.devnull)) for relay in relays]
        text = EXAMPLE.read_text(encoding="utf-8")
        for place, node in enumerate(nodes, 1):
            text = text.replace(f"10.0.0.1{place}:8080", urlsplit(node.base_url).netloc)
        text = re.sub(r"(?m)^ +server n03.*\n|^backend node_03\n", "", text)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        text = text.replace("bind :80\n", f"bind 127.0.0.1:{port}\n").replace("maxconn 20000", "maxconn 2000")
        text = text.replace("global\n", "global\n    nbthread 1\n")
        config = folder / "haproxy.cfg"
        config.write_text(text, encoding="utf-8")
        process = subprocess.Popen([str(HAPROXY), "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
        try:
            both = Together(nodes, process.pid, f"http://127.0.0.1:{port}")
            while True:
                try:
                    both.webhook()
                    break
                except (OSError, AssertionError, SyntaxError):
                    time.sleep(0.1)
            yield both
        finally:
            process.kill()
            process.wait()


def of_a_call(ours: Running, load: Load, calls: int) -> float:
    """Milliseconds of processor of one short call, from its webhook to its end."""
    cpu = ours.cpu()
    for _ in range(calls):
        call = load.add(ours.webhook())
        load.run(5, until=lambda call=call: call.model is not None)  # type: ignore[misc]  # a default gives a lambda no type
        load.run(OPEN_SECONDS)
        load.stop(call)
        load.run(5, until=lambda call=call: call.over)  # type: ignore[misc]  # a default gives a lambda no type
    load.run(1)
    return (ours.cpu() - cpu) / calls * 1e3


def of_a_frame(ours: Running, load: Load, calls: int, seconds: float) -> float:
    """Microseconds of processor of a frame of live calls, which are ended behind it."""
    live = []
    for _ in range(calls):
        live.append(load.add(ours.webhook()))
        load.run(0.01)
    load.run(SETTLE_SECONDS)
    cpu = ours.cpu()
    window = load.run(seconds)
    cpu = ours.cpu() - cpu
    for call in live:
        load.stop(call)
    load.run(5, until=lambda: all(call.over for call in live))
    return cpu / max(1.0, window.frames) * 1e6


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if HAPROXY is None:
        sys.exit("there is no haproxy here (Debian: apt install haproxy)")
    with ExitStack() as stack:
        setups: dict[str, tuple[Running, Load]] = {}
        for name, open_setup in [
            *((name, partial(running, relay, authorities=os.devnull)) for name, relay in WORKERS.items()),
            ("two behind HAProxy", behind_haproxy),
        ]:
            load = Load(AssemblyAI())
            stack.callback(load.close)
            setups[name] = stack.enter_context(open_setup(model_url=load.model_url)), load  # type: ignore[operator]  # two kinds of callable in one list
        rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in setups}
        for number in range(options.rounds + 1):
            for name, (ours, load) in setups.items():
                found = of_a_call(ours, load, options.calls), of_a_frame(ours, load, options.calls, options.seconds)
                if number:  # the first is for everything to be loaded
                    rounds[name].append(found)
        print(f"{'':20}{'a call':>10}{'':>7}{'a frame':>10}{'':>7}{'memory':>10}")
        first = [statistics.median(column) for column in zip(*next(iter(rounds.values())), strict=True)]
        for name, found in rounds.items():
            call, frame = (statistics.median(column) for column in zip(*found, strict=True))
            memory = setups[name][0].resident_bytes() / 1e6
            ratios = (f"{value / one:6.2f}x" for value, one in zip((call, frame), first, strict=True))
            by_call, by_frame = ratios
            print(f"{name:20}{call:8.2f}ms{by_call}{frame:8.1f}us{by_frame}{memory:8.0f}MB")


if __name__ == "__main__":
    main()
