"""Turns, replies and barge-in, to the millisecond."""

import base64
from contextlib import asynccontextmanager

import pytest
import trio

from tests.sandbox.providers.assemblyai_agent.client import (
    GREETING,
    LONG,
    LONG_GREETING,
    PCMU,
    REPLY,
    ROLL,
    TO_READY,
    TURN,
    session,
    telephone,
)
from trio_voice.events import model as c
from trio_voice.sandbox.agent.backend import LoudnessEars
from trio_voice.sandbox.agent.replies import APOLOGY, Line, Reply, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import (
    SPOKEN,
    AgentBackend,
    BargeIn,
    Faults,
    Manner,
    Script,
    Turn,
    VoiceAgentServer,
)


async def test_the_greeting_comes_right_after_ready_and_at_the_pace_of_speech(autojump_clock):
    async with telephone(Script(greeting_ms=1000), session(greeting=GREETING)) as (client, record):
        at, done = await client.wait("reply.done")
        assert client.types() == [*TO_READY, *REPLY]
        chunks = [(time, base64.b64decode(event["data"])) for time, event in client.of("reply.audio")]
        assert [time for time, _ in chunks] == pytest.approx([0.007 + number * 0.0375 for number in range(32)])
        assert {len(chunk) for _, chunk in chunks} == {300}
        assert b"".join(chunk for _, chunk in chunks) == b"\xff" * 1600 + SPOKEN * 8000
        assert (at, done["status"]) == (1.207, "completed")
        deltas = [event for _, event in client.of("transcript.agent.delta")]
        assert "".join(delta["delta"] for delta in deltas) == GREETING
        assert (deltas[0]["start_ms"], deltas[-1]["end_ms"]) == (200, 1200)
        assert len({event["reply_id"] for _, event in client.events[2:]}) == 1
        assert client.of("transcript.agent")[0][1]["interrupted"] is False
        assert record.history == [Line("agent", GREETING)]


async def test_a_turn(autojump_clock):
    script = Script(turns=(Turn(heard="What do you sell?", reply="Bread.", reply_ms=500, thinks_seconds=0.25),))
    async with telephone(script) as (client, record):
        await client.speak(400)
        await client.hush(600)
        await client.wait("reply.done")
        assert client.types() == [*TO_READY, *TURN, *REPLY]
        assert client.of("input.speech.started")[0][0] == pytest.approx(0.007 + 0.08)  # the frame that makes 100 ms
        stopped = 0.007 + 0.4 + 0.48  # the frame that makes 500 ms of quiet
        for kind in ("input.speech.stopped", "transcript.user", "reply.started"):
            assert client.of(kind)[0][0] == pytest.approx(stopped)
        assert client.of("reply.audio")[0][0] == pytest.approx(stopped + 0.25)
        assert client.of("reply.done")[0][0] == pytest.approx(stopped + 0.25 + 0.7)
        partials = [event["text"] for _, event in client.of("transcript.user.delta")]
        assert partials == ["What do", "What do you sell?"]
        final = client.of("transcript.user")[0][1]
        assert final["text"] == "What do you sell?"
        assert {event["item_id"] for _, event in client.of("transcript.user.delta")} == {final["item_id"]}
        assert record.history == [Line("caller", "What do you sell?"), Line("agent", "Bread.")]
        assert bytes(record.audio) == b"\x10" * 3200 + b"\xff" * 4800
        assert [base64.b64decode(payload) for payload in record.payloads] == [b"\x10" * 160] * 20 + [b"\xff" * 160] * 30


async def test_sound_that_means_nothing_gets_no_reply(autojump_clock):
    async with telephone(Script(turns=())) as (client, _):
        await client.speak(400)
        await client.hush(2000)
        assert client.types() == [*TO_READY, "input.speech.started", "input.speech.stopped"]


def slow_backend(*, understanding=0.0, thinking=0.0, saying=0.0):
    texts = iter(["I would like", "two loaves", "please"])

    async def transcribe(utterance):
        await trio.sleep(understanding)
        return next(texts)

    async def say(text, voice):
        await trio.sleep(saying)
        return SPOKEN * 800

    class ResponseGenerator:
        async def reply(self, heard, history, prompt, tools):
            await trio.sleep(thinking)
            return Reply("Gladly.")

    @asynccontextmanager
    async def backend():
        yield AgentBackend(LoudnessEars(100, 200), transcribe, say, ResponseGenerator())

    return backend


async def test_a_caller_who_goes_on_is_still_in_the_same_turn(autojump_clock):
    async with telephone(agent=VoiceAgentServer(slow_backend(understanding=0.5))) as (client, _):
        await client.speak(400)
        await client.hush(300)
        await client.speak(400)
        await client.hush(300)
        await client.wait("reply.done")
        assert client.types() == [*TO_READY, *TURN, *REPLY]
        assert client.of("transcript.user")[0][1]["text"] == "I would like two loaves"


async def test_a_mind_that_does_not_answer_is_apologised_for(autojump_clock):
    async with telephone(agent=VoiceAgentServer(slow_backend(thinking=100))) as (client, _):
        await client.speak(300)
        await client.hush(300)
        at, _ = await client.wait("reply.audio")
        assert at == pytest.approx(client.of("reply.started")[0][0] + 15)
        assert (await client.wait("transcript.agent"))[1]["text"] == APOLOGY


async def test_a_voice_that_fails_is_a_reply_error(autojump_clock):
    async with telephone(agent=VoiceAgentServer(slow_backend(saying=100))) as (client, _):
        await client.speak(300)
        await client.hush(300)
        await client.wait("reply.done")
        assert client.types()[-3:] == ["reply.started", "reply.error", "reply.done"]
        assert isinstance(client.understood[-2], c.ModelFault)


async def test_more_is_asked_for_than_is_answered(autojump_clock):
    async with telephone(agent=VoiceAgentServer(slow_backend(thinking=1, understanding=100))) as (client, record):
        await client.speak(300)
        for _ in range(25):  # none is merged with another, while the caller has the floor
            await client.send("reply.create")
        await client.hush(500)
        await trio.sleep(200)
        assert 20 <= len(client.of("reply.done")) <= 22
        assert {error.message for error in record.client_errors} == {"asks for more than 20 replies at once"}
        for _ in range(15):
            await client.speak(200)
            await client.hush(200)
        assert record.client_errors[-1].message == "speaks faster than it can be understood"


@pytest.mark.parametrize("ahead_ms", [0, 400])
async def test_audio_may_be_sent_ahead_of_its_time(autojump_clock, ahead_ms):
    script, manner = Script(greeting_ms=1000), Manner(ahead_ms=ahead_ms)
    async with telephone(script, session(greeting=GREETING), manner=manner) as (client, _):
        await client.wait("reply.done")
        assert client.of("reply.audio")[-1][0] == pytest.approx(0.007 + 31 * 0.0375 - ahead_ms / 1000)
        assert client.of("reply.done")[0][0] == pytest.approx(1.207)


# Barge-in


async def interrupt(client):
    """Speak from 1.007 s on, in the midst of the greeting; the agent hears it at 1.087 s."""
    await trio.sleep(1.0)
    await client.speak(300)
    await client.hush(700)
    await client.wait("reply.done", 2)


@pytest.mark.parametrize(
    ("variant", "burst"),
    [
        (BargeIn.BURST, ["input.speech.started", "transcript.agent", "reply.done"]),
        (BargeIn.REVERSED, ["reply.done", "transcript.agent", "input.speech.started"]),
    ],
)
async def test_a_caller_who_talks_over_a_reply(autojump_clock, variant, burst):
    async with telephone(LONG, session(greeting=LONG_GREETING), manner=Manner(barge_in=variant)) as (client, record):
        await interrupt(client)
        at = client.of("input.speech.started")[0][0]
        assert at == pytest.approx(1.087)
        assert [event["type"] for time, event in client.events if time == at] == burst
        cut_short = client.of("transcript.agent")[0][1]
        assert cut_short["interrupted"] is True
        # 1080 ms of it were sent, 200 of them silence: 8 of 39 letters.
        assert cut_short["text"] == "one two"
        assert client.of("reply.done")[0][1]["status"] == "interrupted"
        reply_id = client.of("reply.started")[0][1]["reply_id"]
        heard = [time for time, event in client.of("reply.audio") if event["reply_id"] == reply_id]
        assert len(heard) == 29  # at 0.007, and each 37.5 ms until 1.057
        assert max(heard) < at
        assert client.types()[-len(TURN + REPLY) + 1 :] == [*TURN[1:], *REPLY]
        assert record.history == [Line("agent", "one two"), Line("caller", "Stop!"), Line("agent", "Yes?")]


async def test_an_interruption_of_which_only_speech_started_is_said(autojump_clock):
    manner = Manner(barge_in=BargeIn.SPEECH_ONLY)
    async with telephone(LONG, session(greeting=LONG_GREETING), manner=manner) as (client, _):
        await trio.sleep(1.0)
        await client.speak(300)
        await client.hush(700)
        await client.wait("reply.done")
        first, second = [event["reply_id"] for _, event in client.of("reply.started")]
        assert [event["reply_id"] for _, event in client.of("reply.done")] == [second]
        assert [event["reply_id"] for _, event in client.of("transcript.agent")] == [second]
        assert client.of("reply.audio")[28][1]["reply_id"] == first
        assert client.of("reply.audio")[29][1]["reply_id"] == second


async def test_an_interruption_before_any_sound(autojump_clock):
    script = Script(turns=(Turn(thinks_seconds=5), Turn(heard="Hurry up.")))
    async with telephone(script) as (client, record):
        for _ in range(2):
            await client.speak(300)
            await client.hush(800)
        cut_short = await client.wait("transcript.agent")
        assert (cut_short[1]["text"], cut_short[1]["interrupted"]) == ("", True)
        assert [line.role for line in record.history] == ["caller", "caller"]


async def test_a_caller_who_may_not_interrupt_is_heard_and_answered_afterwards(autojump_clock):
    no_barge_in = {**PCMU, "turn_detection": {"interrupt_response": False}}
    async with telephone(LONG, session(greeting=LONG_GREETING, input=no_barge_in)) as (client, _):
        await interrupt(client)
        assert client.types() == [
            *TO_READY,
            *REPLY[:3],
            "input.speech.started",
            "reply.audio",
            "transcript.user.delta",
            "input.speech.stopped",
            "transcript.user",
            *REPLY[2:],
            *REPLY,
        ]
        assert [event["status"] for _, event in client.of("reply.done")] == ["completed"] * 2
        assert client.of("reply.done")[0][0] == 4.207


async def test_late_audio_of_an_interrupted_reply(autojump_clock):
    async with telephone(LONG, session(greeting=LONG_GREETING), faults=Faults(late_chunks=3)) as (client, _):
        await interrupt(client)
        first = client.of("reply.started")[0][1]["reply_id"]
        done = next(place for place, (_, event) in enumerate(client.events) if event["type"] == "reply.done")
        late = [
            event for _, event in client.events[done:] if event["type"] == "reply.audio" and event["reply_id"] == first
        ]
        assert [base64.b64decode(event["data"]) for event in late] == [SPOKEN * 300] * 3


async def test_nothing_is_said_while_the_caller_has_the_floor(autojump_clock):
    script = Script(turns=(Turn(reply="", tool=ToolUse("roll"), after_tool="Six."), Turn(heard="And?", reply="Yes.")))
    async with telephone(script, session(tools=[ROLL]), manner=Manner(preamble_ms=300)) as (client, _):
        await client.speak(300)
        await client.hush(600)
        _, call = await client.wait("tool.call")
        await client.wait("reply.done")
        await client.speak(200)
        await client.send("tool.result", call_id=call["call_id"], result="6")
        await client.speak(2000)
        assert len(client.of("reply.started")) == 1
        await client.hush(600)
        await client.wait("reply.done", 3)
        assert [event["text"] for _, event in client.of("transcript.agent")] == ["Six.", "Yes."]
