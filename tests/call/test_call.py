"""One call, to the virtual millisecond: how it goes, every way it ends, and what is left."""

import attrs
import pytest
import structlog
import trio

from tests.calls import GREETING, SPEECH, live_call
from tests.overriding import override
from trio_voice.errors import CallRefused, ModelUnavailable
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested
from trio_voice.persona import Limits, Persona
from trio_voice.record import CallState, EndReason
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.session_record import Closing
from trio_voice.speech_text.languages import phrases_of

LONG = Limits(idle_seconds=1_000)


@pytest.mark.parametrize("fails", [True, False])
async def test_a_model_that_failed_is_a_warning_in_the_log_and_a_hang_up_is_none(autojump_clock, fails):
    with structlog.testing.capture_logs() as lines:
        async with live_call() as rig:
            await trio.sleep(3)
            if fails:
                await rig.model_wire[1].abort()
            else:
                rig.twilio.hang_up()
    (line,) = [line for line in lines if line["event"] == "call_ended"]
    assert line["end_reason"] == (EndReason.MODEL_FAILED if fails else EndReason.HANGUP)
    assert line["log_level"] == ("warning" if fails else "info")


async def test_a_conversation(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert [(line.role, line.text) for line in rig.record.transcript] == [
        ("agent", GREETING),
        ("caller", "Are you open?"),
        ("agent", "Yes, until six in the evening."),
    ]
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.state is CallState.ENDED
    assert rig.session.told_goodbye
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED
    assert rig.record.model_sessions[0].session_id == rig.session.session_id
    assert rig.twilio.warnings == {}
    assert rig.session.client_errors == []
    assert rig.record.counters.keys() <= {"caller_frames_before_ready", "unknown_model_messages", "dead_air_ms"}
    assert rig.record.closing_seconds == 0


async def test_the_agent_hears_what_the_caller_said_byte_for_byte(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.twilio.hang_up()
    assert SPEECH * 25 in bytes(rig.session.audio)
    dropped = rig.record.counters.get("caller_frames_before_ready", 0)
    assert len(rig.session.payloads) + dropped == rig.twilio._chunk


async def test_the_caller_hears_the_greeting_though_it_came_before_start(autojump_clock):
    """The agent is ready at once; Twilio's start is held back for two seconds."""
    async with live_call(limits=attrs.evolve(LONG, start_seconds=5)) as rig:
        rig.caller_wire[1].stall_sends()
        await trio.sleep(2)
        assert rig.record.stream_sid is None
        assert "reply.audio" in rig.session.types_sent
        rig.caller_wire[1].resume_sends()
        await trio.sleep(2)
        rig.twilio.hang_up()
    heard = rig.twilio.line.heard(trio.current_time())
    assert heard.count(b"\x2a") == 8_000  # one second of greeting, all of it


async def test_barge_in_silences_the_agent_and_the_transcript_says_what_was_heard(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(2)  # the reply has begun
        rig.speak(1)
        await trio.sleep(4)
        rig.twilio.hang_up()
    clears = [message.at for message in rig.twilio.received if message.event == "clear"]
    assert len(clears) == 1
    lines = [(line.role, line.interrupted) for line in rig.record.transcript]
    assert ("agent", True) in lines
    (cut,) = [line for line in rig.record.transcript if line.interrupted]
    assert "Yes, until six in the evening.".startswith(cut.text)
    assert len(cut.text) < len("Yes, until six in the evening.")
    assert rig.record.counters["barge_ins"] == 1


@pytest.mark.parametrize("manner", list(f.BargeIn), ids=lambda manner: manner.value)
async def test_every_way_an_agent_tells_an_interruption(autojump_clock, manner):
    async with live_call(manner=f.Manner(barge_in=manner), faults=f.Faults(late_chunks=5)) as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(2)
        rig.speak(1)
        await trio.sleep(0.3)
        cleared = [message.at for message in rig.twilio.received if message.event == "clear"]
        assert len(cleared) == 1
        await trio.sleep(0.5)
        late = [m for m in rig.twilio.received if m.event == "media" and m.at > cleared[0]]
        assert late == []
        await trio.sleep(3)
        rig.twilio.hang_up()


async def test_turn_latency_is_measured(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(4)
        rig.twilio.hang_up()
    (turn,) = rig.record.turns
    assert turn.latency_ms == pytest.approx(200, abs=60)  # the silence that the scripted agent begins with


# Every end


async def drive_hangup(rig):
    rig.twilio.hang_up()


async def drive_caller_close(rig):
    await rig.caller_wire[1].aclose(1001)


async def drive_caller_cut(rig):
    rig.caller_wire[1].cut()


async def drive_model_close(rig):
    await rig.model_wire[1].aclose(1000)


async def drive_model_crash(rig):
    await rig.model_wire[1].aclose(1011)


async def drive_model_cut(rig):
    rig.model_wire[1].cut()


async def drive_operator(rig):
    rig.call.end(EndReason.OPERATOR, "")


async def drive_cancel(rig):
    rig.scope.cancel()


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


def never_answers(rig):
    rig.session.faults = f.Faults(never_acknowledges_end=True, ignores_close=True)
    rig.model_wire[1].mute_close()


def does_not_read(rig):
    rig.model_wire[0].stall_sends()


def caller_never_answers(rig):
    rig.caller_wire[1].mute_close()
    rig.twilio.vanish()


def caller_does_not_read(rig):
    rig.caller_wire[0].stall_sends()


async def test_a_fax_is_left_no_message(autojump_clock):
    persona = Persona(name="desk", model="m", voicemail="Please call us back.")
    async with live_call(persona=persona, limits=LONG) as rig:
        await trio.sleep(2)
        rig.record.answered_by = "fax"
        rig.call.machine_answered()
    assert rig.record.end_detail == "Twilio says that a fax answered"
    assert rig.ended_at == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (SayRequested("Hello?"), "muted"),
        (TransferRequested("+15550001111"), "not_supported"),
        (MuteRequested(muted=False), None),
    ],
)
async def test_what_an_operator_cannot_have_of_a_muted_agent_without_a_telephone(autojump_clock, wish, code):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2)
        rig.call.ask(MuteRequested(muted=True))
        assert refusal_of(rig, wish) == code
        rig.twilio.hang_up()


async def test_a_call_that_is_over_or_nearly_takes_no_wish(autojump_clock):
    async with live_call(limits=LONG) as rig:
        await trio.sleep(2)
        assert refusal_of(rig, MuteRequested(muted=True)) is None
        rig.call.phone_over("Twilio says that the call is completed")
        assert refusal_of(rig, MuteRequested(muted=False)) == "not_live"
        assert rig.call.is_muted
    assert refusal_of(rig, MuteRequested(muted=False)) == "not_live"


def refusal_of(rig, wish):
    try:
        rig.call.ask(wish)
    except CallRefused as refused:
        return refused.code
    return None


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


def nobody_does_anything(rig):
    never_answers(rig)
    does_not_read(rig)
    caller_never_answers(rig)
    caller_does_not_read(rig)


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


# Twilio's callback says that the call is over, and the stream says why


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
