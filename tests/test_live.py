"""`make live`, which is for real keys, against the sandbox's servers in their place."""

from functools import partial

import live
import pytest
import trio

from tests.daemons import HOST, OUR_NUMBER, THEIR_NUMBER, closed_port, open_town
from trio_voice.config.credentials import SECRETS
from trio_voice.config.reading import read_settings
from trio_voice.legs.providers import KINDS
from trio_voice.protocols.chain_stages import HEARING, SPEAKING, THINKING
from trio_voice.sandbox.peers import open_peer
from trio_voice.speech import load_speech

ALL_KEYS = {turn.credential: "k" for turn in live.TURNS}


def test_without_a_key_it_names_all_of_them_and_asks_nobody(capsys):
    assert live.main([], {}) == live.EXIT_UNAVAILABLE
    said = capsys.readouterr().out
    for name in {turn.credential for turn in live.TURNS} | set(live.CALL):
        assert name in said


def test_it_says_what_it_would_cost_and_does_nothing_without_a_yes(capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _question: "")
    assert live.main([], {"CARTESIA_API_KEY": "k"}) == 0
    said = capsys.readouterr().out
    assert "0.02  cartesia" in said
    assert "no call by Twilio: it wants TWILIO_ACCOUNT_SID" in said
    assert said.endswith("nothing was done\n")


def test_every_provider_that_there_is_has_its_turn(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(live.configuration(live.TURNS))
    settings = read_settings(config, ALL_KEYS)
    assert {settings.models[turn.name].kind for turn in live.TURNS} == set(KINDS)
    taken = {stage.kind for turn in live.TURNS for stage in getattr(settings.models[turn.name], "stages", {}).values()}
    assert taken == set(HEARING) | set(THINKING) | set(SPEAKING)
    keys = {name for name in SECRETS if name.endswith("_API_KEY")}
    assert set(ALL_KEYS) == keys


@pytest.fixture
def speech():
    pytest.importorskip("moonshine_voice", reason="needs the speech extra")
    return load_speech()


@pytest.mark.slow
async def test_a_turn_of_each_and_the_one_that_fails_is_named(speech, capsys):
    async with (
        open_peer("assemblyai-agent", speech, key="k1") as agent,
        open_peer("chain", speech, key="k1") as chain,
    ):
        places = {
            "assemblyai-agent": f'url = "{agent.urls["url"]}"',
            "assemblyai-streaming": f', url = "{chain.urls["stt.url"]}", credential = "ASSEMBLYAI_API_KEY"',
            "elevenlabs": f', url = "{chain.urls["tts.url"]}", credential = "ELEVENLABS_API_KEY"',
        }
        only = [word for name in places for word in ("--only", name)]
        keys = {"ASSEMBLYAI_API_KEY": "k1", "ELEVENLABS_API_KEY": "another"}
        with trio.fail_after(240):
            status = await trio.to_thread.run_sync(partial(live.main, ["--yes", *only], keys, places))
        said = capsys.readouterr().out
        assert status == live.EXIT_FAILED, said
        for name in ("assemblyai-agent", "assemblyai-streaming", "assemblyai-streaming.stt"):
            assert f"models.{name}: ok" in said, said
        assert "models.elevenlabs: FAILED" in said, said
        assert "ELEVENLABS_API_KEY" in said


@pytest.mark.slow
async def test_a_telephone_is_rung_and_somebody_answers(speech, tmp_path, capfd):
    async with open_town(tmp_path) as town, trio.open_nursery() as nursery:
        port = await closed_port()
        town.twilio.connect_to(HOST, port)
        environment = {
            "TWILIO_ACCOUNT_SID": town.twilio.account_sid,
            "TWILIO_AUTH_TOKEN": town.twilio.auth_token,
            "LIVE_FROM": OUR_NUMBER,
            "LIVE_TO": THEIR_NUMBER,
            "LIVE_PUBLIC_URL": f"https://{HOST}",
            "LIVE_BIND": f"127.0.0.1:{port}",
            "PATH": "/usr/bin:/bin",
        }

        async def answer():
            while not town.twilio.calls:
                await trio.sleep(0.1)
            [call] = town.twilio.calls.values()
            await call.wait_for_stream()
            call.hang_up()

        nursery.start_soon(answer)
        twilio = f'api_url = "{town.twilio.api_url}"'
        play = partial(live.main, ["--yes", "--only", "twilio"], environment, None, twilio)
        with trio.fail_after(240):
            assert await trio.to_thread.run_sync(play) == 0
        said = capfd.readouterr().out
        assert f"a call from {OUR_NUMBER} to {THEIR_NUMBER}, by Twilio" in said
        assert "twilio: ok" in said
