"""Mistakes in the midst of a session, and every way to end one."""

import base64
import json

import pytest
import trio

from tests.sandbox.providers.assemblyai_agent.client import (
    GREETING,
    LONG,
    LONG_GREETING,
    REPLY,
    ROLL,
    TO_READY,
    session,
    telephone,
)
from trio_voice.sandbox.providers.assemblyai_agent import (
    MID_GREETING,
    Cut,
    Faults,
    Manner,
    Script,
    Strike,
    Turn,
    VoiceAgentServer,
)
from trio_voice.sandbox.transport.memory import memory_channels


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"greeting": "Hi"}, "greeting"),
        ({"greeting": None}, "greeting"),
        ({"output": {"voice": "nobody"}}, "output.voice"),
        ({"output": {"format": {"encoding": "audio/pcm"}}}, "output.format"),
    ],
)
async def test_what_cannot_be_changed(autojump_clock, change, param):
    async with telephone() as (client, record):
        await client.send("session.update", session=change)
        await client.wait("session.error")
        assert client.errors() == [("immutable_field", param)]
        assert client.gone is None
        assert record.settings.config.output.voice == "alba"


async def test_what_can_be_changed(autojump_clock):
    async with telephone(update=session(tools=[ROLL])) as (client, _):
        await client.send("session.update", session={"system_prompt": "Be brief.", "tools": []})
        await client.send("session.update", session={"input": {"turn_detection": {"interrupt_response": False}}})
        _, updated = await client.wait("session.updated", 3)
        config = updated["config"]
        assert (config["system_prompt"], config["tools"]) == ("Be brief.", [])
        assert config["input"]["turn_detection"]["interrupt_response"] is False
        assert config["output"]["voice"] == "alba"
        assert client.types().count("session.ready") == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not JSON", "invalid_format"),
        ("[]", "invalid_format"),
        ('{"type":7}', "invalid_format"),
        (b"\x00\x01", "invalid_format"),
        ('{"type":"reply.cancel"}', "invalid_format"),
        ('{"type":"input.audio","audio":"*"}', "invalid_audio"),
        ('{"type":"input.audio","audio":7}', "invalid_audio"),
        ('{"type":"input.audio"}', "invalid_audio"),
        ('{"type":"reply.create","instructions":7}', "invalid_format"),
        ('{"type":"conversation.message","role":"dog","content":"wuff"}', "invalid_format"),
        ('{"type":"session.resume","session_id":"x"}', "invalid_format"),
        ('{"type":"session.update","session":{"agent_id":"x"}}', "agent_id_not_first"),
        ('{"type":"session.update","session":{"volume":1}}', "invalid_value"),
    ],
)
async def test_mistakes_that_leave_the_session_open(autojump_clock, message, code):
    async with telephone() as (client, record):
        await client.channel.send(message)
        await client.wait("session.error")
        assert [error.code for error in record.client_errors] == [code]
        assert client.errors()[0][0] == code
        assert record.messages[-1] == message
        await client.send("session.end")
        await client.wait("session.ended")


async def test_a_conversation_message_is_accepted_and_changes_nothing(autojump_clock):
    async with telephone() as (client, record):
        await client.send("conversation.message", role="system", content="The caller is a dog.")
        await trio.sleep(5)
        assert client.types() == TO_READY
        assert record.client_errors == []


@pytest.mark.parametrize("kind", ["tool.result", "reply.create", "conversation.message"])
async def test_what_is_not_possible_before_ready(autojump_clock, kind):
    async with telephone(faults=Faults(never_ready=True)) as (client, _):
        await client.send(kind)
        await client.wait("session.error")
        assert client.errors() == [("invalid_format", "type")]


async def test_audio_faster_than_real_time_is_noticed_and_policed_if_wanted(autojump_clock):
    second = base64.b64encode(b"\xff" * 8000).decode()
    for manner, accepted, errors in ((Manner(), 3, 0), (Manner(polices_audio_rate=True), 1, 2)):
        async with telephone(manner=manner) as (client, record):
            for _ in range(3):
                await client.send("input.audio", audio=second)
            await trio.sleep(5)
            assert client.errors() == [("audio_rate_violation", "audio")] * errors
            assert record.max_ahead_seconds == pytest.approx(accepted + (errors > 0))
            assert len(record.payloads) == accepted


# The end


async def test_a_polite_end(autojump_clock):
    async with telephone(LONG, session(greeting=LONG_GREETING)) as (client, record):
        await trio.sleep(2.5)
        await client.send("session.end")
        assert await client.wait_gone() is trio.EndOfChannel
        at, ended = client.events[-1]
        assert at == 2.507
        assert (ended["session_duration_seconds"], ended["audio_duration_seconds"]) == (2.507, None)
        assert client.channel.close_code == 1000
        assert record.told_goodbye
        assert record.billed_seconds == pytest.approx(2.507)


async def test_a_close_without_goodbye_is_billed_for_half_a_minute_more(autojump_clock):
    async with telephone(LONG, session(greeting=LONG_GREETING)) as (client, record):
        await trio.sleep(2.5)
        assert record.billed_seconds == pytest.approx(2.507)
        await client.channel.aclose(1000)
        await record.wait_closed()
        assert not record.told_goodbye
        assert record.client_close_code == 1000
        assert record.billed_seconds == pytest.approx(32.507)


async def test_a_session_that_the_agent_ends(autojump_clock):
    async with telephone(Script(turns=(Turn(reply="Goodbye!", ends=True),))) as (client, record):
        await client.speak(300)
        await client.hush(600)
        await client.wait_gone()
        assert client.types()[-2:] == ["reply.done", "session.ended"]
        assert client.channel.close_code == 1000
        assert not record.told_goodbye
        assert record.billed_seconds == pytest.approx(record.closed_at)


async def test_a_session_that_is_forgotten_expires(autojump_clock):
    async with telephone() as (client, record):
        with trio.fail_after(4000):
            await record.wait_closed()
        assert [event["type"] for _, event in client.events[2:]] == ["session.error", "session.ended"]
        assert client.errors() == [("session_expired", None)]
        assert record.billed_seconds == 3595


async def test_a_lost_session_is_resumed(autojump_clock):
    agent = VoiceAgentServer(Script(turns=(Turn(reply="Welcome back."),)).backend, api_key="right")
    lost = Faults(strikes=(Strike(MID_GREETING, Cut()),))
    agent.faults = lost
    async with telephone(agent=agent, update=session(greeting=GREETING), authorization="Bearer right") as (client, old):
        assert await client.wait_gone() is trio.BrokenResourceError
    agent.faults = Faults()
    await trio.sleep(20)
    token = f"Bearer {old.resume_token}"
    async with telephone(agent=agent, update=None, authorization=token) as (client, record):
        await client.send("session.resume", session_id=old.session_id)
        _, ready = await client.wait("session.ready")
        assert ready["session_id"] == old.session_id
        assert ready["resume_token"] not in {"", old.resume_token}
        assert old.billed_seconds == pytest.approx(record.accepted_at - old.opened_at)
        await client.speak(300)
        await client.hush(600)
        await client.wait("reply.done")
        assert [event["text"] for _, event in client.of("transcript.agent")] == ["Welcome back."]
        await client.send("session.end")
        _, ended = await client.wait("session.ended")
        assert ended["session_duration_seconds"] == pytest.approx(trio.current_time() - old.opened_at, abs=0.001)


@pytest.mark.parametrize("how", ["unknown", "too late", "ended"])
async def test_a_session_that_cannot_be_resumed(autojump_clock, how):
    agent = VoiceAgentServer(Script().backend)
    async with telephone(agent=agent) as (client, old):
        await client.wait("session.ready")
        if how == "ended":
            await client.send("session.end")
            await client.wait_gone()
        else:
            client.channel.cut()
    await trio.sleep(31 if how == "too late" else 1)
    async with telephone(agent=agent, update=None) as (client, record):
        await client.send("session.resume", session_id="sess_0" if how == "unknown" else old.session_id)
        await client.wait_gone()
        assert client.errors() == [("session_not_found", "session_id")]
        assert client.channel.close_code == 1008
        assert record.billed_seconds == 0


async def test_leaving_the_agent_ends_its_sessions_even_if_the_client_does_not_answer(autojump_clock):
    agent = VoiceAgentServer(LONG.backend)
    ours, theirs = memory_channels()
    ours.mute_close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.serve_session, theirs)
        await ours.send(json.dumps({"type": "session.update", "session": session(greeting=GREETING)}))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 3
    assert theirs.closed
    assert agent.open_sessions == []


async def test_a_client_that_does_not_read_is_given_up(autojump_clock):
    agent = VoiceAgentServer(Script(greeting_ms=60_000).backend)
    ours, theirs = memory_channels()
    theirs.stall_sends()
    await ours.send(json.dumps({"type": "session.update", "session": session(greeting=GREETING)}))
    with trio.fail_after(60):
        await agent.serve_session(theirs)
    assert theirs.closed
    assert "does not read" in agent.sessions[0].client_errors[0].message


async def test_a_benchmark_need_not_keep_any_sound(autojump_clock):
    async with telephone(LONG, session(greeting=GREETING), keeps_audio=False) as (client, record):
        await client.hush(2000)
        assert len(client.of("reply.audio")) > 50
        assert (len(record.messages), record.payloads, bytes(record.audio)) == (1, [], b"")
        assert record.types_sent == [*TO_READY, *REPLY[:2]]
