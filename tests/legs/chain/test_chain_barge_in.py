"""A caller who speaks over a chain's words."""

import json

import pytest
import trio

from tests import calls, chains
from tests.calls import GREETING
from tests.chains import Chain
from tests.legs.chain.live_chains import YES, asked, assert_all_well, lines, live_chain, told
from trio_voice.persona import Persona, TurnDetection
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainManner

__all__ = ["live_chain"]


async def test_a_barge_in_stops_voice_and_thought_and_the_history_holds_what_was_heard(autojump_clock, live_chain):
    script = Script(
        greeting_ms=500,
        turns=(
            Turn(heard="Are you open?", reply=YES, reply_ms=6_000),
            Turn(heard="And tomorrow?", reply="Tomorrow too.", reply_ms=500),
        ),
    )
    async with live_chain(script=script, manner=ChainManner(piece_bytes=9, speed=1.5)) as rig:
        await trio.sleep(1.5)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.speak(0.5)  # some two seconds into the answer
        await trio.sleep(3)
        rig.twilio.hang_up()
    cut = rig.record.transcript[2]
    assert cut.interrupted
    assert YES.startswith(cut.text)
    assert 0 < len(cut.text) < len(YES)
    assert told(rig, 1)[-2:] == [("agent", f"{cut.text} —"), ("caller", "And tomorrow?")]
    assert [message.event for message in rig.twilio.received].count("clear") == 1
    assert lines(rig)[-1] == ("agent", "Tomorrow too.", False)
    assert_all_well(rig)


async def test_a_barge_in_after_all_was_made_is_cut_where_it_was_heard(autojump_clock, live_chain):
    script = Script(greeting_ms=500, turns=(Turn(heard="A?", reply=YES, reply_ms=6_000), Turn(heard="B?", reply="B.")))
    async with live_chain(script=script, manner=ChainManner(speed=1_000)) as rig:
        await trio.sleep(1.5)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.speak(0.5)
        await trio.sleep(2)
        rig.twilio.hang_up()
    cut = rig.record.transcript[2]
    assert cut.interrupted
    assert [text for _, text in told(rig, 1) if text.endswith(" —")] == [f"{cut.text} —"]
    assert len(cut.text) / len(YES) == pytest.approx(cut.heard_ms / 6_000, abs=0.1)
    assert_all_well(rig)


async def test_a_caller_who_may_not_interrupt_is_answered_afterwards(autojump_clock, live_chain):
    persona = Persona(name="p", model="m", greeting=GREETING, turn_detection=TurnDetection(interrupt_response=False))
    async with live_chain(persona=persona) as rig:
        await trio.sleep(0.5)
        rig.speak(0.3)  # over the greeting
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.counters.get("barge_ins", 0) == 0
    assert lines(rig)[0] == ("agent", GREETING, False)
    assert lines(rig)[-1] == ("agent", "Yes, until six in the evening.", False)
    assert_all_well(rig)


@pytest.mark.parametrize("speed", [1.2, 1_000], ids=["a slow voice", "a fast one"])
async def test_a_barge_in_closes_the_language_models_stream_at_once(autojump_clock, speed):
    script = Script(
        greeting_ms=500,
        turns=(Turn(heard="A?", reply=YES * 12, reply_ms=40_000), Turn(heard="B?", reply="B.", reply_ms=500)),
    )
    manner = ChainManner(chunk_seconds=0.1, speed=speed)
    async with chains.live_chain(script=script, manner=manner) as rig:
        await trio.sleep(1.5)
        rig.speak(0.5)
        await trio.sleep(3)
        interrupted_at = trio.current_time()
        rig.speak(0.5)
        await trio.sleep(1.5)  # what they say is known when they have said it
        (speaking,) = rig.agent.speaking_sessions
        (cut, *_) = rig.agent.thinking.exchanges
        assert not cut.complete
        closed = [json.loads(message) for message in speaking.messages if "close_context" in message]
        assert "s2" in [message["context_id"] for message in closed]  # the greeting was s1
        cleared = [message.at for message in rig.twilio.received if message.event == "clear"]
        assert cleared == [pytest.approx(interrupted_at + 0.1, abs=0.08)]  # so long do the ears take to be sure
        assert cleared[0] < cut.closed_at < interrupted_at + 1.2
        await trio.sleep(3)
        assert [m for m in rig.twilio.received if m.event == "media" and cleared[0] < m.at < cut.closed_at + 0.3] == []
        rig.twilio.hang_up()
    assert lines(rig)[-1] == ("agent", "B.", False)
    (told,) = [message["content"] for message in asked(rig, 1) if message["content"].endswith(" —")]
    assert (YES * 12).startswith(told.removesuffix(" —"))
    assert_all_well(rig)


async def test_words_that_the_recogniser_takes_back_are_answered_by_nobody(autojump_clock):
    chain = Chain()
    async with calls.live_call(model=chain, script=Script(greeting_ms=500)) as rig:
        await trio.sleep(2)
        for words, over in (("Are", False), ("Are you", False), ("", True)):
            turn = {"type": "Turn", "turn_order": 7, "end_of_turn": over, "transcript": words}
            await chain.wires["hearing"][1].send(json.dumps(turn))
            await trio.sleep(0.2)
        await trio.sleep(10)
        assert rig.agent.thinking.exchanges == []
        assert rig.record.counters.get("fillers", 0) == 0
        rig.twilio.hang_up()
