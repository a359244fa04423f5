"""Stages of a chain that fail, hang or refuse their key."""

import pytest
import trio

from tests import chains
from tests.chains import Chain
from tests.legs.chain.live_chains import lines, live_chain
from trio_voice.limits import Limits
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.chain import ChainFaults, StageFaults
from trio_voice.session_record import Closing

__all__ = ["live_chain"]


@pytest.mark.parametrize("whim", ["overload", "error", "cut", "garbage"])
async def test_a_language_model_that_fails_once_costs_no_call(autojump_clock, live_chain, whim):
    async with live_chain(faults=ChainFaults(thinking=(whim,))) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert lines(rig)[-1][0] == "agent"
    assert lines(rig)[-1][1].startswith("Yes, until") or whim == "garbage"


async def test_a_language_model_that_hangs_is_asked_again(autojump_clock, live_chain):
    async with live_chain(faults=ChainFaults(thinking=("hang",)), limits=Limits(idle_seconds=100)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(16)
        rig.twilio.hang_up()
    assert lines(rig)[-1] == ("agent", "Yes, until six in the evening.", False)


@pytest.mark.parametrize(
    ("whims", "words"), [(("refuse",), "Incorrect API key"), (("overload", "overload"), "overloaded")]
)
async def test_a_language_model_that_goes_on_failing_is_the_models_end(autojump_clock, live_chain, whims, words):
    async with live_chain(faults=ChainFaults(thinking=whims)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert words in rig.record.end_detail
    assert all(session.told_goodbye for session in rig.agent.sessions)


@pytest.mark.parametrize("stage", ["hearing", "speaking"])
async def test_a_stage_that_never_acknowledges_costs_the_deadline_and_no_more(autojump_clock, live_chain, stage):
    faults = ChainFaults(**{stage: StageFaults(never_acknowledges_end=True, ignores_close=True)})
    async with live_chain(faults=faults) as rig:
        await trio.sleep(2)
        rig.twilio.hang_up()
    assert rig.record.closing_seconds == pytest.approx(2, abs=0.001)
    provider = {"hearing": "assemblyai-streaming", "speaking": "elevenlabs"}[stage]
    closings = {session.provider: session.closing for session in rig.record.model_sessions}
    assert closings.pop(provider) is Closing.TIMED_OUT
    assert set(closings.values()) == {Closing.ACKNOWLEDGED}
    assert all(session.told_goodbye for session in rig.agent.sessions)


async def test_a_recogniser_that_is_never_ready_is_given_up(autojump_clock, live_chain):
    faults = ChainFaults(hearing=StageFaults(never_ready=True))
    async with live_chain(faults=faults, limits=Limits(model_ready_seconds=3)) as rig:
        await trio.sleep(1)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "model_ready_seconds" in rig.record.end_detail


@pytest.mark.parametrize(
    ("stage", "credential"),
    [("hearing", "ASSEMBLYAI_API_KEY"), ("thinking", "OPENAI_API_KEY"), ("speaking", "ELEVENLABS_API_KEY")],
)
async def test_a_wrong_key_is_one_line_that_names_it(autojump_clock, stage, credential):
    async with chains.live_chain(model=Chain(keys={stage: "another-key"})) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert credential in rig.record.end_detail
    assert "another-key" not in str(rig.record.as_json())
    assert "\n" not in rig.record.end_detail
