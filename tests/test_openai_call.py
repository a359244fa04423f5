"""Whole calls with a model of OpenAI's kind, on the virtual clock."""

import attrs
import pytest
import trio

from tests.calls import GREETING
from tests.openai_calls import (
    DIALECTS,
    ask,
    assert_nobody_made_a_mistake,
    heard_ms,
    look_up,
    of_dialect,
    openai_call,
    said_by_us,
    script,
)
from trio_voice.call.built_in_tools import end_call
from trio_voice.limits import Limits
from trio_voice.protocols.openai_realtime.dialects import DIALECTS as DIALECTS_KNOWN
from trio_voice.record import CallState, EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.openai_realtime import Manner
from trio_voice.session_record import Closing

LONG = Limits(idle_seconds=10_000, time_limit_seconds=10_000)


@DIALECTS
async def test_a_conversation(autojump_clock, dialect):
    async with of_dialect(dialect)() as rig:
        await trio.sleep(3)
        assert heard_ms(rig) == 1_000
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
    (billed,) = rig.record.model_sessions
    assert (billed.provider, billed.closing) == ("openai-realtime", Closing.ACKNOWLEDGED)
    assert billed.session_id == rig.session.session_id
    assert rig.record.closing_seconds == 0
    if dialect == "xai":  # bills the time, and each text that is put into the model's mouth
        assert billed.meters == {"text_items": rig.session.text_items} == {"text_items": 1}
    else:
        assert (billed.meters["audio_out_tokens"], billed.meters["audio_seconds"]) == (60, 1)
    assert_nobody_made_a_mistake(rig)


async def test_the_agent_hears_what_the_caller_said_byte_for_byte(autojump_clock):
    async with openai_call() as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.twilio.hang_up()
    dropped = rig.record.counters.get("caller_frames_before_ready", 0)
    assert len(rig.session.payloads) + dropped == rig.twilio._chunk


@DIALECTS
async def test_a_question_that_is_written_down_after_its_answer_stands_before_it(autojump_clock, dialect):
    """In the record, and in what the session that takes over is told."""
    manner = Manner(transcribes_after_seconds=1, longest_seconds=20, tells_expiry=False)
    async with of_dialect(dialect)(manner=manner, limits=LONG) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(15)
        rig.agent.manner = Manner()
        await trio.sleep(4)
        rig.twilio.hang_up()
    question, answer = "Are you open?", "Yes, until six in the evening."
    assert [line.text for line in rig.record.transcript] == [GREETING, question, answer]
    assert rig.record.transcript[1].at == pytest.approx(3.1, abs=0.1)  # when they began, not when it was written down
    _, second = rig.agent.sessions
    if dialect == "ga":
        assert [line.text for line in second.history] == [GREETING, question, answer]
    else:
        assert second.config.instructions.endswith(f"You: {GREETING}\nCaller: {question}\nYou: {answer}")
    assert "model_garbage" not in rig.record.counters


async def check(day: str) -> str:
    """Look something else up."""
    await trio.sleep(0.3)
    return f"open {day}"


@DIALECTS
async def test_a_tool(autojump_clock, dialect):
    async with of_dialect(dialect)(script=script("look_up", reply="One moment."), tools=[look_up]) as rig:
        await ask(rig)
        await trio.sleep(5)
        rig.twilio.hang_up()
    greeting = "force_message" if dialect == "xai" else "response.create"
    assert said_by_us(rig) == [greeting, '"order 7"', "response.create"]
    assert rig.record.transcript[-1].text == "It is done."
    assert_nobody_made_a_mistake(rig)


@pytest.mark.parametrize("echoes", [True, False])
async def test_tools_in_parallel_are_followed_up_once(autojump_clock, echoes):
    manner = Manner(parallel=(ToolUse("check", {"day": "Sunday"}), ToolUse("fly")), echoes_items=echoes)
    async with openai_call(script=script("look_up"), tools=[look_up, check], manner=manner) as rig:
        await ask(rig)
        await trio.sleep(5)
        rig.twilio.hang_up()
    _, first, *others = said_by_us(rig)
    assert "no tool" in first
    assert others == ['"open Sunday"', '"order 7"', "response.create"]
    assert rig.record.transcript[-1].text == "It is done."
    assert_nobody_made_a_mistake(rig)


async def test_a_result_that_comes_while_the_caller_speaks_is_said_in_the_answer_to_them(autojump_clock):
    async with openai_call(script=script("look_up"), tools=[look_up]) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1.2)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert said_by_us(rig) == ["response.create", '"order 7"']
    assert_nobody_made_a_mistake(rig)


async def test_the_agent_ends_the_call_once_its_goodbye_was_heard(autojump_clock):
    goodbye = script("end_call", reply="Goodbye, and thank you for calling.", after="")
    async with openai_call(script=goodbye, tools=[end_call]) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.AGENT
    heard = rig.twilio.line.heard(rig.ended_at)
    assert heard.count(b"\x2a") == (500 + 50 * len("Goodbye, and thank you for calling.")) * 8
    assert rig.session.told_goodbye


# The longest session


@DIALECTS
async def test_a_cap_that_nobody_has_told_of_is_no_end_of_the_call(autojump_clock, dialect):
    """A gateway's, or one that a vendor has lowered since: an error, and the socket is closed with 1001."""
    manner = Manner(longest_seconds=30, tells_expiry=False)
    async with of_dialect(dialect)(manner=manner, limits=LONG) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(25)
        rig.agent.manner = Manner()
        await trio.sleep(4)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert (first.ended_at, second.opened_at) == (pytest.approx(30), pytest.approx(30, abs=0.1))
    told = second.config.instructions if dialect != "ga" else "".join(line.text for line in second.history)
    assert "Yes, until six in the evening." in told
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent", "caller", "agent"]
    assert rig.record.end_reason is EndReason.HANGUP


@DIALECTS
async def test_a_dialects_own_cap_is_known_where_the_server_does_not_tell_it(autojump_clock, dialect, monkeypatch):
    """An hour, or two, of silence and a wish would take as many minutes here: two minutes, then."""
    monkeypatch.setitem(DIALECTS_KNOWN, dialect, attrs.evolve(DIALECTS_KNOWN[dialect], session_seconds=120))
    manner = Manner(longest_seconds=120, tells_expiry=False)
    async with of_dialect(dialect)(manner=manner, limits=LONG) as rig:
        await trio.sleep(122)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second, _ = rig.agent.sessions
    assert first.told_goodbye
    assert first.ended_at is None  # it was left before
    assert second.opened_at == pytest.approx(60, abs=1)
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent"]


async def test_another_session_takes_over_before_the_longest_is_reached(autojump_clock):
    manner = Manner(longest_seconds=30)
    async with openai_call(manner=manner, limits=LONG) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.agent.manner = attrs.evolve(manner, longest_seconds=3_600)
        await trio.sleep(20)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert first.told_goodbye
    assert first.closed_at - first.opened_at < 30
    assert first.ended_at is None
    assert [line.text for line in second.history[:3]] == [
        GREETING,
        "Are you open?",
        "Yes, until six in the evening.",
    ]
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent", "caller", "agent"]
    assert rig.record.end_reason is EndReason.HANGUP
    assert [session.closing for session in rig.record.model_sessions] == [Closing.ACKNOWLEDGED] * 2
    assert_nobody_made_a_mistake(rig)
