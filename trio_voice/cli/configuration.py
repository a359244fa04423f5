"""The configuration that a command runs on, read or loaded whole; a mistake in it ends the command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from trio_voice.cli.exits import EXIT_CONFIG, stop
from trio_voice.config.reading import read_settings
from trio_voice.daemon.loading import load_at_start
from trio_voice.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from trio_voice.config.settings import Settings
    from trio_voice.daemon.loading import Loaded


def read(path: Path) -> Settings:
    """Read the configuration, or end the command with a line for each problem.

    Whoever only asks the daemon, or looks after its journal, need not have what the daemon has for Twilio and models.
    """
    try:
        return read_settings(path, needs_credentials=False)
    except ConfigError as wrong:
        stop(EXIT_CONFIG, *wrong.problems)


def load(path: Path) -> Loaded:
    """The configuration with its tools, which are looked for beside it, too: behind all that is installed."""
    sys.path.append(str(path.parent.resolve()))

    def refuse(problem: str) -> None:
        """Called in another thread, while the module does not come to its end: there is no other way out."""
        os.write(sys.stderr.fileno(), f"{problem}\n".encode())
        os._exit(EXIT_CONFIG)

    try:
        return load_at_start(path, refuse)
    except ConfigError as wrong:
        stop(EXIT_CONFIG, *wrong.problems)
