"""Speech over the agent, with every kind of model: what the caller hears, how soon it is silent, how soon it goes on.

Everything is measured from the sound that the telephone played, to 10 ms.
"""

from functools import partial
from itertools import groupby

import pytest
import trio

from tests import calls
from tests.calls import GEMINI_LIVE, OPENAI_REALTIME, SPEECH, VOICE_AGENT
from tests.chains import Chain
from trio_voice.bridge.bridge import Bridge
from trio_voice.events import model as c
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

CUT_BY_THEMSELVES = {"assemblyai-agent": lambda: VOICE_AGENT, "gemini-live": lambda: GEMINI_LIVE}
WAIT_FOR_US = {
    "openai-realtime": lambda: OPENAI_REALTIME,
    "chain": Chain,
    "chain, anthropic": partial(Chain, llm="anthropic"),
    "chain, flux": partial(Chain, stt={"kind": "deepgram-flux"}),
    "chain, cartesia": partial(Chain, tts={"kind": "cartesia", "voice": "alba"}),
    "chain, elevenlabs-http": partial(Chain, tts={"kind": "elevenlabs-http", "voice": "alba"}),
    "chain, local": partial(Chain, stt={"kind": "local"}, tts={"kind": "local"}),
}
MODELS = CUT_BY_THEMSELVES | WAIT_FOR_US
REPLY = "Yes, we are open until six in the evening, and on Saturdays until four."
REPLY_SECONDS = 5
STEP_BYTES = 80
"""10 ms."""
SOUNDS = [
    ("Mm-hmm.", c.CallerTranscript),
    ("", c.CallerSpeechStopped),
    pytest.param("we are open until", c.CallerTranscript, id="an echo"),
]
"""That take no floor, and the event that decides it."""


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


def heard_by(telephone):
    """Each stretch of speech that a telephone has played: when it began and ended."""
    heard = telephone.line.heard(trio.current_time())
    pieces = [SPEECH[:1] in heard[at : at + STEP_BYTES] for at in range(0, len(heard), STEP_BYTES)]
    stretches, at = [], telephone.line.began
    for is_speech, row in groupby(pieces):
        began, at = at, at + len(list(row)) / 100
        if is_speech:
            stretches.append((began, at))
    return stretches


@pytest.fixture
def spoken_over(told):
    """A call in whose second turn the caller is heard saying something over the agent's answer; half of it is heard."""

    async def spoken_over(kind, words):
        turns = (
            Turn(heard="Are you open?", reply=REPLY, reply_ms=1_000 * REPLY_SECONDS),
            Turn(heard=words, reply="On Sunday not.", reply_ms=1_000),
        )
        async with calls.live_call(model=MODELS[kind](), script=Script(greeting_ms=500, turns=turns)) as rig:
            await trio.sleep(2.5)
            rig.speak(0.5)
            await trio.sleep(3)
            began = trio.current_time()
            rig.speak(0.5)
            await trio.sleep(7)
            _greeting, *heard = heard_by(rig.twilio)
            rig.twilio.hang_up()
        return rig, [(at, fact) for at, fact in told if at >= began], heard

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
    rig, facts, heard = await spoken_over(kind, "Wait, what about Sunday?")
    says_so, answers = at_of(facts, c.CallerSpeechStarted), at_of(facts, c.ReplyStarted)
    (_, silent), (answered, _) = heard
    assert says_so <= silent <= says_so + 0.25
    assert answered >= answers - 0.01
    assert rig.record.counters["barge_ins"] == 1
    assert [line.text for line in rig.record.transcript][-1] == "On Sunday not."


@pytest.mark.parametrize(("words", "event"), SOUNDS)
@pytest.mark.parametrize("kind", WAIT_FOR_US)
async def test_a_sound_that_takes_no_floor_loses_no_word_and_the_rest_follows_within_half_a_second(
    kind, words, event, autojump_clock, spoken_over
):
    """Of models that wait for our word. Silence until then is the agent's, who may be interrupted."""
    rig, facts, heard = await spoken_over(kind, words)
    says_so, decided = at_of(facts, c.CallerSpeechStarted), at_of(facts, event, **({"final": True} if words else {}))
    (began, silent), (goes_on, ended) = heard
    assert says_so <= silent <= says_so + 0.25
    assert goes_on <= decided + 0.5
    assert (silent - began) + (ended - goes_on) >= REPLY_SECONDS
    assert [(line.text, line.interrupted) for line in rig.record.transcript if line.text == REPLY] == [(REPLY, False)]
    assert "barge_ins" not in rig.record.counters
    assert rig.record.counters["false_interruptions_resumed"] == 1
    assert rig.record.counters.get("echoes", 0) == (words in REPLY and words != "")


@pytest.mark.parametrize(("words", "event"), SOUNDS)
@pytest.mark.parametrize("kind", CUT_BY_THEMSELVES)
async def test_a_model_that_cuts_by_itself_goes_on_within_a_second_and_a_half(
    kind, words, event, autojump_clock, spoken_over
):
    """By itself, or because it is asked to."""
    rig, facts, heard = await spoken_over(kind, words)
    (_, silent), (goes_on, _), *_ = heard
    assert silent <= at_of(facts, c.CallerSpeechStarted) + 0.25
    assert goes_on <= at_of(facts, event, **({"text": words} if words else {})) + 1.5
    assert rig.record.counters.get("echoes", 0) == (words in REPLY and words != "")
