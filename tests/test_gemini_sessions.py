"""Gemini's connections, which end every ten minutes, break, are refused or wedge: the session goes on."""

import numpy as np
import pytest
import trio

from tests.gemini_calls import ROLLS, gemini_call, lines, texts_sent, tool
from trio_voice.limits import Limits
from trio_voice.protocols.gemini_live.watchdog import ANSWER_SECONDS, PATIENCE_SECONDS
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Close, Script, Strike, Turn
from trio_voice.sandbox.providers.gemini_live import IN_TOOL, GeminiFaults, GeminiManner

CHATTY = Script(turns=tuple(Turn(heard=f"Question {n}?", reply=f"Answer {n}.", reply_ms=1_000) for n in range(40)))
LONG = Limits(time_limit_seconds=2_000, idle_seconds=2_000)
SHORT = GeminiManner(longest_seconds=60, notice_seconds=20)


async def test_a_long_call_goes_over_to_the_same_session_on_another_socket(autojump_clock):
    """Its time is over, and the caller notices nothing: it is resumed once its old socket is closed."""
    async with gemini_call(script=CHATTY, manner=SHORT) as rig:
        for _ in range(10):
            await trio.sleep(6)
            rig.speak(1)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert first.closed_at <= second.opened_at
    assert 40 <= second.opened_at < 45
    assert second.setup.session_resumption.handle == first.handles[-1]
    assert len([line for line in second.history if line.role == "caller"]) == 10
    assert texts_sent(second) == []  # no greeting
    assert len([text for role, text, _ in lines(rig) if role == "caller"]) == 10
    assert rig.record.counters["model_renewals"] == 1
    assert [session.closing for session in rig.record.model_sessions] == ["acknowledged"] * 2
    assert first.client_errors == second.client_errors == []


def frames_heard(rig):
    """Number of Twilio's frames all sessions together have heard."""
    samples = sum(len(session.audio) for session in rig.agent.sessions) / 2
    return samples / 320 + rig.record.counters.get("caller_frames_before_ready", 0)


def opened_slowly(seconds, *, after=1):
    """Each socket but the first few is there only after so long."""
    opened = 0

    async def connect():
        nonlocal opened
        opened += 1
        if opened > after:
            await trio.sleep(seconds)

    return connect


async def test_nothing_that_the_caller_says_between_two_sockets_is_lost(autojump_clock):
    """The new one takes 2.2 s to open, and that is when the caller asks something."""
    async with gemini_call(script=CHATTY, manner=SHORT, connect=opened_slowly(2.2)) as rig:
        await rig.agent.wait_session(1)
        await rig.session.wait_closed()
        before = trio.current_time()
        rig.speak(1.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert 40 <= before <= second.opened_at - 2
    assert frames_heard(rig) == pytest.approx(rig.twilio._chunk, abs=1)
    assert "caller_frames_dropped" not in rig.record.counters
    loud = np.abs(np.frombuffer(bytes(second.audio), "<i2")) > 1_000
    assert loud.sum() == pytest.approx(1.5 * 16_000, abs=100)  # whole
    assert lines(rig)[-2:] == [("caller", "Question 0?", False), ("agent", "Answer 0.", False)]
    assert texts_sent(second) == []  # nobody apologises: nothing was noticed
    assert first.client_errors == second.client_errors == []


async def test_a_connection_is_not_left_in_the_middle_of_a_question(autojump_clock):
    async with gemini_call(script=CHATTY, manner=SHORT) as rig:
        await trio.sleep(39)
        rig.speak(3)
        await trio.sleep(9)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert 43 < first.closed_at < 46
    assert [line.text for line in first.history if line.role == "caller"] == ["Question 0?"]
    assert lines(rig)[-2:] == [("caller", "Question 0?", False), ("agent", "Answer 0.", False)]
    assert texts_sent(second) == []
    assert frames_heard(rig) == pytest.approx(rig.twilio._chunk, abs=1)


async def test_a_question_that_the_connections_end_cuts_is_put_to_the_next(autojump_clock):
    manner = GeminiManner(longest_seconds=60, notice_seconds=4)
    async with gemini_call(script=CHATTY, manner=manner, connect=opened_slowly(0.4)) as rig:
        await trio.sleep(55.6)  # goAway comes at 56
        rig.speak(3.4)
        await trio.sleep(8)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert first.closed_at == pytest.approx(58, abs=0.1)
    loud = np.abs(np.frombuffer(bytes(second.audio), "<i2")) > 1_000
    assert loud.sum() == pytest.approx(3.1 * 16_000, abs=400)  # three seconds from before it was ready, and the rest
    assert lines(rig)[-2:] == [("caller", "Question 0?", False), ("agent", "Answer 0.", False)]


@pytest.mark.parametrize("code", [1008, 1011])
async def test_a_handle_that_is_refused_costs_nothing_but_gemini_s_own_memory(autojump_clock, code):
    async with gemini_call(script=CHATTY, manner=SHORT) as rig:
        await trio.sleep(5)
        rig.speak(1)
        await trio.sleep(5)
        rig.agent.faults = GeminiFaults(refuses_handles=code)
        await trio.sleep(35)
        rig.speak(1)
        await trio.sleep(4)
        rig.twilio.hang_up()
    first, refused, third = rig.agent.sessions
    assert refused.setup.session_resumption.handle == first.handles[-1]
    assert third.setup.session_resumption.handle is None
    assert f"Caller: {lines(rig)[1][1]}" in third.setup.prompt
    assert [role for role, _, _ in lines(rig)] == ["agent", "caller", "agent", "caller", "agent"]
    assert rig.record.end_reason is EndReason.HANGUP


@pytest.mark.slow
async def test_a_server_that_goes_without_a_word_is_left_before(autojump_clock):
    async with gemini_call(script=CHATTY, limits=LONG, manner=GeminiManner(notice_seconds=0)) as rig:
        await trio.sleep(5)
        rig.speak(1)
        await trio.sleep(590)
        rig.twilio.hang_up()
    assert 550 <= rig.agent.sessions[1].opened_at < 555


async def test_a_connection_that_breaks_is_taken_up(autojump_clock):
    async with gemini_call(script=CHATTY) as rig:
        await trio.sleep(5)
        rig.speak(1)
        await trio.sleep(10)
        rig.model_wire[1].cut()
        await trio.sleep(1)
        rig.speak(1)
        await trio.sleep(4)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert second.setup.session_resumption.handle == first.handles[-1]
    assert lines(rig)[-1][0] == "agent"
    assert rig.record.end_reason is EndReason.HANGUP


async def test_a_session_that_is_lost_in_a_tool_does_not_take_its_result_along(autojump_clock):
    strike = Strike(IN_TOOL, Close(1011, "Internal error occurred."))
    async with gemini_call(script=ROLLS, tools=[tool(1)], faults=GeminiFaults(strikes=(strike,))) as rig:
        await trio.sleep(12)
        rig.speak(1)
        await trio.sleep(4)
        rig.agent.sessions[1].faults = GeminiFaults()
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert len(rig.agent.sessions) == 2
    assert not any('"toolResponse"' in str(message) for message in rig.agent.sessions[1].messages)


# A session that wedges


async def wedge(rig):
    """Interrupt the answer, after which nothing more is said."""
    await trio.sleep(12)
    rig.speak(1)
    await trio.sleep(2.5)
    rig.speak(1)
    await trio.sleep(1)
    return trio.current_time()


async def test_a_wedged_session_is_asked_to_answer(autojump_clock):
    async with gemini_call(faults=GeminiFaults(wedges=True, wakes_on_text=True)) as rig:
        since = await wedge(rig)
        await trio.sleep(PATIENCE_SECONDS + 6)
        rig.twilio.hang_up()
    assert len(rig.agent.sessions) == 1
    assert len(texts_sent(rig.session)) == 2  # the greeting, and this
    spoken = [at for at, message in rig.session.sent if "modelTurn" in message.get("serverContent", {})]
    assert since < spoken[-1] < since + PATIENCE_SECONDS


async def test_one_that_stays_wedged_is_left_for_another_socket(autojump_clock):
    async with gemini_call(faults=GeminiFaults(wedges=True)) as rig:
        since = await wedge(rig)
        await trio.sleep(2 * PATIENCE_SECONDS + 1)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert since + ANSWER_SECONDS < second.opened_at < since + PATIENCE_SECONDS + ANSWER_SECONDS + 1.5
    assert second.setup.session_resumption.handle == first.handles[-1]
    assert "if the caller is waiting for an answer, give it" in texts_sent(second)[0]
