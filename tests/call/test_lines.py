"""A telephone line does more than carry words, in a call with each kind of model: it is muted, and has keys."""

import pytest
import trio

from tests.call.test_tools_of_every_kind import KINDS, assert_no_mistakes, exchanges
from trio_voice.bridge.digits import PAUSE_SECONDS
from trio_voice.bridge.media_gap import ANSWER_SECONDS, MARK
from trio_voice.limits import Limits
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

SCRIPT = Script(greeting_ms=500, turns=(Turn(heard="Are you open?", reply="Till noon."),))
GAP = Limits(media_gap_seconds=4, idle_seconds=600)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def press(rig, keys, pause=0.4):
    for key in keys:
        await trio.sleep(pause)
        rig.twilio.press(key)


async def test_a_number_that_is_keyed_in_reaches_the_model_as_one_and_stands_in_the_transcript(autojump_clock, kind):
    async with KINDS[kind](script=SCRIPT) as rig:
        await trio.sleep(3)
        await press(rig, "4711")
        await trio.sleep(PAUSE_SECONDS + 4)
        rig.twilio.hang_up()
    said = [line.text for line in rig.record.transcript if line.role == "caller"]
    assert said == ["[pressed 4711]"]
    told = [*map(str, rig.session.messages), *map(str, exchanges(rig))]
    assert any("4711" in message for message in told)
    assert rig.record.transcript[-1].role == "agent"  # and it is answered
    assert_no_mistakes(rig)


async def test_who_is_muted_stays_as_long_as_twilio_answers_for_them(autojump_clock, kind):
    async with KINDS[kind](script=SCRIPT, limits=GAP) as rig:
        await trio.sleep(3)
        rig.twilio.mute()
        await trio.sleep(30)
        assert rig.record.end_reason is None
        asked = [message for message in rig.twilio.received if MARK in str(message)]
        assert len(asked) == pytest.approx(7, abs=1)
        rig.twilio.unmute()
        await trio.sleep(0.2)
        rig.speak(1)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert [line.text for line in rig.record.transcript][-2:] == ["Are you open?", "Till noon."]


async def test_a_line_that_is_dead_is_noticed_and_nobody_is_asked_for_a_close(autojump_clock, kind):
    async with KINDS[kind](script=SCRIPT, limits=GAP) as rig:
        await trio.sleep(3)
        rig.twilio.vanish()
        vanished_at = trio.current_time()
    assert rig.record.end_reason is EndReason.CALLER_STALLED
    assert rig.ended_at - vanished_at == pytest.approx(4 + ANSWER_SECONDS, abs=0.1)


async def test_who_mutes_their_line_behind_the_last_word_is_answered(autojump_clock, kind):
    """A model's ears end a turn by the silence behind it: there is none on such a line, so it gets ours."""
    async with KINDS[kind](script=SCRIPT, limits=GAP) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(1.02)
        rig.twilio.mute()
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert [line.text for line in rig.record.transcript][-2:] == ["Are you open?", "Till noon."]
