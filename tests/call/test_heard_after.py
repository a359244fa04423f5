"""The pause that a caller hears, with every kind of model, by the audio of a whole call."""

import pytest
import trio

from tests import calls
from tests.calls import GEMINI_LIVE, OPENAI_REALTIME, SCRIPT, VOICE_AGENT
from tests.chains import Chain
from trio_voice.audio.mulaw import is_audible

MODELS = {
    "assemblyai-agent": lambda: VOICE_AGENT,
    "openai-realtime": lambda: OPENAI_REALTIME,
    "gemini-live": lambda: GEMINI_LIVE,
    "chain": Chain,
}


@pytest.mark.parametrize("kind", MODELS)
async def test_each_turn_tells_the_pause_that_the_caller_heard(autojump_clock, kind):
    async with calls.live_call(model=MODELS[kind](), script=SCRIPT) as rig:
        await trio.sleep(2.5)
        rig.speak(0.5)
        silent_at = trio.current_time() + 0.5
        await trio.sleep(4)
        rig.twilio.hang_up()
    sounds = (m for m in rig.twilio.received if m.event == "media" and is_audible(m.message["media"]["payload"]))
    first = next(m.at for m in sounds if m.at > silent_at)
    turn = rig.record.turns[0]
    assert turn.heard_after_ms == pytest.approx((first - silent_at) * 1_000, abs=45)
    assert turn.heard_after_ms > turn.latency_ms
    assert rig.record.as_json()["turns"][0]["heard_after_ms"] == round(turn.heard_after_ms)
