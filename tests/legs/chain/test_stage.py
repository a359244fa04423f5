"""Stages of a chain whose sessions drop: opened anew, left for the next member, given up."""

import base64
import json
from collections import deque

import pytest
import trio

from tests import calls, chains
from tests.calls import GREETING
from tests.chains import Chain
from trio_voice.events.model import ModelFault
from trio_voice.legs.chain.stage import RENEWAL_PAUSES, Stage
from trio_voice.persona import Line, Lines
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Close, Moment, Say, Script, Strike, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, StageFaults

YES = "Yes, until six in the evening."
SCRIPT = Script(greeting_ms=500, turns=(Turn(heard="Are you open?", reply=YES, reply_ms=1_000),) * 3)


def said(rig):
    return [(line.role, line.text) for line in rig.record.transcript]


@pytest.mark.parametrize("after", [0.05, 1.0, 5.0, 9.0])
@pytest.mark.parametrize("stage", ["hearing", "speaking"])
@pytest.mark.parametrize("kinds", [{}, {"stt": "deepgram-flux", "tts": "cartesia"}], ids=["aai", "flux"])
async def test_a_session_that_drops_before_it_was_good_is_opened_anew(autojump_clock, stage, after, kinds):
    chain = Chain(filler="", stt={"kind": kinds.get("stt", "assemblyai-streaming")})
    chain.tts["kind"] = kinds.get("tts", "elevenlabs")
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(after)
        chain.wires[stage][1].cut()
        await trio.sleep(10 - after)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert said(rig) == [("agent", GREETING), ("caller", "Are you open?"), ("agent", YES)]
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.counters[f"{stage}_takeovers"] == 1


async def test_a_voice_that_drops_in_the_middle_of_its_first_words_says_all_of_them(autojump_clock):
    chain = Chain(filler="")
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(0.01)
        chain.wires["speaking"][1].cut()
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert said(rig) == [("agent", GREETING)]
    heard = len(rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b""))
    assert heard >= 8 * 450


@pytest.mark.parametrize("stage", ["hearing", "speaking"])
async def test_a_session_that_drops_again_and_again_is_given_up(autojump_clock, stage):
    strike = Strike(Moment("Begin" if stage == "hearing" else "audio"), Close(1011, "crashed"))
    async with chains.live_chain(faults=ChainFaults(**{stage: StageFaults(strikes=(strike,))})) as rig:
        await trio.sleep(20)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert f"({stage})" in rig.record.end_detail
    sessions = rig.agent.hearing_sessions if stage == "hearing" else rig.agent.speaking_sessions
    assert len(sessions) == 1 + len(RENEWAL_PAUSES)
    assert rig.ended_at < 6


@pytest.mark.parametrize("after", [5.0, 15.0], ids=["young", "good"])
@pytest.mark.parametrize("stage", ["hearing", "speaking"])
async def test_who_loses_a_stage_whose_host_is_gone_has_heard_the_last_line_within_six_seconds(
    autojump_clock, stage, after
):
    chain = Chain(filler="")
    lines = Lines(failure=Line("Please call again.", base64.b64encode(bytes(4 * 8_000)).decode()))
    async with calls.live_call(model=chain, script=SCRIPT, lines=lines) as rig:
        await trio.sleep(after)
        chain.refused.add(stage)
        chain.wires[stage][1].cut()
    assert (rig.record.end_reason, said(rig)[-1]) == (EndReason.MODEL_FAILED, ("agent", "Please call again."))
    assert 4 < rig.ended_at - after < 6


@pytest.mark.parametrize("stage", ["hearing", "speaking"])
async def test_a_stage_whose_host_is_back_after_a_moment_costs_no_call(autojump_clock, stage):
    chain = Chain(filler="")
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(15)
        chain.refused.add(stage)
        chain.wires[stage][1].cut()
        await trio.sleep(0.8)
        chain.refused.clear()
        await trio.sleep(0.5)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert said(rig) == [("agent", GREETING), ("caller", "Are you open?"), ("agent", YES)]


@pytest.mark.parametrize(
    ("age", "asked", "pause"), [(1.0, 2.0, 2.0), (1.0, None, 0.0), (20.0, 3.0, 3.0), (1.0, 6.0, None)]
)
def test_the_pause_that_a_provider_asks_for_is_kept_before_another_session(age, asked, pause):
    stage = Stage("hearing", deque([lambda: None]))
    stage.ready.set()
    stage.ready_at = 0.0
    busy = ModelFault("busy", "Too many sessions. Try again later.", fatal=True, passing=True, retry_after=asked)
    assert stage.goes_on_after(busy, age) is (pause is not None)
    assert stage.pause == (pause or 0.0)


async def test_one_that_drops_early_is_left_for_another_member(autojump_clock):
    chain = Chain(filler="", more_voices=({"kind": "cartesia", "voice": "alba"},))
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(2)
        chain.wires["speaking"][1].cut()
        await trio.sleep(0.1)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    providers = [session.provider for session in rig.record.model_sessions]
    assert providers.count("elevenlabs") == 1
    assert providers.count("cartesia") == 1


@pytest.mark.parametrize(
    ("code", "said_so", "goes_on"),
    [
        (1011, "", True),
        (3005, "Session Cancelled", True),
        (3008, "Session Expired", True),
        (1008, "Too many concurrent sessions", True),
        (1008, "Unauthorized Connection", False),
        (4002, "Insufficient funds", False),
        (3006, "Invalid value for vad_threshold", False),
    ],
)
async def test_an_error_that_names_no_cause_of_ours_costs_a_new_session_and_no_call(
    autojump_clock, code, said_so, goes_on
):
    chain = Chain(filler="")
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(2)
        told = {"type": "Error", "error_code": code, "error": said_so}
        await chain.wires["hearing"][1].send(json.dumps(told))
        if goes_on:
            await trio.sleep(0.5)
            rig.speak(0.5)
            await trio.sleep(4)
            rig.twilio.hang_up()
    assert rig.record.end_reason is (EndReason.HANGUP if goes_on else EndReason.MODEL_FAILED)
    assert (said(rig)[-1] == ("agent", YES)) is goes_on


async def test_a_refusal_of_the_handshake_says_what_to_do_once_it_has_been_tried_again(autojump_clock):
    error = '{"type":"Error","error_code":3009,"error":"Too many concurrent sessions"}'
    faults = ChainFaults(hearing=StageFaults(strikes=(Strike(Moment("Begin"), Say((error,))),)))
    async with chains.live_chain(faults=faults) as rig:
        await trio.sleep(1)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "max_calls" in rig.record.end_detail
    assert rig.ended_at < 6


async def test_what_the_caller_says_while_a_recogniser_is_opened_is_heard_by_it(autojump_clock):
    chain = Chain(filler="")
    opens = []

    async def reopen_slowly():
        opens.append(trio.current_time())

    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(1)
        rig.speak(1.0)
        await trio.sleep(0.3)
        chain.wires["hearing"][1].cut()
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.hearing_sessions
    spoken = bytes(first.audio).count(b"\x2a") + bytes(second.audio).count(b"\x2a")
    assert spoken >= 8_000 - 960  # but for what the first was just being sent
    assert rig.record.counters.get("caller_frames_between_recognisers", 0) == 0
    assert said(rig)[-1] == ("agent", YES)
