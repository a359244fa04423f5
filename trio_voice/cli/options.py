"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

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
json_option: Final = click.option("--json", "as_json", is_flag=True, help="For programs.")


def takes_config(command: Callable[..., None]) -> Callable[..., None]:
    """A command with ``--config``, whose path it is given first."""
    return config_option(click.pass_obj(command))
