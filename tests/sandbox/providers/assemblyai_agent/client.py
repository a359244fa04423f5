"""A client of the sandbox's voice agent, for its tests.

On the virtual clock its frames leave 7 ms off the agent's own beat, so that no two things ever happen at the same
moment. Everything the agent says is also given to the daemon's own reading of the protocol, which must understand it.
"""

import base64
import json
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby

import trio
import trio.testing

from trio_voice.events import model as c
from trio_voice.persona import Persona
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.sandbox.providers.assemblyai_agent import Faults, Script, Strike, Turn, VoiceAgentServer
from trio_voice.sandbox.transport.memory import memory_channels

PCMU = {"type": "audio", "format": {"encoding": "audio/pcmu"}}
SESSION = {"system_prompt": "Be kind.", "input": PCMU, "output": {**PCMU, "voice": "alba"}}
GREETING = "Hello, this is Rosa."
ROLL = {"type": "function", "name": "roll", "parameters": {"type": "object", "properties": {}}}
TO_READY = ["session.updated", "session.ready"]
REPLY = ["reply.started", "transcript.agent.delta", "reply.audio", "transcript.agent", "reply.done"]
TURN = ["input.speech.started", "transcript.user.delta", "input.speech.stopped", "transcript.user"]

LONG = Script(turns=(Turn(heard="Stop!", reply="Yes?"),), greeting_ms=4000)
LONG_GREETING = "one two three four five six seven eight"


def session(**changes):
    return {**SESSION, **changes}


class Client:
    """A telephone that speaks the protocol, and notes what it hears and when."""

    def __init__(self, channel):
        self.channel = channel
        self.events = []
        self.daemon = VoiceAgentSession(Persona(name="test", model="aai", voice="alba"))
        self.understood = []
        self.tolerant = False
        self.gone = None
        self._news = trio.Condition()

    async def listen(self):
        try:
            while True:
                message = await self.channel.receive()
                meaning = self.daemon.receive(message, trio.current_time())
                assert self.tolerant or not any(isinstance(event, c.Unrecognized) for event in meaning), message
                self.understood += meaning
                if isinstance(message, str) and message.startswith('{"type":"') and "timestamp" in message:
                    self.events.append((round(trio.current_time(), 6), json.loads(message)))
                async with self._news:
                    self._news.notify_all()
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError) as end:
            self.gone = type(end)
        async with self._news:
            self._news.notify_all()

    async def send(self, kind, **fields):
        await self.channel.send(json.dumps({"type": kind, **fields}))

    async def sound(self, byte, ms):
        """Frames in real time, the last of them followed by its 20 ms."""
        payload = base64.b64encode(byte * 160).decode()
        for _ in range(ms // 20):
            await self.send("input.audio", audio=payload)
            await trio.sleep(0.02)

    async def speak(self, ms):
        await self.sound(b"\x10", ms)

    async def hush(self, ms):
        await self.sound(b"\xff", ms)

    async def wait(self, kind, nth=1):
        """The nth event of a type and when it came."""
        with trio.fail_after(200):
            async with self._news:
                while len(self.of(kind)) < nth:
                    assert self.gone is None, f"the socket is gone, and there was no {kind} number {nth}"
                    await self._news.wait()
        return self.of(kind)[nth - 1]

    async def wait_gone(self):
        with trio.fail_after(200):
            async with self._news:
                while self.gone is None:
                    await self._news.wait()
        return self.gone

    def of(self, kind):
        return [(at, event) for at, event in self.events if event["type"] == kind]

    def types(self):
        """The types in order, rows of the same one as one."""
        return [kind for kind, _ in groupby(event["type"] for _, event in self.events)]

    def errors(self):
        return [(event["code"], event["param"]) for _, event in self.of("session.error")]


@asynccontextmanager
async def telephone(script=None, update=SESSION, *, agent=None, authorization="Bearer key", **manner_and_faults):
    """A client in conversation with an agent; both, and the agent's record of it."""
    agent = agent or VoiceAgentServer((script or Script()).backend, **manner_and_faults)
    ours, theirs = memory_channels()
    client = Client(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(agent.serve_session, theirs, authorization=authorization))
        nursery.start_soon(client.listen)
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.007)
        if update is not None:
            await client.send("session.update", session=update)
            await trio.testing.wait_all_tasks_blocked()
        yield client, agent.sessions[-1]
        nursery.cancel_scope.cancel()
    assert theirs.closed
    assert agent.open_sessions == []


def struck(when, *acts):
    return {"faults": Faults(strikes=tuple(Strike(when, act) for act in acts))}
