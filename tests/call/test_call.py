"""One call, to the virtual millisecond: how it goes."""

import attrs
import pytest
import structlog
import trio

from tests.call.ends import LONG
from tests.calls import GREETING, SPEECH, live_call
from trio_voice.errors import CallRefused
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested
from trio_voice.record import CallState, EndReason
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.session_record import Closing


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
