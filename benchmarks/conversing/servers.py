"""The servers that are measured: ours, and others' between the same Twilio and the same three providers."""

from __future__ import annotations

import os
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

PEERS: Final = Path(__file__).parent.parent / "peers"
PEER_PYTHON: Final = PEERS.parent.parent / ".venv-peers/bin/python"
GREETING: Final = "Good day, this is the lighthouse."
START_SECONDS: Final = 60.0

CONFIG: Final = """
[server]
bind = "127.0.0.1:0"
public_url = "https://turns.example.com"
[twilio]
validate_signatures = false
[limits]
max_calls = 1000
[journal]
url = "sqlite:///{folder}/journal.db"
[models.desk]
kind = "chain"
stt = {{ kind = "assemblyai-streaming", url = "wss://localhost:{stt}/v3/ws", credential = "" }}
llm = {{ kind = "openai-chat", url = "https://localhost:{llm}/v1", model = "m", credential = "" }}
tts = {{ kind = "elevenlabs", url = "https://localhost:{tts}", voice = "v", credential = "" }}
[personas.clerk]
model = "desk"
greeting = "{greeting}"
[numbers]
default = "clerk"
"""


class Unavailable(Exception):
    """A server cannot be run here."""


@attrs.frozen
class Server:
    """One that is measured."""

    name: str
    command: Callable[[Mapping[str, int], Path], list[str]]
    environment: Mapping[str, str] = attrs.field(factory=dict)


def _ours(ports: Mapping[str, int], folder: Path) -> list[str]:
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=folder, greeting=GREETING, **ports))
    return [sys.executable, "-m", "trio_voice", "--config", str(config), "serve"]


def _peer(script: str, ports: Mapping[str, int], _folder: Path) -> list[str]:
    del ports
    if not PEER_PYTHON.exists():
        raise Unavailable("its packages are not installed: make turns does, into .venv-peers")
    return [str(PEER_PYTHON), str(PEERS / script)]


SERVERS: Final = {
    server.name: server
    for server in (
        Server("ours", _ours),
        Server("livekit", partial(_peer, "livekit_chain.py")),
        Server("pipecat", partial(_peer, "pipecat_chain.py")),
        Server("livekit-defaults", partial(_peer, "livekit_chain.py"), {"AS_IT_COMES": "1"}),
    )
}


@attrs.frozen
class Running:
    """A server's process."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of processor that all its threads have taken."""
        return time.clock_gettime(~self.pid << 3 | 2)  # CPUCLOCK_SCHED of another process, clock_getcpuclockid(3)


@asynccontextmanager
async def running(server: Server, ports: Mapping[str, int], folder: Path, authorities: str) -> AsyncIterator[Running]:
    """Run a server on the first core.

    Raises:
        Unavailable: it cannot be run here, or does not start.
    """
    addresses = {
        "STT_URL": f"wss://localhost:{ports['stt']}",
        "LLM_URL": f"https://localhost:{ports['llm']}/v1",
        "TTS_URL": f"https://localhost:{ports['tts']}",
        "GREETING": GREETING,
        "SSL_CERT_FILE": authorities,
    }
    command = server.command(ports, folder)
    said = folder / f"{server.name}.log"
    with said.open("w") as log:
        environment = os.environ | addresses | dict(server.environment)
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(trio.run_process, command, stdout=-1, stderr=log, env=environment, check=False)
            )
            try:
                os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0) | {0})})
                yield Running(await _port_of(process, said), process.pid)
            except BaseException:
                sys.stderr.write(said.read_text()[-3_000:])
                raise
            finally:
                process.terminate()
                with trio.move_on_after(10, shield=True) as patience:
                    await process.wait()
                if patience.cancelled_caught:
                    process.kill()


async def _port_of(process: trio.Process, said: Path) -> int:
    line = b""
    assert process.stdout is not None
    with trio.move_on_after(START_SECONDS):
        while True:
            more = await process.stdout.receive_some()
            line += more
            if not more or b"\n" in more:
                break
    if b"\n" not in line:
        raise Unavailable(f"it did not start: {(await trio.Path(said).read_text())[-500:]}")
    return int(line.split()[-1].rpartition(b":")[2])
