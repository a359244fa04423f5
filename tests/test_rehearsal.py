"""A session that is only tried: it is opened, heard and closed, whatever the provider does."""

from functools import partial

import pytest
import trio

from trio_voice.call import wall_clock
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.ledger import Ledger
from trio_voice.legs.model import SocketModelLeg
from trio_voice.persona import Limits, Persona
from trio_voice.protocols.voice_agent import VoiceAgentSession
from trio_voice.record import CallRecord, Closing
from trio_voice.rehearsal import describe, rehearse
from trio_voice.sandbox.memory import memory_channels
from trio_voice.sandbox.voice_agent import AT_READY, Cut, Fail, Faults, GoSilent, Script, Strike, VoiceAgentServer

PERSONA = Persona(name="p", model="m", greeting="Good morning.", voice="alba")


async def play(*, faults=None, unreachable=False, limits=None):
    """Rehearse against the sandbox's agent; the rehearsal, the call's record and the agent."""
    agent = VoiceAgentServer(Script(greeting_ms=600).cast, **{"faults": faults} if faults else {})
    record = CallRecord(call_id="check", direction="none", persona="p", from_number="", to_number="")
    async with trio.open_nursery() as nursery:

        async def connect():
            if unreachable:
                raise ModelUnavailable("nobody listens")
            ours, theirs = memory_channels()
            nursery.start_soon(partial(agent.serve_session, theirs))
            return ours

        leg = SocketModelLeg(VoiceAgentSession(PERSONA), connect, 5.0, Ledger(record), wall_clock)
        rehearsal = await rehearse(leg, PERSONA, limits or Limits(), 4.0)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    return rehearsal, record, agent


async def test_a_session_is_heard_and_closed(autojump_clock):
    rehearsal, record, agent = await play()
    assert rehearsal.problem is None
    assert rehearsal.heard_ms == pytest.approx(800)  # with the silence it begins with
    assert rehearsal.accepted["output.voice"] == "alba"
    (session,) = agent.sessions
    assert session.told_goodbye
    assert not session.client_errors
    assert len(session.payloads) == pytest.approx(200, abs=3)
    assert record.model_sessions[0].closing is Closing.ACKNOWLEDGED
    lines = "\n".join(describe(rehearsal, record))
    assert "accepted output.voice = alba" in lines
    assert "closed: acknowledged, after 4" in lines
    assert "cost: " not in lines  # nobody has said what anything costs
    record.currency, record.model_sessions[0].cost, record.model_sessions[0].seconds = "USD", 0.005, 4.0
    assert "cost: about 0.0050 USD, which is 0.0750 a minute" in describe(rehearsal, record)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"unreachable": True}, "nobody listens"),
        ({"faults": Faults(never_ready=True)}, "model_ready_seconds = 10"),
        ({"faults": Faults(strikes=(Strike(AT_READY, Cut()),))}, "socket is gone"),
        ({"faults": Faults(strikes=(Strike(AT_READY, Fail("unauthorized")),))}, "check ASSEMBLYAI_API_KEY"),
    ],
)
async def test_what_does_not_work_is_said(autojump_clock, how, problem):
    rehearsal, record, agent = await play(**how)
    assert problem in rehearsal.problem
    assert not agent.open_sessions
    assert record.model_sessions[0].closing is not None
    assert f"it does not work: {rehearsal.problem}" in describe(rehearsal, record)


async def test_a_provider_that_ignores_the_goodbye_is_left_in_bounded_time(autojump_clock):
    began = trio.current_time()
    _, record, _ = await play(faults=Faults(strikes=(Strike(AT_READY, GoSilent()),), ignores_close=True))
    assert trio.current_time() - began == pytest.approx(4 + Limits().close_seconds, abs=0.2)
    assert record.model_sessions[0].closing is Closing.TIMED_OUT
