"""Calls that the daemon places, end to end: the real process, the sandbox's Twilio, an agent that follows a script."""

import json

import httpx2
import pytest
import trio

from tests.daemons import eventually, open_world
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.twilio.account import Callee
from trio_voice.sandbox.twilio.callers import Voice

HUMAN, MACHINE, DESK = (f"+1555765430{digit}" for digit in range(3))
SPEECH = b"\x2a" * 160 * 30  # 600 ms that the scripted ears take for speech

PERSONAS = f"""
[personas.reminder]
model = "aai"
greeting = "This is the automated assistant of the bakery."
tools = ["generate_random_number", "end_call", "transfer_to_human", "mark_do_not_call"]
transfer_to = "{DESK}"
detect_machine = true
record = true

[personas.messenger]
model = "aai"
greeting = "This is the automated assistant of the bakery."
voicemail = "Please call us back."
tools = ["end_call"]
"""


def office(tmp_path, *turns):
    """A daemon that calls people, whose agent knows these turns."""
    return open_world(
        tmp_path, make_backend=Script(greeting_ms=300, turns=turns).backend, personas=PERSONAS, ring_seconds=1
    )


@pytest.fixture
def voice():
    """The one who answers at ``HUMAN``."""
    return Voice()


async def test_a_tool_is_used_and_the_agent_ends_the_call_once_its_goodbye_was_heard(tmp_path, voice):
    turns = [
        Turn(heard="A number, please.", reply="", tool=ToolUse("generate_random_number"), after_tool="It is four."),
        Turn(heard="Thank you, bye.", reply="Goodbye!", tool=ToolUse("end_call"), after_tool=""),
    ]
    async with office(tmp_path, *turns) as world:
        world.twilio.account.callees[HUMAN] = Callee(voice=lambda: voice)
        call = await world.place(HUMAN, "reminder")
        stream = await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        await trio.sleep(3.5)
        voice.say(SPEECH)
        record = await world.ended(call)
        assert record["end_reason"] == "agent"
        assert [(tool["name"], tool["failed"]) for tool in record["tools"]] == [
            ("generate_random_number", False),
            ("end_call", False),
        ]
        assert stream.line.queued_seconds(stream.end.at) == 0  # nothing of the goodbye was cut off
        assert not [message for message in stream.received if message.event == "clear"]
        assert call.status == "completed"
        assert world.agent.sessions[0].told_goodbye
        assert record["direction"] == "outbound"


async def test_a_caller_is_put_through_and_the_phone_is_not_hung_up(tmp_path, voice):
    turn = Turn(heard="A human!", reply="One moment.", tool=ToolUse("transfer_to_human"), after_tool="")
    async with office(tmp_path, turn) as world:
        world.twilio.account.callees |= {HUMAN: Callee(voice=lambda: voice), DESK: Callee(talk_seconds=60)}
        call = await world.place(HUMAN, "reminder")
        await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        record = await world.ended(call, settled=False)
        assert (record["end_reason"], record["end_detail"]) == ("agent", "the agent put the caller through")
        assert call.dialed == [DESK]
        assert not call.over
        assert world.agent.sessions[0].told_goodbye
        call.hang_up()


async def test_a_caller_who_is_put_through_to_nobody_is_back_with_the_agent_in_the_same_record(tmp_path, voice):
    turn = Turn(heard="A human!", reply="One moment.", tool=ToolUse("transfer_to_human"), after_tool="")
    async with office(tmp_path, turn) as world:
        world.twilio.account.callees |= {HUMAN: Callee(voice=lambda: voice), DESK: Callee(answers="busy")}
        call = await world.place(HUMAN, "reminder")
        await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        await eventually(lambda: len(world.agent.sessions) == 2)
        first, second = world.agent.sessions
        await eventually(lambda: any("reply.create" in str(message) for message in second.messages))
        assert first.told_goodbye
        assert not first.is_open
        (asked,) = [json.loads(message) for message in second.messages if "reply.create" in str(message)]
        assert "the line was busy" in asked["instructions"]
        opening = json.loads(second.messages[0])["session"]
        assert "A human!" in opening["system_prompt"]
        assert "greeting" not in opening
        (live,) = (await world.daemon.ask("/calls"))["calls"]
        assert (live["state"], live["end_reason"], live["ended_at"]) == ("live", None, None)
        await trio.sleep(1)
        call.hang_up()
        record = await world.record(call)
        await eventually(lambda: world.logged("call_audited"))
        record = await world.record(call)
        assert (record["state"], record["end_reason"]) == ("ended", "hangup")
        assert [(each["to"], each["outcome"]) for each in record["transfers"]] == [(DESK, "busy")]
        assert [session["closing"] for session in record["model_sessions"]] == ["acknowledged"] * 2
        assert [line["text"] for line in record["transcript"]][:2] == [
            "This is the automated assistant of the bakery.",
            "A human!",
        ]
        assert record["transcript"] == sorted(record["transcript"], key=lambda line: line["at"])
        assert [each.url.rpartition("/")[0] for each in call.connects] == ["wss://voice.example.com/media-stream"] * 2
        assert call.connects[0].url != call.connects[1].url
        assert world.rest_updates(call) == [200]  # by which the caller was put through
        assert len(world.logged("call_audited")) == 1


async def test_a_number_that_was_taken_off_the_list_is_never_dialed_again(tmp_path, voice):
    turn = Turn(heard="Never call me again.", reply="", tool=ToolUse("mark_do_not_call"), after_tool="We will not.")
    async with office(tmp_path, turn) as world:
        world.twilio.account.callees[HUMAN] = Callee(voice=lambda: voice)
        call = await world.place(HUMAN, "reminder")
        await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        await eventually(lambda: world.logged("tool"))
        call.hang_up()
        await world.ended(call)
        with pytest.raises(httpx2.HTTPStatusError) as refused:
            await world.place(HUMAN, "reminder")
        assert refused.value.response.json()["error"]["code"] == "do_not_call"
        assert len(world.twilio.calls) == 1


@pytest.mark.parametrize(("answers", "status"), [("nobody", "no-answer"), ("busy", "busy")])
async def test_who_does_not_answer_costs_no_session(tmp_path, answers, status):
    async with office(tmp_path) as world:
        world.twilio.account.callees[HUMAN] = Callee(answers=answers)
        call = await world.place(HUMAN, "reminder")
        with trio.fail_after(10):
            await call.settled.wait()
        record = await world.record(call)
        assert call.status == status
        assert (record["state"], record["end_reason"]) == ("ended", "twilio_ended")
        assert status in record["end_detail"]
        assert world.agent.sessions == []
        assert world.rest_updates(call) == []  # nothing is left to be hung up


async def test_an_operator_who_hangs_up_while_it_rings_stops_the_ringing(tmp_path):
    async with office(tmp_path) as world:
        world.twilio.account.callees[HUMAN] = Callee(answers="human", ring_seconds=30)
        call = await world.place(HUMAN, "reminder")
        await world.hang_up(call, await world.record(call))
        with trio.fail_after(10):
            await call.settled.wait()
        assert (call.status, call.ended_by) == ("canceled", "rest")
        assert world.agent.sessions == []


async def test_a_machine_ends_the_call_or_is_left_a_message(tmp_path):
    async with office(tmp_path) as world:
        world.twilio.account.callees[MACHINE] = Callee(answers="machine", detection_seconds=0.5)
        record = await world.ended(await world.place(MACHINE, "reminder"))
        assert (record["end_reason"], record["answered_by"]) == ("twilio_ended", "machine_start")

        record = await world.ended(await world.place(MACHINE, "messenger"))
        assert (record["end_reason"], record["answered_by"]) == ("agent", "machine_end_beep")
        said = [line["text"] for line in record["transcript"] if line["role"] == "agent"]
        assert any("Please call us back." in text for text in said)
        assert all(session.told_goodbye for session in world.agent.sessions)
