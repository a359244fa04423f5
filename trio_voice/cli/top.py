"""``trio-voice top``: the live calls of all nodes, in the terminal."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from trio_voice.cli.configuration import read
from trio_voice.cli.operator import ask
from trio_voice.cli.options import takes_config
from trio_voice.errors import one_line
from trio_voice.phone_numbers import last_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOOK_SECONDS: Final = 1.0
ID_DIGITS: Final = 8
"""Of a call's id: enough for ``hangup`` and ``calls show``."""
COLUMNS: Final = ["call", "node", "state", "persona", "from", "to", "seconds", "cost"]
OTHER_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
FIRST_SCREEN: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H\x1b[J"
"""Control sequences of the VT100 and xterm. For these alone a server would have to install ``rich``."""


@click.command()
@takes_config
def top(path: Path) -> None:
    """Show the live calls of all nodes; q or Ctrl-C ends it. Where nobody watches, print them once."""
    settings = read(path)

    def look() -> list[dict[str, Any]]:
        calls = ask(settings, "GET", "/calls?limit=1")["calls"]
        return [call for call in calls if call["state"] != "ended"]

    try:
        if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            for call in look():
                click.echo("  ".join(_row_of(call)))
            return
        with _keys() as pressed, _screen() as show:
            show(look())
            while not pressed(LOOK_SECONDS):
                show(look())
    except KeyboardInterrupt:
        pass


@contextmanager
def _keys() -> Iterator[Any]:
    """Ask within the block whether q, or an end of the input, has come within some seconds."""
    descriptor = -1 if sys.stdin is None else sys.stdin.fileno()
    before = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None
    if before is not None:
        tty.setcbreak(descriptor)

    def pressed(seconds: float) -> bool:
        ready, _, _ = select.select([] if descriptor < 0 else [descriptor], [], [], seconds)
        return bool(ready) and os.read(descriptor, 64)[:1].lower() in (b"q", b"")

    try:
        yield pressed
    finally:
        if before is not None:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _screen() -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Show calls within the block on a screen of their own; what stood there before comes back."""

    def show(calls: list[dict[str, Any]]) -> None:
        width, height = shutil.get_terminal_size()
        rows = [COLUMNS, *map(_row_of, calls)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths))[:width].rstrip() for row in rows]
        title = f"{len(calls)} live calls; q ends"[:width]
        click.echo(HOME + "\n".join([title, *lines][: height - 1]))

    click.echo(OTHER_SCREEN, nl=False)
    try:
        yield show
    finally:
        click.echo(FIRST_SCREEN, nl=False)


def _row_of(call: dict[str, Any]) -> list[str]:
    began = call["started_at"]
    seconds = "" if began is None else f"{(datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds():.0f}"
    cost = call["cost"]["total"]
    return [
        call["call_id"][:ID_DIGITS],
        call["call_id"][:2],
        call["state"],
        one_line(call["persona"]),
        *(one_line(last_digits(call[side])) for side in ("from", "to")),
        seconds,
        "" if cost is None else f"{cost:.4f}",
    ]
