"""``trio-voice serve``: the daemon itself."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import attrs
import click
import trio

from trio_voice.call.async_tools import open_async_tools
from trio_voice.cli.configuration import load
from trio_voice.cli.exits import EXIT_UNAVAILABLE, stop
from trio_voice.cli.extras import missing_for
from trio_voice.cli.leaving import LEAVING_SECONDS, leave_within
from trio_voice.cli.local_peers import load_speech_for, on_this_machine
from trio_voice.cli.options import takes_config
from trio_voice.config.settings import LEVELS, LogSettings
from trio_voice.daemon.daemon import AFTER_DRAIN_SECONDS, need_descriptors, run_daemon
from trio_voice.daemon.logs import keep_prints_from_waiting, set_up_logging
from trio_voice.daemon.signals import ignore_all
from trio_voice.daemon.supervisor import WorkerSlot, supervise
from trio_voice.speech.lines import make_lines

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@takes_config
@click.option("--log-level", type=click.Choice(LEVELS), help="Instead of the configuration's `[log] level`.")
@click.option("--worker", "slot_text", hidden=True, help="For the processes that server.workers starts.")
def serve(path: Path, log_level: str | None, slot_text: str | None) -> None:
    """Run the daemon until SIGTERM or SIGINT, then drain. SIGHUP re-reads personas, numbers and prices."""
    need_descriptors()
    slot = WorkerSlot.from_text(slot_text) if slot_text is not None else None
    settings = load(path).settings
    lacking = [f"{path}: {line}" for line in missing_for(settings)]
    if lacking:
        stop(EXIT_UNAVAILABLE, *lacking)
    if log_level is not None:
        settings = attrs.evolve(settings, log=LogSettings(level=log_level))
    set_up_logging(level=getattr(logging, settings.log.level.upper()), worker=None if slot is None else slot.index)
    keep_prints_from_waiting()
    os.umask(os.umask(0o077) & 0o077)  # whatever is asked for: its own files it must be able to read

    def announce(url: str, operator_url: str | None = None) -> None:
        if slot is None:
            second = "" if operator_url is None else f"\noperator on {operator_url}"
            click.echo(f"listening on {url}{second}")  # at once: whoever starts it may read until the first line's end

    config = path.absolute()  # a tool may go to another folder

    async def run() -> None:
        if settings.server.workers > 1 and slot is None:
            patience = settings.limits.drain_seconds + settings.limits.close_seconds + AFTER_DRAIN_SECONDS
            await supervise(settings, config, announce, patience)
            return
        speech = await trio.to_thread.run_sync(load_speech_for, settings)
        async with on_this_machine(settings) as placed, open_async_tools():
            await run_daemon(placed, announce, config, make_lines, slot, speech)
            leave_within(LEAVING_SECONDS, 0)  # all is in order, and a tool's task may never come to its end

    try:
        trio.run(run)
    finally:
        ignore_all()
