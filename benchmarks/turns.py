"""Share of the server itself in a turn of a chain, beyond its three providers and the network: ours, and others'.

    make turns                                  ours, LiveKit's session and Pipecat, 60 conversing calls: six minutes
    make turns BENCH_ARGS="--calls 6 --turns 5 --idle 10 --servers ours,livekit"

Each server runs on a core of its own, one after the other, and in this process are its callers and three providers:
AssemblyAI's streaming, a server of chat completions, ElevenLabs. All are reached over TLS, and the network is 40 ms
there and back: each message is 20 ms on its way, and a connection is let in only after the two round trips that TCP and
TLS 1.3 take. So a request over a connection that was not open pays for it, as it would.

A turn is the recogniser's final transcript, the question to the language model, its answer's first piece to the voice,
and the voice's first sound to the caller. All four clocks are this process's; what is told is the sum of the server's
three shares in a turn, without the 100 ms of network. First turns, and turns after ``--idle`` seconds without one, are
told apart: by then the language model's server has closed its idle connection. It does so after ``--keeps`` seconds,
five as uvicorn's, so that it may have between two turns, too.

In ``--eager`` turns the caller pauses, and the recogniser believes more and more that this was all. In every second of
them they go on. Told of these is how long after the last transcript the answer is heard, how many questions were asked
in vain, and what they cost in tokens.

A greeting's first sound is told from ``start`` to the caller's ear: of the first call, and of those after it.

Callers and providers are Python, too: where they are late themselves, which is told, the servers' shares are lost in
it. Passed is the run if every turn with ours was answered; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import trio
import trustme
from conversing.callers import Caller, converse, kinds_of
from conversing.calls import Call, name_of
from conversing.figures import figures_of, table
from conversing.providers import Providers
from conversing.servers import SERVERS, Server, Unavailable, running

if TYPE_CHECKING:
    from conversing.figures import Figures

OPEN_SECONDS = 30.0


async def measure(server: Server, arguments: argparse.Namespace) -> Figures:
    """All calls with one server, with all their turns.

    Raises:
        Unavailable: it cannot be run here, or a call did not come to its first words.
    """
    authority, theirs = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(theirs)
    providers = Providers(arguments.keeps)
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        async with trio.open_nursery() as nursery:
            ports = await providers.serve(theirs, nursery)
            async with running(server, ports, folder, str(folder / "ca.pem")) as process:
                base = f"http://127.0.0.1:{process.port}"
                async with httpx2.AsyncClient(trust_env=False, timeout=OPEN_SECONDS, base_url=base) as http:
                    for number in range(arguments.calls):
                        await _open_call(providers, Call(name_of(number)), http, nursery)
                    began = trio.current_time()
                    providers.lateness.clear()
                    cpu_before = process.cpu()
                    kinds = [*kinds_of(arguments.turns, arguments.eager)]
                    async with trio.open_nursery() as talking:
                        for seed, call in enumerate(providers.calls.values()):
                            talking.start_soon(converse, call, kinds, arguments.idle, began, seed)
                    call_seconds = (trio.current_time() - began) * arguments.calls
                    cpu_ms = (process.cpu() - cpu_before) / call_seconds * 1_000
            nursery.cancel_scope.cancel()
    return figures_of(server.name, providers, cpu_ms)


async def _open_call(providers: Providers, call: Call, http: httpx2.AsyncClient, nursery: trio.Nursery) -> None:
    """Ring, and wait until the caller was greeted and the recogniser listens."""
    providers.opening = providers.calls[call.name] = call
    form = {"CallSid": f"CA{call.name}", "From": "+15550001111", "To": "+15551234567", "CallStatus": "ringing"}
    twiml = (await http.post("/twiml", data=form)).text
    path = twiml.partition('url="')[2].partition('"')[0].split("/", 3)[3]
    nursery.start_soon(Caller(call, f"ws://127.0.0.1:{http.base_url.port}/{path}").run)
    with trio.move_on_after(OPEN_SECONDS):
        await call.hears.wait()
        await call.greeted.wait()
        return
    raise Unavailable(f"call {len(providers.calls)} came to nothing within {OPEN_SECONDS:g} s")


def main() -> int:
    """Measure, print, and say by the status whether every turn with ours was answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--turns", type=int, default=10, help="before the one after idling")
    parser.add_argument("--eager", type=int, default=4, help="of these, in which the caller pauses; half of them go on")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of silence before the last turn; 0 for none")
    parser.add_argument(
        "--keeps", type=float, default=5.0, help="seconds that the language model's server keeps an idle connection"
    )
    parser.add_argument("--servers", default="ours,livekit,pipecat", help=", ".join(SERVERS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {cores[-1]} if len(cores := sorted(os.sched_getaffinity(0))) > 1 else {*cores})
    figures: list[Figures] = []
    for name in arguments.servers.split(","):
        try:
            figures.append(trio.run(partial(measure, SERVERS[name], arguments), strict_exception_groups=True))
        except* (Unavailable, httpx2.HTTPError) as told:
            print(f"{name} is left out: {told.exceptions}", file=sys.stderr)
    print(table(figures, arguments.calls))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({each.server: each.plain() for each in figures}, indent=1))
    ours: dict[str, Any] = {each.server: each for each in figures}
    return 0 if "ours" not in ours or ours["ours"].unanswered == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
