"""A whole call with a chain, to the virtual millisecond."""

import json
from functools import partial

import attrs
import pytest
import trio

from tests import calls, chains
from tests.calls import GREETING
from tests.chains import Chain
from trio_voice.call.built_in_tools import end_call
from trio_voice.legs.chain.kept_lines import KeptLines
from trio_voice.limits import Limits
from trio_voice.persona import Persona, TurnDetection
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import Line, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, StageFaults
from trio_voice.session_record import Closing

YES = "Yes, until six in the evening, and on Saturdays until four. What else?"


def lines(rig):
    return [(line.role, line.text, line.interrupted) for line in rig.record.transcript]


def told(rig, number):
    """The conversation that the language model was told with its question of this number."""
    return [(line.role, line.text) for line in rig.agent.thinking.exchanges[number].lines]


@pytest.fixture(params=["openai-chat", "anthropic"])
def live_chain(request):
    """A chain with either of the protocols of language models."""
    return partial(chains.live_chain, llm=request.param)


def assert_all_well(rig):
    for session in rig.agent.sessions:
        assert session.client_errors == []
        assert session.told_goodbye
    assert [mistake for each in rig.agent.thinking.exchanges for mistake in each.client_errors] == []
    assert rig.twilio.warnings == {}
    assert rig.record.counters.get("model_garbage", 0) == 0


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


LOOK = Turn(
    heard="And now?", reply="Let me see.", tool=ToolUse("look_up", {"day": "Grüner Montag"}), after_tool="Open."
)
SILENTLY = attrs.evolve(LOOK, reply="")


def slow(seconds):
    async def look_up(day: str) -> str:
        """Look up when we are open."""
        await trio.sleep(seconds)
        return f"open on {day}"

    return look_up


@pytest.mark.parametrize("indexes", [True, False])
async def test_a_round_of_tools(autojump_clock, live_chain, indexes):
    manner = ChainManner(indexes_calls=indexes, tells_usage=False, says_done=False, piece_bytes=1)
    async with live_chain(script=Script(turns=(LOOK,)), tools=[slow(0.1)], manner=manner) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)]
    assert [text for role, text, _ in lines(rig) if role == "agent"][1:] == ["Let me see.", "Open."]
    result = rig.agent.thinking.exchanges[1].lines[-1]
    assert result == Line("tool", '"open on Grüner Montag"', LOOK.tool)
    assert_all_well(rig)


async def test_a_slow_tool_is_covered(autojump_clock, live_chain):
    async with live_chain(script=Script(turns=(SILENTLY,)), tools=[slow(4)]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert [text for role, text, _ in lines(rig) if role == "agent"][1:] == ["One moment, please.", "Open."]
    assert told(rig, 1)[-2:] == [("agent", "One moment, please."), ("tool", '"open on Grüner Montag"')]
    heard = rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b"")
    letters = len(GREETING) + len("One moment, please. ") + len("Open. ")
    assert len(heard) == pytest.approx(letters * 50 * 8, abs=1_700)
    assert_all_well(rig)


async def test_words_during_a_tool_are_answered_together_with_its_result(autojump_clock, live_chain):
    script = Script(turns=(SILENTLY, Turn(heard="I can wait for it.", after_tool="Open.")))
    async with live_chain(script=script, tools=[slow(3)]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)]  # once
    assert told(rig, 1)[-2:] == [("tool", '"open on Grüner Montag"'), ("caller", "I can wait for it.")]
    assert_all_well(rig)


async def test_a_new_wish_during_a_long_tool_is_answered_and_the_result_is_told_when_it_comes(
    autojump_clock, live_chain
):
    script = Script(turns=(SILENTLY, Turn(heard="Never mind.", reply="Good.")))
    async with live_chain(script=script, tools=[slow(7)]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)]
    (_, result), (last, _) = told(rig, 1)[-2:]
    assert "outcome unknown" in result
    assert last == "caller"
    assert ("tool", '"open on Grüner Montag"') in told(rig, 2)
    assert_all_well(rig)


async def test_the_agent_ends_the_call_after_its_goodbye(autojump_clock, live_chain):
    turn = Turn(heard="Bye.", reply="Goodbye!", reply_ms=800, tool=ToolUse("end_call"), after_tool="")
    async with live_chain(script=Script(turns=(turn,)), tools=[end_call]) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.AGENT
    assert lines(rig)[-1] == ("agent", "Goodbye!", False)
    assert len(rig.agent.thinking.exchanges) == 1  # its words have ended the call
    assert_all_well(rig)


@pytest.mark.parametrize("whim", ["overload", "error", "cut", "garbage"])
async def test_a_language_model_that_fails_once_costs_no_call(autojump_clock, live_chain, whim):
    async with live_chain(faults=ChainFaults(thinking=(whim,))) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert lines(rig)[-1][0] == "agent"
    assert lines(rig)[-1][1].startswith("Yes, until") or whim == "garbage"


async def test_a_language_model_that_hangs_is_asked_again(autojump_clock, live_chain):
    async with live_chain(faults=ChainFaults(thinking=("hang",)), limits=Limits(idle_seconds=100)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(16)
        rig.twilio.hang_up()
    assert lines(rig)[-1] == ("agent", "Yes, until six in the evening.", False)


@pytest.mark.parametrize(
    ("whims", "words"), [(("refuse",), "Incorrect API key"), (("overload", "overload"), "overloaded")]
)
async def test_a_language_model_that_goes_on_failing_is_the_models_end(autojump_clock, live_chain, whims, words):
    async with live_chain(faults=ChainFaults(thinking=whims)) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert words in rig.record.end_detail
    assert all(session.told_goodbye for session in rig.agent.sessions)


@pytest.mark.parametrize("stage", ["hearing", "speaking"])
async def test_a_stage_that_never_acknowledges_costs_the_deadline_and_no_more(autojump_clock, live_chain, stage):
    faults = ChainFaults(**{stage: StageFaults(never_acknowledges_end=True, ignores_close=True)})
    async with live_chain(faults=faults) as rig:
        await trio.sleep(2)
        rig.twilio.hang_up()
    assert rig.record.closing_seconds == pytest.approx(2, abs=0.001)
    provider = {"hearing": "assemblyai-streaming", "speaking": "elevenlabs"}[stage]
    closings = {session.provider: session.closing for session in rig.record.model_sessions}
    assert closings.pop(provider) is Closing.TIMED_OUT
    assert set(closings.values()) == {Closing.ACKNOWLEDGED}
    assert all(session.told_goodbye for session in rig.agent.sessions)


async def test_a_recogniser_that_is_never_ready_is_given_up(autojump_clock, live_chain):
    faults = ChainFaults(hearing=StageFaults(never_ready=True))
    async with live_chain(faults=faults, limits=Limits(model_ready_seconds=3)) as rig:
        await trio.sleep(1)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "model_ready_seconds" in rig.record.end_detail


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


# The first clause, and where the time goes


def asked(rig, number):
    """A question to OpenAI's kind, as it was put."""
    return rig.agent.thinking.exchanges[number].body["messages"]


BUDGET_MS = 800
"""From the end of the caller's speech to the first frame of the answer."""
USUAL = ChainManner(chunk_seconds=0.05, voice_seconds=0.1)
"""A language model of 40 words a second, and a voice that takes a tenth of a second."""


async def test_the_first_clause_is_spoken_while_the_rest_is_being_written(autojump_clock):
    turn = Turn(heard="Are you open?", reply=YES, reply_ms=4_000, thinks_seconds=0.25)
    async with chains.live_chain(script=Script(greeting_ms=500, turns=(turn,)), manner=USUAL) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(7)
        rig.twilio.hang_up()
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
    turn = Turn(heard="Are you open?", reply=YES, reply_ms=4_000, thinks_seconds=0.25)
    async with chains.live_chain(script=Script(greeting_ms=500, turns=(turn,)), manner=USUAL) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(7)
        rig.twilio.hang_up()
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


# Tools: what a language model may do


@pytest.mark.parametrize("indexes", [True, False], ids=["in turns", "one after another"])
async def test_parallel_tools_are_joined_each_by_its_own(autojump_clock, indexes):
    manner = ChainManner(parallel_calls=3, indexes_calls=indexes, piece_bytes=1)
    async with chains.live_chain(script=Script(turns=(LOOK,)), tools=[slow(0.1)], manner=manner) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert [(use.name, use.failed) for use in rig.record.tools] == [("look_up", False)] * 3
    call, *results = asked(rig, 1)[-4:]
    assert [json.loads(each["function"]["arguments"]) for each in call["tool_calls"]] == [{"day": "Grüner Montag"}] * 3
    assert [result["tool_call_id"] for result in results] == [each["id"] for each in call["tool_calls"]]
    assert len(rig.agent.thinking.exchanges) == 2
    assert lines(rig)[-1] == ("agent", "Open.", False)
    assert_all_well(rig)


async def test_a_call_with_broken_arguments_is_not_run_and_the_model_is_told(autojump_clock):
    async with chains.live_chain(
        script=Script(turns=(LOOK,)), tools=[slow(0.1)], faults=ChainFaults(thinking=("broken_call",))
    ) as rig:
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert rig.record.tools == []
    call, result = asked(rig, 1)[-2:]
    assert call["tool_calls"][0]["function"]["arguments"] == "{}"
    assert "not a JSON object" in result["content"]
    assert lines(rig)[-1] == ("agent", "Open.", False)
    assert_all_well(rig)


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


# Credentials


@pytest.mark.parametrize(
    ("stage", "credential"),
    [("hearing", "ASSEMBLYAI_API_KEY"), ("thinking", "OPENAI_API_KEY"), ("speaking", "ELEVENLABS_API_KEY")],
)
async def test_a_wrong_key_is_one_line_that_names_it(autojump_clock, stage, credential):
    async with chains.live_chain(model=Chain(keys={stage: "another-key"})) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert credential in rig.record.end_detail
    assert "another-key" not in str(rig.record.as_json())
    assert "\n" not in rig.record.end_detail


# Lines that are kept


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
