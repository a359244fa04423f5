"""Voices and recognisers of a chain that fail or are late."""

import pytest
import trio

from tests import calls
from tests.calls import GREETING
from tests.chains import Chain
from tests.legs.chain.chat_servers import SCRIPT, WORDS, YES, Answer, Server, said, sse
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, StageFaults


async def test_a_voice_that_fails_is_replaced_and_the_caller_hears_all_of_it(autojump_clock):
    manner = ChainManner(speed=3)
    server = Server(YES)
    chain = Chain(
        answerer=server,
        filler="",
        tts={"kind": "elevenlabs", "voice": "alba"},
        more_voices=({"kind": "cartesia", "voice": "alba"},),
        keys={"speaking": "a-key"},
    )
    async with calls.live_call(model=chain, script=SCRIPT, manner=manner) as rig:
        await trio.sleep(1.2)
        chain.wires["speaking"][1].cut()  # the first voice's server is gone
        await trio.sleep(0.2)
        rig.speak(0.5)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert said(rig) == [WORDS]
    assert rig.record.end_reason is EndReason.HANGUP
    assert {"elevenlabs", "cartesia"} <= {session.provider for session in rig.record.model_sessions}
    assert rig.record.counters["speaking_takeovers"] == 1


async def test_a_caller_who_speaks_before_the_voice_is_ready_is_heard_and_greeted_first(autojump_clock):
    chain = Chain(answerer=Server(YES), filler="", voice_opens_after=2.0)
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(0.2)
        rig.speak(0.5)
        await trio.sleep(7)
        rig.twilio.hang_up()
    (session,) = rig.agent.hearing_sessions
    assert b"\x2a" * 3_000 in bytes(session.audio)
    assert [line.text for line in rig.record.transcript if line.role == "agent"] == [GREETING, WORDS]


async def test_the_greeting_waits_for_the_voice_alone(autojump_clock):
    faults = ChainFaults(hearing=StageFaults(ready_delay_seconds=3.0))
    async with calls.live_call(model=Chain(answerer=Server(YES)), script=SCRIPT, faults=faults) as rig:
        await trio.sleep(1)
        assert rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b"")
        rig.twilio.hang_up()


async def test_a_voice_that_never_opens_is_not_waited_for(autojump_clock):
    chain = Chain(answerer=Server(YES), filler="", voice_opens_after=100.0)
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(30)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "(speaking) was not ready within" in rig.record.end_detail


async def test_a_recogniser_that_drops_after_it_was_good_is_opened_anew_and_nothing_is_said_of_it(autojump_clock):
    server = Server(YES)
    chain = Chain(answerer=server, filler="")
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(11)
        chain.wires["hearing"][1].cut()
        await trio.sleep(0.5)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    asked = "When do you close?"
    assert [line.text for line in rig.record.transcript] == [GREETING, asked, WORDS, asked, WORDS]
    assert rig.record.end_reason is EndReason.HANGUP
    assert len(rig.agent.hearing_sessions) == 2
    assert rig.record.counters["hearing_takeovers"] == 1
    assert "model_takeovers" not in rig.record.counters


LONG = "We close at five in the evening on weekdays, and on Saturdays we close at noon already."


@pytest.mark.parametrize("heard", ["Uh-huh.", ""], ids=["a word that only agrees", "noise"])
async def test_what_takes_no_floor_costs_no_word_and_no_question(autojump_clock, heard):
    script = Script(greeting_ms=500, turns=(Turn(heard="When do you close?"), Turn(heard=heard)))
    server = Server(Answer(body=sse({"content": LONG})))
    chain = Chain(answerer=server, filler="")
    async with calls.live_call(model=chain, script=script) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(2.5)
        rig.speak(0.3)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert [(line.text, line.interrupted) for line in rig.record.transcript if line.role == "agent"] == [
        (GREETING, False),
        (LONG, False),
    ]
    assert len(server.asked) == 1
    made_ms = 50 * len(LONG)
    heard_bytes = len(rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b""))
    assert heard_bytes >= 8 * (500 + made_ms) * 0.95


async def test_words_that_take_the_floor_are_answered_with_what_was_heard(autojump_clock):
    script = Script(greeting_ms=500, turns=(Turn(heard="When do you close?"), Turn(heard="And on Sunday?")))
    server = Server(Answer(body=sse({"content": LONG})), YES)
    chain = Chain(answerer=server, filler="")
    async with calls.live_call(model=chain, script=script) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert len(server.asked) == 2
    told = server.asked[1]["messages"]
    assert told[-1]["content"] == "And on Sunday?"
    cut = told[-2]["content"]
    assert cut.endswith(" —")
    assert LONG.startswith(cut.removesuffix(" —").strip())
