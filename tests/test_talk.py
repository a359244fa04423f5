"""``trio-voice talk``: what it needs, what it says, and which model answers."""

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import click.testing
import httpx2
import pytest
import trio
import trio.testing

from trio_voice.cli import main
from trio_voice.cli import talk as talk_command
from trio_voice.errors import ConfigError

SHIPPED = Path(__file__).parent.parent / "config.toml"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No account, no key, and a folder of the test's own."""
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY", "TRIO_VOICE_API_TOKEN", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def talk(*arguments):
    return click.testing.CliRunner().invoke(main, ["talk", *arguments])


def test_a_machine_that_cannot_speak_is_told_so_at_once_and_what_else_there_is(monkeypatch):
    monkeypatch.setattr(talk_command, "why_missing", lambda _extra: "no wheels for this machine")
    ended = talk()
    assert ended.exit_code == 69
    assert "no wheels for this machine" in ended.stderr
    assert "trio-voice talk --persona NAME" in ended.stderr
    assert ended.stdout == ""


async def test_a_daemon_that_goes_before_the_link_is_had_is_a_line(monkeypatch, capsys):
    """Ctrl-C in the moment when it is ready."""
    asked = trio.Event()

    async def daemon(_settings, announce, *_):
        announce("http://127.0.0.1:1")
        await asked.wait()
        await trio.testing.wait_all_tasks_blocked()

    async def link(*_):
        await trio.lowlevel.checkpoint()
        asked.set()
        raise httpx2.ReadError("reset")

    monkeypatch.setattr(talk_command, "_print_link", link)
    monkeypatch.setattr(talk_command, "run_daemon", daemon)
    monkeypatch.setattr(talk_command, "load_speech_for", lambda _settings: None)
    monkeypatch.setattr(talk_command, "on_this_machine", contextlib.nullcontext)
    with trio.fail_after(30):
        await talk_command._run(SimpleNamespace(personas=["agent"], secrets={}), Path("config.toml"))
    assert capsys.readouterr().err == "no link could be had: ReadError: reset\n"


def test_without_a_configuration_an_agent_of_this_machine_answers(tmp_path):
    settings = talk_command._settings(tmp_path / "config.toml", None, tmp_path)
    assert [model.url for model in settings.models.values()] == ["sandbox"]
    assert settings.server.address == ("127.0.0.1", 0)
    assert settings.operator.address == ("127.0.0.1", 0)
    assert len(settings.secrets.get("TRIO_VOICE_API_TOKEN")) > 20


def test_with_the_shipped_configuration_its_default_persona_does_with_a_model_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIO_VOICE_API_TOKEN", "mine")
    settings = talk_command._settings(SHIPPED, None, tmp_path)
    (persona,) = settings.personas.values()
    assert persona.name == "receptionist"
    assert persona.models == (talk_command.HERE,)
    assert settings.journal.url == f"sqlite:///{tmp_path}/journal.db"
    assert settings.secrets.get("TRIO_VOICE_API_TOKEN") == "mine"


def test_a_persona_that_is_named_has_its_own_model_and_its_key_is_asked_for(tmp_path, monkeypatch):
    with pytest.raises(ConfigError) as lacking:
        talk_command._settings(SHIPPED, "shop", tmp_path)
    (line,) = lacking.value.problems
    assert "ASSEMBLYAI_API_KEY is missing" in line
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")
    settings = talk_command._settings(SHIPPED, "shop", tmp_path)
    assert [model.kind for model in settings.models.values()] == ["assemblyai-agent"]


def test_a_persona_that_is_not_there_is_wrong_usage():
    ended = talk("--config", str(SHIPPED), "--persona", "nobody")
    assert ended.exit_code == 2
    assert "there are receptionist" in ended.stderr


def test_a_configuration_that_is_broken_is_a_line(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("[personas")
    with pytest.raises(ConfigError) as wrong:
        talk_command._settings(config, None, tmp_path)
    (line,) = wrong.value.problems
    assert line.startswith(f"{config}: ")


@pytest.mark.parametrize("text", ["personas = 3\n", "[numbers]\ndefault = 7\n", "[personas]\nx = 1\n", ""])
def test_of_a_configuration_no_more_is_asked_than_who_answers(tmp_path, text):
    config = tmp_path / "config.toml"
    config.write_text(text)
    assert list(talk_command._settings(config, None, tmp_path).personas) == ["agent"]
