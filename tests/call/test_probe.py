"""A session that is only tried: it is opened, heard and closed, whatever the provider does."""

from datetime import date
from functools import partial

import attrs
import pytest
import trio

from tests.calls import GEMINI_LIVE, OPENAI_REALTIME, VOICE_AGENT, ModelOrder
from tests.chains import Chain
from trio_voice.billing.cost import price_call
from trio_voice.billing.estimate import minute_of
from trio_voice.billing.prices import ModelPrices, Prices
from trio_voice.call.call import wall_clock
from trio_voice.call.probe import describe, rehearse
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.session_ledger import Ledger
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.record import CallRecord
from trio_voice.sandbox.providers.assemblyai_agent import (
    AT_READY,
    Cut,
    Fail,
    Faults,
    GoSilent,
    Script,
    Strike,
    Turn,
    VoiceAgentServer,
)
from trio_voice.sandbox.providers.chain import ChainFaults
from trio_voice.sandbox.providers.gemini_live import GeminiFaults
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.captured import captured_words
from trio_voice.session_record import Closing, ModelSessionRecord

TODAY = date(2026, 11, 20)
PERSONA = Persona(name="p", model="m", greeting="Good morning.", voice="alba")


async def play(*, faults=None, unreachable=False, limits=None):
    """Rehearse against the sandbox's agent; the rehearsal, the call's record and the agent."""
    agent = VoiceAgentServer(Script(greeting_ms=600).backend, **{"faults": faults} if faults else {})
    record = CallRecord(call_id="check", direction="none", persona="p", from_number="", to_number="")
    async with trio.open_nursery() as nursery:

        async def connect():
            if unreachable:
                raise ModelUnavailable("nobody listens")
            ours, theirs = memory_channels()
            nursery.start_soon(partial(agent.serve_session, theirs))
            return ours

        leg = SocketModelLeg(VoiceAgentSession(PERSONA), connect, 5.0, Ledger(record), wall_clock)
        rehearsal = await rehearse(leg, PERSONA, limits or Limits(), 4.0)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    return rehearsal, record, agent


async def test_a_session_is_heard_and_closed(autojump_clock):
    rehearsal, record, agent = await play()
    assert rehearsal.problem is None
    assert rehearsal.heard_ms == pytest.approx(800)  # with the silence it begins with
    assert rehearsal.accepted["output.voice"] == "alba"
    (session,) = agent.sessions
    assert session.told_goodbye
    assert not session.client_errors
    assert len(session.payloads) == pytest.approx(200, abs=3)
    assert record.model_sessions[0].closing is Closing.ACKNOWLEDGED
    lines = "\n".join(describe(rehearsal, record))
    assert "accepted output.voice = alba" in lines
    assert "closed: acknowledged, after 4" in lines
    assert "cost: " not in lines  # nobody has said what anything costs
    prices = Prices(as_of=TODAY, models={"assemblyai-agent": ModelPrices(minute=0.075)})
    price_call(record, prices)
    (line,) = [line for line in describe(rehearsal, record, prices) if "cost" in line]
    assert line == "cost: about 0.0050 USD; a minute: 0.0750 USD, by the time that it is open"


PRICES = Prices(
    as_of=TODAY,
    models={
        "assemblyai-agent": ModelPrices(minute=0.075),
        "openai-realtime": ModelPrices(
            million_text_in_tokens=4,
            million_cached_text_in_tokens=0.4,
            million_text_out_tokens=24,
            million_audio_in_tokens=32,
            million_audio_out_tokens=64,
        ),
        "gemini-live": ModelPrices(million_text_in_tokens=0.75, million_audio_in_tokens=3, million_audio_out_tokens=12),
        "assemblyai-streaming": ModelPrices(minute=0.0075),
        "openai-chat": ModelPrices(million_text_in_tokens=2.5, million_text_out_tokens=10),
        "elevenlabs": ModelPrices(thousand_characters=0.04),
    },
)
KINDS = {
    "assemblyai-agent": (
        *(VOICE_AGENT, "alba", {"output.voice": "alba"}),
        ["cost: about 0.0050 USD; a minute: 0.0750 USD, by the time that it is open"],
    ),
    "openai-realtime": (
        *(OPENAI_REALTIME, "marin"),
        {
            "model": "gpt-realtime-2.1",
            "audio.output.voice": "marin",
            "audio.input.format.type": "audio/pcmu",
            "audio.output.format.type": "audio/pcmu",
        },
        # 30 s of 10 tokens at 32, and 30 s of 20 at 64
        ["a minute: at least 0.0480 USD for the sound, if each speaks for 30 s of it (10 tokens a second heard"],
    ),
    "gemini-live": (
        *(GEMINI_LIVE, "Kore"),
        {
            "model": "gemini-3.8-live",
            "voice": "Kore",
            "hears": "audio/pcm;rate=16000",
            "speaks": "24000 Hz",
        },
        # 30 s of 25 tokens at 3, and as many at 12
        ["a minute: at least 0.0112 USD for the sound, if each speaks for 30 s of it (25 tokens a second heard"],
    ),
    "chain": (
        *(Chain(), "alba", {"assemblyai-streaming.model": "universal-3-6-pro"}),
        [
            "(assemblyai-streaming): about 0.0005 USD; a minute: 0.0075 USD, by the time that it is open",
            "(openai-chat): about 0.0000 USD; a minute: priced by the token: unknown until used",
            "(elevenlabs): about 0.0005 USD; a minute: priced by the letter: unknown until used",
        ],
    ),
}


@attrs.define
class Wires:
    """Parts of a rig that the chain wants to know."""

    used: set[str] = attrs.field(factory=set)
    later_wires: list[object] = attrs.field(factory=list)
    on_exchange: None = None


async def play_kind(kind, script=None, how=None, **double):
    """Rehearse with the sandbox's peer of a kind; the rehearsal, the record, the peer."""
    model, voice, _, _ = KINDS[kind]
    persona = Persona(name="p", model="m", greeting="Good morning.", voice=voice)
    record = CallRecord(call_id="check", direction="none", persona="p", from_number="", to_number="")
    server = model.open(script or Script(greeting_ms=600), **double)
    async with trio.open_nursery() as nursery:

        async def reach():
            ours, theirs = memory_channels()
            nursery.start_soon(server.serve_session, theirs)
            return ours

        leg = model.make(ModelOrder(server, persona, (), (), None, record, nursery, reach, [Wires()]))
        rehearsal = await rehearse(leg, persona, Limits(), 4.0, **(how or {}))
        await trio.sleep(0.1)
        assert not server.open_sessions
        nursery.cancel_scope.cancel()
    return rehearsal, record, server


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_says_what_was_accepted_and_what_a_minute_costs(autojump_clock, kind):
    _, _, accepted, costs = KINDS[kind]
    rehearsal, record, server = await play_kind(kind)
    assert rehearsal.problem is None
    assert rehearsal.heard_ms >= 600
    assert "Good morning." in rehearsal.said
    assert accepted.items() <= rehearsal.accepted.items()
    assert not any(session.client_errors for session in server.sessions)
    assert {session.closing for session in record.model_sessions} == {Closing.ACKNOWLEDGED}
    price_call(record, PRICES)
    lines = "\n".join(describe(rehearsal, record, PRICES))
    for key, value in accepted.items():
        assert f"accepted {key} = {value}" in lines
    for cost in costs:
        assert cost in lines
    assert all(session.cost is not None for session in record.model_sessions)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_kind_keeps_us_when_it_is_never_ready_or_ignores_the_close(autojump_clock, kind):
    faults = {
        "assemblyai-agent": Faults(never_ready=True, ignores_close=True),
        "openai-realtime": Faults(never_ready=True, ignores_close=True),
        "gemini-live": GeminiFaults(never_ready=True, ignores_close=True),
        "chain": ChainFaults(hearing=Faults(never_ready=True, ignores_close=True)),
    }[kind]
    began = trio.current_time()
    rehearsal, _, _ = await play_kind(kind, faults=faults)
    assert "model_ready_seconds = 10" in rehearsal.problem
    assert trio.current_time() - began <= 10 + Limits().close_seconds + 0.2


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "unknown: set [prices.openai-realtime]"),
        (ModelPrices(), "priced by the token: unknown until used"),
        (ModelPrices(million_audio_in_tokens=32), "priced by the token: unknown until used"),
        (
            ModelPrices(minute=0.05, text_item=0.004),
            "0.0500 USD, by the time that it is open, and 0.004 for each text that it is given",
        ),
    ],
)
def test_what_is_not_known_of_a_minute_is_said(table, words):
    session = ModelSessionRecord("openai-realtime", wall_clock())
    models = {} if table is None else {"openai-realtime": table}
    assert minute_of(session, Prices(as_of=TODAY, models=models)) == words


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"unreachable": True}, "nobody listens"),
        ({"faults": Faults(never_ready=True)}, "model_ready_seconds = 10"),
        ({"faults": Faults(strikes=(Strike(AT_READY, Cut()),))}, "socket is gone"),
        ({"faults": Faults(strikes=(Strike(AT_READY, Fail("unauthorized")),))}, "check ASSEMBLYAI_API_KEY"),
    ],
)
async def test_what_does_not_work_is_said(autojump_clock, how, problem):
    rehearsal, record, agent = await play(**how)
    assert problem in rehearsal.problem
    assert not agent.open_sessions
    assert record.model_sessions[0].closing is not None
    assert f"it does not work: {rehearsal.problem}" in describe(rehearsal, record)


async def test_a_provider_that_ignores_the_goodbye_is_left_in_bounded_time(autojump_clock):
    began = trio.current_time()
    _, record, _ = await play(faults=Faults(strikes=(Strike(AT_READY, GoSilent()),), ignores_close=True))
    assert trio.current_time() - began == pytest.approx(4 + Limits().close_seconds, abs=0.2)
    assert record.model_sessions[0].closing is Closing.TIMED_OUT


WORDS = {"turn": True, "words": captured_words()}


async def test_a_chain_is_heard_and_must_understand_a_caller(autojump_clock):
    began = trio.current_time()
    rehearsal, _, _ = await play_kind("chain", Script(turns=(Turn(heard="Hello world."),)), WORDS)
    assert rehearsal.problem is None
    assert rehearsal.understood == "Hello"  # a part will do
    assert rehearsal.heard_ms > 0
    assert trio.current_time() - began < 6


async def test_a_chain_that_understands_nothing_has_failed(autojump_clock):
    rehearsal, _, server = await play_kind("chain", Script(), WORDS)
    assert rehearsal.problem == "it heard somebody speak, and understood nothing within 4 s"
    assert not server.open_sessions
