"""The first clause of a chain's answer, and where the time of a turn goes."""

import json

import pytest
import trio

from tests import calls, chains
from tests.chains import Chain
from tests.legs.chain.live_chains import YES, assert_all_well
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainManner

BUDGET_MS = 800
"""From the end of the caller's speech to the first frame of the answer."""
USUAL = ChainManner(chunk_seconds=0.05, voice_seconds=0.1)
"""A language model of 40 words a second, and a voice that takes a tenth of a second."""


async def call_with_one_answer():
    """A caller asks, is answered in three clauses, and hangs up."""
    turn = Turn(heard="Are you open?", reply=YES, reply_ms=4_000, thinks_seconds=0.25)
    async with chains.live_chain(script=Script(greeting_ms=500, turns=(turn,)), manner=USUAL) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(7)
        rig.twilio.hang_up()
    return rig


async def test_the_first_clause_is_spoken_while_the_rest_is_being_written(autojump_clock):
    rig = await call_with_one_answer()
    (speaking,) = rig.agent.speaking_sessions
    said = [json.loads(message).get("text", "").strip() for message in speaking.messages]
    assert [text for text in said if text][1:] == [
        "Yes, until six in the evening,",
        "and on Saturdays until four.",
        "What else?",
    ]
    (exchange,) = rig.agent.thinking.exchanges
    (measured,) = rig.record.turns
    stopped_at = exchange.asked_at
    assert exchange.closed_at - stopped_at > measured.latency_ms / 1_000 + 0.2  # it went on writing
    assert measured.latency_ms < BUDGET_MS
    assert_all_well(rig)


async def test_connections_for_requests_are_looked_at_before_the_first_turn_and_whenever_the_caller_speaks(
    autojump_clock,
):
    chain = Chain(tts={"kind": "elevenlabs-http", "voice": "alba"})
    async with calls.live_call(model=chain, script=Script(greeting_ms=500)) as rig:
        await trio.sleep(2)
        assert sorted(chain.http.warmed) == ["https://api.elevenlabs.io", "https://api.openai.com/v1"]
        rig.speak(0.5)
        await trio.sleep(0.4)
        assert {*chain.http.warmed[2:]} == {"https://api.elevenlabs.io", "https://api.openai.com/v1"}
        rig.twilio.hang_up()


async def test_where_the_time_of_a_turn_goes(autojump_clock):
    """The stages come in the order of the chain, and what each took is the difference to the one before."""
    rig = await call_with_one_answer()
    (measured,) = rig.record.turns
    assert list(measured.stages) == [
        "caller_stopped",
        "final_transcript",
        "first_token",
        "first_audio",
        "first_frame",
        "first_mark",
    ]
    assert list(measured.stages.values()) == sorted(measured.stages.values())
    to = measured.stages
    assert to["final_transcript"] == pytest.approx(0, abs=1)
    assert to["first_token"] - to["final_transcript"] == pytest.approx(350, abs=1)  # two chunks without a word
    assert to["first_audio"] - to["first_token"] == pytest.approx(2 * 50 + 100, abs=1)  # to the comma, and the voice
    assert to["first_frame"] - to["first_audio"] < 21
    assert to["first_frame"] == measured.latency_ms < BUDGET_MS
    assert to["first_mark"] > to["first_frame"]
    assert rig.record.as_json()["turns"][0]["stages"]["first_token"] == round(to["first_token"])
