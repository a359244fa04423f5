"""A client of the sandbox's chain, for its tests: it speaks the wire itself, without our protocols."""

import json
from contextlib import asynccontextmanager
from functools import partial

import trio
import trio.testing

from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainServer, scripted
from trio_voice.sandbox.transport.memory import memory_channels

KEY = "a-key"
SCRIPT = Script(turns=(Turn(heard="Are you open?", reply="Yes, until six.", reply_ms=1_500),), quiet_ms=300)
LOUD, QUIET = b"\x10", b"\xff"


class Client:
    """One end of a socket of the chain, and what came through it, each with its moment."""

    def __init__(self, channel):
        self.channel = channel
        self.messages = []
        self.gone_at = None

    async def listen(self):
        try:
            while True:
                message = await self.channel.receive()
                self.messages.append((trio.current_time(), json.loads(message)))
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            self.gone_at = trio.current_time()

    async def send(self, **message):
        await self.channel.send(json.dumps(message))

    async def sound(self, byte, ms, *, piece_ms=80):
        """So much sound, in real time."""
        for _ in range(ms // piece_ms):
            await self.channel.send(byte * (piece_ms * 8))
            await trio.sleep(piece_ms / 1_000)

    def of(self, kind):
        return [message for _, message in self.messages if message.get("type") == kind]

    @property
    def said(self):
        return [message for _, message in self.messages]

    @property
    def closed(self):
        return self.channel.close_code, self.channel.close_reason


@asynccontextmanager
async def connected(stage, url, headers, *, script=SCRIPT, server=None, **double):
    """A client at one socket of the chain, and the chain's record of it."""
    server = server or ChainServer(scripted(script), api_key=KEY, **double)
    ours, theirs = memory_channels()
    client = Client(ours)
    serve = server.serve_hearing if stage == "hearing" else server.serve_speaking
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve, theirs, url=url, headers=headers))
        nursery.start_soon(client.listen)
        await trio.testing.wait_all_tasks_blocked()
        yield client, server.sessions[-1]
        nursery.cancel_scope.cancel()
    assert theirs.closed
    assert not server.sessions[-1].is_open


class Sink:
    """Receiver of an answer, in memory."""

    def __init__(self):
        self.status, self.pieces, self.was_cut = None, [], False

    async def start(self, status):
        self.status = status

    async def send(self, piece):
        self.pieces.append(piece)
        await trio.lowlevel.checkpoint()

    async def cut(self):
        self.was_cut = True

    @property
    def body(self):
        return b"".join(self.pieces)

    @property
    def chunks(self):
        data = [line.removeprefix("data: ") for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [json.loads(line) for line in data if line != "[DONE]"]

    @property
    def deltas(self):
        return [chunk["choices"][0]["delta"] for chunk in self.chunks if chunk["choices"]]
