"""The demo, the sandbox, and trying a persona."""

import subprocess
import sys
from functools import partial

import httpx2
import pytest
import trio

from tests.cli.commands import CONFIG, run
from trio_voice.cli import check as check_command
from trio_voice.sandbox.demo.demo import AGENT_KEY
from trio_voice.sandbox.demo.try_it import write_unless_changed
from trio_voice.speech import SpeechUnavailable


@pytest.mark.parametrize("recorded", [True, False])
def test_a_demo_that_is_stopped_says_in_a_line_what_is_left_of_it(tmp_path, monkeypatch, recorded):
    async def interrupted(out, **_):
        if recorded:
            (out / "call.wav").write_bytes(b"RIFF")
        async with trio.open_nursery():
            raise KeyboardInterrupt

    monkeypatch.setattr("trio_voice.sandbox.demo.demo.run_demo", interrupted)
    result = run("demo", "--out", str(tmp_path))
    until_now = f"; what was recorded until now is in {tmp_path}/call.wav" if recorded else ""
    assert (result.exit_code, result.stderr) == (130, f"stopped{until_now}\n")


@pytest.mark.parametrize("status", [404, None])
def test_a_demo_with_a_language_model_that_does_not_answer_is_red_before_anybody_calls(tmp_path, monkeypatch, status):
    def answer(request):
        if status is None:
            raise httpx2.ConnectError("nothing is there")
        return httpx2.Response(status, json={"error": "model not found, try pulling it first"})

    client = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    monkeypatch.setattr("trio_voice.sandbox.peers.httpx2.AsyncClient", client)
    result = run("demo", "--out", str(tmp_path), "--chat-url", "http://127.0.0.1:1/v1")
    why = "ConnectError: nothing is there" if status is None else '404: {"error":"model not found, try pulling it'
    assert result.exit_code == 1
    assert f"✗ the language model at http://127.0.0.1:1/v1 answers: {why}" in result.stdout
    assert "✓" not in result.stdout


@pytest.mark.parametrize(
    ("ends", "status", "said"),
    [
        (KeyboardInterrupt(), 0, ""),
        (OSError(98, "Address already in use"), 69, "the sandbox cannot begin: [Errno 98] Address already in use"),
        (SpeechUnavailable("no voice"), 69, "no voice"),
    ],
)
def test_a_sandbox_that_ends_says_so_in_a_line(monkeypatch, ends, status, said):
    async def playground(*_, **__):
        async with trio.open_nursery():
            raise ends

    monkeypatch.setattr("trio_voice.sandbox.demo.try_it.run_playground", playground)
    result = run("sandbox")
    assert result.exit_code == status
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == bool(said)


def test_a_sandbox_leaves_a_configuration_that_was_changed_as_it_is(tmp_path):
    file = tmp_path / "sandbox.toml"
    assert write_unless_changed(file, "ours", force=False)
    assert write_unless_changed(file, "ours", force=False)
    file.write_text("mine")
    assert not write_unless_changed(file, "ours", force=False)
    assert file.read_text() == "mine"
    assert write_unless_changed(file, "ours", force=True)
    assert file.read_text() == "ours"


def test_a_demo_that_can_write_nothing_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for out in ("/proc/nope", str(tmp_path / "file")):
        result = run("demo", "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"--out {out}: nothing can be written there: ")
        assert result.stderr.count("\n") == 1
    assert run("demo", "--out", str(tmp_path), "--outbound", "--transfer").exit_code == 2


async def test_a_persona_is_tried_for_real_each_model_by_itself(world, monkeypatch):
    def check(persona):
        return trio.to_thread.run_sync(lambda: run("--config", str(world.config), "check", "--live", persona))

    monkeypatch.setenv("ASSEMBLYAI_API_KEY", AGENT_KEY)
    monkeypatch.setattr(check_command, "LIVE_SECONDS", 0.5)
    tried = await check("receptionist")
    assert tried.exit_code == 0, tried.output
    assert "closed: acknowledged" in tried.stdout
    assert "  cost: about 0.00" in tried.stdout
    (session,) = world.agent.sessions
    assert session.told_goodbye
    tried = await check("understudied")
    assert tried.exit_code == 1
    (problem,) = [line for line in tried.stdout.splitlines() if "it does not work: " in line]
    assert "cannot be reached" in problem
    assert len(world.agent.sessions) == 2  # the second model is tried all the same
    assert (await check("nobody")).exit_code == 2


def test_a_demo_without_the_speech_extra_is_69_and_says_how_to_get_it(tmp_path):
    without = "import sys; sys.modules['py_nanotts'] = None; from trio_voice.cli import main; main()"
    command = [sys.executable, "-c", without, "demo", "--quiet", "--out", str(tmp_path / "demo")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 69
    assert "trio-voice[speech]" in result.stderr
    assert "Traceback" not in result.stderr


def test_serving_a_sandbox_model_without_the_speech_extra_is_69_and_says_how_to_get_it(config):
    path = config(text=CONFIG.replace('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "sandbox"'))
    without = "import sys; sys.modules['py_nanotts'] = None; from trio_voice.cli import main; main()"
    command = [sys.executable, "-c", without, "serve", "--config", path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (69, "")
    assert "trio-voice[speech]" in result.stderr
    assert "Traceback" not in result.stderr
