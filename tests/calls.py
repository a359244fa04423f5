"""A whole call on the virtual clock: our call between the sandbox's Twilio and one of the sandbox's models."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio

from trio_voice.bridge.failover import history_of
from trio_voice.call.async_tools import open_async_tools
from trio_voice.call.call import Call, wall_clock
from trio_voice.call.tools import Tool
from trio_voice.events.model import Said
from trio_voice.legs.caller import CallerLeg
from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.session_ledger import Ledger
from trio_voice.legs.succession import Succession
from trio_voice.limits import Limits
from trio_voice.net.channel import Channel
from trio_voice.persona import SILENT, Persona, ToolSchema
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.protocols.gemini_live import GeminiLiveSettings
from trio_voice.protocols.gemini_live.session import GeminiLiveSession
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession, OpenAIRealtimeSettings
from trio_voice.record import CallRecord
from trio_voice.recorder.call_recorder import CallRecorder
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn, VoiceAgentServer
from trio_voice.sandbox.providers.gemini_live import GeminiLiveServer
from trio_voice.sandbox.providers.openai_realtime import RealtimeServer
from trio_voice.sandbox.transport.memory import MemoryChannel, memory_channels
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer

GREETING = "Hello, this is the bakery."
SPEECH = b"\x2a" * 160
"""20 ms that the scripted ears take for speech."""

SCRIPT = Script(
    greeting_ms=1_000,
    turns=(
        Turn(heard="Are you open?", reply="Yes, until six in the evening.", reply_ms=2_000),
        Turn(heard="And tomorrow?", reply="Tomorrow too.", reply_ms=1_000),
    ),
)


@attrs.frozen
class ModelOrder:
    """Parts of which our side of a model is made."""

    server: Any
    persona: Persona
    tools: tuple[ToolSchema, ...]
    history: tuple[Said, ...]
    resume_with: str | None
    record: CallRecord
    world: trio.Nursery
    reach: Callable[[], Awaitable[Channel]]
    rigs: list["Rig"]
    """The rig, once it is there: nothing is opened before."""


@attrs.frozen
class Model:
    """A family of models of one socket, as a call meets it in tests."""

    serve: Callable[..., Any]
    """Its double: a make_backend, ``manner`` and ``faults`` in, a server out."""
    session: Callable[..., Any]
    """Our side of it, of the server, a persona, tools, the conversation so far and a handle."""
    wires: None = None

    def open(self, script, **double):
        """Its double."""
        return self.serve(script.backend, **double)

    def make(self, wanted):
        """The leg, not yet connected."""
        session = self.session(wanted.server, wanted.persona, wanted.tools, wanted.history, wanted.resume_with)
        return SocketModelLeg(session, wanted.reach, 5.0, Ledger(wanted.record), wall_clock)


def _voice_agent(_server, persona, tools, history, resume_with):
    return VoiceAgentSession(persona, tools, history, resume_with, wall_clock().timestamp())


def _openai_realtime(server, persona, tools, history, _resume_with):
    url = {"url": "ws://127.0.0.1/"} if server.dialect == "beta" else {}
    settings = OpenAIRealtimeSettings(name="desk", kind="openai-realtime", dialect=server.dialect, **url)
    return OpenAIRealtimeSession(settings, persona, tools, history, wall_clock().timestamp())


def _gemini_live(_server, persona, tools, history, resume_with):
    return GeminiLiveSession(GeminiLiveSettings(name="m", kind="gemini-live"), persona, tools, history, resume_with)


VOICE_AGENT = Model(VoiceAgentServer, _voice_agent)
OPENAI_REALTIME = Model(RealtimeServer, _openai_realtime)
GEMINI_LIVE = Model(GeminiLiveServer, _gemini_live)


@attrs.define
class Rig:
    """Everything that a test may touch, and look at afterwards."""

    call: Call
    record: CallRecord
    voice: Voice
    twilio: MediaStreamPeer
    agent: Any
    """The model's double."""
    caller_wire: tuple[MemoryChannel, MemoryChannel]
    model_wire: tuple[MemoryChannel, MemoryChannel]
    scope: trio.CancelScope
    wires: dict[str, tuple[MemoryChannel, MemoryChannel]] = attrs.field(factory=dict)
    """All the sockets towards the model, by name, our end first; more than one where it is a chain."""
    used: set[str] = attrs.field(factory=set)
    """Those of them that were opened."""
    on_exchange: Callable[[tuple[MemoryChannel, MemoryChannel]], None] | None = None
    """Told of each request that goes to a language model, before it is sent."""
    later_wires: list[tuple[MemoryChannel, MemoryChannel]] = attrs.field(factory=list)
    """Those of the model sessions after the first."""
    over: trio.Event = attrs.field(factory=trio.Event)
    ended_at: float = 0.0

    def speak(self, seconds):
        """The caller speaks for so long, from now on."""
        self.voice.say(SPEECH * round(seconds * 50))

    @property
    def session(self):
        return self.agent.sessions[0]

    def assert_nothing_remains(self):
        """Both sockets are closed, and the record says so."""
        assert self.caller_wire[0].closed
        assert all(wire[0].closed for name, wire in self.wires.items() if name in self.used)
        assert all(wire[0].closed for wire in self.later_wires)
        for session in self.record.model_sessions:
            assert session.closing is not None
            assert session.closed_at is not None


@asynccontextmanager
async def live_call(
    *,
    model=VOICE_AGENT,
    script=SCRIPT,
    limits=None,
    persona=None,
    faults=None,
    manner=None,
    connect=None,
    tools=(),
    phone=None,
    successors=(),
    lines=SILENT,
    came_back=None,
    said=(),
    record_on=None,
):
    """A call that has just been accepted. The block drives it; leaving the block waits for its end.

    ``model`` is a ``Model``, or the like of ``tests.chains``; ``successors`` are its doubles that take over when the
    first fails. ``record_on`` is the file of a recording.
    """
    limits = limits or Limits()
    persona = persona or Persona(name="p", model="m", greeting=GREETING)
    caller_wire, model_wire = memory_channels(), memory_channels()
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
    record.transcript.extend(said)
    double = {"faults": faults} if faults else {}
    double |= {"manner": manner} if manner else {}
    agent = model.open(script, **double)

    async with open_async_tools(), trio.open_nursery() as world:
        wires = iter([model_wire])

        async def reach(server):
            if connect is not None:
                await connect()
            wire = next(wires, None)
            if wire is None:
                wire = memory_channels()
                rig.later_wires.append(wire)
            else:
                rig.used.add("model")
            world.start_soon(server.serve_session, wire[1])
            return wire[0]

        def make(server, history, resume_with):
            schemas = tuple(tool.schema for tool in box.values())
            wanted = ModelOrder(
                server, persona, schemas, history, resume_with, record, world, partial(reach, server), rigs
            )
            return model.make(wanted)

        rigs: list[Rig] = []
        """The rig, once it is there: nothing is opened before."""
        voice = Voice()
        twilio = MediaStreamPeer(caller_wire[1], caller=voice)
        world.start_soon(twilio.run)
        box = {tool.schema.name: tool for tool in map(Tool, tools)}
        makers = [partial(make, server) for server in (agent, *successors)]
        succession = Succession(makers, limits.close_seconds, limits.model_ready_seconds, history_of(said))
        tap = None if record_on is None else CallRecorder(record_on, trio.current_time)
        caller = CallerLeg(caller_wire[0], limits.close_seconds, tap=tap)
        call = Call(
            record, persona, limits, caller, succession, tools=box, phone=phone, lines=lines, came_back=came_back
        )
        scope = trio.CancelScope()
        rig = Rig(call, record, voice, twilio, agent, caller_wire, model_wire, scope)
        rig.wires = model.wires or {"model": model_wire}
        rigs.append(rig)

        async def live():
            try:
                with scope:
                    await call.run()
            finally:
                rig.ended_at = trio.current_time()
                rig.over.set()

        world.start_soon(live)
        yield rig
        await rig.over.wait()
        world.cancel_scope.cancel()
    rig.assert_nothing_remains()
