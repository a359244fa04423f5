"""An ended call is gone at once: the collector, which stops all calls while it looks, has nothing to find."""

import gc

import pytest
import trio

from tests.calls import GEMINI_LIVE, GREETING, OPENAI_REALTIME, SCRIPT, SPEECH, VOICE_AGENT, ModelOrder
from trio_voice.bridge.bridge import Bridge
from trio_voice.call.call import Call
from trio_voice.legs.caller import CallerLeg
from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.succession import Succession
from trio_voice.legs.writer import Writer
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallRecord, EndReason
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer

PARTS = (Call, Bridge, CallerLeg, SocketModelLeg, Succession, Writer)


def parts_that_are_left():
    # Not isinstance, which asks each object for its class: a proxy of the openai package then imports all of it.
    return {type(part).__name__ for part in gc.get_objects() if issubclass(type(part), PARTS)}


def open_call(caller, model_end, model, server):
    """A call like the daemon's: nothing but itself knows its parts."""
    persona, limits = Persona(name="p", model="m", greeting=GREETING), Limits()
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")

    async def reach():
        await trio.lowlevel.checkpoint()
        return model_end

    def make(history, resume_with):
        return model.make(ModelOrder(server, persona, (), history, resume_with, record, None, reach, []))

    return Call(record, persona, limits, CallerLeg(caller, 2.0), Succession([make], 2.0, 10.0))


async def live(call, voice, twilio):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run)
        await trio.sleep(2)
        assert len(parts_that_are_left()) == len(PARTS)
        voice.say(SPEECH * 25)
        await trio.sleep(3)
        twilio.hang_up()
    assert call.record.end_reason is EndReason.HANGUP
    assert call.record.transcript


@pytest.mark.parametrize("model", [VOICE_AGENT, OPENAI_REALTIME, GEMINI_LIVE], ids=["voice-agent", "openai", "gemini"])
async def test_nothing_of_an_ended_call_waits_for_the_collector(autojump_clock, model):
    gc.collect()
    gc.disable()
    try:
        (caller, twilio_end), (model_end, server_end) = memory_channels(), memory_channels()
        server, voice = model.open(SCRIPT), Voice()
        twilio = MediaStreamPeer(twilio_end, caller=voice)
        async with trio.open_nursery() as world:
            world.start_soon(twilio.run)
            world.start_soon(server.serve_session, server_end)
            await live(open_call(caller, model_end, model, server), voice, twilio)
            world.cancel_scope.cancel()
        assert parts_that_are_left() == set()
    finally:
        gc.enable()
