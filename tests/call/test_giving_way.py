"""Speech over the agent, with every kind of model: how soon it is silent, and how soon it goes on."""

import pytest
import trio

from tests import calls
from tests.calls import GEMINI_LIVE, OPENAI_REALTIME, VOICE_AGENT
from tests.chains import Chain
from trio_voice.audio.mulaw import is_audible
from trio_voice.bridge.bridge import Bridge
from trio_voice.events import model as c
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

MODELS = {
    "assemblyai-agent": lambda: VOICE_AGENT,
    "openai-realtime": lambda: OPENAI_REALTIME,
    "gemini-live": lambda: GEMINI_LIVE,
    "chain": Chain,
}
REPLY = "Yes, we are open until six in the evening, and on Saturdays until four."


@pytest.fixture
def told(monkeypatch):
    """All that the bridge is told by the model, and when."""
    facts = []
    handle = Bridge.handle

    def listen(self, fact, now):
        facts.append((now, fact))
        return handle(self, fact, now)

    monkeypatch.setattr(Bridge, "handle", listen)
    return facts


@pytest.fixture
def spoken_over(told):
    """A call in whose second turn the caller is heard saying something over the agent's answer; half of it is heard."""

    async def spoken_over(kind, words):
        turns = (
            Turn(heard="Are you open?", reply=REPLY, reply_ms=5_000),
            Turn(heard=words, reply="On Sunday not.", reply_ms=1_000),
        )
        async with calls.live_call(model=MODELS[kind](), script=Script(greeting_ms=500, turns=turns)) as rig:
            await trio.sleep(2.5)
            rig.speak(0.5)
            await trio.sleep(3)
            began = trio.current_time()
            rig.speak(0.5)
            await trio.sleep(7)
            rig.twilio.hang_up()
        media = [m for m in rig.twilio.received if m.event == "media"]
        sounds = [m.at for m in media if m.at >= began and is_audible(m.message["media"]["payload"])]
        clears = [m.at for m in rig.twilio.received if m.event == "clear" and m.at >= began]
        return rig, [(at, fact) for at, fact in told if at >= began], sounds, clears

    return spoken_over


def at_of(facts, kind, **told):
    """The time at which the first fact of a kind came that tells this."""
    return next(
        at
        for at, fact in facts
        if isinstance(fact, kind) and all(getattr(fact, name) == value for name, value in told.items())
    )


@pytest.mark.parametrize("kind", MODELS)
async def test_a_real_interruption_is_silent_within_a_quarter_of_a_second_of_the_event_that_says_so(
    kind, autojump_clock, spoken_over
):
    rig, facts, sounds, clears = await spoken_over(kind, "Wait, what about Sunday?")
    says_so, answers = at_of(facts, c.CallerSpeechStarted), at_of(facts, c.ReplyStarted)
    assert says_so <= clears[0] <= says_so + 0.25
    assert [at for at in sounds if clears[0] < at < answers] == []
    assert rig.record.counters["barge_ins"] == 1
    assert [line.text for line in rig.record.transcript][-1] == "On Sunday not."


@pytest.mark.parametrize(("words", "event"), [("Mm-hmm.", c.CallerTranscript), ("", c.CallerSpeechStopped)])
@pytest.mark.parametrize("kind", ["openai-realtime", "chain"])
async def test_a_sound_that_takes_no_floor_loses_no_word_and_the_rest_follows_within_half_a_second(
    kind, words, event, autojump_clock, spoken_over
):
    """Of models that wait for our word. Silence until then is the agent's, who may be interrupted."""
    rig, facts, sounds, clears = await spoken_over(kind, words)
    decided = at_of(facts, event, **({"final": True} if words else {}))
    assert decided <= min(at for at in sounds if at > clears[0]) <= decided + 0.5
    assert [(line.text, line.interrupted) for line in rig.record.transcript if line.text == REPLY] == [(REPLY, False)]
    assert "barge_ins" not in rig.record.counters
    assert rig.record.counters["false_interruptions_resumed"] == 1


@pytest.mark.parametrize(("words", "event"), [("Mm-hmm.", c.CallerTranscript), ("", c.CallerSpeechStopped)])
@pytest.mark.parametrize("kind", ["assemblyai-agent", "gemini-live"])
async def test_a_model_that_cuts_by_itself_goes_on_within_a_second_and_a_half(
    kind, words, event, autojump_clock, spoken_over
):
    """By itself, or because it is asked to."""
    _, facts, sounds, clears = await spoken_over(kind, words)
    decided = at_of(facts, event)
    assert decided <= min(at for at in sounds if at > clears[0]) <= decided + 1.5
