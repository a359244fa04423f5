"""`trio-voice doctor`: each thing that it looks at, in words and for programs."""

import json
import os
import sys
from types import SimpleNamespace

import pytest
import trio

from tests.daemons import ABSENT_NUMBER, SCRIPT, UNDERSTUDIED_NUMBER, open_town
from trio_voice.call.probe import Rehearsal
from trio_voice.cli.doctor import STAGES, _stages, _twilio
from trio_voice.errors import RestError
from trio_voice.sandbox.demo.demo import AGENT_KEY


async def run_doctor(world, token, *arguments):
    environment = os.environ | {"TWILIO_AUTH_TOKEN": token, "ASSEMBLYAI_API_KEY": AGENT_KEY}
    done = await trio.run_process(
        [sys.executable, "-m", "trio_voice", "--config", str(world.config), "doctor", *arguments],
        check=False,
        capture_stdout=True,
        env=environment,
        cwd=world.config.parent,
    )
    return done.returncode, done.stdout.decode()


async def test_what_works_is_told_from_what_does_not_with_what_to_do(tmp_path):
    with trio.fail_after(120):
        async with open_town(tmp_path, make_backend=SCRIPT.backend) as town, town.daemon() as world:
            town.twilio.rest.buy(UNDERSTUDIED_NUMBER, voice_url="https://other.example.org/voice")
            town.twilio.rest.buy(ABSENT_NUMBER, trunk_sid="TK1")  # who knows where that goes
            town.twilio.rest.buy("+15550000303", voice_url="https://other.example.org/voice")  # another program's
            code, said = await run_doctor(world, town.twilio.auth_token, "--json")
            assert code == 1  # voice.example.com is nobody's
            checks = {each["name"]: each for each in json.loads(said)["checks"]}
            assert {"public_url", "clock", "twilio", "models.aai", "models.nobody"} <= checks.keys()
            assert checks["twilio"]["ok"] is True
            assert checks["models.aai"]["ok"] is True
            assert checks["journal"]["ok"] is True
            assert (
                checks["numbers"]["message"] == f"{UNDERSTUDIED_NUMBER} goes to https://other.example.org/voice (POST)"
            )
            assert f"trio-voice numbers point {UNDERSTUDIED_NUMBER}" in checks["numbers"]["advice"]
            for name in ("public_url", "models.nobody"):
                assert checks[name]["ok"] is False
            assert "models.nobody" in checks["models.nobody"]["advice"]
            assert "server.public_url" in checks["public_url"]["advice"]
            assert all((each["advice"] is None) != (each["ok"] is False) for each in checks.values())
            _, words = await run_doctor(world, "another")
            assert "TWILIO_AUTH_TOKEN" in words
            assert all(f"{name}: " in words for name in checks)


class Rest:
    """Twilio's API, or what stands where it should be."""

    def __init__(self, code, *, lists=False):
        self._code, self._lists = code, lists

    async def reach(self):
        raise RestError("refused", status=404, code=self._code)

    async def numbers(self):
        if not self._lists:
            raise RestError("not understood", status=404, code=404)
        return []


@pytest.mark.parametrize(
    ("rest", "ok"),
    [(Rest(20404), True), (Rest(404, lists=True), True), (Rest(404), False)],
    ids=["Twilio's code", "its numbers are had", "somebody else's"],
)
async def test_a_404_is_twilios_or_somebody_elses(monkeypatch, rest, ok):
    monkeypatch.setattr("trio_voice.cli.doctor.open_rest", lambda _: rest)
    [check] = await _twilio(SimpleNamespace(twilio=SimpleNamespace(api_url="http://here")))
    assert check.ok is ok
    assert ok or "twilio.api_url: http://here" in check.advice


def test_a_chain_is_told_by_stage():
    model = SimpleNamespace(
        **{
            stage: [SimpleNamespace(kind=kind, key_name=f"{stage}_KEY")]
            for stage, kind in zip(STAGES, ("flux", "openai-chat", "cartesia"), strict=True)
        }
    )

    def told(ok=False, **heard):
        return {check.name: check.ok for check in _stages("m", model, Rehearsal(**heard), ok=ok)}

    assert told(ok=True) == {"m.stt": True, "m.llm": True, "m.tts": True}
    assert told(problem="cartesia: wrong key") == {"m.stt": None, "m.llm": None, "m.tts": False}
    [*_, spoken] = _stages("m", model, Rehearsal(problem="cartesia: wrong key"), ok=False)
    assert spoken.advice == "m.tts: url, model and voice; credential tts_KEY"
    assert told(ready_seconds=1.0) == {
        "m.stt": None,
        "m.llm": False,
        "m.tts": None,
    }
    assert told(ready_seconds=1.0, heard_ms=400, problem="it heard somebody speak, and understood nothing") == {
        "m.stt": False,
        "m.llm": True,
        "m.tts": True,
    }
    assert told(problem="nobody is there") == {"m.stt": None, "m.llm": None, "m.tts": None}
