"""The option ``--config``, the same before and behind every command's name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

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
