"""Whole calls with Gemini Live, on the virtual clock: what is particular to it."""

import base64
from functools import partial

import attrs
import numpy as np
import pytest
import trio

from tests.calls import GEMINI_LIVE, GREETING, live_call
from tests.gemini_calls import ROLLS, gemini_call, lines, texts_sent, tool
from trio_voice.call.built_in_tools import end_call
from trio_voice.persona import Persona, TurnDetection
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Close, Script, Strike, Turn
from trio_voice.sandbox.providers.gemini_live import MID_REPLY, GeminiFaults, GeminiLiveServer, GeminiManner


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
