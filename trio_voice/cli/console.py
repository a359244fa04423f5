"""``trio-voice console``: a link that signs the operator in, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trio_voice.cli.configuration import read
from trio_voice.cli.operator import ask
from trio_voice.cli.options import takes_config

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Print a link that signs you in at the console.")
@takes_config
def console(path: Path) -> None:
    """Print a link that signs you in at the console of the running daemon. It is good once, for some minutes."""
    settings = read(path)
    link = ask(settings, "POST", "/console/links")
    base = settings.operator.public_url or f"http://{settings.operator_bind}"
    click.echo(f"{base.rstrip('/')}{link['path']}")
    click.echo(f"open it within {link['expires_in'] // 60} minutes; it signs in once", err=True)
