"""The journal's life: opened before the first call, and closed when all is written."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.errors import ConfigError
from trio_voice.isolation import contained, keep_running
from trio_voice.journal.engines import database_at
from trio_voice.journal.identity import Identity
from trio_voice.journal.journal import Journal
from trio_voice.journal.reader import Reader
from trio_voice.journal.writer import DatabaseWriter, Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

log: Final = structlog.stdlib.get_logger("trio_voice.journal")

PACE: Final = Pace()


@asynccontextmanager
async def open_journal(
    url: str,
    *,
    node: str,
    clock: Callable[[], datetime],
    process: str = "",
    keep_transcripts: bool = False,
    pace: Pace = PACE,
    marker: Path | None = None,
    insist: bool = False,
) -> AsyncIterator[Journal]:
    """Keep a journal while the block runs.

    A database that cannot be opened keeps nobody from taking calls: the journal begins in trouble, says so, and writes
    when it can. At the end what waits is written, for at most ``flush_seconds``, cancelled or not; the thread is gone
    then, unless the kernel holds it in a disk or a name server that does not answer: that is logged, and after
    ``interrupt_seconds`` it is left behind. There is a nursery inside: what the block raises comes out in a group.

    Args:
        url: see ``database_at``.
        node: what this machine is called among those that share the database.
        clock: the time of day, in UTC.
        process: see ``Run``.
        keep_transcripts: whether it is written down who said what.
        pace: how long to wait for what.
        marker: which journal was last used here (``identity.py``).
        insist: whether a database that no later attempt will open is an error.

    Raises:
        ConfigError: the URL cannot be used, or, if that is insisted on, what it names.
    """
    writer = DatabaseWriter(database_at(url, pace.lock_seconds), pace, trio.lowlevel.current_trio_token())
    # One in memory is another one for each connection.
    reader = (
        None if url.endswith(":memory:") else Reader(partial(database_at, url, pace.lock_seconds), pace.answer_seconds)
    )
    identity = Identity(marker)
    journal = Journal(writer, reader, node, clock, process, pace, identity, keep_transcripts=keep_transcripts)
    # Without a deadline of its own: what is still to be written outlives a cancellation, for flush_seconds and
    # interrupt_seconds after the block is left, and then it is cancelled below.
    hold, ended = trio.CancelScope(shield=True), trio.Event()

    async def write() -> None:
        with hold:
            while not writer.has_begun:  # no thread is to be had sometimes
                with contained("journal_thread"):
                    await trio.to_thread.run_sync(
                        writer.run, thread_name="journal", abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
                    )
                    break
                await trio.sleep(pace.retry_seconds)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        try:
            await journal.heartbeat.begin()
            if insist and writer.hopeless:
                raise ConfigError([f"journal.url: {writer.trouble}"])
            nursery.start_soon(keep_running, "heartbeat", journal.heartbeat.keep_beating)
            yield journal
        finally:
            journal.end()
            with trio.move_on_after(pace.flush_seconds, shield=True):
                await ended.wait()
            if not ended.is_set():
                writer.give_up()
                with trio.move_on_after(pace.interrupt_seconds, shield=True):
                    await ended.wait()
            if not ended.is_set():
                log.error("journal_thread_left_behind", waiting=writer.waiting)
                hold.cancel(reason="the database does not answer")
            nursery.cancel_scope.cancel(reason="the journal is closed")
            if reader is not None:
                await reader.aclose()
