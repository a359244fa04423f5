"""Surroundings of a command: credentials, a directory, a configuration, a daemon."""

import socket
import sys
from pathlib import Path

import pytest

from tests.cli.commands import CONFIG
from tests.daemons import open_world


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Credentials, and a working directory of the test's own."""
    for name in ("TWILIO_ACCOUNT_SID", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY", "TRIO_VOICE_API_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def config(tmp_path):
    """Writes a configuration whose daemon listens on this port, and says where it is."""

    def write(port=0, text=CONFIG):
        file = tmp_path / "config.toml"
        file.write_text(text.format(port=port, folder=tmp_path))
        return str(file)

    return write


@pytest.fixture
def taken():
    """A port that somebody listens on and nobody answers at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
async def world(tmp_path):
    async with open_world(tmp_path, seconds=50) as world:
        yield world
