"""``trio-voice call`` and ``trio-voice hangup``: a call of the running daemon, placed, followed and ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import trio

from trio_voice.cli.calls import words_of
from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED
from trio_voice.cli.operator import ask, whole_id
from trio_voice.cli.options import takes_config
from trio_voice.cli.printing import print_line

if TYPE_CHECKING:
    from pathlib import Path

    from trio_voice.config.settings import Settings


@click.command(short_help="Place a call, and follow it to its end.")
@takes_config
@click.argument("to")
@click.option("--persona", help="Who speaks.  [default: who answers the default number]")
def call(path: Path, to: str, persona: str | None) -> None:
    """Have the running daemon call a number, and follow the call to its end."""
    settings = read(path)
    wanted = {"to": to} | ({"persona": persona} if persona else {})
    placed = ask(settings, "POST", "/call", wanted)
    call_id = placed["call_id"]
    print_line(f"{call_id}  {placed['status']}")
    try:
        trio.run(_follow, settings, call_id)
    except KeyboardInterrupt:
        print_line(f"the call goes on, and its meters run; to end it: trio-voice hangup {call_id}", err=True)
        sys.exit(EXIT_INTERRUPTED)


async def _follow(settings: Settings, call_id: str) -> None:
    """Print what becomes of a call until it has ended."""
    state = ""
    while state != "ended":
        await trio.sleep(0.5)
        call = await trio.to_thread.run_sync(ask, settings, "GET", f"/calls/{call_id}", abandon_on_cancel=True)
        if call["state"] != state:
            state = call["state"]
            print_line(f"{call_id}  {state}")
    for line in words_of(call):
        print_line(line)
    if call["started_at"] is None:
        sys.exit(EXIT_FAILED)


@click.command(short_help="End a call.")
@takes_config
@click.argument("call_id")
def hangup(path: Path, call_id: str) -> None:
    """End a call of the running daemon; the beginning of its id is enough."""
    settings = read(path)
    call = ask(settings, "DELETE", f"/calls/{whole_id(settings, call_id)}")
    print_line(f"{call['call_id']}  {call['state']}")
