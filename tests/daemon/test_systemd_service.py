"""The daemon as such a service: ready, reloaded, stopped, or not to be restarted."""

import shlex
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.daemon.units import lines
from trio_voice.config.credentials import SECRETS
from trio_voice.daemon.systemd_unit import render_unit, this_executable

CONFIG = """
[server]
bind = "127.0.0.1:0"
public_url = "https://voice.example.com"
[models.aai]
kind = "assemblyai-agent"
[personas.desk]
model = "aai"
[numbers]
default = "desk"
"""


@contextmanager
def service(tmp_path, **environment):
    """Run the unit's own command with what systemd would give it."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    credentials, state = tmp_path / "credentials", tmp_path / "state"
    credentials.mkdir()
    state.mkdir()
    for name in SECRETS:
        (credentials / name.lower()).write_text("\n")
    for name in ("twilio_auth_token", "assemblyai_api_key", "trio_voice_api_token"):
        (credentials / name).write_text(f"{name}-1\n")
    [command] = lines(render_unit(this_executable(), config))["ExecStart"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "CREDENTIALS_DIRECTORY": str(credentials)}
        process = subprocess.Popen(
            shlex.split(command),
            cwd=state,
            env={"PATH": "/usr/bin:/bin"} | given | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process, systemd
        finally:
            process.kill()
            process.communicate()


def told(process, systemd, word, *, skipping=()):
    """The next message, which has the word in it."""
    while True:
        try:
            message = systemd.recv(1_000).decode()
        except TimeoutError:
            process.kill()
            pytest.fail(f"{word} did not come: {process.communicate()}")
        if not message.startswith(tuple(skipping) or "\0"):
            break
    assert word in message.split("\n"), message
    return dict(line.split("=", 1) for line in message.split("\n"))


def test_the_service_is_ready_reloads_and_stops_as_systemd_expects(tmp_path):
    with service(tmp_path, WATCHDOG_USEC="2000000") as (process, systemd):
        told(process, systemd, "READY=1", skipping=["WATCHDOG"])
        began = time.monotonic()
        told(process, systemd, "WATCHDOG=1")
        told(process, systemd, "WATCHDOG=1")
        assert time.monotonic() - began < 2.9  # twice in every period: once would take 4 s
        process.send_signal(signal.SIGHUP)
        reloading = told(process, systemd, "RELOADING=1", skipping=["WATCHDOG"])
        # Type=notify-reload holds it against the clock that this is: an older one is none of this reload.
        assert 0 <= time.monotonic_ns() // 1_000 - int(reloading["MONOTONIC_USEC"]) < 5_000_000
        told(process, systemd, "READY=1", skipping=["WATCHDOG"])
        (tmp_path / "config.toml").write_text(CONFIG + "nonsense = 1\n")
        process.send_signal(signal.SIGHUP)
        told(process, systemd, "RELOADING=1", skipping=["WATCHDOG"])
        assert "nonsense" in told(process, systemd, "READY=1", skipping=["WATCHDOG"])["STATUS"]
        process.send_signal(signal.SIGTERM)
        stopping = told(process, systemd, "STOPPING=1", skipping=["WATCHDOG"])
        # More than the drain, whatever that is in the configuration and TimeoutStopSec= in the unit.
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 130 * 1_000_000
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0
        assert out.startswith("listening on http://127.0.0.1:")
        assert '"event": "reloaded"' in err
        assert not [secret for secret in SECRETS if f"{secret.lower()}-1" in out + err]


def test_a_wrong_configuration_ends_it_with_the_status_that_stops_restarts(tmp_path):
    with service(tmp_path) as (process, _):
        process.kill()
        process.wait()
        (tmp_path / "config.toml").write_text("[nonsense]\n")
        again = subprocess.run(process.args, capture_output=True, text=True, timeout=120, check=False)
        assert again.returncode == 78
        assert "nonsense" in again.stderr
