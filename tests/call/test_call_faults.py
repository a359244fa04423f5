"""One call, to the virtual millisecond, with peers that stall, refuse and send nonsense."""

import attrs
import pytest
import trio

from tests.call.ends import LONG
from tests.calls import GREETING, live_call
from trio_voice.errors import ModelUnavailable
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.session_record import Closing


async def test_twilio_stops_reading(autojump_clock):
    """The agent speaks and nobody takes it: after close_seconds for one message the leg is given up."""
    async with live_call(limits=LONG) as rig:
        await trio.sleep(0.2)
        rig.caller_wire[0].stall_sends()
    assert rig.record.end_reason is EndReason.CALLER_STALLED
    assert rig.session.told_goodbye
    assert rig.ended_at < 5


async def test_the_model_stops_reading(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2)
        rig.model_wire[0].stall_sends()
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.model_sessions[0].closing is Closing.ABORTED
    assert rig.ended_at == pytest.approx(2 + 5 + 2, abs=0.05)


async def test_a_half_open_stream_is_noticed_by_its_silence(autojump_clock):
    async with live_call(limits=attrs.evolve(LONG, media_gap_seconds=10)) as rig:
        await trio.sleep(5)
        rig.twilio.vanish()
    assert rig.record.end_reason is EndReason.CALLER_STALLED
    assert rig.session.told_goodbye
    assert rig.ended_at == pytest.approx(5 + 10 + 2, abs=0.05)


async def test_a_model_that_is_never_ready(autojump_clock):
    async with live_call(limits=Limits(model_ready_seconds=10), faults=f.Faults(never_ready=True)) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.session.told_goodbye
    assert rig.ended_at == 10


async def test_a_model_that_cannot_be_reached(autojump_clock):
    async def refuse():
        raise ModelUnavailable("nobody there")

    async with live_call(connect=refuse) as rig:
        pass
    assert (rig.record.end_reason, rig.record.end_detail) == (EndReason.MODEL_FAILED, "nobody there")
    assert rig.record.model_sessions[0].closing is Closing.ABORTED
    assert rig.ended_at == pytest.approx(0, abs=0.01)


async def test_a_model_that_takes_for_ever_to_connect(autojump_clock):
    async with live_call(connect=trio.sleep_forever, limits=Limits(model_ready_seconds=10)) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.ended_at == 10


@pytest.mark.parametrize("code", ["unauthorized", "at_capacity", "concurrency_exceeded", "internal_error"])
async def test_a_session_error_that_is_fatal(autojump_clock, code):
    faults = f.Faults(strikes=(f.Strike(f.AT_READY, f.Fail(code)),))
    async with live_call(faults=faults) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED


async def test_a_session_error_that_is_not(autojump_clock):
    faults = f.Faults(strikes=(f.Strike(f.AT_READY, f.Fail("immutable_field")),))
    async with live_call(faults=faults) as rig:
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP


async def test_a_voice_that_the_provider_does_not_know(autojump_clock):
    persona = Persona(name="p", model="m", voice="ivy", greeting=GREETING)
    async with live_call(persona=persona) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "'ivy' of persona 'p'" in rig.record.end_detail
    assert "alba" in rig.record.end_detail


MISCHIEF = {
    "garbage": f.GARBAGE,
    "binary": f.BINARY,
    "unknown events": f.UNKNOWN,
    "huge": f.huge(900_000),
}


@pytest.mark.parametrize("act", MISCHIEF.values(), ids=MISCHIEF)
@pytest.mark.parametrize("moment", [f.AT_READY, f.MID_GREETING, f.MID_REPLY], ids=["ready", "greeting", "reply"])
async def test_mischief_of_the_model_is_ignored(autojump_clock, act, moment):
    faults = f.Faults(strikes=(f.Strike(moment, act),))
    async with live_call(faults=faults) as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent"]


async def test_a_flood_of_the_model_ends_the_call(autojump_clock):
    faults = f.Faults(strikes=(f.Strike(f.MID_GREETING, f.flood(20_000)),))
    async with live_call(faults=faults) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "floods" in rig.record.end_detail


async def test_a_flood_of_few_but_long_messages_ends_the_call(autojump_clock):
    faults = f.Faults(strikes=(f.Strike(f.MID_GREETING, f.Say(f.huge(900_000).messages, 20)),))
    async with live_call(faults=faults) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "floods" in rig.record.end_detail


async def test_a_flood_of_the_caller_ends_the_call(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(1)
        for _ in range(5):
            for _ in range(500):
                rig.twilio.send_raw('{"event":"mark","mark":{"name":"x"}}')
            await trio.testing.wait_all_tasks_blocked()
    assert rig.record.end_reason is EndReason.CALLER_LOST
    assert "floods" in rig.record.end_detail


@pytest.mark.parametrize("message", [b"\x00\x01", "{", '{"event":"start"}', '{"event":"new","x":1}', "x" * 60_000])
async def test_mischief_of_the_caller_is_ignored(autojump_clock, message):
    async with live_call() as rig:
        await trio.sleep(1)
        for _ in range(50):
            rig.twilio.send_raw(message)
        await trio.sleep(2)
        rig.speak(0.6)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert len(rig.record.transcript) == 3
