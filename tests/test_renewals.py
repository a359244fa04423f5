"""A session that was good and is lost is taken up, whatever the family: the call goes on."""

import json

import pytest
import trio

from tests.calls import GEMINI_LIVE, GREETING, OPENAI_REALTIME, VOICE_AGENT, live_call
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.assemblyai_agent.faults import Faults
from trio_voice.sandbox.providers.assemblyai_agent.record import AgentSession
from trio_voice.sandbox.providers.gemini_live import GeminiFaults
from trio_voice.sandbox.transport.faults import Close, Cut, Fail, GoSilent, Moment, Strike

LONG = Limits(idle_seconds=10_000, time_limit_seconds=10_000)
MODELS = {"assemblyai-agent": VOICE_AGENT, "openai-realtime": OPENAI_REALTIME, "gemini-live": GEMINI_LIVE}
LATER = {"assemblyai-agent": "input.audio", "openai-realtime": "input_audio_buffer.append", "gemini-live": "audio"}
CUT = {"cut": Cut(), "reset": Cut(reset=True), "crashed": Close(1011, "Internal error encountered.")}


@pytest.fixture(params=MODELS)
def family(request):
    return request.param


def struck(family, seconds, act):
    """A session of this family that something happens to when so many seconds of the caller have come."""
    strikes = (Strike(Moment(LATER[family], round(seconds * 50), heard=True), act),)
    return (GeminiFaults if family == "gemini-live" else Faults)(strikes=strikes)


async def converse(rig, *, quiet):
    await trio.sleep(3)
    rig.speak(0.5)
    await trio.sleep(quiet)
    rig.agent.faults = type(rig.agent.faults)()
    await trio.sleep(3)
    rig.speak(0.5)
    await trio.sleep(5)
    rig.twilio.hang_up()


@pytest.mark.parametrize("act", CUT.values(), ids=CUT)
async def test_a_good_session_that_is_lost_is_taken_up(autojump_clock, family, act):
    async with live_call(model=MODELS[family], faults=struck(family, 12, act), limits=LONG) as rig:
        await converse(rig, quiet=10)
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.counters["model_renewals"] == 1
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent", "caller", "agent"]
    first, second, *more = rig.agent.sessions
    assert more == []
    assert second.opened_at == pytest.approx(12, abs=0.2)
    if family == "gemini-live":
        assert second.setup.session_resumption.handle == first.handles[-1]
    else:
        remembered = [line.text for line in second.history[:3]]
        assert remembered == [GREETING, "Are you open?", "Yes, until six in the evening."]


async def test_assemblyai_takes_its_session_up_itself(autojump_clock):
    async with live_call(faults=struck("assemblyai-agent", 12, Cut()), limits=LONG) as rig:
        await converse(rig, quiet=10)
    first, second = rig.agent.sessions
    assert (first.told_goodbye, second.told_goodbye) == (False, True)
    assert json.loads(second.messages[0]) == {"type": "session.resume", "session_id": first.session_id}
    assert second.session_id == first.session_id


async def test_a_session_that_cannot_be_taken_up_is_told_the_conversation(autojump_clock, monkeypatch):
    monkeypatch.setattr(AgentSession, "can_be_resumed", lambda *_: False)
    async with live_call(faults=struck("assemblyai-agent", 12, Cut()), limits=LONG) as rig:
        await converse(rig, quiet=10)
    assert rig.record.end_reason is EndReason.HANGUP
    _, refused, told = rig.agent.sessions
    assert refused.ready_at is None
    assert "Caller: Are you open?" in told.settings.config.system_prompt
    assert not told.settings.config.greeting


async def test_what_the_caller_says_when_the_session_is_lost_is_answered(autojump_clock, family):
    """They had begun before, and nobody has heard their sentence whole."""
    one = Script(greeting_ms=500, turns=(Turn(heard="Are you open?", reply="Yes."),) * 3)
    async with live_call(model=MODELS[family], script=one, faults=struck(family, 12, Cut()), limits=LONG) as rig:
        await trio.sleep(11.8)
        rig.speak(0.7)
        await trio.sleep(0.5)
        rig.agent.faults = type(rig.agent.faults)()
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert rig.record.counters["model_renewals"] == 1
    assert rig.record.transcript[-1].role == "agent"
    assert rig.record.transcript[-1].at > 12


async def test_a_session_that_is_lost_as_soon_as_it_was_taken_up_has_failed(autojump_clock, family):
    limits = LONG
    act = Close(1011, "Internal error encountered.")
    async with live_call(model=MODELS[family], faults=struck(family, 12, act), limits=limits) as rig:
        await trio.sleep(13)
        rig.agent.faults = struck(family, 5, act)
        for session in rig.agent.sessions[1:]:
            session.faults = struck(family, 5, act)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.ended_at < 25


SOUNDS = {"assemblyai-agent": "reply.audio", "openai-realtime": "response.output_audio.delta", "gemini-live": "audio"}


async def test_a_model_that_falls_silent_over_the_same_answer_has_two_sessions_and_no_third(autojump_clock, family):
    """Each has served for longer than a session must, by half a greeting, and lives until it is found out."""
    strikes = (Strike(Moment(SOUNDS[family], 2), GoSilent()),)
    faults = (GeminiFaults if family == "gemini-live" else Faults)(strikes=strikes)
    persona = Persona(name="p", model="m", greeting=GREETING, fillers=())
    with trio.fail_after(120):
        async with live_call(model=MODELS[family], faults=faults, limits=LONG, persona=persona) as rig:
            await trio.sleep(100)
            assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert len(rig.agent.sessions) == 2
    assert rig.ended_at < 40


@pytest.mark.parametrize("code", ["internal_error", "server_error"])
async def test_trouble_that_the_server_tells_of_is_no_end_of_a_good_session(autojump_clock, code):
    async with live_call(faults=struck("assemblyai-agent", 12, Fail(code)), limits=LONG) as rig:
        await converse(rig, quiet=10)
    assert rig.record.end_reason is EndReason.HANGUP
    assert len(rig.agent.sessions) == 2


async def test_a_refusal_that_names_its_cause_ends_a_good_session(autojump_clock):
    async with live_call(faults=struck("assemblyai-agent", 12, Fail("unauthorized")), limits=LONG) as rig:
        await trio.sleep(5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
