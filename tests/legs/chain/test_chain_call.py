"""A whole call with a chain, to the virtual millisecond."""

import pytest
import trio

from tests import calls, chains
from tests.calls import GREETING
from tests.chains import Chain
from tests.legs.chain.live_chains import YES, assert_all_well, lines, live_chain
from trio_voice.call.built_in_tools import end_call
from trio_voice.legs.chain.kept_lines import KeptLines
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner
from trio_voice.session_record import Closing

__all__ = ["live_chain"]


async def test_a_conversation(autojump_clock, live_chain):
    script = Script(greeting_ms=1_000, turns=(Turn(heard="Are you open?", reply=YES, reply_ms=3_000),))
    async with live_chain(script=script) as rig:
        await trio.sleep(2)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert lines(rig) == [
        ("agent", GREETING, False),
        ("caller", "Are you open?", False),
        ("agent", YES, False),
    ]
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.closing_seconds == 0
    assert {session.provider: session.closing for session in rig.record.model_sessions} == {
        "assemblyai-streaming": Closing.ACKNOWLEDGED,
        live_chain.keywords["llm"]: Closing.ACKNOWLEDGED,
        "elevenlabs": Closing.ACKNOWLEDGED,
    }
    heard = rig.twilio.line.heard(trio.current_time())
    assert len(heard.replace(b"\xff", b"")) == pytest.approx(8 * 4_000, abs=800)
    assert_all_well(rig)


async def test_what_each_part_is_billed_by_is_in_its_record(autojump_clock, live_chain):
    async with live_chain() as rig:
        await trio.sleep(2)
        rig.speak(1)
        await trio.sleep(4)
        rig.twilio.hang_up()
    sessions = {session.provider: session for session in rig.record.model_sessions}
    assert sessions["assemblyai-streaming"].billed_seconds == 6
    assert sessions["assemblyai-streaming"].session_id
    said = GREETING + "Yes, until six in the evening."
    assert sessions["elevenlabs"].meters["characters"] == pytest.approx(len(said), abs=1)  # the last space is sent
    tokens = sessions[live_chain.keywords["llm"]].meters
    assert tokens["text_in_tokens"] > 0
    assert tokens["cached_text_in_tokens"] > 0
    assert tokens["text_out_tokens"] > 0


async def test_the_stages_of_a_turn_are_measured(autojump_clock, live_chain):
    turn = Turn(heard="Are you open?", reply="Yes.", reply_ms=500, thinks_seconds=0.2)
    async with live_chain(script=Script(greeting_ms=500, turns=(turn,))) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    (turn,) = rig.record.turns
    assert turn.stages["final_transcript"] == pytest.approx(0, abs=1)
    assert turn.stages["first_token"] == pytest.approx(200, abs=1)
    assert turn.stages["first_audio"] == pytest.approx(200, abs=1)
    assert turn.stages["first_mark"] > turn.stages["first_frame"]


async def test_the_recogniser_hears_the_caller_byte_for_byte(autojump_clock, live_chain):
    async with live_chain() as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.twilio.hang_up()
    (session,) = rig.agent.hearing_sessions
    assert b"\x2a" * 4_000 in bytes(session.audio)
    assert {len(message) for message in session.messages if isinstance(message, bytes)} == {480}


async def test_the_agent_ends_the_call_after_its_goodbye(autojump_clock, live_chain):
    turn = Turn(heard="Bye.", reply="Goodbye!", reply_ms=800, tool=ToolUse("end_call"), after_tool="")
    async with live_chain(script=Script(turns=(turn,)), tools=[end_call]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.AGENT
    assert lines(rig)[-1] == ("agent", "Goodbye!", False)
    assert len(rig.agent.thinking.exchanges) == 1  # its words have ended the call
    assert_all_well(rig)


async def test_another_chain_takes_over_and_knows_the_conversation(autojump_clock, live_chain):
    llm = live_chain.keywords["llm"]
    chain, second = Chain(llm), []
    faults = ChainFaults(thinking=("refuse",))
    script = Script(greeting_ms=500, turns=(Turn(heard="Are you open?", reply="Yes.", reply_ms=500),))
    second.append(Chain(llm).open(script))
    async with live_chain(model=chain, faults=faults, script=script, successors=second) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    lines_told = [line for line in second[0].thinking.exchanges[0].lines if line.role != "instruction"]
    assert [(line.role, line.text) for line in lines_told[:2]] == [("agent", GREETING), ("caller", "Are you open?")]
    assert rig.agent.hearing_sessions[0].told_goodbye
    assert second[0].hearing_sessions[0].told_goodbye


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 5])
async def test_an_answer_that_is_cut_inside_its_characters_is_whole(autojump_clock, piece_bytes):
    reply = "Ja — „Brötchen“ für 2 €, 面包 🥐."
    script = Script(greeting_ms=500, turns=(Turn(heard="Qué?", reply=reply, reply_ms=1_000),))
    async with chains.live_chain(script=script, manner=ChainManner(piece_bytes=piece_bytes)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert lines(rig)[-1] == ("agent", reply, False)
    assert_all_well(rig)


async def greeted(kept, *, tts="elevenlabs", voice_seconds=0.5):
    """A call of which only the greeting is heard, and its record; how long after the start its first sound came."""
    chain = Chain(tts={"kind": tts, "voice": "alba"}, kept=kept)
    manner = ChainManner(speed=4, voice_seconds=voice_seconds)
    async with calls.live_call(model=chain, script=Script(greeting_ms=800), manner=manner) as rig:
        began = trio.current_time()
        await trio.sleep(3)
        rig.twilio.hang_up()
    first = next(message.at for message in rig.twilio.received if message.event == "media")
    return rig, first - began


@pytest.mark.parametrize("tts", ["elevenlabs", "elevenlabs-http", "cartesia"])
async def test_a_greeting_is_heard_at_once_in_the_calls_after_the_first_and_no_voice_is_asked_for_it(
    autojump_clock, tts
):
    kept = KeptLines()
    first, waited = await greeted(kept, tts=tts)
    again, waited_again = await greeted(kept, tts=tts)
    assert waited > 0.4
    assert waited_again < 0.06
    for rig in (first, again):
        assert lines(rig)[0] == ("agent", GREETING, False)
        heard = rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b"")
        assert len(heard) / 8 == pytest.approx(800, abs=41)
    spoken = [session for session in again.record.model_sessions if session.provider in ("elevenlabs", "cartesia")]
    assert sum(session.meters.get("characters", 0) for session in spoken) == 0
