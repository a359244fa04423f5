"""A module of tools, and a configuration with it."""

import sys

import pytest

from tests.cli.commands import CONFIG
from tests.daemon.tool_modules import GYM


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module beside the configuration."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "modules", {**sys.modules})

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)

    write("raises_below", "raise RuntimeError('below')")
    return write


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes a configuration with a persona whose tool is of this module."""
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"):
        monkeypatch.setenv(name, "s3cret")

    def write(module):
        file = tmp_path / "config.toml"
        file.write_text(CONFIG.format(port=0, folder=tmp_path) + GYM.format(model="'aai'", module=module))
        return file

    return write
