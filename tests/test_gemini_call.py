"""Whole calls with Gemini Live, on the virtual clock: what is particular to it."""

import base64
import json
from functools import partial

import attrs
import numpy as np
import pytest
import trio

from tests.calls import GEMINI_LIVE, GREETING, live_call
from trio_voice.call.built_in_tools import end_call
from trio_voice.limits import Limits
from trio_voice.persona import Persona, TurnDetection
from trio_voice.protocols.gemini_live.watchdog import ANSWER_SECONDS, PATIENCE_SECONDS
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Close, Script, Strike, Turn
from trio_voice.sandbox.providers.gemini_live import IN_TOOL, MID_REPLY, GeminiFaults, GeminiLiveServer, GeminiManner

gemini_call = partial(live_call, model=GEMINI_LIVE)


def lines(rig):
    return [(line.role, line.text, line.interrupted) for line in rig.record.transcript]


def texts_sent(session):
    """Texts that were said to it."""
    messages = [json.loads(message) for message in session.messages]
    return [message["realtimeInput"]["text"] for message in messages if "text" in message.get("realtimeInput", {})]


async def test_it_is_asked_for_the_greeting_and_answers(autojump_clock):
    async with gemini_call() as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert texts_sent(rig.session) == [f"Say exactly this and nothing else: {GREETING}"]
    assert lines(rig) == [
        ("agent", GREETING, False),
        ("caller", "Are you open?", False),
        ("agent", "Yes, until six in the evening.", False),
    ]
    assert rig.session.client_errors == []
    assert rig.session.told_goodbye
    (turn,) = rig.record.turns
    assert 0 < turn.latency_ms < 1_000
    (session,) = rig.record.model_sessions
    assert session.meters["audio_out_tokens"] == 75  # a second of greeting and two of answer
    assert session.billed_seconds is None


async def test_all_of_the_callers_sound_arrives_at_twice_the_rate_and_no_faster(autojump_clock):
    async with gemini_call() as rig:
        await trio.sleep(2)
        rig.speak(1)
        await trio.sleep(1.5)
        rig.twilio.hang_up()
    pcm = np.frombuffer(bytes(rig.session.audio), "<i2")
    assert len(pcm) == pytest.approx(3.45 * 16_000, abs=1_600)
    loud = np.abs(pcm) > 1_000
    assert loud.sum() == pytest.approx(16_000, abs=100)
    assert rig.session.max_ahead_seconds <= 0.021


async def test_an_interruption_cuts_the_line_at_what_was_heard(autojump_clock):
    async with gemini_call() as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(3)  # 1 s to speak, 0.5 s of quiet; the answer has been sent, and half of it is heard
        before = len(rig.twilio.received)
        rig.speak(0.5)
        await trio.sleep(0.5)
        rig.twilio.hang_up()
    assert [message.event for message in rig.twilio.received[before:]].count("clear") == 1
    (line,) = [line for line in rig.record.transcript if line.interrupted]
    assert 1_200 < line.heard_ms < 1_800
    assert "Yes, until six in the evening.".startswith(line.text)
    assert line.text
    assert rig.record.counters["barge_ins"] == 1
    late = [message for message in rig.twilio.received[before:] if message.event == "media"]
    assert len(late) < 15  # nothing is played after the clear


async def test_it_may_be_interrupted_though_the_reply_is_done(autojump_clock):
    """Gemini sends two seconds of speech in a quarter of one."""
    async with gemini_call(manner=GeminiManner(speed=20)) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(2.5)
        assert rig.session.types_sent[-1] == "generationComplete"
        rig.speak(0.5)
        await trio.sleep(0.5)
        rig.twilio.hang_up()
    assert [text for _, text, interrupted in lines(rig) if interrupted]


async def test_sound_that_comes_after_an_interruption_is_not_heard(autojump_clock):
    async with gemini_call(faults=GeminiFaults(late_chunks=5)) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert rig.record.counters["unknown_model_messages"] == 5
    assert lines(rig)[-1] == ("agent", "Tomorrow too.", False)


async def test_a_persona_that_is_not_interruptible_is_not_interrupted(autojump_clock):
    persona = Persona(name="p", model="m", greeting=GREETING, turn_detection=TurnDetection(interrupt_response=False))
    async with gemini_call(persona=persona) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert "barge_ins" not in rig.record.counters
    assert [text for _, text, _ in lines(rig)][-1] == "Tomorrow too."


ROLLS = Script(turns=(Turn(heard="Roll.", reply="One moment.", tool=ToolUse("roll", {"max": 6}), after_tool="Four."),))


def tool(seconds):
    async def roll(max: int) -> str:  # noqa: A002 - the model's name for it
        """Roll."""
        await trio.sleep(seconds)
        return f"four of {max}"

    return roll


@pytest.mark.parametrize("null_ids", [True, False])
@pytest.mark.parametrize("parallel", [1, 3])
async def test_tools(autojump_clock, null_ids, parallel):
    manner = GeminiManner(null_ids=null_ids, parallel_calls=parallel)
    async with gemini_call(script=ROLLS, tools=[tool(0.5)], manner=manner) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert lines(rig)[-2:] == [("agent", "One moment.", False), ("agent", "Four.", False)]
    assert len(rig.record.tools) == parallel
    assert [line.text for line in rig.session.history if line.role == "tool"] == ["four of 6"] * parallel
    assert rig.session.client_errors == []


async def test_a_tool_that_is_not_wanted_any_more_is_let_finish(autojump_clock):
    async with gemini_call(script=ROLLS, tools=[tool(5)]) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(3)
        assert "toolCall" in rig.session.types_sent
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert "toolCallCancellation" in rig.session.types_sent
    assert [tool.failed for tool in rig.record.tools] == [False]
    assert rig.session.late_results == 0
    assert rig.session.client_errors == []


async def test_the_agent_ends_the_call_when_its_goodbye_was_heard(autojump_clock):
    turn = Turn(heard="Bye.", reply="", tool=ToolUse("end_call", {}), after_tool="Goodbye, and thank you.")
    async with gemini_call(script=Script(turns=(turn,)), tools=[end_call]) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(15)
    assert rig.record.end_reason is EndReason.AGENT
    assert lines(rig)[-1] == ("agent", "Goodbye, and thank you.", False)
    assert rig.twilio.end.by == "server"


# The end of a connection


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
    assert loud.sum() == pytest.approx(3 * 16_000, abs=400)  # from goAway on
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


@pytest.mark.parametrize(
    ("strike", "words"),
    [
        (Close(1007, "Invalid JSON payload received. Unknown name"), "gemini-3.8-live was asked for something"),
        (Close(1011, "You exceeded your current quota"), "raise the quota"),
    ],
)
async def test_a_refusal_in_the_middle_ends_the_call_and_says_why(autojump_clock, strike, words):
    async with gemini_call(faults=GeminiFaults(strikes=(Strike(MID_REPLY, strike),))) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert words in rig.record.end_detail


async def test_a_key_that_is_refused_is_named(autojump_clock):
    model = attrs.evolve(GEMINI_LIVE, serve=partial(GeminiLiveServer, api_key="another"))
    async with live_call(model=model) as rig:
        await trio.sleep(1)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "check GEMINI_API_KEY" in rig.record.end_detail


async def test_a_voice_that_gemini_does_not_have_is_named(autojump_clock):
    async with gemini_call(persona=Persona(name="p", model="m", voice="alba")) as rig:
        await trio.sleep(1)
    assert "the voice 'alba' of persona 'p'" in rig.record.end_detail


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


async def test_what_twilio_gets_is_the_reply_as_it_was_made(autojump_clock):
    """24 kHz in pieces of half a sample too much, through the filter, to 20 ms frames of a steady tone."""
    async with gemini_call() as rig:
        await trio.sleep(2.5)
        rig.twilio.hang_up()
    media = [message.message["media"]["payload"] for message in rig.twilio.received if message.event == "media"]
    heard = b"".join(map(base64.b64decode, media))
    assert 8_000 <= len(heard) <= 8_000 + 160
    assert len(heard) % 160 == 0
    steady = heard[200:7_800]
    assert max(steady) - min(steady) <= 1  # nothing clicks where pieces meet
    assert rig.record.end_reason is EndReason.HANGUP
