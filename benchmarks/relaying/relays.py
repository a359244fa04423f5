"""The relays that are compared: how each is started, on a core of its own, and asked where a stream may be opened."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree as ET

from relaying.models import AssemblyAI, OpenAIRealtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from relaying.models import Model

HERE = Path(__file__).parent.parent
PEERS = HERE / "peers"
PEER_PYTHON = HERE.parent / ".venv-peers" / "bin" / "python"
NODE_RELAY = PEERS / "node_relay"
RELAY_CORE, LOAD_CORE = 0, 1

CONFIG = """
[server]
bind = "127.0.0.1:0"
public_url = "https://bench.example.com"
workers = {workers}
[twilio]
validate_signatures = false
[limits]
max_calls = 5000
time_limit_seconds = 3600
idle_seconds = 3600
{lead}
[models.bench]
kind = "{kind}"
url = "{url}"
[personas.bench]
model = "bench"
[numbers]
default = "bench"
{numbers}
[journal]
url = "sqlite:///{folder}/journal.db"
{more}
"""
AUTHORITIES = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
"""Certificates that a daemon believes which speaks TLS to nobody of ours."""
KEYS = {"ASSEMBLYAI_API_KEY": "k", "OPENAI_API_KEY": "k"}
PIPECAT_WANTS = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_API_URL": "http://127.0.0.1:1",
    "LOGURU_LEVEL": "WARNING",
}
"""It hangs up by REST, but no call whose caller has gone; what it logs by default is not measured."""
BOTH_CORES = frozenset({RELAY_CORE, LOAD_CORE})


class Unavailable(Exception):
    """A peer cannot be run here; the message says why."""


@dataclass(frozen=True)
class Relay:
    """One kind of relay."""

    name: str
    command: Callable[[str, str], list[str]]
    """From the model's URL and a folder for files."""
    cores: frozenset[int] = frozenset({RELAY_CORE})
    """Cores on which it may run."""
    speaking: Model = field(default_factory=AssemblyAI)
    """Protocol of its model."""
    environment: Mapping[str, str] = field(default_factory=dict)
    most_calls: int = sys.maxsize
    """Number of calls that it is given where the others are given a fixed number: about half of what a core holds of
    it."""


LONGEST_LEAD = "playback_lead_seconds = 4"
"""An echo that stutters puts Twilio further ahead each time, and then our pacing would be measured as delay."""


def serve_ours(
    model_url: str,
    folder: str,
    *,
    kind: str = "assemblyai-agent",
    lead: str = LONGEST_LEAD,
    workers: int = 1,
    numbers: str = "",
    more: str = "",
) -> list[str]:
    """The command of a daemon of ours, whose configuration is written into the folder.

    Args:
        model_url: where the model of all calls listens that ``numbers`` does not name.
        folder: for its files.
        kind: of that model.
        lead: how far ahead Twilio may be.
        workers: how many processes.
        numbers: more rows of ``[numbers]``.
        more: further tables.
    """
    config = Path(folder) / "config.toml"
    words = {"kind": kind, "url": model_url, "folder": folder, "lead": lead, "workers": workers}
    config.write_text(CONFIG.format(**words, numbers=numbers, more=more), encoding="utf-8")
    return [sys.executable, "-m", "trio_voice", "--config", str(config), "serve"]


def _node(model_url: str, _folder: str) -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise Unavailable("there is no node here (Debian: apt install nodejs npm)")
    if not (NODE_RELAY / "node_modules").exists():
        raise Unavailable("its packages are not installed: npm ci in benchmarks/peers/node_relay, or make bench")
    return [node, str(NODE_RELAY / "relay.js"), model_url]


def _plain(model_url: str, _folder: str) -> list[str]:
    return [sys.executable, str(PEERS / "plain_relay.py"), model_url]


def _asyncio(model_url: str, _folder: str) -> list[str]:
    return [_peer_python(), str(PEERS / "asyncio_relay.py"), model_url]


def _pipecat(_model_url: str, _folder: str) -> list[str]:
    return [_peer_python(), str(PEERS / "pipecat_relay.py")]


def _peer_python() -> str:
    if not PEER_PYTHON.exists():
        raise Unavailable("its packages are not installed: make bench does, into .venv-peers")
    return str(PEER_PYTHON)


def _named(*relays: Relay) -> dict[str, Relay]:
    return {relay.name: relay for relay in relays}


_OPENAI = OpenAIRealtime(transcoded=False)
OURS_WITH_OPENAI = Relay("trio_voice (openai)", partial(serve_ours, kind="openai-realtime"), speaking=_OPENAI)
PIPECAT = Relay(
    "pipecat (openai)",
    _pipecat,
    speaking=OpenAIRealtime(transcoded=True),
    environment=PIPECAT_WANTS,
    most_calls=20,
)
RELAYS = _named(
    Relay("trio_voice", serve_ours),
    Relay("node", _node),
    Relay("asyncio", _asyncio),
    Relay("plain trio", _plain),
    OURS_WITH_OPENAI,
    PIPECAT,
)
WORKERS = _named(
    Relay("one worker", serve_ours, BOTH_CORES), Relay("two workers", partial(serve_ours, workers=2), BOTH_CORES)
)
"""Ours beside the load on both cores, which is no comparison with others: the slope from one to two."""
PACING = _named(
    Relay("trio_voice", partial(serve_ours, lead="")),
    Relay(OURS_WITH_OPENAI.name, partial(serve_ours, kind="openai-realtime", lead=""), speaking=_OPENAI),
)
"""Ours as it comes, for a model that sends faster than it speaks."""


class Running:
    """A relay's process."""

    def __init__(self, pid: int, base_url: str, started_in: float) -> None:
        self.pid = pid
        self.started_in = started_in
        """Seconds from the process's beginning to its word that it listens."""
        self.base_url = base_url
        self._netloc = urlsplit(base_url).netloc

    def cpu(self) -> float:
        """Seconds of processor that all its threads, and those of its workers, have taken, in user and kernel."""
        # CPUCLOCK_SCHED of another process, see clock_getcpuclockid(3)
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self._pids())

    def _pids(self) -> list[int]:
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return [self.pid, *(int(pid) for task in tasks for pid in (task / "children").read_text().split())]

    def resident_bytes(self) -> int:
        """Its memory."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def webhook(self) -> str:
        """Announce one call as Twilio does, and return the URL that its stream is to be opened at."""
        connection = http.client.HTTPConnection(self._netloc, timeout=10)
        form = urlencode({"To": "+15551234567", "From": "+15557654321", "Direction": "inbound"})
        connection.request("POST", "/twiml", form, {"Content-Type": "application/x-www-form-urlencoded"})
        twiml = connection.getresponse().read()
        connection.close()
        stream = ET.fromstring(twiml).find("Connect/Stream")  # noqa: S314 - our own relays'
        assert stream is not None
        return f"ws://{self._netloc}{urlsplit(stream.attrib['url']).path}"


@contextmanager
def running(relay: Relay, model_url: str, authorities: str) -> Iterator[Running]:
    """Run a relay that trusts these authorities, pinned to its core.

    Raises:
        Unavailable: it cannot be run here.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = relay.command(model_url, folder)
        trust = {"SSL_CERT_FILE": authorities, "NODE_EXTRA_CA_CERTS": authorities}
        log = open(os.environ.get("BENCH_LOG", os.devnull), "ab")  # noqa: PTH123, SIM115 - closed with the process
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | trust | KEYS | {"MODEL_URL": model_url} | relay.environment,
            preexec_fn=lambda: os.sched_setaffinity(0, relay.cores),  # noqa: PLW1509 - there are no threads here
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if "listening" not in line:
                raise Unavailable(f"it did not start (BENCH_LOG=file keeps what it says): {line!r}")
            yield Running(process.pid, line.split()[-1], time.perf_counter() - began)
        finally:
            process.kill()
            process.wait()
            log.close()
