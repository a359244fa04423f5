"""The settings of a unit."""

from pathlib import Path

import pytest

from trio_voice.daemon.systemd_unit import PACKAGED_CONFIG, PACKAGED_EXECUTABLE, render_unit


def lines(text):
    """Every setting with its values, in order; an empty one too."""
    settings = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture
def packaged():
    return lines(render_unit(Path(PACKAGED_EXECUTABLE), PACKAGED_CONFIG))
