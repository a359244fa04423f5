"""Calls that the daemon places, end to end: the real process, the sandbox's Twilio, an agent that follows a script."""

from contextlib import asynccontextmanager

import httpx2
import pytest
import trio

from trio_voice.sandbox.demo import AGENT_KEY, open_daemon
from trio_voice.sandbox.mind import ToolUse
from trio_voice.sandbox.twilio import open_sandbox_twilio
from trio_voice.sandbox.twilio_account import Callee
from trio_voice.sandbox.twilio_callers import Voice
from trio_voice.sandbox.voice_agent import Script, Turn, open_voice_agent

HOST = "voice.example.com"
HUMAN, MACHINE, NOBODY, BUSY, DESK = (f"+1555765432{digit}" for digit in range(5))
SPEECH = b"\x2a" * 160 * 30  # 600 ms that the scripted ears take for speech

CONFIG = """
[server]
bind = "127.0.0.1:0"
public_url = "https://{host}"
[twilio]
account_sid = "{account_sid}"
from_number = "+15551234567"
api_url = "{api_url}"
allowed_prefixes = ["+1"]
[limits]
ring_seconds = 1
[models.aai]
kind = "assemblyai-agent"
url = "{agent_url}"
[personas.reminder]
model = "aai"
greeting = "This is the automated assistant of the bakery."
tools = ["generate_random_number", "end_call", "transfer_to_human", "mark_do_not_call"]
transfer_to = "{desk}"
detect_machine = true
record = true
[personas.messenger]
model = "aai"
greeting = "This is the automated assistant of the bakery."
voicemail = "Please call us back."
tools = ["end_call"]
[numbers]
default = "reminder"
"""


class World:
    def __init__(self, daemon, twilio, agent):
        self.daemon, self.twilio, self.agent = daemon, twilio, agent

    async def place(self, number, persona="reminder"):
        placed = await self.daemon.ask("/call", method="POST", body={"to": number, "persona": persona})
        return placed["call_id"], self.twilio.calls[placed["call_sid"]]

    async def ended(self, call_id):
        with trio.fail_after(20):
            while (record := await self.daemon.ask(f"/calls/{call_id}"))["state"] != "ended":
                await trio.sleep(0.02)
        return record


@asynccontextmanager
async def open_world(tmp_path, *turns):
    script = Script(greeting_ms=300, turns=turns)
    async with open_voice_agent(script.cast, api_key=AGENT_KEY) as agent, open_sandbox_twilio() as twilio:
        twilio.account.callees.update(
            {
                MACHINE: Callee(answers="machine", detection_seconds=0.5),
                NOBODY: Callee(answers="nobody"),
                BUSY: Callee(answers="busy"),
            }
        )
        config = tmp_path / "config.toml"
        config.write_text(
            CONFIG.format(
                host=HOST, account_sid=twilio.account_sid, api_url=twilio.api_url, agent_url=agent.url, desk=DESK
            )
        )
        async with open_daemon(config, tmp_path / "log", twilio.auth_token) as daemon:
            twilio.connect_to(HOST, daemon.port)
            yield World(daemon, twilio, agent)


async def test_a_tool_is_used_and_the_agent_ends_the_call_once_its_goodbye_was_heard(tmp_path):
    turns = [
        Turn(heard="A number, please.", reply="", tool=ToolUse("generate_random_number"), after_tool="It is four."),
        Turn(heard="Thank you, bye.", reply="Goodbye!", tool=ToolUse("end_call"), after_tool=""),
    ]
    voice = Voice()
    async with open_world(tmp_path, *turns) as world:
        world.twilio.account.callees[HUMAN] = Callee(voice=lambda: voice)
        call_id, call = await world.place(HUMAN)
        stream = await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        await trio.sleep(3.5)
        voice.say(SPEECH)
        record = await world.ended(call_id)
        assert record["end_reason"] == "agent"
        assert [(tool["name"], tool["failed"]) for tool in record["tools"]] == [
            ("generate_random_number", False),
            ("end_call", False),
        ]
        assert stream.line.queued_seconds(stream.end.at) == 0  # nothing of the goodbye was cut off
        assert not [message for message in stream.received if message.event == "clear"]
        with trio.fail_after(10):
            await call.settled.wait()
        assert call.status == "completed"
        assert world.agent.sessions[0].told_goodbye
        assert record["direction"] == "outbound"


async def test_a_caller_is_put_through_and_the_phone_is_not_hung_up(tmp_path):
    turn = Turn(heard="A human!", reply="One moment.", tool=ToolUse("transfer_to_human"), after_tool="")
    voice = Voice()
    async with open_world(tmp_path, turn) as world:
        world.twilio.account.callees |= {HUMAN: Callee(voice=lambda: voice), DESK: Callee(talk_seconds=60)}
        call_id, call = await world.place(HUMAN)
        await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        record = await world.ended(call_id)
        assert (record["end_reason"], record["end_detail"]) == ("agent", "the agent put the caller through")
        assert call.dialed == [DESK]
        assert not call.over
        assert world.agent.sessions[0].told_goodbye
        call.hang_up()


async def test_a_number_that_was_taken_off_the_list_is_never_dialed_again(tmp_path):
    turn = Turn(heard="Never call me again.", reply="", tool=ToolUse("mark_do_not_call"), after_tool="We will not.")
    voice = Voice()
    async with open_world(tmp_path, turn) as world:
        world.twilio.account.callees[HUMAN] = Callee(voice=lambda: voice)
        call_id, call = await world.place(HUMAN)
        await call.wait_for_stream()
        await trio.sleep(1.2)
        voice.say(SPEECH)
        with trio.fail_after(10):
            while not (await world.daemon.ask(f"/calls/{call_id}"))["tools"]:
                await trio.sleep(0.05)
        call.hang_up()
        await world.ended(call_id)
        with pytest.raises(httpx2.HTTPStatusError) as refused:
            await world.place(HUMAN)
        assert refused.value.response.json()["error"]["code"] == "do_not_call"
        assert len(world.twilio.calls) == 1


async def test_who_does_not_answer_costs_no_session(tmp_path):
    async with open_world(tmp_path) as world:
        for number, status in ((NOBODY, "no-answer"), (BUSY, "busy")):
            call_id, call = await world.place(number)
            record = await world.ended(call_id)
            assert call.status == status
            assert record["end_reason"] == "twilio_ended"
            assert status in record["end_detail"]
        assert world.agent.sessions == []


async def test_a_machine_ends_the_call_or_is_left_a_message(tmp_path):
    async with open_world(tmp_path) as world:
        call_id, _ = await world.place(MACHINE)
        record = await world.ended(call_id)
        assert (record["end_reason"], record["answered_by"]) == ("twilio_ended", "machine_start")

        call_id, call = await world.place(MACHINE, "messenger")
        record = await world.ended(call_id)
        assert (record["end_reason"], record["answered_by"]) == ("agent", "machine_end_beep")
        said = [line["text"] for line in record["transcript"] if line["role"] == "agent"]
        assert any("Please call us back." in text for text in said)
        with trio.fail_after(10):
            await call.settled.wait()
        assert all(session.told_goodbye for session in world.agent.sessions)
