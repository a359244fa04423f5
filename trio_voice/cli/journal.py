"""``trio-voice journal``: what an operator says of the journal's file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from trio_voice.cli.exits import EXIT_UNAVAILABLE, stop
from trio_voice.cli.options import config_option, read
from trio_voice.journal import JournalUnavailable
from trio_voice.journal.identity import accept, marker_of

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
@config_option
def journal() -> None:
    """Look after the journal."""


@journal.command("accept-new")
@config_option
@click.pass_obj
def accept_new(path: Path) -> None:
    """Say that the journal that is there is meant, where the one that was used before is gone: its list counts now.

    To be run where the daemon runs, and with its STATE_DIRECTORY, if it has one.
    """
    settings = read(path)
    marker = marker_of(settings.journal.url, os.environ.get("STATE_DIRECTORY"))
    try:
        numbers = 0 if marker is None else accept(settings.journal.url, marker)
    except (JournalUnavailable, OSError) as trouble:
        stop(EXIT_UNAVAILABLE, f"the journal cannot be accepted: {trouble}")
    click.echo(f"accepted: {numbers} numbers are on its do-not-call list ({marker})")
