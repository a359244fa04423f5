"""The unit file: what it says, what systemd says of it, and that the daemon does what it expects."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from tests.daemon.units import packaged
from trio_voice.cli import main
from trio_voice.config.credentials import RELOADED, SECRETS, read_secrets
from trio_voice.daemon.daemon import AFTER_WORK_SECONDS
from trio_voice.daemon.process_identity import BOOT_VARIABLE
from trio_voice.daemon.systemd_unit import PACKAGED_CONFIG, PACKAGED_EXECUTABLE, render_unit
from trio_voice.journal import Pace
from trio_voice.limits import Limits

__all__ = ["packaged"]

MAX_EXPOSURE = 1.5
"""systemd 252 gives 1.1, a newer one may look at more. A service without any hardening has 9.6."""
SYSTEMD = 250
"""The first that can judge a unit that is not installed."""


def seconds(value):
    assert value.isdigit()  # systemd takes a plain number for seconds
    return int(value)


# What it says


def test_it_is_ready_when_the_daemon_says_so_and_watched(packaged):
    assert packaged["Type"] == ["notify"]  # notify-reload came with systemd 253
    assert packaged["NotifyAccess"] == ["main"]
    assert seconds(packaged["WatchdogSec"][0]) >= 10
    assert packaged["ExecReload"][-1] == "/bin/sh -c 'kill -HUP ${MAINPID}'"


def test_it_needs_no_program_that_a_small_debian_has_not(packaged):
    # Of bash, dash, coreutils and findutils, which every Debian has; /bin/kill is in procps.
    programs = [command for name in ("ExecReload", "ExecStopPost") for command in packaged[name]]
    assert {command.removeprefix("+").split()[0] for command in programs} == {"/bin/sh", "/bin/rm"}


def test_its_command_is_one_of_ours(packaged):
    [command] = packaged["ExecStart"]
    program, *words = shlex.split(command)
    assert (program, words[-1]) == (PACKAGED_EXECUTABLE, "serve")
    understood = CliRunner().invoke(main, [*words, "--help"])
    assert understood.exit_code == 0
    assert "drain" in understood.output


def test_a_drain_has_the_time_it_needs(packaged):
    limits = Limits()
    needed = limits.drain_seconds + limits.close_seconds + AFTER_WORK_SECONDS
    needed += Pace().flush_seconds + Pace().interrupt_seconds
    assert seconds(packaged["TimeoutStopSec"][0]) >= needed + 10


def test_it_is_restarted_but_not_for_what_no_restart_mends(packaged):
    assert packaged["Restart"] == ["on-failure"]
    assert "78" in packaged["RestartPreventExitStatus"][0].split()
    # The limit must be reachable: so many starts must fit in the interval.
    starts, interval = seconds(packaged["StartLimitBurst"][0]), seconds(packaged["StartLimitIntervalSec"][0])
    assert starts * (seconds(packaged["RestartSec"][0]) + 2) < interval


def test_every_credential_is_handed_over_and_none_is_required(packaged):
    names = [name.lower() for name in SECRETS]
    directory = f"{PACKAGED_CONFIG.parent}/credentials"
    assert packaged["LoadCredential"] == [f"{name}:{directory}/{name}" for name in names]
    assert packaged["SetCredential"] == [rf"{name}:\n" for name in names]


def test_the_daemon_is_told_which_boot_this_is_because_it_cannot_see_it(packaged):
    assert packaged["ProcSubset"] == ["pid"]
    assert f"{BOOT_VARIABLE}=%b" in packaged["Environment"]


def test_a_credential_that_is_not_there_is_none_to_the_daemon(tmp_path):
    # What SetCredential= above makes of it. Taken for a token, it would let everybody in.
    for name in SECRETS:
        (tmp_path / name.lower()).write_text("\n")
    (tmp_path / "openai_api_key").write_text("sk-1\n")
    secrets = read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert {name: secrets.get(name) for name in SECRETS} == dict.fromkeys(SECRETS) | {"OPENAI_API_KEY": "sk-1"}


def test_a_reload_hands_over_what_credentials_are_by_then_and_a_stop_leaves_none(packaged, tmp_path):
    copying, _ = packaged["ExecReload"]
    assert copying.startswith("+/bin/sh ")  # as root, who alone can read them
    [variable] = [each for each in packaged["Environment"] if each.startswith(RELOADED)]
    place = variable.partition("=")[2]
    assert packaged["ExecStopPost"] == [f"+/bin/rm -rf {place} {place}.new"]
    files, copies = tmp_path / "its files", tmp_path / "copies"
    files.mkdir(mode=0o700)
    (files / "twilio_auth_token").write_text("t-1\n")
    command = copying.removeprefix("+").replace(place, str(copies)).replace("$MAINPID", str(os.getpid()))
    # As systemd would read it: its own signs are doubled.
    words = [each.replace("$$", "$").replace("%%", "%") for each in shlex.split(command)]
    words[-3] = str(files)
    for token in ("t-1", "t-1\nt-2"):
        (files / "twilio_auth_token").write_text(f"{token}\n")
        subprocess.run(words, check=True)
        assert read_secrets({RELOADED: str(copies)}).tokens("TWILIO_AUTH_TOKEN") == token
    assert copies.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "copies.new").exists()
    # What an editor leaves beside a file while it is open is none of it: Emacs' lock is a link to nowhere.
    (files / ".#twilio_auth_token").symlink_to("me@desk.1:2")
    (files / "old").mkdir()
    subprocess.run(words, check=True)
    assert [each.name for each in copies.iterdir()] == ["twilio_auth_token"]
    # Where no copy can be made the one before stays: the copy of the start may hold a token that was taken away.
    assert subprocess.run([*words[:-1], "none"], capture_output=True, check=False).returncode
    assert read_secrets({RELOADED: str(copies)}).tokens("TWILIO_AUTH_TOKEN") == "t-1\nt-2"
    shutil.rmtree(files)
    subprocess.run(words, check=True)  # everything is loaded from elsewhere
    assert not copies.exists()


def test_a_copy_of_a_reload_goes_before_the_one_of_the_start(tmp_path):
    first, reloaded = tmp_path / "first", tmp_path / "reloaded"
    where = {RELOADED: str(reloaded), "CREDENTIALS_DIRECTORY": str(first)}
    first.mkdir()
    (first / "twilio_auth_token").write_text("old\n")
    (first / "openai_api_key").write_text("from elsewhere\n")
    (first / "trio_voice_api_token").write_text("operator\n")
    assert read_secrets(where).get("TWILIO_AUTH_TOKEN") == "old"
    reloaded.mkdir()
    (reloaded / "twilio_auth_token").write_text("new\nold\n")
    (reloaded / "trio_voice_api_token").write_text("\n")
    secrets = read_secrets(where)
    assert secrets.tokens("TWILIO_AUTH_TOKEN") == "new\nold"
    assert secrets.get("TRIO_VOICE_API_TOKEN") is None  # taken away
    assert secrets.get("OPENAI_API_KEY") == "from elsewhere"


def test_it_owns_nothing_but_its_state(packaged):
    assert packaged["DynamicUser"] == ["yes"]
    assert packaged["StateDirectory"] == ["trio-voice"]
    assert packaged["WorkingDirectory"] == ["%S/trio-voice"]  # where journal.db is made
    assert packaged["ProtectSystem"] == ["strict"]
    assert packaged["CapabilityBoundingSet"] == [""]
    assert packaged["LimitCORE"] == ["0"]
    assert "ReadWritePaths" not in packaged
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} == set(packaged["RestrictAddressFamilies"][0].split())


# What systemd says of it


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path):
    """The unit, for an executable that exists; skipped where no systemd can judge it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    found = re.search(r"systemd (\d+)", analyze("--version").stdout)
    if found is None or int(found[1]) < SYSTEMD:
        pytest.skip(f"systemd-analyze is older than {SYSTEMD}")
    executable = tmp_path / "a bin" / "trio-voice"
    executable.parent.mkdir()
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    unit = tmp_path / "trio-voice.service"
    unit.write_text(render_unit(executable, tmp_path / "config.toml"))
    return unit


def test_systemd_finds_nothing_wrong_with_it(installed):
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", installed)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


def test_systemd_finds_something_wrong_with_a_wrong_one(installed):
    installed.write_text(installed.read_text().replace("SetCredential=openai_api_key:\\n", "SetCredential=openai:"))
    assert "Invalid syntax" in analyze("verify", "--man=no", "--recursive-errors=no", installed).stderr


def test_it_is_hardly_exposed(installed):
    verdict = analyze("security", "--offline=true", "--no-pager", installed)
    found = re.search(r"Overall exposure level for trio-voice.service: ([\d.]+)", verdict.stdout)
    assert found is not None, verdict.stderr
    assert float(found[1]) <= MAX_EXPOSURE
