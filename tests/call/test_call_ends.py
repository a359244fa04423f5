"""One call, to the virtual millisecond: every way it ends, and what is left."""

import attrs
import pytest
import trio

from tests.call.ends import (
    LONG,
    caller_does_not_read,
    caller_never_answers,
    does_not_read,
    drive_caller_close,
    drive_caller_cut,
    drive_cancel,
    drive_hangup,
    drive_model_close,
    drive_model_crash,
    drive_model_cut,
    drive_operator,
    never_answers,
    nobody_does_anything,
)
from tests.calls import live_call
from tests.overriding import override
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason
from trio_voice.session_record import Closing
from trio_voice.speech_text.languages import phrases_of


def broken(*_):
    raise ZeroDivisionError


async def drive_bug(rig):
    override(rig.call._bridge, handle=broken, forward_caller_audio=broken)


ENDS = [
    (drive_hangup, EndReason.HANGUP, Closing.ACKNOWLEDGED),
    (drive_caller_close, EndReason.CALLER_LOST, Closing.ACKNOWLEDGED),
    (drive_caller_cut, EndReason.CALLER_LOST, Closing.ACKNOWLEDGED),
    (drive_model_close, EndReason.MODEL_ENDED, Closing.ACKNOWLEDGED),
    (drive_model_crash, EndReason.MODEL_FAILED, Closing.ACKNOWLEDGED),
    (drive_model_cut, EndReason.MODEL_FAILED, Closing.ABORTED),
    (drive_operator, EndReason.OPERATOR, Closing.ACKNOWLEDGED),
    (drive_cancel, EndReason.DRAIN, Closing.ACKNOWLEDGED),
    (drive_bug, EndReason.BUG, Closing.ACKNOWLEDGED),
]


@pytest.mark.parametrize(("drive", "reason", "closing"), ENDS, ids=lambda value: getattr(value, "__name__", value))
async def test_when_the_peers_answer_the_end_takes_no_time(autojump_clock, drive, reason, closing):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        await drive(rig)
    assert rig.ended_at == pytest.approx(2.5, abs=0.02)
    assert rig.record.end_reason is reason
    assert rig.record.model_sessions[0].closing is closing
    if closing is Closing.ACKNOWLEDGED and "model" not in drive.__name__:
        assert rig.session.told_goodbye


async def test_a_bug_on_the_short_way_of_a_reply_ends_the_call_too(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        override(rig.call._bridge, forward_reply_audio=broken)
        rig.speak(0.2)
    assert rig.record.end_reason is EndReason.BUG
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED


async def test_a_bug_ends_the_call_at_once_though_something_is_being_sent_that_nobody_takes(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(0.9)  # the end of the greeting is on its way
        caller_does_not_read(rig)
        await trio.sleep(0.6)
        override(rig.call._bridge, handle=broken)
        rig.twilio.send_raw('{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"9","dtmf":{"digit":"1"}}')
        broke_at = trio.current_time()
    assert rig.record.end_reason is EndReason.BUG
    assert rig.ended_at == pytest.approx(broke_at + 2, abs=0.03)
    assert rig.session.told_goodbye


async def test_a_machine_that_twilio_told_of_before_the_stream_began_ends_the_call_as_well(autojump_clock):
    async with live_call(limits=LONG) as rig:
        rig.record.answered_by = "machine_start"
    assert rig.record.end_reason is EndReason.TWILIO_ENDED
    assert rig.ended_at == pytest.approx(0, abs=0.02)


async def test_a_fax_is_left_no_message(autojump_clock):
    persona = Persona(name="desk", model="m", voicemail="Please call us back.")
    async with live_call(persona=persona, limits=LONG) as rig:
        await trio.sleep(2)
        rig.record.answered_by = "fax"
        rig.call.machine_answered()
    assert rig.record.end_detail == "Twilio says that a fax answered"
    assert rig.ended_at == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize(("way", "stalls"), [("caller", caller_does_not_read), ("reply", does_not_read)])
async def test_a_bug_on_the_way_of_a_frame_ends_the_call_at_once_though_nobody_reads(autojump_clock, way, stalls):
    """The leg that met it may hang in sending to a peer that does not read: it is not waited for."""
    async with live_call(limits=LONG) as rig:
        await trio.sleep(0.3)  # in the greeting
        stalls(rig)
        await trio.sleep(0.3)
        override(rig.call._bridge, **{f"forward_{way}_audio": broken})
        broke_at = trio.current_time()
    assert rig.record.end_reason is EndReason.BUG
    assert rig.ended_at == pytest.approx(broke_at + 2, abs=0.1)


async def test_a_bug_behind_the_end_is_not_its_reason(autojump_clock):
    async def breaks(_):
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError("a bug")

    async with live_call(limits=LONG) as rig:
        await trio.sleep(2.5)
        rig.call._start(breaks, None)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP


@pytest.mark.parametrize(
    ("drive", "reason"),
    [(drive_operator, EndReason.OPERATOR), (drive_cancel, EndReason.DRAIN), (drive_bug, EndReason.BUG)],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize(
    ("hostile", "closing"),
    [
        (never_answers, Closing.TIMED_OUT),
        (does_not_read, Closing.ABORTED),
        (caller_never_answers, Closing.ACKNOWLEDGED),
        (caller_does_not_read, Closing.ACKNOWLEDGED),
        (nobody_does_anything, Closing.ABORTED),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_whatever_the_peers_do_the_end_takes_close_seconds(autojump_clock, drive, reason, hostile, closing):
    """Two seconds from the first sign, to the virtual millisecond, and not one per peer."""
    async with live_call(limits=attrs.evolve(LONG, media_gap_seconds=1_000)) as rig:
        await trio.sleep(2.5)
        hostile(rig)
        await trio.sleep(0.005)
        if drive is drive_bug:
            await drive(rig)
            rig.call._scope.cancel() if hostile in (caller_never_answers, nobody_does_anything) else None
        else:
            await drive(rig)
        signed_at = trio.current_time()
    assert signed_at + 2 <= rig.ended_at <= signed_at + 2.04
    assert rig.record.closing_seconds == pytest.approx(2, abs=0.001)
    assert rig.record.model_sessions[0].closing is closing
    if drive is not drive_bug:
        assert rig.record.end_reason is reason


async def test_nobody_speaks(autojump_clock):
    async with live_call(limits=Limits(idle_seconds=20)) as rig:
        pass
    assert rig.record.end_reason is EndReason.IDLE
    assert rig.record.seconds == pytest.approx(22.9, abs=0.3)  # the greeting is speech; the goodbye is heard out
    _, asked, goodbye = [line.text for line in rig.record.transcript]
    assert phrases_of("en-US").still_there in asked
    assert phrases_of("en-US").idle_goodbye in goodbye


async def test_the_time_limit(autojump_clock):
    async with live_call(limits=Limits(time_limit_seconds=30)) as rig:
        await trio.sleep(1)
    assert rig.record.end_reason is EndReason.TIME_LIMIT
    assert rig.ended_at == 30


async def test_what_was_on_its_way_to_the_agent_arrives_before_the_goodbye(autojump_clock):
    """Half a second of the caller waits for a slow socket when the call ends, and is not lost."""
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2)
        rig.model_wire[0].stall_sends()
        await trio.sleep(0.505)
        rig.call.end(EndReason.OPERATOR, "")
        rig.model_wire[0].resume_sends()
        sent = rig.twilio._chunk
    early = rig.record.counters.get("caller_frames_before_ready", 0)
    assert early + len(rig.session.payloads) == sent
    assert rig.session.told_goodbye


async def test_a_slow_agent_hears_the_goodbye_though_not_all_that_was_on_its_way(autojump_clock):
    async with live_call(limits=LONG) as rig:
        send = rig.model_wire[0].send

        async def send_slowly(message):
            await trio.sleep(0.1)  # it takes ten messages a second, and there are fifty
            await send(message)

        await trio.sleep(2)
        rig.model_wire[0].send = send_slowly
        await trio.sleep(5)
        rig.call.end(EndReason.OPERATOR, "")
    assert rig.session.told_goodbye
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED
    assert rig.record.closing_seconds < 1


async def test_two_signs_of_the_end_make_one(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(1)
        rig.call.end(EndReason.OPERATOR, "first")
        rig.call.end(EndReason.DRAIN, "second")
        rig.twilio.hang_up()
        rig.scope.cancel()
    assert (rig.record.end_reason, rig.record.end_detail) == (EndReason.OPERATOR, "first")
    assert [m for m in rig.session.messages if "session.end" in str(m)] == ['{"type":"session.end"}']
