"""The option ``--config`` of every command, and the configuration that it names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trio_voice.cli.exits import EXIT_CONFIG, stop
from trio_voice.config.reading import read_settings
from trio_voice.config.settings import Settings
from trio_voice.daemon.loading import load_at_start
from trio_voice.errors import ConfigError

if TYPE_CHECKING:
    from trio_voice.daemon.loading import Loaded

DEFAULT_CONFIG: Final = Path("config.toml")


def _remember(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Keep the path where every command finds it, whether it stood before or behind the command's name."""
    context.obj = path or context.obj or DEFAULT_CONFIG


config_option: Final = click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=_remember,
    expose_value=False,
    help="The configuration.  [default: config.toml]",
)
"""The same before and behind a command's name; the path becomes the context's object."""


def read(path: Path) -> Settings:
    """Read the configuration, or end the command with a line for each problem."""
    try:
        return read_settings(path)
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
