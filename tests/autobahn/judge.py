"""Have Autobahn judge our WebSocket as a server and as a client: ``make autobahn``.

Every case must be passed strictly, or be one that only informs. Those about compression (groups 12 and 13) are left
unimplemented on purpose: nobody here negotiates an extension, so a reserved bit is a breach of the protocol.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

import trio

TREE: Final = Path(__file__).parents[2]
sys.path.insert(0, str(TREE))
HERE: Final = Path(__file__).parent
PASSED: Final = frozenset({"OK", "INFORMATIONAL", "UNIMPLEMENTED"})
QUICK: Final = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.1", "13.1.1")
"""All but the large messages of group 9, which take minutes, and most of compression."""
ALL: Final = ("*",)
START_SECONDS: Final = 30.0


def find_python2() -> str | None:
    """A Python 2.7, on which Autobahn's testsuite runs and on no other."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("2.7.*/bin/python"), reverse=True)
    for python in [*map(str, kept), shutil.which("python2.7")]:
        # What stands on the path may be no more than a pointer to one that is not there.
        if python is not None and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return None


def install(python2: str, folder: Path) -> bool:
    """Put the testsuite into a folder, once; whether it is there."""
    ready = folder / ".ready"
    wanted = HERE / "requirements.txt"
    if ready.exists() and ready.read_text() == wanted.read_text():
        return True
    shutil.rmtree(folder, ignore_errors=True)
    pip = [python2, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--target", str(folder)]
    ran = subprocess.run([*pip, "-r", str(wanted)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        print(ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "pip failed")
        return False
    ready.write_text(wanted.read_text())
    return True


async def judge_server(wstest: list[str], cases: tuple[str, ...], folder: Path) -> Path:
    """Our server, attacked by Autobahn's client."""
    from tests.autobahn.echo import AGENT, serve_echo
    from trio_voice.net.poller import open_poller

    async with open_poller(), trio.open_nursery() as nursery:
        port = await nursery.start(serve_echo)
        server = {"agent": AGENT, "url": f"ws://127.0.0.1:{port}", "options": {"version": 18}}
        spec = folder / "server.json"
        spec.write_text(json.dumps(_spec(cases, folder / "server") | {"servers": [server]}))
        await trio.run_process([*wstest, "-m", "fuzzingclient", "-s", str(spec)], capture_stdout=True, check=True)
        nursery.cancel_scope.cancel()
    return folder / "server" / "index.json"


async def judge_client(wstest: list[str], cases: tuple[str, ...], folder: Path) -> Path:
    """Our client, attacked by Autobahn's server."""
    from tests.autobahn.echo import run_cases
    from trio_voice.net.poller import open_poller

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    spec = folder / "client.json"
    spec.write_text(json.dumps(_spec(cases, folder / "client") | {"url": f"ws://127.0.0.1:{port}"}))
    async with open_poller(), trio.open_nursery() as nursery:
        command = [*wstest, "-m", "fuzzingserver", "-u", "0", "-s", str(spec)]
        nursery.start_soon(partial(trio.run_process, command, capture_stdout=True, check=False))
        with trio.fail_after(START_SECONDS):
            while not await _listens(port):
                await trio.sleep(0.1)
        await run_cases(f"ws://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()
    return folder / "client" / "index.json"


async def _listens(port: int) -> bool:
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


def _spec(cases: tuple[str, ...], folder: Path) -> dict[str, object]:
    return {"outdir": str(folder), "cases": list(cases), "exclude-cases": [], "exclude-agent-cases": {}}


def verdict_of(index: Path) -> tuple[Counter[str], list[str]]:
    """Number of cases by how they went, and the names of those that failed."""
    (cases,) = json.loads(index.read_text()).values()
    # What a peer does with the connection when all is said is judged, too.
    ends = {name: (case["behavior"], case["behaviorClose"]) for name, case in cases.items()}
    failed = [f"{name} ({', '.join(end)})" for name, end in ends.items() if not PASSED.issuperset(end)]
    return Counter(end[0] for end in ends.values()), failed


def main() -> int:
    """The exit status: 1 if a case failed on either side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without large messages and most of compression")
    parser.add_argument("--cases", nargs="+", help="such as 5.* or 9.3.1")
    parser.add_argument("--packages", type=Path, default=TREE / ".autobahn", help="where the testsuite is kept")
    parser.add_argument("--reports", type=Path, help="a folder for Autobahn's own reports")
    wanted = parser.parse_args()
    python2 = find_python2()
    if python2 is None or not install(python2, wanted.packages):
        why = "there is no Python 2.7" if python2 is None else "its testsuite cannot be installed"
        print(f"Autobahn was NOT run: {why} on this machine")
        return 0
    from trio_voice.daemon.logs import set_up_logging

    set_up_logging(level=logging.ERROR)
    wstest = [python2, str(HERE / "wstest.py"), str(wanted.packages)]
    cases = tuple(wanted.cases or (QUICK if wanted.quick else ALL))
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = wanted.reports or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for side, judge in (("server", judge_server), ("client", judge_client)):
            counts, failed = verdict_of(trio.run(judge, wstest, cases, folder))
            words = ", ".join(f"{count} {word.lower()}" for word, count in sorted(counts.items()))
            print(f"our {side}: {counts.total()} cases: {words}; {len(failed)} failed")
            print("".join(f"  failed: {name}\n" for name in failed), end="", flush=True)
            bad += len(failed) + (counts.total() == 0)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
