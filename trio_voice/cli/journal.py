"""``trio-voice journal``: what an operator says of the journal's file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
import httpx2

from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, stop
from trio_voice.cli.options import config_option, takes_config
from trio_voice.cli.printing import print_line
from trio_voice.journal import JournalUnavailable, copies
from trio_voice.journal.identity import accept, accept_restored, marker_of

WORD_NOT_NEEDED: Final = "; accept-new is not needed: it is the journal that it was"
WORD_NEEDED: Final = (
    "; it is not known to be the journal that was used here, so nobody is called until you start the daemon and say "
    "`trio-voice journal accept-new`"
)
_file: Final = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
@config_option
def journal() -> None:
    """Look after the journal."""


@journal.command("accept-new", short_help="Say that another journal than before is meant.")
@takes_config
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
    print_line(f"accepted: {numbers} numbers are on its do-not-call list ({marker})")


@journal.command()
@takes_config
def check(path: Path) -> None:
    """Look whether the journal is whole. Changes nothing."""
    problems, said = copies.check(read(path).journal.url)
    print_line(said)
    if problems:
        stop(EXIT_FAILED, *problems)


@journal.command()
@takes_config
@_file
def backup(path: Path, file: Path) -> None:
    """Copy the journal whole into FILE, while the daemon runs. A file that is there is not touched."""
    try:
        copies.back_up(read(path).journal.url, file)
    except FileExistsError:
        stop(EXIT_FAILED, f"{file} is there: name one that is not")
    except OSError as wrong:
        stop(EXIT_FAILED, f"{file}: {wrong.strerror or wrong}")
    print_line(f"copied to {file}")


@journal.command(short_help="Put a backup in the journal's place.")
@takes_config
@_file
def restore(path: Path, file: Path) -> None:
    """Put a backup in the journal's place, where there is none and no daemon runs."""
    settings = read(path)
    try:
        httpx2.get(f"http://{settings.operator_bind}/healthz", timeout=2, trust_env=False)
    except httpx2.HTTPError:
        pass  # nobody is there
    else:
        stop(EXIT_FAILED, f"a daemon answers at {settings.operator_bind}: stop it first")
    if not file.is_file():
        stop(EXIT_FAILED, f"{file}: there is no such file")
    try:
        copies.restore(settings.journal.url, file)
        marker = marker_of(settings.journal.url, os.environ.get("STATE_DIRECTORY"))
        is_known = marker is None or _is_ours(settings.journal.url, marker)
    except FileExistsError as there:
        stop(EXIT_FAILED, str(there))
    except OSError as wrong:
        stop(EXIT_FAILED, f"{file}: {wrong.strerror or wrong}")
    except JournalUnavailable as trouble:
        stop(EXIT_FAILED, str(trouble))
    print_line(f"restored from {file}{WORD_NOT_NEEDED if is_known else WORD_NEEDED}")


def _is_ours(url: str, marker: Path) -> bool:
    try:
        return accept_restored(url, marker)
    except JournalUnavailable:  # of a version that had no ids
        return not marker.exists()
