"""Deepgram's Flux on this machine."""

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, LOUD, QUIET, SCRIPT, connected
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, ChainServer, StageFaults, scripted

URL = "wss://api.deepgram.com/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000"
EAGER = "&eager_eot_threshold=0.5"
SETTLES = ChainManner(settle_ms=240)


def hearing(query=EAGER, **more):
    return connected("hearing", URL + query, {"authorization": f"Token {KEY}"}, **{"manner": SETTLES} | more)


def events(client):
    return [(turn["event"], turn["turn_index"], turn["transcript"]) for turn in client.of("TurnInfo")]


async def test_a_turn_may_be_over_before_it_is(autojump_clock):
    async with hearing() as (client, session):
        assert [message["type"] for message in client.said] == ["Connected"]
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 400)
        assert events(client) == [
            ("StartOfTurn", 0, ""),
            ("Update", 0, "Are you open?"),
            ("EagerEndOfTurn", 0, "Are you open?"),
        ]
        await client.sound(QUIET, 240)
        assert events(client)[3:] == [("EndOfTurn", 0, "Are you open?")]
        assert client.of("TurnInfo")[-1]["trigger"] == "model"
        assert [message["sequence_id"] for message in client.said] == list(range(5))
        await client.send(type="CloseStream")
        await trio.sleep(0.1)
        assert client.closed == (1000, "")
        assert session.told_goodbye
        assert session.client_errors == []


async def test_who_goes_on_has_resumed_the_turn(autojump_clock):
    script = Script(turns=(Turn(heard="Are you open"), Turn(heard="on Monday?")), quiet_ms=300)
    async with hearing(script=script) as (client, _):
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 400)
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 640)
        assert [event for event, *_ in events(client)] == [
            "StartOfTurn",
            "Update",
            "EagerEndOfTurn",
            "TurnResumed",
            "Update",
            "EagerEndOfTurn",
            "EndOfTurn",
        ]
        assert events(client)[-1] == ("EndOfTurn", 0, "Are you open on Monday?")


async def test_nothing_is_early_unasked(autojump_clock):
    async with hearing("") as (client, _):
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 640)
        assert [event for event, *_ in events(client)] == ["StartOfTurn", "Update", "EndOfTurn"]


async def test_noise_is_a_turn_without_words(autojump_clock):
    async with hearing(script=Script(quiet_ms=300)) as (client, _):
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 640)
        assert events(client) == [("StartOfTurn", 0, ""), ("EndOfTurn", 0, "")]


async def test_the_open_turn_is_told_before_the_end(autojump_clock):
    async with hearing() as (client, _):
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 400)
        await client.send(type="CloseStream")
        await trio.sleep(0.1)
        assert events(client)[-1] == ("EndOfTurn", 0, "Are you open?")
        assert client.channel.close_code == 1000


@pytest.mark.parametrize(
    ("query", "credential", "status"),
    [
        ("", f"Bearer {KEY}", 401),
        ("", "Token another", 401),
        ("", "", 401),
        ("&model=nova-3", f"Token {KEY}", 400),
        ("&encoding=linear16", f"Token {KEY}", 400),
        ("&eot_threshold=0.1", f"Token {KEY}", 400),
        ("&eot_timeout_ms=100", f"Token {KEY}", 400),
        ("", f"Token {KEY}", None),
    ],
)
def test_who_is_not_let_in_learns_it_by_the_handshake(query, credential, status):
    async def ask():
        server = ChainServer(scripted(SCRIPT), api_key=KEY)
        refusal = server.refusal_of(URL + query, {"authorization": credential})
        assert (refusal and refusal[0]) == status
        assert len(server.turned_away) == (status is not None)

    trio.run(ask)


async def test_without_sound_it_gives_up(autojump_clock):
    async with hearing() as (client, session):
        await client.sound(QUIET, 80)
        await trio.sleep(9.8)
        assert client.gone_at is None
        await trio.sleep(0.3)
        assert client.of("Error")[0]["code"] == "NET-0001"
        assert client.channel.close_code == 1011
        assert session.client_errors == []


async def test_a_message_that_it_does_not_know_is_a_mistake(autojump_clock):
    async with hearing() as (client, session):
        await client.send(type="Terminate")
        await trio.sleep(0.1)
        assert client.of("Error")[0]["code"] == "UNPARSABLE_CLIENT_MESSAGE"
        assert session.client_errors


async def test_it_can_fail_to_acknowledge(autojump_clock):
    faults = ChainFaults(hearing=StageFaults(never_acknowledges_end=True))
    async with hearing(faults=faults) as (client, session):
        await client.send(type="CloseStream")
        await trio.sleep(5)
        assert client.gone_at is None
        assert session.told_goodbye


async def test_the_sdk_knows_what_it_says(autojump_clock):
    types = pytest.importorskip("deepgram.listen.v2.types")
    known = {
        "Connected": types.ListenV2Connected,
        "TurnInfo": types.ListenV2TurnInfo,
        "Error": types.ListenV2FatalError,
    }
    async with hearing() as (client, _):
        await client.sound(LOUD, 400)
        await client.sound(QUIET, 640)
        await client.send(type="Nonsense")
        await trio.sleep(0.1)
        for message in client.said:
            of_type = known[message["type"]]
            of_type.model_validate(message)
            assert message.keys() - {"request_id"} <= of_type.model_fields.keys()
        assert {message["type"] for message in client.said} == known.keys()
