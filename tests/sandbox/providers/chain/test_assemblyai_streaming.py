"""AssemblyAI's streaming speech-to-text on this machine."""

from contextlib import suppress

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, LOUD, QUIET, connected
from trio_voice.sandbox.providers.assemblyai_agent import Close, Cut, GoSilent, Moment, Strike
from trio_voice.sandbox.providers.chain import ChainFaults, StageFaults

URL = "wss://streaming.assemblyai.com/v3/ws?speech_model=universal-3-6-pro&encoding=pcm_mulaw&sample_rate=8000"


def hearing(query="", key=KEY, **more):
    return connected("hearing", URL + query, {"authorization": key}, **more)


async def test_it_speaks_first_and_tells_a_turn_as_it_grows(autojump_clock):
    async with hearing() as (client, session):
        assert [message["type"] for message in client.said] == ["Begin"]
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 400)
        assert len(client.of("SpeechStarted")) == 1
        turns = [(turn["transcript"], turn["end_of_turn"]) for turn in client.of("Turn")]
        assert turns == [("Are", False), ("Are you open?", False), ("Are you open?", True)]
        assert {turn["turn_order"] for turn in client.of("Turn")} == {0}
        await client.send(type="Terminate")
        await trio.sleep(0.1)
        assert client.of("Termination") == [
            {"type": "Termination", "audio_duration_seconds": 0, "session_duration_seconds": 1}
        ]
        assert client.closed == (1000, "Session Ended")
        assert session.told_goodbye
        assert session.client_errors == []


@pytest.mark.parametrize(
    ("query", "key", "code"),
    [
        ("", "another", 1008),
        ("", "Bearer a-key", 1008),
        ("", "", 1008),
        ("&sample_rate=16000", KEY, 3006),
        ("&speech_model=best", KEY, 3006),
        ("&inactivity_timeout=1", KEY, 3006),
    ],
)
async def test_who_is_not_let_in_learns_it_after_the_handshake(autojump_clock, query, key, code):
    async with hearing(query, key) as (client, session):
        await trio.sleep(0.1)
        (error,) = client.of("Error")
        assert error["error_code"] == code
        assert client.channel.close_code == code
        assert [mistake.code for mistake in session.client_errors] == [str(code)]


@pytest.mark.parametrize("piece_ms", [20, 1_100])
async def test_frames_of_another_length_end_the_session(autojump_clock, piece_ms):
    async with hearing() as (client, session):
        await client.channel.send(QUIET * (piece_ms * 8))
        await trio.sleep(0.1)
        assert client.channel.close_code == 3007
        assert session.client_errors


async def test_who_feeds_nothing_is_ended_at_the_fence_that_was_asked_for(autojump_clock):
    async with hearing("&inactivity_timeout=5") as (client, session):
        await client.sound(QUIET, 80)
        await trio.sleep(4.9)
        assert client.gone_at is None
        await trio.sleep(0.2)
        assert client.channel.close_code == 3006
        assert session.client_errors == []  # it has happened to the client


async def test_an_unknown_message_is_a_mistake(autojump_clock):
    async with hearing() as (client, session):
        await client.send(type="Stop")
        await trio.sleep(0.1)
        assert client.channel.close_code == 3006
        assert session.client_errors


async def test_it_can_fail_to_acknowledge_and_to_be_ready(autojump_clock):
    faults = ChainFaults(hearing=StageFaults(never_acknowledges_end=True))
    async with hearing(faults=faults) as (client, session):
        await client.send(type="Terminate")
        await trio.sleep(10)
        assert client.of("Termination") == []
        assert session.told_goodbye
    faults = ChainFaults(hearing=StageFaults(ready_delay_seconds=2))
    async with hearing(faults=faults) as (client, _):
        assert client.said == []
        await trio.sleep(2.1)
        assert len(client.of("Begin")) == 1


@pytest.mark.parametrize(
    ("act", "closed"),
    [
        (Close(1011, "crashed"), (1011, "crashed")),
        (Cut(), (None, "it was cut without a close frame")),
        (GoSilent(), None),
    ],
    ids=["closed", "cut", "silent"],
)
async def test_it_is_struck_at_a_message(autojump_clock, act, closed):
    faults = ChainFaults(hearing=StageFaults(strikes=(Strike(Moment("SpeechStarted"), act),)))
    async with hearing(faults=faults) as (client, _):
        await client.channel.send(LOUD * 3_200)
        await trio.sleep(0.1)
        assert (client.closed if client.gone_at is not None else None) == closed
        with suppress(trio.BrokenResourceError):
            await client.sound(QUIET, 800)
        assert client.of("Turn") == []
