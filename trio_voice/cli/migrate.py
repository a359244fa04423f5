"""``trio-voice migrate``: the journal is brought up to this version, while daemons of the one before go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trio_voice.call.call import wall_clock
from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_USAGE, stop
from trio_voice.cli.options import takes_config
from trio_voice.cli.printing import print_line
from trio_voice.journal import months, schema
from trio_voice.journal.engines import connected

if TYPE_CHECKING:
    from pathlib import Path

LOCK_SECONDS = 1.0
"""For a lock: longer than that no writer waits behind this. Then it is tried again."""


@click.command(short_help="Bring the journal up to this version.")
@click.option("--by-month", is_flag=True, help="Keep calls and sessions by month from now on (PostgreSQL).")
@takes_config
def migrate(path: Path, by_month: bool) -> None:  # noqa: FBT001 - click's
    """Bring the journal up to this version, beside daemons that write. Killed, it goes on when it is run again.

    With --by-month every daemon must be of this version, and there is no way back.
    """
    settings = read(path)
    if by_month and settings.journal.url.startswith("sqlite:"):
        stop(EXIT_USAGE, "--by-month is for a journal in PostgreSQL: a file has no partitions")
    with connected(settings.journal.url, LOCK_SECONDS) as database:
        found = schema.migrate(database, wall_clock())
        changed = by_month and not database.is_by_month
        if changed:
            months.change_to_months(database, wall_clock())
            database.connect()
        months.make_months(database, wall_clock())
    newest = len(schema.MIGRATIONS)
    if found < newest:
        print_line(f"{database.name}: from version {found} to {newest}")
    if changed:
        print_line(f"{database.name}: calls and sessions are kept by month now")
    elif found >= newest:
        print_line(f"{database.name}: nothing to do, its tables are of version {found}")
