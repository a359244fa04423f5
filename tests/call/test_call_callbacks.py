"""One call of which Twilio's callback says that it is over, and whose stream says why."""

import attrs
import pytest
import trio

from tests.call.ends import LONG, drive_caller_close, drive_caller_cut, drive_hangup, drive_model_crash, never_answers
from tests.calls import live_call
from trio_voice.record import EndReason


@pytest.mark.parametrize(
    ("drive", "reason"),
    [
        (drive_hangup, EndReason.HANGUP),
        (drive_caller_close, EndReason.CALLER_LOST),
        (drive_caller_cut, EndReason.CALLER_LOST),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("seconds", [0, 0.45])
async def test_a_stream_whose_end_a_callback_has_overtaken_says_why_the_call_ended(
    autojump_clock, drive, reason, seconds
):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        rig.call.phone_over("Twilio says that the call is completed")
        await trio.sleep(seconds)
        rig.call.phone_over("Twilio says that the call is completed")  # callbacks come twice
        await drive(rig)
    assert rig.record.end_reason is reason
    assert rig.record.seconds == 2.5
    assert rig.ended_at == pytest.approx(2.5 + seconds, abs=0.02)
    assert rig.session.told_goodbye


@pytest.mark.parametrize("close_seconds", [2, 0.5])
async def test_a_half_open_stream_says_nothing_and_the_callback_is_the_reason_within_the_bound(
    autojump_clock, close_seconds
):
    async with live_call(limits=attrs.evolve(LONG, close_seconds=close_seconds)) as rig:
        await trio.sleep(2.5)
        rig.twilio.vanish()
        rig.call.phone_over("Twilio says that the call is completed")
        await trio.sleep(min(0.5, close_seconds / 2) + 0.05)
        assert rig.record.end_reason is EndReason.TWILIO_ENDED
        assert rig.session.told_goodbye
    assert rig.record.end_detail == "Twilio says that the call is completed"
    assert rig.record.closing_seconds == pytest.approx(close_seconds, abs=0.001)


async def test_a_model_that_goes_when_the_telephone_call_is_over_is_not_the_reason(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        rig.call.phone_over("Twilio says that the call is completed")
        await drive_model_crash(rig)
        await trio.sleep(0.1)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP


async def test_an_operator_need_not_wait_for_the_stream(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        rig.call.phone_over("Twilio says that the call is completed")
        rig.call.end(EndReason.OPERATOR, "")
    assert rig.record.end_reason is EndReason.OPERATOR
    assert rig.ended_at == pytest.approx(2.5, abs=0.02)


async def test_a_callback_that_comes_after_the_first_sign_changes_nothing(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        never_answers(rig)
        rig.twilio.hang_up()
        await trio.sleep(1)
        rig.call.phone_over("Twilio says that the call is completed")
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.closing_seconds == pytest.approx(2, abs=0.02)
