"""A caller who speaks over the words of OpenAI's Realtime or of a dialect of it."""

import attrs
import pytest
import trio

from tests.calls import GREETING
from tests.openai_calls import DIALECTS, assert_nobody_made_a_mistake, heard_ms, of_dialect, openai_call
from trio_voice.persona import Persona, TurnDetection
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.sandbox.providers.openai_realtime import Manner


async def interrupt(rig, after):
    """The caller asks, and talks over the answer when so much of it was heard."""
    await trio.sleep(3)
    rig.speak(0.5)
    while heard_ms(rig) <= 1_000:
        await trio.sleep(0.001)
    await trio.sleep(after - 0.1)  # the ears take 100 ms to be sure
    rig.speak(1)
    await trio.sleep(0.3)


@DIALECTS
@pytest.mark.parametrize("times_real_time", [1.05, 4, 100], ids=["while it is made", "soon", "long after its end"])
async def test_an_interrupted_reply_is_cut_at_what_was_heard(autojump_clock, times_real_time, dialect):
    async with of_dialect(dialect)(manner=Manner(times_real_time=times_real_time)) as rig:
        await interrupt(rig, 0.8)
        cleared = [message.at for message in rig.twilio.received if message.event == "clear"]
        assert len(cleared) == 1
        await trio.sleep(0.2)
        assert [m for m in rig.twilio.received if m.event == "media" and m.at > cleared[0]] == []
        heard = heard_ms(rig) - 1_000
        await trio.sleep(4)
        ((_, end_ms),) = rig.session.truncations
        assert end_ms == pytest.approx(heard, abs=21)  # a frame of Twilio's, and the fraction of a millisecond
        assert end_ms <= heard + 1
        rig.twilio.hang_up()
    cut = next(line for line in rig.record.transcript if line.interrupted)
    assert cut.heard_ms == pytest.approx(end_ms, abs=1)
    assert "Yes, until six in the evening.".startswith(cut.text)
    remembered = [line.text for line in rig.session.history]
    assert "Yes, until six in the evening." not in remembered
    assert "Tomorrow too." in remembered
    assert "response.cancel" not in str(rig.session.messages)  # it was whole when the words came, or the server did it
    assert_nobody_made_a_mistake(rig)


async def test_each_message_of_an_interrupted_reply_is_cut_by_itself(autojump_clock):
    """One second of each was made; a second and a bit was heard."""
    async with openai_call(manner=Manner(items_per_reply=2)) as rig:
        await interrupt(rig, 1.2)
        await trio.sleep(2)
        ((_, second),) = rig.session.truncations  # the first was heard to its end
        assert 150 <= second <= 250
        rig.twilio.hang_up()
    assert_nobody_made_a_mistake(rig)


async def test_late_sound_of_an_interrupted_reply_is_not_heard(autojump_clock):
    faults = f.Faults(late_chunks=5)
    async with of_dialect("xai")(manner=Manner(times_real_time=1.05), faults=faults) as rig:
        await interrupt(rig, 0.8)
        before = heard_ms(rig)
        await trio.sleep(0.3)
        assert heard_ms(rig) == before
        rig.twilio.hang_up()
    assert rig.record.counters["late_reply_frames"] == 5


async def test_a_persona_that_may_not_be_interrupted_speaks_on(autojump_clock):
    turns = TurnDetection(interrupt_response=False)
    persona = Persona(name="p", model="m", greeting=GREETING, turn_detection=turns)
    async with openai_call(persona=persona) as rig:
        await trio.sleep(0.3)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.session.truncations == []
    assert not any(line.interrupted for line in rig.record.transcript)
    assert_nobody_made_a_mistake(rig)


OVER_THE_ANSWER = Script(
    greeting_ms=500,
    turns=(
        Turn(heard="Are you open?", reply="Yes, until six in the evening.", reply_ms=4_000),
        Turn(heard="Uh-huh.", reply="What do you mean?", reply_ms=1_000),
        Turn(heard="And tomorrow?", reply="Tomorrow too.", reply_ms=1_000),
    ),
)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("times_real_time", [1.05, 4], ids=["while it is made", "after it was made"])
async def test_a_word_that_only_agrees_loses_no_word_of_the_answer(autojump_clock, dialect, times_real_time):
    manner = Manner(times_real_time=times_real_time)
    async with of_dialect(dialect)(script=OVER_THE_ANSWER, manner=manner) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(2)
        rig.speak(0.3)
        await trio.sleep(7)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert heard_ms(rig) >= 500 + 4_000 + 1_000
    said = [line.text for line in rig.record.transcript if line.role == "agent"]
    assert said == [GREETING, "Yes, until six in the evening.", "Tomorrow too."]
    assert not any(line.interrupted for line in rig.record.transcript)


async def test_words_over_an_answer_that_is_still_made_break_it_off_and_are_answered(autojump_clock):
    """The server begins no response to a turn while it makes one that it may not break off."""
    script = attrs.evolve(OVER_THE_ANSWER, turns=(OVER_THE_ANSWER.turns[0], OVER_THE_ANSWER.turns[2]))
    async with openai_call(script=script, manner=Manner(times_real_time=1.05)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert [line.text for line in rig.record.transcript][-1] == "Tomorrow too."
    assert any(line.interrupted for line in rig.record.transcript)
    assert "response.cancel" in str(rig.session.messages)
    assert_nobody_made_a_mistake(rig)
