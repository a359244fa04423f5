"""``trio-voice top``: the live calls of all nodes, in the terminal."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from trio_voice.cli.operator import ask
from trio_voice.cli.options import config_option, read
from trio_voice.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOK_SECONDS: Final = 1.0
ID_DIGITS: Final = 8
"""Of a call's id: enough for ``hangup`` and ``calls show``."""


@click.command()
@config_option
@click.pass_obj
def top(path: Path) -> None:
    """Show the live calls of all nodes; q or Ctrl-C ends it. Where nobody watches, print them once."""
    settings = read(path)

    def look() -> list[dict[str, Any]]:
        calls = ask(settings, "GET", "/calls?limit=1")["calls"]
        return [call for call in calls if call["state"] != "ended"]

    if not sys.stdout.isatty():
        for call in look():
            click.echo("  ".join(_row_of(call)))
        return
    try:
        with _keys() as pressed, Live(_table(look()), console=Console(), screen=True, auto_refresh=False) as live:
            while not pressed(LOOK_SECONDS):
                live.update(_table(look()), refresh=True)
    except KeyboardInterrupt:
        pass


@contextmanager
def _keys() -> Iterator[Any]:
    """Ask within the block whether q, or an end of the input, has come within some seconds."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None
    if before is not None:
        tty.setcbreak(descriptor)

    def pressed(seconds: float) -> bool:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return bool(ready) and os.read(descriptor, 64)[:1].lower() in (b"q", b"")

    try:
        yield pressed
    finally:
        if before is not None:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _table(calls: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{len(calls)} live calls; q ends", expand=True)
    for column in ("call", "node", "state", "persona", "from", "to", "seconds", "cost"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for call in calls:
        table.add_row(*_row_of(call))
    return table


def _row_of(call: dict[str, Any]) -> list[str]:
    began = call["started_at"]
    seconds = "" if began is None else f"{(datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds():.0f}"
    cost = call["cost"]["total"]
    return [
        call["call_id"][:ID_DIGITS],
        call["call_id"][:2],
        call["state"],
        one_line(call["persona"]),
        *(_last_digits(call[side]) for side in ("from", "to")),
        seconds,
        "" if cost is None else f"{cost:.4f}",
    ]


def _last_digits(number: str) -> str:
    """A number that can be told from others over somebody's shoulder without being one."""
    return one_line(f"…{number[-4:]}" if len(number) > 4 else number)
