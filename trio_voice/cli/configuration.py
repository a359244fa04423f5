"""The configuration that a command runs on, read or loaded whole."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from trio_voice.cli.exits import EXIT_CONFIG
from trio_voice.config.reading import read_settings
from trio_voice.daemon.loading import load_at_start

if TYPE_CHECKING:
    from pathlib import Path

    from trio_voice.config.settings import Settings
    from trio_voice.daemon.loading import Loaded


def read(path: Path) -> Settings:
    """The configuration for whoever only asks the daemon, or looks after its journal: no credential need be there."""
    return read_settings(path, needs_credentials=False)


def load(path: Path) -> Loaded:
    """The configuration with its tools, which are looked for beside it, too: behind all that is installed."""
    sys.path.append(str(path.parent.resolve()))

    def refuse(problem: str) -> None:
        """Called in another thread, while the module does not come to its end: there is no other way out."""
        os.write(sys.stderr.fileno(), f"{problem}\n".encode())
        os._exit(EXIT_CONFIG)

    return load_at_start(path, refuse)
