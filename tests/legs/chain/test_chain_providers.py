"""Whole calls with a chain of other providers than the usual, on the virtual clock."""

from typing import Any

import pytest
import trio

from tests.calls import GREETING
from tests.chains import Chain, live_chain
from trio_voice.limits import Limits
from trio_voice.protocols.chain_stages import HEARING, SPEAKING
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner
from trio_voice.session_record import Closing

FLUX = {"kind": "deepgram-flux"}
SETTLES = ChainManner(settle_ms=400)


def lines(rig):
    return [(line.role, line.text, line.interrupted) for line in rig.record.transcript]


def asked(rig, number):
    return rig.agent.thinking.exchanges[number].body["messages"]


def assert_all_well(rig):
    for session in rig.agent.sessions:
        assert session.client_errors == []
        assert session.told_goodbye
    assert [mistake for each in rig.agent.thinking.exchanges for mistake in each.client_errors] == []
    assert rig.twilio.warnings == {}
    assert not rig.record.counters.keys() & {"model_garbage", "unknown_model_messages", "model_faults"}
    assert {session.closing for session in rig.record.model_sessions} == {Closing.ACKNOWLEDGED}


STAGES: list[Any] = [("stt", kind, {}) for kind in HEARING] + [("tts", kind, {"voice": "alba"}) for kind in SPEAKING]


@pytest.mark.parametrize(("stage", "kind", "more"), STAGES, ids=[f"{stage} {kind}" for stage, kind, _ in STAGES])
async def test_a_conversation_that_is_interrupted(autojump_clock, stage, kind, more):
    """The same call with each provider: a greeting, an answer that is talked over, another answer, the end."""
    reply = "Yes, until six in the evening, and on Saturdays until four. What else?"
    script = Script(
        greeting_ms=500,
        turns=(
            Turn(heard="Are you open?", reply=reply, reply_ms=6_000),
            Turn(heard="And tomorrow?", reply="Tomorrow too.", reply_ms=500),
        ),
    )
    settings = {"kind": kind} | more
    async with live_chain(model=Chain(**{stage: settings}), script=script, manner=ChainManner(speed=1.5)) as rig:
        await trio.sleep(1.5)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert [text for role, text, _ in lines(rig) if role == "caller"] == ["Are you open?", "And tomorrow?"]
    greeting, cut, last = (line for line in rig.record.transcript if line.role == "agent")
    assert (greeting.text, greeting.interrupted) == (GREETING, False)
    assert cut.interrupted
    assert reply.startswith(cut.text)
    assert 0 < len(cut.text) < len(reply)
    assert (last.text, last.interrupted) == ("Tomorrow too.", False)
    (told,) = [message["content"] for message in asked(rig, 1) if message["content"].endswith(" —")]
    if SPEAKING.get(kind) and SPEAKING[kind].over_http:  # without the times of words what was heard is an estimate
        assert len(told.removesuffix(" —")) == pytest.approx(len(cut.text), abs=8)
    else:
        assert told == f"{cut.text} —"
    assert [message.event for message in rig.twilio.received].count("clear") == 1
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.closing_seconds == 0
    assert_all_well(rig)


# An end of turn that comes early


async def latency_of(**more):
    turn = Turn(heard="Are you open?", reply="Yes, until six.", reply_ms=500, thinks_seconds=0.3)
    async with live_chain(script=Script(greeting_ms=500, turns=(turn,)), manner=SETTLES, **more) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert lines(rig)[1:] == [("caller", "Are you open?", False), ("agent", "Yes, until six.", False)]
    assert len(rig.agent.thinking.exchanges) == 1
    assert_all_well(rig)
    (measured,) = rig.record.turns
    return measured


async def test_an_early_end_of_turn_starts_the_language_model(autojump_clock):
    """So that by the time when the turn is over its answer is there."""
    early = await latency_of(model=Chain(stt=FLUX))
    late = await latency_of(model=Chain(stt=FLUX | {"eager_eot_threshold": 0.0}))
    assert late.stages["first_token"] == pytest.approx(300, abs=2)
    assert early.stages["first_token"] == pytest.approx(0, abs=2)
    assert late.latency_ms - early.latency_ms == pytest.approx(300, abs=21)


async def test_nothing_is_spoken_before_the_turn_is_over(autojump_clock):
    turn = Turn(heard="Are you open?", reply="Yes, until six.", reply_ms=500)
    async with live_chain(model=Chain(stt=FLUX), script=Script(turns=(turn,)), manner=SETTLES) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(1.2)  # 0.5 of speech, and 0.5 of silence: it may be over, and is not 0.4 later
        (question,) = rig.agent.thinking.exchanges
        assert question.complete
        assert "until six" not in str(rig.agent.speaking_sessions[0].messages)
        await trio.sleep(2)
        rig.twilio.hang_up()
    assert "until six" in str(rig.agent.speaking_sessions[0].messages)
    assert_all_well(rig)


@pytest.mark.parametrize("thinks_seconds", [0.05, 5], ids=["answered", "being answered"])
async def test_an_answer_to_a_turn_that_is_resumed_is_dropped(autojump_clock, thinks_seconds):
    run = []

    async def cancel_order() -> str:
        """Cancel an order."""
        run.append(trio.current_time())
        return "cancelled"

    script = Script(
        greeting_ms=500,
        turns=(
            Turn(heard="Cancel today's", reply="Done.", tool=ToolUse("cancel_order"), thinks_seconds=thinks_seconds),
            Turn(heard="newspaper.", reply="Your newspaper?", thinks_seconds=0.1),
        ),
    )
    async with live_chain(model=Chain(stt=FLUX), script=script, manner=SETTLES, tools=[cancel_order]) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1.2)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert [exchange.complete for exchange in rig.agent.thinking.exchanges] == [thinks_seconds < 1, True]
    assert asked(rig, 1)[-1] == {"role": "user", "content": "Cancel today's newspaper."}
    assert "Cancel today's" not in [message["content"] for message in asked(rig, 1)]
    assert run == []
    assert "Done." not in str(rig.agent.speaking_sessions[0].messages)
    assert lines(rig)[1:] == [("caller", "Cancel today's newspaper.", False), ("agent", "Your newspaper?", False)]
    assert_all_well(rig)


# A voice that is asked over HTTP

HTTP = {"kind": "elevenlabs-http", "voice": "alba"}
LONG = "Yes, until six in the evening, and on Saturdays until four. What else?"


def over_http(*, reply=LONG, **more):
    script = Script(greeting_ms=500, turns=(Turn(heard="Open?", reply=reply, reply_ms=4_000), Turn(heard="B?")))
    return live_chain(model=Chain(tts=HTTP), script=script, **more)


async def test_each_piece_is_a_request_that_knows_what_was_said_before(autojump_clock):
    async with over_http() as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(7)
        rig.twilio.hang_up()
    bodies = [exchange.body for exchange in rig.agent.speaking_http.exchanges]
    assert [(body["text"], body.get("previous_text")) for body in bodies[1:]] == [
        ("Yes, until six in the evening, ", None),
        ("and on Saturdays until four. ", "Yes, until six in the evening, "),
        ("What else? ", "Yes, until six in the evening, and on Saturdays until four. "),
    ]
    assert lines(rig)[-1] == ("agent", LONG, False)
    heard = rig.twilio.line.heard(trio.current_time()).count(b"\x2a") / 8
    assert heard == pytest.approx(500 + 4_000 * (len(LONG) - 2) / len(LONG), abs=21)  # a script says no spaces
    (billed,) = [session for session in rig.record.model_sessions if session.provider == "elevenlabs"]
    assert billed.meters["characters"] == len(GREETING + LONG) + 1  # the last space is sent
    assert_all_well(rig)


async def test_a_barge_in_closes_the_request(autojump_clock):
    async with over_http(manner=ChainManner(speed=1)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(1.5)  # what they say is known when they have said it
        _greeting, cut, *later = rig.agent.speaking_http.exchanges
        assert not cut.complete
        assert cut.closed_at < trio.current_time()
        assert len(later) == 1  # the next answer; the other pieces of this one were never asked for
        rig.twilio.hang_up()
    assert rig.record.transcript[2].interrupted


@pytest.mark.parametrize(
    ("whim", "words"),
    [
        ("refuse", "check ELEVENLABS_API_KEY"),
        ("overload", "lower max_calls"),
        ("hang", "no sound"),
        ("cut", "broke off"),
    ],
)
async def test_a_voice_that_fails_is_the_models_end_and_says_why(autojump_clock, whim, words):
    faults = ChainFaults(speaking_http=(None, *[whim] * 20))
    async with over_http(faults=faults, limits=Limits(idle_seconds=100)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert words in rig.record.end_detail
    assert rig.agent.hearing_sessions[0].told_goodbye
    assert {session.closing for session in rig.record.model_sessions} == {Closing.ACKNOWLEDGED}


@pytest.mark.parametrize("whims", [("cut",), ("overload",) * 2, ("overload", "cut", "cut")], ids="-".join)
async def test_a_voice_that_fails_for_a_moment_says_all_of_it(autojump_clock, whims):
    async with over_http(faults=ChainFaults(speaking_http=(None, *whims))) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(10)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert lines(rig)[-1] == ("agent", LONG, False)
    heard = rig.twilio.line.heard(trio.current_time()).count(b"\x2a") / 8
    assert 4_200 < heard < 6_500


class Waits:
    """A voice over HTTP that asks for a pause once."""

    def __init__(self, headers):
        self.headers, self.times = headers, []

    async def answer(self, _target, _headers, _body, sink):
        self.times.append(trio.current_time())
        await sink.start(429 if len(self.times) == 1 else 200, self.headers if len(self.times) == 1 else {})
        await sink.send(b"{}" if len(self.times) == 1 else b"\x2a" * 8_000)


@pytest.mark.parametrize(("wait", "waited"), [("2", 2.0), ("0.5", 0.5), ("0", 0.3), (None, 0.3)])
async def test_a_pause_that_a_voice_asks_for_is_kept(autojump_clock, wait, waited):
    voice = Waits({"Retry-After": wait} if wait else {})
    async with live_chain(model=Chain(tts=HTTP, answerer=voice)) as rig:
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert voice.times[1] - voice.times[0] == pytest.approx(waited, abs=0.001)


async def test_a_pause_that_is_too_long_is_not_kept(autojump_clock):
    voice = Waits({"Retry-After": "30"})
    async with live_chain(model=Chain(tts=HTTP, answerer=voice)) as rig:
        await trio.sleep(1)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert len(voice.times) == 1


@pytest.mark.parametrize("after", [0.3, 2.9, 3.3])
async def test_a_call_may_end_while_it_speaks(autojump_clock, after):
    async with over_http(manner=ChainManner(speed=1, voice_seconds=0.2)) as rig:
        rig.voice.say(b"\xff" * 16_000 + b"\x2a" * 4_000)
        await trio.sleep(after)
        rig.twilio.hang_up()
    assert rig.record.closing_seconds == 0
    assert all(exchange.closed_at is not None for exchange in rig.agent.speaking_http.exchanges)
    assert {session.closing for session in rig.record.model_sessions} == {Closing.ACKNOWLEDGED}
