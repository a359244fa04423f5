"""A whole call on the virtual clock: our call between the sandbox's Twilio and the sandbox's voice agent."""

from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from trio_voice.call import Call, wall_clock
from trio_voice.legs.caller import CallerLeg
from trio_voice.legs.ledger import Ledger
from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.succession import Succession
from trio_voice.persona import SILENT, Limits, Persona
from trio_voice.protocols.voice_agent import VoiceAgentSession
from trio_voice.record import CallRecord
from trio_voice.sandbox.media_stream import MediaStreamPeer
from trio_voice.sandbox.memory import MemoryChannel, memory_channels
from trio_voice.sandbox.twilio_callers import Voice
from trio_voice.sandbox.voice_agent import Script, Turn, VoiceAgentServer
from trio_voice.tools import Tool

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


@attrs.define
class Rig:
    """Everything that a test may touch, and look at afterwards."""

    call: Call
    record: CallRecord
    voice: Voice
    twilio: MediaStreamPeer
    agent: VoiceAgentServer
    caller_wire: tuple[MemoryChannel, MemoryChannel]
    model_wire: tuple[MemoryChannel, MemoryChannel]
    scope: trio.CancelScope
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
        assert self.model_wire[0].closed or not self.agent.sessions
        assert all(wire[0].closed for wire in self.later_wires)
        for session in self.record.model_sessions:
            assert session.closing is not None
            assert session.closed_at is not None


@asynccontextmanager
async def live_call(
    *,
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
):
    """A call that has just been accepted. The block drives it; leaving the block waits for its end.

    ``successors`` are the agents that take over when the first fails.
    """
    limits = limits or Limits()
    persona = persona or Persona(name="p", model="m", greeting=GREETING)
    caller_wire, model_wire = memory_channels(), memory_channels()
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
    agent = VoiceAgentServer(
        script.cast, **{"faults": faults} if faults else {}, **{"manner": manner} if manner else {}
    )

    async with trio.open_nursery() as world:
        wires = iter([model_wire])

        async def reach(server):
            if connect is not None:
                await connect()
            wire = next(wires, None)
            if wire is None:
                wire = memory_channels()
                rig.later_wires.append(wire)
            world.start_soon(server.serve_session, wire[1])
            return wire[0]

        def make(server, history, _resume_with):
            session = VoiceAgentSession(persona, tuple(tool.schema for tool in box.values()), history)
            return SocketModelLeg(session, partial(reach, server), 5.0, Ledger(record), wall_clock)

        voice = Voice()
        twilio = MediaStreamPeer(caller_wire[1], caller=voice)
        world.start_soon(twilio.run)
        box = {tool.schema.name: tool for tool in map(Tool, tools)}
        model = Succession([partial(make, server) for server in (agent, *successors)], limits.close_seconds)
        caller = CallerLeg(caller_wire[0], limits.close_seconds)
        call = Call(record, persona, limits, caller, model, tools=box, phone=phone, lines=lines)
        scope = trio.CancelScope()
        rig = Rig(call, record, voice, twilio, agent, caller_wire, model_wire, scope)

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
