"""Cost of a relayed 20 ms frame: our daemon and its peers in turn, in one run, against one load.

    make bench                                                  the whole table: about half an hour
    make bench BENCH_ARGS=--short                               a few minutes: ours and Node's, without the limit
    .venv/bin/python benchmarks/relay.py --only trio_voice,node --calls 200 --seconds 20 --rounds 5
    .venv/bin/python benchmarks/relay.py --only "one worker,two workers" --no-talk --no-tls

Each relay has one core, the load has the other. Every call sends 50 frames a second as Twilio does, and an agent that
speaks AssemblyAI's protocol sends each back. A frame's cost is the processor time of the relay's process, in user and
kernel, for each frame that it took from one side and gave to the other. The relays alternate, so that a machine that is
busy with something else is so for all of them: the figure to keep is the ratio.

Pipecat has no part for AssemblyAI's agent and is measured with OpenAI's Realtime protocol; so is ours, once more, for
the ratio of the two. What differs: Pipecat's service for it (1.14) takes and gives 16 bits at 24 kHz and nothing else,
so Pipecat decodes, resamples and encodes where the others pass mu-law through. Its resamplers let audio out some 140 ms
at a time and its transport paces what it plays: that is most of the delay that it is shown with, and by design. What it
sends is so in fewer messages than there are frames, and so is the echo, both in its favour. It runs no voice activity
detection (the model does), logs warnings only, and is given half of the calls that it holds (the row "calls at a
time"). Nearer to full it takes less for a frame: what --json keeps of the search for its limit says how much.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import ssl
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import trustme
from relaying.figures import figures_at, figures_of_conversations, figures_of_many, figures_of_the_limit
from relaying.relays import LOAD_CORE, RELAYS, WORKERS, Unavailable
from relaying.report import medians, picture, slope, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from relaying.figures import Figures
    from relaying.relays import Relay

SHORT = ["trio_voice", "node"]


def arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"relays, of: {','.join(RELAYS | WORKERS)}")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-tls", action="store_true", help="only plain sockets to the model")
    parser.add_argument("--no-limit", action="store_true", help="do not look for the number of calls a core holds")
    parser.add_argument("--no-talk", action="store_true", help="leave the conversations out")
    parser.add_argument("--no-many", action="store_true", help="leave out the slope from ten live calls to a thousand")
    parser.add_argument("--short", action="store_true", help="ours and Node's, two rounds, no limit and no slope")
    parser.add_argument("--json", type=Path, help="keep every figure there")
    parser.add_argument("--svg", type=Path, help="draw the CPU a frame there")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.seconds, options.no_limit, options.no_many = 2, 5, True, True
        options.only = options.only or ",".join(SHORT)
    return options


def certify(folder: str) -> tuple[ssl.SSLContext, str]:
    """A model's certificate, and the file with the authority that vouches for it."""
    authority = trustme.CA()
    file = Path(folder) / "authority.pem"
    authority.cert_pem.write_to_path(file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context, str(file)


def in_turn(
    relays: list[Relay], rounds: int, measure: Callable[[Relay], Figures], runs: dict[str, list[Figures]]
) -> None:
    """Measure each relay once in every round, and leave out what cannot be run here."""
    for turn in range(rounds):
        for relay in relays if turn % 2 == 0 else relays[::-1]:
            try:
                figures = measure(relay)
            except Unavailable as why:
                if turn == 0:
                    print(f"{relay.name} is left out: {why}", file=sys.stderr)
                continue
            runs.setdefault(relay.name, []).append(figures)
            said = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if not name.startswith("cpu_us_"))
            print(f"  {relay.name}: {said}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, keep."""
    options = arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    names = options.only.split(",") if options.only else list(RELAYS)
    relays = [(RELAYS | WORKERS)[name] for name in names]
    kept: dict[str, dict[str, list[Figures]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        context, authorities = certify(folder)
        for tls in [None] if options.no_tls else [None, context]:
            runs = kept.setdefault("plain" if tls is None else "tls", {})

            def at(relay: Relay, tls: ssl.SSLContext | None = tls) -> Figures:
                return figures_at(relay, options.calls, options.seconds, tls, authorities)

            def limit(relay: Relay, tls: ssl.SSLContext | None = tls) -> Figures:
                return figures_of_the_limit(relay, tls, authorities)

            def talk(relay: Relay, tls: ssl.SSLContext | None = tls) -> Figures:
                return figures_of_conversations(relay, options.calls, options.seconds, tls, authorities)

            def many(relay: Relay, tls: ssl.SSLContext | None = tls) -> Figures:
                return figures_of_many(relay, tls, authorities)

            in_turn(relays, options.rounds, at, runs)
            if not options.no_limit:
                in_turn(relays, 1, limit, runs)
            if not options.no_talk:
                in_turn(relays, 1, talk, runs)
            if not options.no_many:
                in_turn([relay for relay in relays if relay.name in SHORT], 1, many, runs)
    now = datetime.now(UTC)
    fewer = "".join(f" ({relay.most_calls} with {relay.name})" for relay in relays if relay.most_calls < options.calls)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, one for the relay"
    where = f"{now:%Y-%m-%d}, {options.calls} calls{fewer}, {machine}"
    for title, runs in kept.items():
        figures = medians(runs)
        print(table(f"\n{title}: {where}", figures))
        for name in figures:
            if "many_stop_p99_ms" in figures[name]:
                print(slope(f"\n{title}, {name}: many calls", figures[name]))
    if options.json is not None:
        versions = {"python": platform.python_version(), "kernel": platform.release()}
        options.json.write_text(json.dumps({"at": now.isoformat(), "what": where, **versions, "runs": kept}, indent=1))
    if options.svg is not None:
        options.svg.write_text(picture(medians(kept["plain"]), medians(kept.get("tls", {})), where))


main()
