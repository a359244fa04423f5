"""``trio-voice unit``: a systemd unit for this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trio_voice.cli.exits import EXIT_USAGE, stop
from trio_voice.cli.options import DEFAULT_CONFIG, takes_config
from trio_voice.daemon.systemd_unit import PACKAGED_CONFIG, doubts_about, render_unit, this_executable

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Print a systemd unit for this installation.")
@takes_config
def unit(path: Path) -> None:
    """Print a systemd unit for this installation: trio-voice unit > /etc/systemd/system/trio-voice.service."""
    executable = this_executable()
    config = PACKAGED_CONFIG if path == DEFAULT_CONFIG else path.absolute()
    try:
        click.echo(render_unit(executable, config), nl=False)
    except ValueError as odd:
        stop(EXIT_USAGE, str(odd))
    for doubt in doubts_about(executable, config):
        click.echo(f"warning: {doubt}", err=True)
