"""Cost of a webhook: processor time of the daemon for each one, as a ratio to the same stack with nothing around it.

    .venv/bin/python benchmarks/webhooks.py                         a minute
    .venv/bin/python benchmarks/webhooks.py --other ../before       another version of this repository beside it
    .venv/bin/python benchmarks/webhooks.py --windows 3 --each 20   whether it works

The peer is Quart on Hypercorn as one would write it (``peers/plain_relay.py``), which checks no signature, keeps no
journal and logs nothing. The processes live side by side on one core and are asked in turn, a window each; the load has
another core. A window's figure is user and kernel time of all threads, for each webhook; told are the median of the
windows, and the median of the ratios of windows that stood beside each other: what else the machine does is in both.

Each webhook is signed and has the fields that Twilio sends. ``POST /twiml`` announces a call, which is then written
down and logged; ``POST /stream-status/<id>`` is one of the three or four callbacks that a call has besides.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import platform
import socket
import statistics
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from relaying.relays import KEYS, LOAD_CORE, RELAYS, Relay, running, serve_ours

if TYPE_CHECKING:
    from relaying.relays import Running

TOKEN = "0123456789abcdef" * 2
ACCOUNT = "AC" + "0" * 32
PUBLIC_URL = "https://bench.example.com"
OURS, PEER, OTHER = "trio_voice", "plain trio", "other"
KINDS = {"TwiML": "/twiml", "callback": f"/stream-status/00{'0' * 30}"}
"""Fields that are asked for; a callback only of ours."""


def _daemon(python: Path, model_url: str, folder: str) -> list[str]:
    """The daemon as ``relays.py`` has it, but with Twilio's signatures checked."""
    serve_ours(model_url, folder)
    config = Path(folder) / "config.toml"
    config.write_text(config.read_text().replace("validate_signatures = false", ""))
    return [str(python.with_name("trio-voice")), "--config", str(config), "serve"]


def daemon_of(python: Path, name: str) -> Relay:
    """A version of ours, by the interpreter that has it."""
    secrets = KEYS | {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    return Relay(name, partial(_daemon, python), environment=secrets)


def webhook(path: str, number: int) -> bytes:
    """A request with the fields of a call that comes in, signed."""
    form = {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "CallSid": f"CA{number:032x}",
        "CallStatus": "ringing",
        "CallToken": json.dumps({"parentCallInfoToken": "eyJhbGciOiJFUzI1NiJ9." + "x" * 300}),
        "Called": "+15551234567",
        "CalledCity": "SPRINGFIELD",
        "CalledCountry": "US",
        "CalledState": "CA",
        "CalledZip": "94000",
        "Caller": "+15557654321",
        "CallerCity": "SHELBYVILLE",
        "CallerCountry": "US",
        "CallerState": "CA",
        "CallerZip": "94001",
        "Direction": "inbound",
        "From": "+15557654321",
        "FromCity": "SHELBYVILLE",
        "FromCountry": "US",
        "FromState": "CA",
        "FromZip": "94001",
        "StreamEvent": "stream-started",
        "To": "+15551234567",
        "ToCity": "SPRINGFIELD",
        "ToCountry": "US",
        "ToState": "CA",
        "ToZip": "94000",
    }
    text = PUBLIC_URL + path + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), hashlib.sha1)).decode()
    body = urlencode(form)
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: TwilioProxy/1.1\r\n"
        f"Content-Length: {len(body)}\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
        "I-Twilio-Idempotency-Token: 6ea0fc5e-2b7d-4c2e-9d1c-4a8a3a3d3a3a\r\nX-Home-Region: us1\r\n"
        f"X-Twilio-Signature: {signature}\r\nAccept: */*\r\nAccept-Encoding: gzip,deflate\r\n\r\n{body}"
    ).encode()


def ask(process: Running, request: bytes) -> bytes:
    """One request on a connection of its own, and all that is answered."""
    where = urlsplit(process.base_url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
            head, blank, body = answer.partition(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            if blank and len(body) >= int(length.partition(b":")[2]):
                break  # the peer keeps the connection
    return answer


def window(process: Running, path: str, first: int, count: int) -> float:
    """Milliseconds of processor for each of so many webhooks."""
    requests = [webhook(path, number) for number in range(first, first + count)]
    cpu = process.cpu()
    for request in requests:
        answer = ask(process, request)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")), answer
    return (process.cpu() - cpu) / count * 1000


def measure(relays: list[Relay], windows: int, each: int) -> dict[str, dict[str, list[float]]]:
    """Every window's figure, by what was asked for and of whom."""
    figures: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
    with ExitStack() as stack:
        processes = {relay.name: stack.enter_context(running(relay, "ws://127.0.0.1:1/", "")) for relay in relays}
        asked = 0
        for turn in range(-1, windows):  # the first is not counted
            names = list(processes) if turn % 2 else list(processes)[::-1]
            for kind, path in KINDS.items():
                for name in names:
                    if kind == "callback" and name == PEER:
                        continue
                    taken = window(processes[name], path, asked, each)
                    asked += each
                    if turn >= 0:
                        figures[kind].setdefault(name, []).append(taken)
    return figures


def table(figures: dict[str, dict[str, list[float]]]) -> str:
    """Medians and ratios, a line for each kind and process."""
    lines = [f"{'CPU of a webhook':<28}{'ms':>8}{'to the peer':>14}{'to the other':>14}"]
    for kind, by_name in figures.items():
        for name, taken in by_name.items():
            ratios = [
                statistics.median(one / other for one, other in zip(taken, by_name[beside], strict=True))
                if beside in by_name and beside != name
                else None
                for beside in (PEER, OTHER)
            ]
            said = "".join(f"{'' if ratio is None else f'{ratio:.2f}':>14}" for ratio in ratios)
            lines.append(f"{f'{kind}, {name}':<28}{statistics.median(taken):>8.2f}{said}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--each", type=int, default=50, help="webhooks of a window")
    parser.add_argument("--other", type=Path, help="a tree of another version, with its .venv")
    parser.add_argument("--json", type=Path, help="keep every figure there")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    relays = [daemon_of(Path(sys.executable), OURS), RELAYS[PEER]]
    if options.other is not None:
        relays.append(daemon_of(options.other / ".venv/bin/python", OTHER))
    load_before = os.getloadavg()[0]
    figures = measure(relays, options.windows, options.each)
    now = datetime.now(UTC)
    state = f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores"
    print(f"{now:%Y-%m-%d}, {state}, Python {platform.python_version()}, {platform.machine()}", file=sys.stderr)
    print(table(figures))
    if options.json is not None:
        kept = {"at": now.isoformat(), "state": state, "python": platform.python_version(), "figures": figures}
        options.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
