"""Whole calls with a model of OpenAI's kind, on the virtual clock."""

import json
from functools import partial

import attrs
import pytest
import trio

from tests.calls import GREETING, OPENAI_REALTIME, live_call
from tests.openai_types import mistakes
from trio_voice.call.built_in_tools import end_call
from trio_voice.limits import Limits
from trio_voice.persona import Persona, TurnDetection
from trio_voice.protocols.openai_realtime.dialects import DIALECTS as DIALECTS_KNOWN
from trio_voice.record import CallState, EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.assemblyai_agent import faults as f
from trio_voice.sandbox.providers.openai_realtime import (
    AT_READY,
    IN_TOOL,
    MID_GREETING,
    MID_REPLY,
    Manner,
    RealtimeServer,
)
from trio_voice.session_record import Closing

LONG = Limits(idle_seconds=10_000, time_limit_seconds=10_000)
openai_call = partial(live_call, model=OPENAI_REALTIME)
DIALECTS = pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])


def of_dialect(dialect):
    return partial(live_call, model=attrs.evolve(OPENAI_REALTIME, serve=partial(RealtimeServer, dialect=dialect)))


def heard_ms(rig, since=0.0):
    return rig.twilio.line.heard(trio.current_time()).count(b"\x2a") / 8


def assert_nobody_made_a_mistake(rig):
    for session in rig.agent.sessions:
        assert session.client_errors == []
        if session.dialect == "ga":
            for message in session.messages:
                assert mistakes(json.loads(message), "Client") == []
            for _, event in session.sent:
                assert mistakes(event, "Server") == []
    assert rig.twilio.warnings == {}
    assert not rig.record.counters.keys() & {"model_garbage", "unknown_model_messages", "model_faults"}


@DIALECTS
async def test_a_conversation(autojump_clock, dialect):
    async with of_dialect(dialect)() as rig:
        await trio.sleep(3)
        assert heard_ms(rig) == 1_000
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert [(line.role, line.text) for line in rig.record.transcript] == [
        ("agent", GREETING),
        ("caller", "Are you open?"),
        ("agent", "Yes, until six in the evening."),
    ]
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.state is CallState.ENDED
    assert rig.session.told_goodbye
    (billed,) = rig.record.model_sessions
    assert (billed.provider, billed.closing) == ("openai-realtime", Closing.ACKNOWLEDGED)
    assert billed.session_id == rig.session.session_id
    assert rig.record.closing_seconds == 0
    if dialect == "xai":  # bills the time, and each text that is put into the model's mouth
        assert billed.meters == {"text_items": rig.session.text_items} == {"text_items": 1}
    else:
        assert (billed.meters["audio_out_tokens"], billed.meters["audio_seconds"]) == (60, 1)
    assert_nobody_made_a_mistake(rig)


async def test_the_agent_hears_what_the_caller_said_byte_for_byte(autojump_clock):
    async with openai_call() as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.twilio.hang_up()
    dropped = rig.record.counters.get("caller_frames_before_ready", 0)
    assert len(rig.session.payloads) + dropped == rig.twilio._chunk


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


@DIALECTS
async def test_a_question_that_is_written_down_after_its_answer_stands_before_it(autojump_clock, dialect):
    """In the record, and in what the session that takes over is told."""
    manner = Manner(transcribes_after_seconds=1, longest_seconds=20, tells_expiry=False)
    async with of_dialect(dialect)(manner=manner, limits=LONG) as rig:
        await trio.sleep(3)
        rig.speak(1)
        await trio.sleep(15)
        rig.agent.manner = Manner()
        await trio.sleep(4)
        rig.twilio.hang_up()
    question, answer = "Are you open?", "Yes, until six in the evening."
    assert [line.text for line in rig.record.transcript] == [GREETING, question, answer]
    assert rig.record.transcript[1].at == pytest.approx(3.1, abs=0.1)  # when they began, not when it was written down
    _, second = rig.agent.sessions
    if dialect == "ga":
        assert [line.text for line in second.history] == [GREETING, question, answer]
    else:
        assert second.config.instructions.endswith(f"You: {GREETING}\nCaller: {question}\nYou: {answer}")
    assert "model_garbage" not in rig.record.counters


# A sound over the agent's words


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


# Tools


async def look_up(order: int = 7) -> str:
    """Look something up."""
    await trio.sleep(1)
    return f"order {order}"


async def check(day: str) -> str:
    """Look something else up."""
    await trio.sleep(0.3)
    return f"open {day}"


def script(tool, *, reply="", after="It is done.", arguments=None):
    turn = Turn(reply=reply, tool=ToolUse(tool, arguments or {}), after_tool=after)
    return Script(greeting_ms=500, turns=(turn, Turn(heard="Hurry up!", reply="Soon.")))


def said_by_us(rig):
    """Messages that were sent but for sound, in short."""
    messages = [json.loads(message) for message in rig.session.messages]
    return [
        message["item"].get("output", message["item"]["type"]) if "item" in message else message["type"]
        for message in messages
        if message["type"] not in {"input_audio_buffer.append", "session.update"}
    ]


async def ask(rig):
    await trio.sleep(2)
    rig.speak(0.5)
    await trio.sleep(1.2)


@DIALECTS
async def test_a_tool(autojump_clock, dialect):
    async with of_dialect(dialect)(script=script("look_up", reply="One moment."), tools=[look_up]) as rig:
        await ask(rig)
        await trio.sleep(5)
        rig.twilio.hang_up()
    greeting = "force_message" if dialect == "xai" else "response.create"
    assert said_by_us(rig) == [greeting, '"order 7"', "response.create"]
    assert rig.record.transcript[-1].text == "It is done."
    assert_nobody_made_a_mistake(rig)


@pytest.mark.parametrize("echoes", [True, False])
async def test_tools_in_parallel_are_followed_up_once(autojump_clock, echoes):
    manner = Manner(parallel=(ToolUse("check", {"day": "Sunday"}), ToolUse("fly")), echoes_items=echoes)
    async with openai_call(script=script("look_up"), tools=[look_up, check], manner=manner) as rig:
        await ask(rig)
        await trio.sleep(5)
        rig.twilio.hang_up()
    _, first, *others = said_by_us(rig)
    assert "no tool" in first
    assert others == ['"open Sunday"', '"order 7"', "response.create"]
    assert rig.record.transcript[-1].text == "It is done."
    assert_nobody_made_a_mistake(rig)


async def test_a_result_that_comes_while_the_caller_speaks_is_said_in_the_answer_to_them(autojump_clock):
    async with openai_call(script=script("look_up"), tools=[look_up]) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(1.2)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert said_by_us(rig) == ["response.create", '"order 7"']
    assert_nobody_made_a_mistake(rig)


async def test_the_agent_ends_the_call_once_its_goodbye_was_heard(autojump_clock):
    goodbye = script("end_call", reply="Goodbye, and thank you for calling.", after="")
    async with openai_call(script=goodbye, tools=[end_call]) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.AGENT
    heard = rig.twilio.line.heard(rig.ended_at)
    assert heard.count(b"\x2a") == (500 + 50 * len("Goodbye, and thank you for calling.")) * 8
    assert rig.session.told_goodbye


# Trouble


async def test_a_wrong_key_is_told_after_the_handshake(autojump_clock):
    async with live_call(model=attrs.evolve(OPENAI_REALTIME, serve=partial(RealtimeServer, api_key="another"))) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "check OPENAI_API_KEY" in rig.record.end_detail
    assert rig.ended_at == pytest.approx(0, abs=0.01)


async def test_a_voice_that_the_provider_does_not_know(autojump_clock):
    persona = Persona(name="p", model="m", voice="ivy", greeting=GREETING)
    async with openai_call(persona=persona) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "'ivy' of persona 'p'" in rig.record.end_detail
    assert "marin" in rig.record.end_detail


async def test_a_format_that_was_not_asked_for_ends_the_call(autojump_clock):
    faults = f.Faults(echo_differences={"audio.output.format.type": "audio/pcm"})
    async with openai_call(faults=faults) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "audio.output.format.type is 'audio/pcm'" in rig.record.end_detail


async def test_a_model_that_is_never_ready(autojump_clock):
    async with openai_call(limits=Limits(model_ready_seconds=10), faults=f.Faults(never_ready=True)) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.ended_at == 10


async def test_a_response_that_fails_is_asked_for_again(autojump_clock):
    async with openai_call(manner=Manner(fails_responses=(1, 2))) as rig:
        await trio.sleep(6)
        assert heard_ms(rig) == 1_000
        rig.twilio.hang_up()
    assert said_by_us(rig) == ["response.create"] * 3


async def test_a_third_failure_gives_the_session_up(autojump_clock):
    async with openai_call(manner=Manner(fails_responses=(1, 2, 3))) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "could not answer the caller: made to fail" in rig.record.end_detail


@pytest.mark.parametrize("code", ["insufficient_quota", "session_expired"])
async def test_an_error_that_is_fatal(autojump_clock, code):
    async with openai_call(faults=f.Faults(strikes=(f.Strike(MID_GREETING, f.Fail(code)),))) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.model_sessions[0].closing is Closing.ACKNOWLEDGED


@pytest.mark.parametrize("act", [f.GARBAGE, f.BINARY, f.UNKNOWN, f.huge(900_000)], ids=range(4))
@pytest.mark.parametrize("moment", [AT_READY, MID_GREETING, MID_REPLY], ids=["ready", "greeting", "reply"])
async def test_mischief_of_the_model_is_ignored(autojump_clock, act, moment):
    async with openai_call(faults=f.Faults(strikes=(f.Strike(moment, act),))) as rig:
        await trio.sleep(3)
        rig.speak(0.6)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent"]


async def test_a_socket_that_is_cut_in_a_tool_call(autojump_clock):
    strikes = (f.Strike(IN_TOOL, f.Cut()),)
    async with openai_call(script=script("look_up"), tools=[look_up], faults=f.Faults(strikes=strikes)) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.record.tools == []


# The longest session


@DIALECTS
async def test_a_cap_that_nobody_has_told_of_is_no_end_of_the_call(autojump_clock, dialect):
    """A gateway's, or one that a vendor has lowered since: an error, and the socket is closed with 1001."""
    manner = Manner(longest_seconds=30, tells_expiry=False)
    async with of_dialect(dialect)(manner=manner, limits=LONG) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(25)
        rig.agent.manner = Manner()
        await trio.sleep(4)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert (first.ended_at, second.opened_at) == (pytest.approx(30), pytest.approx(30, abs=0.1))
    told = second.config.instructions if dialect != "ga" else "".join(line.text for line in second.history)
    assert "Yes, until six in the evening." in told
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent", "caller", "agent"]
    assert rig.record.end_reason is EndReason.HANGUP


@DIALECTS
async def test_a_dialects_own_cap_is_known_where_the_server_does_not_tell_it(autojump_clock, dialect, monkeypatch):
    """An hour, or two, of silence and a wish would take as many minutes here: two minutes, then."""
    monkeypatch.setitem(DIALECTS_KNOWN, dialect, attrs.evolve(DIALECTS_KNOWN[dialect], session_seconds=120))
    manner = Manner(longest_seconds=120, tells_expiry=False)
    async with of_dialect(dialect)(manner=manner, limits=LONG) as rig:
        await trio.sleep(122)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second, _ = rig.agent.sessions
    assert first.told_goodbye
    assert first.ended_at is None  # it was left before
    assert second.opened_at == pytest.approx(60, abs=1)
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent"]


async def test_another_session_takes_over_before_the_longest_is_reached(autojump_clock):
    manner = Manner(longest_seconds=30)
    async with openai_call(manner=manner, limits=LONG) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.agent.manner = attrs.evolve(manner, longest_seconds=3_600)
        await trio.sleep(20)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    first, second = rig.agent.sessions
    assert first.told_goodbye
    assert first.closed_at - first.opened_at < 30
    assert first.ended_at is None
    assert [line.text for line in second.history[:3]] == [
        GREETING,
        "Are you open?",
        "Yes, until six in the evening.",
    ]
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent", "caller", "agent"]
    assert rig.record.end_reason is EndReason.HANGUP
    assert [session.closing for session in rig.record.model_sessions] == [Closing.ACKNOWLEDGED] * 2
    assert_nobody_made_a_mistake(rig)
