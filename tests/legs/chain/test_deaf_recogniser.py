"""A recogniser whose socket lives and that tells nothing any more: another one listens, and the caller is answered."""

import pytest
import trio

from tests import calls
from tests.chains import Chain
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, StageFaults
from trio_voice.sandbox.transport.faults import GoSilent, Moment, Strike

YES = "Yes, until six."
SCRIPT = Script(greeting_ms=1_000, turns=(Turn(heard="Are you open?", reply=YES, reply_ms=1_000),))
KINDS = [{"kind": "assemblyai-streaming"}, {"kind": "deepgram-flux"}]
TURN = [("caller", "Are you open?"), ("agent", YES)]
DEAF = ChainFaults(hearing=StageFaults(strikes=(Strike(Moment(nth=2), GoSilent()),)))
"""From the beginning of a turn on: that is the second event of each."""


@pytest.mark.parametrize("stt", KINDS, ids=lambda stt: stt["kind"])
async def test_who_speaks_to_a_deaf_recogniser_is_answered_all_the_same(autojump_clock, stt):
    async with calls.live_call(model=Chain(filler="", stt=stt), script=SCRIPT, faults=DEAF) as rig:
        await trio.sleep(5)
        rig.speak(0.2)
        await trio.sleep(9)
        rig.agent.faults = ChainFaults()
        rig.speak(1.5)
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert [(line.role, line.text) for line in rig.record.transcript][-2:] == TURN
    assert rig.record.counters["hearing_takeovers"] == 1
    assert "caller_frames_dropped" not in rig.record.counters


@pytest.mark.parametrize("stt", KINDS, ids=lambda stt: stt["kind"])
async def test_one_that_tells_of_the_caller_is_kept(autojump_clock, stt):
    async with calls.live_call(model=Chain(filler="", stt=stt), script=SCRIPT) as rig:
        await trio.sleep(14)
        rig.speak(6)
        await trio.sleep(10)
        rig.twilio.hang_up()
    assert "hearing_takeovers" not in rig.record.counters
