"""What a relayed 20 ms frame costs: our daemon against the plain stack of the same packages, in one run.

    make bench                                      20 calls for 10 s each, three times, alternating
    .venv/bin/python benchmarks/relay.py 50 20 5    50 calls, 20 s, five times

Every call sends 50 frames a second and an echoing agent sends each back. Counted is the processor time of the relay's
process for each frame that it took from one side and gave to the other, in either direction. The machine's noise is why
the figure to keep is the ratio.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import httpx2
import trio

from trio_voice.legs.websocket import open_websocket
from trio_voice.sandbox.sockets import serve_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.sandbox.sockets import SandboxSocket

FRAME = "fn5+" * 53 + "fg=="
CONFIG = """
[server]
bind = "127.0.0.1:0"
public_url = "https://bench.example.com"
[twilio]
validate_signatures = false
[limits]
max_calls = 1000
idle_seconds = 1000
[models.echo]
kind = "assemblyai-agent"
url = "{url}"
[personas.echo]
model = "echo"
[numbers]
default = "echo"
"""


class Echo:
    """An agent that sends back whatever it hears."""

    async def serve(self, socket: SandboxSocket, _request: object) -> None:
        """One session."""
        try:
            while True:
                message = json.loads(await socket.receive())
                if message["type"] == "input.audio":
                    await socket.send('{"type":"reply.audio","reply_id":"r","data":"' + message["audio"] + '"}')
                elif message["type"] == "session.update":
                    await socket.send('{"type":"session.ready","session_id":"s","config":{}}')
                    await socket.send('{"type":"reply.started","reply_id":"r"}')
                elif message["type"] == "session.end":
                    await socket.send('{"type":"session.ended","session_duration_seconds":1}')
                    await socket.aclose()
                    return
        except (trio.EndOfChannel, trio.BrokenResourceError):
            pass


@asynccontextmanager
async def process(*command: str, environment: dict[str, str] | None = None) -> AsyncIterator[tuple[int, str]]:
    """Run a relay; its process id and base URL."""
    pinned = ["taskset", "-c", "0", *command]
    relay = await trio.lowlevel.open_process(
        pinned, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | (environment or {})
    )
    try:
        assert relay.stdout is not None
        said = await relay.stdout.receive_some()
        yield relay.pid, bytes(said).decode().split()[-1]
    finally:
        relay.kill()
        with trio.CancelScope(deadline=trio.current_time() + 5, shield=True):
            await relay.wait()


def processor_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(pid: int, urls: list[str], seconds: float) -> float:
    """Microseconds of the relay's processor for each frame, with a call on each of these URLs."""
    echoed = 0

    async def call(url: str) -> None:
        nonlocal echoed
        channel = await open_websocket(url, {}, max_message_bytes=65_536)
        start = {"streamSid": "MZ1", "callSid": "CA1"}
        await channel.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await channel.send(json.dumps({"event": "start", "start": start, "streamSid": "MZ1"}))

        async def hear() -> None:
            nonlocal echoed
            while True:
                message = await channel.receive()
                if '"media"' in str(message)[:20]:
                    echoed += 1
                elif '"mark"' in str(message)[:20]:
                    await channel.send(str(message))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            due = trio.current_time()
            media = '{"event":"media","media":{"track":"inbound","payload":"' + FRAME + '"},"streamSid":"MZ1"}'
            while True:
                due += 0.02
                await trio.sleep_until(due)
                await channel.send(media)

    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(call, url)
        await trio.sleep(2)
        began, frames = processor_seconds(pid), echoed
        await trio.sleep(seconds)
        used, frames = processor_seconds(pid) - began, echoed - frames
        nursery.cancel_scope.cancel()
    return used / (2 * frames) * 1e6


async def ours(agent_url: str, calls: int, seconds: float) -> float:
    """Our daemon."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(CONFIG.format(url=agent_url) + f'[journal]\nurl = "sqlite:///{folder}/journal.db"\n')
        command = [sys.executable, "-m", "trio_voice", "--config", str(config), "serve"]
        async with (
            process(*command, environment={"ASSEMBLYAI_API_KEY": "k"}) as (pid, base),
            httpx2.AsyncClient() as http,
        ):
            urls = []
            for _ in range(calls):
                form = {"To": "+15551234567", "From": "+15557654321"}
                twiml = (await http.post(base + "/twiml", data=form)).text
                stream = ET.fromstring(twiml).find("Connect/Stream")  # noqa: S314 - our own daemon's
                assert stream is not None
                urls.append(f"ws://{urlsplit(base).netloc}{urlsplit(stream.attrib['url']).path}")
            return await measure(pid, urls, seconds)


async def plain(agent_url: str, calls: int, seconds: float) -> float:
    """The plain stack."""
    script = str(Path(__file__).with_name("plain_relay.py"))
    async with process(sys.executable, script, agent_url) as (pid, base):
        address = urlsplit(base).netloc
        return await measure(pid, [f"ws://{address}/media-stream/{n}" for n in range(calls)], seconds)


async def main(calls: int, seconds: float, times: int) -> None:
    """Alternate, and print what each took."""
    async with trio.open_nursery() as nursery:
        echo = Echo()
        port = await nursery.start(lambda task_status: serve_sockets(echo.serve, task_status=task_status))
        url = f"ws://127.0.0.1:{port}/"
        figures: dict[str, list[float]] = {"trio_voice": [], "plain stack": []}
        for _ in range(times):
            figures["trio_voice"].append(await ours(url, calls, seconds))
            figures["plain stack"].append(await plain(url, calls, seconds))
        for name, values in figures.items():
            each = ", ".join(f"{value:.0f}" for value in values)
            print(f"{name:<12} {statistics.median(values):6.0f} us of CPU a frame   ({each})")
        ratio = statistics.median(figures["trio_voice"]) / statistics.median(figures["plain stack"])
        print(f"ratio        {ratio:6.2f}   with {calls} calls")
        nursery.cancel_scope.cancel()


arguments = [int(word) for word in sys.argv[1:]] + [20, 10, 3][len(sys.argv) - 1 :]
trio.run(main, *arguments)
