"""OpenAI's Realtime that refuses, fails, or says what it must not."""

from functools import partial

import attrs
import pytest
import trio

from tests.calls import GREETING, OPENAI_REALTIME, live_call
from tests.openai_calls import ask, heard_ms, look_up, openai_call, said_by_us, script
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.sandbox.providers.openai_realtime import (
    AT_READY,
    IN_TOOL,
    MID_GREETING,
    MID_REPLY,
    Manner,
    RealtimeServer,
)
from trio_voice.session_record import Closing


async def test_a_wrong_key_is_told_after_the_handshake(autojump_clock):
    async with live_call(model=attrs.evolve(OPENAI_REALTIME, serve=partial(RealtimeServer, api_key="another"))) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "check OPENAI_API_KEY" in rig.record.end_detail
    assert rig.ended_at == pytest.approx(0, abs=0.01)


async def test_a_voice_that_the_provider_does_not_know(autojump_clock):
    persona = Persona(name="p", model="m", voice="ivy", greeting=GREETING)
    async with openai_call(persona=persona) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "'ivy' of persona 'p'" in rig.record.end_detail
    assert "marin" in rig.record.end_detail


async def test_a_format_that_was_not_asked_for_ends_the_call(autojump_clock):
    faults = f.Faults(echo_differences={"audio.output.format.type": "audio/pcm"})
    async with openai_call(faults=faults) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "audio.output.format.type is 'audio/pcm'" in rig.record.end_detail


async def test_a_model_that_is_never_ready(autojump_clock):
    async with openai_call(limits=Limits(model_ready_seconds=10), faults=f.Faults(never_ready=True)) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.ended_at == 10


async def test_a_response_that_fails_is_asked_for_again(autojump_clock):
    async with openai_call(manner=Manner(fails_responses=(1, 2))) as rig:
        await trio.sleep(6)
        assert heard_ms(rig) == 1_000
        rig.twilio.hang_up()
    assert said_by_us(rig) == ["response.create"] * 3


async def test_a_third_failure_gives_the_session_up(autojump_clock):
    async with openai_call(manner=Manner(fails_responses=(1, 2, 3))) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "could not answer the caller: made to fail" in rig.record.end_detail


@pytest.mark.parametrize("code", ["insufficient_quota", "session_expired"])
async def test_an_error_that_is_fatal(autojump_clock, code):
    async with openai_call(faults=f.Faults(strikes=(f.Strike(MID_GREETING, f.Fail(code)),))) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED


@pytest.mark.parametrize("act", [f.GARBAGE, f.BINARY, f.UNKNOWN, f.huge(900_000)], ids=range(4))
@pytest.mark.parametrize("moment", [AT_READY, MID_GREETING, MID_REPLY], ids=["ready", "greeting", "reply"])
async def test_mischief_of_the_model_is_ignored(autojump_clock, act, moment):
    async with openai_call(faults=f.Faults(strikes=(f.Strike(moment, act),))) as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent"]


async def test_a_socket_that_is_cut_in_a_tool_call(autojump_clock):
    strikes = (f.Strike(IN_TOOL, f.Cut()),)
    async with openai_call(script=script("look_up"), tools=[look_up], faults=f.Faults(strikes=strikes)) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.tools == []
