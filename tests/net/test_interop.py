"""Clients that others have written, against our WebSocket as the lane accepts it, on a socket of the poller's.

Who is not on this machine is skipped, aloud.
"""

import json
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
from websockets.http11 import Request
from websockets.server import ServerProtocol

from trio_voice.net.polled_stream import PolledStream
from trio_voice.net.poller import adopt, open_poller
from trio_voice.net.websocket import WebSocketChannel, quiet_logger
from trio_voice.protocols.websocket import WebSocket

CLIENTS = Path(__file__).with_name("clients")
NODE_WS = Path(__file__).parents[2] / "benchmarks/peers/node_relay/node_modules/ws"
LONG = "60000 x"
SAYS = ["grüße ✓ 🎧", "", "x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536, "ü" * 100_000, "end"]


@asynccontextmanager
async def echo():
    """A server that says again what it hears, and what was the end of each connection."""
    ends = []

    async def serve(stream):
        head, told = b"", []
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        protocol = ServerProtocol(logger=quiet_logger())
        protocol.receive_data(head)
        (request,) = [event for event in protocol.events_received() if isinstance(event, Request)]
        protocol.send_response(protocol.accept(request))
        await stream.send_all(b"".join(protocol.data_to_send()))
        polled = adopt(stream)
        assert isinstance(polled, PolledStream)
        channel = WebSocketChannel(polled, WebSocket(client=False, max_message_bytes=1_048_576))
        wakes, woken = trio.open_memory_channel(100)
        channel.wake_writer = partial(wakes.send_nowait, None)

        async def write_pongs():
            async for _ in woken:
                await channel.flush()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_pongs)
            try:
                while True:
                    message = await channel.receive()
                    if isinstance(message, str) and message.startswith("heard "):
                        told.append(json.loads(message.removeprefix("heard ")))
                        continue
                    await channel.send(message if isinstance(message, str) else f"{len(message)} bytes")
            except trio.EndOfChannel:
                ends.append((channel.close_code, channel.close_reason, *told))
            finally:
                nursery.cancel_scope.cancel()
        await channel.aclose()

    async with open_poller(), trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/", ends
        nursery.cancel_scope.cancel()


async def run(command, says):
    with trio.fail_after(30):
        done = await trio.run_process(
            command, stdin=json.dumps(says).encode(), capture_stdout=True, capture_stderr=True
        )
    return json.loads(done.stdout)


@pytest.mark.parametrize(("script", "fragments"), [("with_aiohttp.py", False), ("with_websockets.py", True)])
async def test_clients_in_python(script, fragments):
    async with echo() as (url, ends):
        said = await run([sys.executable, str(CLIENTS / script), url], SAYS)
        assert said["heard"] == [*SAYS, "2 bytes", *(["one two three"] if fragments else [])]
        assert said["code"] == 1000
        assert ends == [(1000, "done")]


async def test_nodes_ws():
    if shutil.which("node") is None or not NODE_WS.exists():
        pytest.skip("node, or ws in benchmarks/peers/node_relay/node_modules (npm ci there), is not on this machine")
    async with echo() as (url, ends):
        said = await run(["node", str(CLIENTS / "with_ws.mjs"), str(NODE_WS), url], SAYS)
        assert said == {"heard": [*SAYS, "2 bytes", "one two three"], "code": 1000, "ponged": True}
        assert ends == [(1000, "done")]


@pytest.mark.slow
async def test_chromium(tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on this machine (Debian: apt install chromium)")
    says = ["grüße ✓ 🎧", "", "x" * 125, "x" * 126, LONG, "end"]
    async with echo() as (url, ends):
        page = (CLIENTS / "in_chromium.html").as_uri() + "#" + quote(json.dumps([url, says]))
        flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
        async with trio.open_nursery() as nursery:
            command = partial(trio.run_process, [chromium, *flags, page], stderr=subprocess.DEVNULL, check=False)
            nursery.start_soon(command)
            with trio.fail_after(50):
                while not ends:
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        assert ends == [(1000, "done", [*says, "2 bytes"])]
