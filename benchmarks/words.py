"""Time from a model's word to the word on the Live page of the console, with one call and with a hundred.

    .venv/bin/python benchmarks/words.py                        about three minutes; needs Debian's chromium
    .venv/bin/python benchmarks/words.py --calls 20 --rounds 2 --json out.json

A real daemon, ``relaying``'s load, and a real Chromium with the Live page open. Every call sends a frame each 20 ms and
hears it back; every third of a second its model says more of a line, whose text is the time at which it was sent. A
``MutationObserver`` notes when that text stands on the page. So what is measured begins a little before the bridge has
the word. Rounds with one call and with all of them take turns, in one daemon and on one page, and what is told is the
difference: the machine's other work is in both figures. ``cpu`` is the daemon's share of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright
from relaying.figures import percentile
from relaying.load import Load
from relaying.models import AssemblyAI
from relaying.relays import AUTHORITIES, Relay, running, serve_ours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page
    from relaying.load import Call
    from relaying.relays import Running

TOKEN = "operator"  # noqa: S105 - a made-up one
EVERY_SECONDS = 1 / 3
"""Between two pieces of a line: people say about three words a second."""
LINE_PIECES = 15
BETWEEN_SECONDS = 1.0
SETTLES_SECONDS = 5.0
"""For cards to come and go."""
OBSERVER = """
window.seen = new Set();
window.delays = [];
new MutationObserver((changes) => {
  const now = performance.timeOrigin + performance.now();
  for (const change of changes) {
    const node = change.target.nodeType === 1 ? change.target : change.target.parentElement;
    const words = node && node.closest("[data-field=words]");
    const sent = words ? Number(words.textContent) : NaN;
    if (sent > 1e12 && !seen.has(sent)) { seen.add(sent); delays.push(now - sent); }
  }
}).observe(document.getElementById("cards"), {subtree: true, childList: true, characterData: true});
"""


def ours() -> Relay:
    """The daemon, free to run on any core."""
    cores = frozenset(range(os.cpu_count() or 1))
    return Relay("trio_voice", serve_ours, cores=cores, environment={"TRIO_VOICE_API_TOKEN": TOKEN})


class Speakers:
    """Models that say something now and then, and write down nothing but when."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._pieces: dict[int, int] = {}
        self.sent = 0

    def run(self, calls: Sequence[Call], seconds: float) -> None:
        """Have the models of these calls speak for so long, each a little after the one before it."""
        began = time.perf_counter()
        due = {call.number: began + place * EVERY_SECONDS / len(calls) for place, call in enumerate(calls)}
        self.sent = 0
        while (now := time.perf_counter()) - began < seconds:
            for call in calls:
                if due[call.number] <= now:
                    due[call.number] += EVERY_SECONDS
                    self._speak(call)
            self._load.run(max(0.001, min(0.02, min(due.values()) - time.perf_counter())))

    def rest(self, seconds: float) -> None:
        """Nobody says anything for so long; their frames go on."""
        self._load.run(seconds)

    def _speak(self, call: Call) -> None:
        if call.model is None or call.model.closed or call.over:
            return
        piece = self._pieces[call.number] = self._pieces.get(call.number, 0) + 1
        item = f"i{call.number}-{piece // LINE_PIECES}"
        self.sent += 1
        text = f"{time.time() * 1_000:.2f}{call.number:03}"  # no two calls say the same
        message = {"type": "transcript.user.delta", "item_id": item, "text": text}
        call.model.send(json.dumps(message).encode())


def add(load: Load, daemon: Running) -> Call:
    """One more call."""
    call = load.add(daemon.webhook())
    load.run(0.02)
    return call


def round_of(
    page: Page, speakers: Speakers, calls: Sequence[Call], seconds: float, daemon: Running
) -> dict[str, float]:
    """Figures of one round, in milliseconds."""
    page.evaluate("delays.length = 0")
    cpu = daemon.cpu()
    speakers.run(calls, seconds)
    cpu = daemon.cpu() - cpu
    sent = speakers.sent
    speakers.rest(BETWEEN_SECONDS)  # those on their way arrive
    delays = sorted(page.evaluate("delays.slice()"))
    if not delays:
        raise SystemExit("no word came to the page")
    return {
        "sent": sent,
        "shown": len(delays),
        "p50_ms": round(percentile(delays, 0.5), 1),
        "p99_ms": round(percentile(delays, 0.99), 1),
        "worst_ms": round(delays[-1], 1),
        "daemon_cpu": round(cpu / seconds, 2),
    }


def measure(calls: int, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Rounds with one call and with all, taking turns."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    found: list[dict[str, Any]] = []
    load = Load(AssemblyAI())
    with running(ours(), load.model_url, AUTHORITIES) as daemon, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{daemon.base_url}/console")
        page.get_by_label("token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("#cards")
        page.evaluate(OBSERVER)
        speakers = Speakers(load)
        one = [add(load, daemon)]
        print(f"{'':>8}{'calls':>7}{'sent':>7}{'shown':>7}{'p50':>9}{'p99':>9}{'worst':>9}{'cpu':>9}", flush=True)
        for number in range(rounds):
            load.run(SETTLES_SECONDS)
            pair = {"one": round_of(page, speakers, one, seconds, daemon)}
            others = [add(load, daemon) for _ in range(calls - 1)]
            load.run(SETTLES_SECONDS)
            pair["all"] = round_of(page, speakers, one + others, seconds, daemon)
            for call in others:
                load.stop(call)
            for told, some in ((pair["one"], 1), (pair["all"], calls)):
                row = f"{number + 1:>8}{some:>7}{told['sent']:>7}{told['shown']:>7}{told['p50_ms']:>9}"
                print(f"{row}{told['p99_ms']:>9}{told['worst_ms']:>9}{told['daemon_cpu']:>9}", flush=True)
            found.append(pair)
        browser.close()
    load.close()
    return found


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="keep every figure there")
    options = parser.parse_args()
    found = measure(options.calls, options.seconds, options.rounds)
    added = statistics.median(pair["all"]["p99_ms"] - pair["one"]["p99_ms"] for pair in found)
    print(f"\n{options.calls} calls that speak add {added:+.1f} ms at the 99th percentile, in the middle of all rounds")
    if options.json is not None:
        options.json.write_text(json.dumps({"added_p99_ms": added, "rounds": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    main()
