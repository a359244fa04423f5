"""From the upgrade to ``session.ready``."""

import re

import pytest
import trio

from tests.sandbox.providers.assemblyai_agent.client import GREETING, PCMU, ROLL, SESSION, TO_READY, session, telephone
from trio_voice.events import model as c
from trio_voice.persona import Persona, ToolSchema, TurnDetection
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.sandbox.providers.assemblyai_agent import VOICES, Script, Turn, VoiceAgentServer


async def test_it_is_silent_until_the_client_has_spoken(autojump_clock):
    async with telephone(update=None) as (client, record):
        await trio.sleep(60)
        assert client.events == []
        assert record.billed_seconds == 0
        await client.send("session.update", session=SESSION)
        await client.wait("session.ready")
        assert client.types() == TO_READY


async def test_ready_says_who_it_is_and_echoes_the_settings(autojump_clock):
    async with telephone(update=session(greeting=GREETING)) as (client, record):
        at, ready = await client.wait("session.ready")
        assert at == 0.007
        assert re.fullmatch("sess_[0-9a-f]{32}", ready["session_id"])
        assert record.session_id == ready["session_id"]
        assert ready["resume_token"]
        assert ready["expires_at"] - ready["timestamp"] == pytest.approx(3595, abs=2)
        config = ready["config"]
        assert (
            config["input"]["format"] == config["output"]["format"] == {"encoding": "audio/pcmu", "sample_rate": 8000}
        )
        assert (config["output"]["voice"], config["greeting"]) == ("alba", GREETING)
        assert set(config) >= {
            "id",
            "system_prompt",
            "greeting",
            "input",
            "output",
            "tools",
            "llm",
            "pre_connect_requests",
        }
        await client.wait("reply.started")
        assert all(isinstance(event["timestamp"], float) for _, event in client.events)


async def test_what_the_daemon_says_first_is_accepted_and_what_comes_back_is_ready(autojump_clock):
    persona = Persona(
        name="desk",
        model="aai",
        voice="vera",
        greeting=GREETING,
        prompt="Be brief.",
        keyterms=("focaccia",),
        turn_detection=TurnDetection(vad_threshold=0.4, min_silence=300, max_silence=900, interrupt_response=True),
    )
    daemon = VoiceAgentSession(persona, (ToolSchema(name="roll", description="", parameters={"type": "object"}),))
    async with telephone(update=None) as (client, record):
        client.daemon = daemon
        for message in daemon.opening():
            await client.channel.send(message)
        await client.wait("session.ready")
        ready = client.understood[0]
        assert isinstance(ready, c.ModelReady)
        assert ready.session_id == record.session_id
        assert ready.accepted["output.voice"] == "vera"
        assert record.client_errors == []
        await client.channel.send(daemon.goodbye())
        assert await client.wait_gone() is trio.EndOfChannel
        assert isinstance(client.understood[-1], c.ModelEnded)


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong"])
async def test_a_bad_key_is_told_after_the_upgrade_and_closed_on(autojump_clock, authorization):
    agent = VoiceAgentServer(Script().backend, api_key="right")
    async with telephone(agent=agent, update=None, authorization=authorization) as (client, record):
        await client.wait_gone()
        assert client.errors() == [("unauthorized", None)]
        assert client.channel.close_code == 1008
        assert record.billed_seconds == 0


@pytest.mark.parametrize("authorization", ["Bearer right", "right"])
async def test_a_good_key_is_let_in_with_and_without_bearer(autojump_clock, authorization):
    agent = VoiceAgentServer(Script().backend, api_key="right")
    async with telephone(agent=agent, authorization=authorization) as (client, _):
        await client.wait("session.ready")


BAD_FIRST_UPDATES = {
    "unknown voice": (session(output={**PCMU, "voice": "ivy"}), "invalid_value", "output.voice", 1008),
    "unknown key": (session(sytem_prompt="x"), "invalid_value", "sytem_prompt", 1008),
    "unknown inner key": (session(input={**PCMU, "vad": 1}), "invalid_value", "input.vad", 1008),
    "equal silences": (
        session(input={**PCMU, "turn_detection": {"min_silence": 500, "max_silence": 500}}),
        "invalid_value",
        "input.turn_detection.min_silence",
        1008,
    ),
    "out of range": (
        session(input={**PCMU, "turn_detection": {"vad_threshold": 1.5}}),
        "invalid_value",
        "input.turn_detection.vad_threshold",
        1008,
    ),
    "a rate for pcmu": (
        session(output={"format": {"encoding": "audio/pcmu", "sample_rate": 24_000}}),
        "invalid_value",
        "output.format.sample_rate",
        1008,
    ),
    "sound it cannot make": (session(output={"voice": "alba"}), "invalid_value", "output.format.encoding", 1008),
    "too many keyterms": (session(input={**PCMU, "keyterms": ["x"] * 101}), "invalid_value", "input.keyterms", 1008),
    "a tool's properties": (
        session(tools=[{**ROLL, "parameters": {"type": "object", "properties": []}}]),
        "invalid_value",
        "tools",
        1008,
    ),
    "agent_id and more": (session(agent_id="a"), "invalid_value", "agent_id", 1008),
    "unknown agent": ({"agent_id": "a"}, "agent_not_found", "agent_id", 1008),
    "inline llm": (session(llm=[]), "invalid_value", "llm", 1008),
    "null greeting": (session(greeting=None), "invalid_format", "greeting", None),
    "a number for a prompt": (session(system_prompt=7), "invalid_format", "system_prompt", None),
    "no session": (None, "invalid_format", "session", None),
    "not an object": ([], "invalid_format", "session", None),
}


@pytest.mark.parametrize("case", BAD_FIRST_UPDATES)
async def test_a_bad_first_update(autojump_clock, case):
    update, code, param, close_code = BAD_FIRST_UPDATES[case]
    async with telephone(update=None) as (client, record):
        await client.send("session.update", session=update)
        await trio.sleep(30)
        assert client.types() == ["session.error"]
        assert client.errors() == [(code, param)]
        assert client.channel.close_code == close_code
        assert [error.code for error in record.client_errors] == [code]
        if "voice" in param:
            assert all(voice in client.events[0][1]["message"] for voice in VOICES)
        if close_code is None:  # open, and never ready: but it may be tried again
            await client.send("session.update", session=SESSION)
            await client.wait("session.ready")


async def test_audio_before_ready_is_thrown_away_and_counted(autojump_clock):
    async with telephone(Script(turns=(Turn(),)), update=None) as (client, record):
        await client.speak(400)
        await client.send("session.update", session=SESSION)
        await client.wait("session.ready")
        await client.hush(1000)
        assert client.types() == TO_READY
        assert (record.early_payloads, len(record.payloads)) == (20, 50)
