"""Output of each command, where it is printed, and the exit code."""

import json
import socket
import subprocess
import sys
import textwrap

import click.testing
import pytest
import structlog
import structlog.testing

from tests.cli.commands import AUDIT, CONFIG, OF_THE_DAEMON, process, run
from trio_voice.cli import main
from trio_voice.sandbox.demo.demo import AGENT_KEY

ALL = ("serve",), ("check",), AUDIT, *OF_THE_DAEMON


def test_the_version_is_one_line():
    shown = run("--version")
    assert (shown.exit_code, shown.stdout) == (0, "trio-voice 0.1.0\n")


def test_the_module_is_the_command():
    shown = process("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for command in ("serve", "check", "call", "calls", "hangup", "demo"):
        assert f"  {command} " in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *[("seve",), ("serve", "--port", "1"), ("hangup",), ("call",), ("check", "more")],
        *[("calls", "--day", "2026-11-20"), ("calls", "--since", "noon"), (*AUDIT, "--day", "yesterday")],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_how_it_is_used(arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_a_wrong_configuration_is_78_with_a_line_for_each_mistake(config, command):
    path = config(text='[server]\nbind = 7\n[limits]\nmax_call = 1\n[personas.p]\nmodel = "m"\n')
    result = run("--config", path, *command)
    assert (result.exit_code, result.stdout) == (78, "")
    lines = result.stderr.splitlines()
    assert len(lines) >= 4
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert f"{path}: limits.max_call: no such key; did you mean 'max_calls'?" in lines


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_no_configuration_is_78_and_names_the_file_that_was_looked_for(command):
    result = run(*command)
    assert (result.exit_code, result.stdout) == (78, "")
    assert result.stderr.startswith("config.toml: cannot be read: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"])
def test_a_credential_that_is_missing_is_78_and_named(config, monkeypatch, missing):
    monkeypatch.delenv(missing)
    result = run("--config", config(), "check")
    assert result.exit_code == 78
    assert f"credential {missing} is missing" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_configuration_may_be_named_before_and_behind_the_command_or_be_the_usual_one(config):
    path = config()
    before, behind = ("--config", path, "check"), ("check", "--config", path)
    for arguments in (before, behind, ("--config", "x", *behind)):
        result = run(*arguments)
        assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"{path}: in order")
    result = run("check")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "config.toml: in order")


def test_check_says_what_would_run_tells_no_secret_and_touches_no_network(config, monkeypatch):
    def touched(*_):
        raise AssertionError("check touches the network")

    for method in ("connect", "connect_ex", "bind", "listen", "sendto"):
        monkeypatch.setattr(socket.socket, method, touched)
    for function in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, function, touched)
    result = run("--config", config(8080), "check")
    assert result.exit_code == 0
    for word in ("127.0.0.1:8080", "https://voice.example.com", "AC1", "default", "receptionist", "assemblyai-agent"):
        assert word in result.stdout
    assert "s3cret" not in result.output
    assert "warning: prices: not set, so what calls cost is unknown" in result.stderr


def test_serve_says_one_line_on_stdout_and_logs_json_to_stderr(config):
    command = [sys.executable, "-m", "trio_voice", "serve", "--config", config()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
        first = daemon.stdout.readline()
        daemon.terminate()
        rest, log = daemon.communicate(timeout=120)
    assert first.startswith("listening on http://127.0.0.1:")
    assert (rest, daemon.returncode) == ("", 0)
    events = [json.loads(line) for line in log.splitlines()]
    assert [event["event"] for event in events][-2:] == ["draining", "stopped"]
    assert all({"event", "level", "logger", "timestamp"} <= event.keys() for event in events)


def test_a_port_that_is_taken_is_69_and_one_line(config, taken):
    result = process("--config", config(taken), "serve")
    assert (result.returncode, result.stdout) == (69, "")
    said = result.stderr.splitlines()[-1]
    assert said.startswith(f"cannot listen on 127.0.0.1:{taken}: ")
    assert "in use" in said
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", OF_THE_DAEMON, ids=" ".join)
def test_asking_without_a_token_is_69_and_says_which(config, monkeypatch, command):
    monkeypatch.delenv("TRIO_VOICE_API_TOKEN")
    result = run("--config", config(), *command)
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == "set TRIO_VOICE_API_TOKEN to the token that the daemon was started with\n"


@pytest.mark.parametrize("group", [(), ("calls",), ("journal",), ("do-not-call",), ("numbers",)])
def test_a_list_of_commands_breaks_off_in_no_sentence(group):
    shown = click.testing.CliRunner(env={"COLUMNS": "80"}).invoke(main, [*group, "--help"], terminal_width=80)
    listed = shown.stdout.partition("Commands:")[2].splitlines()[1:]
    assert listed
    assert not [line for line in listed if line.endswith("...")]


def test_a_voice_that_this_machine_has_not_is_a_warning(config):
    chain = """kind = "chain"
stt = { kind = "local" }
llm = { kind = "openai-chat", model = "m", url = "http://127.0.0.1:1/v1" }
tts = { kind = "local", voice = "nope" }"""
    text = CONFIG.replace('kind = "assemblyai-agent"', chain.replace("{", "{{").replace("}", "}}"))
    checked = run("--config", config(text=text), "check")
    assert checked.exit_code == 0
    assert "models.aai.tts.voice: 'nope' is no voice of this machine" in checked.output
    good = run("--config", config(text=text.replace('"nope"', '"anna"')), "check")
    assert "voice of this machine" not in good.output


@pytest.mark.parametrize("command", ["check", "numbers"])
def test_without_an_account_nothing_is_logged_into_what_programs_read(command, config, monkeypatch):
    """Logs of a command would be on stdout; ``doctor --json`` makes the same client."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t" * 32)
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", AGENT_KEY)
    with structlog.testing.capture_logs() as logged:
        result = run("--config", config(text=CONFIG.replace('account_sid = "AC1"', "")), command)
    assert logged == []
    assert "account_sid" in result.stderr


def test_what_is_closed_at_the_start_is_no_file_of_ours_later(tmp_path):
    script = f"""
        import os, sys
        from trio_voice.__main__ import fill_standard_descriptors
        fill_standard_descriptors()
        print("to nobody")
        print("to nobody", file=sys.stderr)
        with open({str(tmp_path / "ours")!r}, "w") as file:
            file.write(str(file.fileno()))
    """
    closed = 'exec "$0" "$@" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", closed, sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=120)
    assert int((tmp_path / "ours").read_text()) > 2
