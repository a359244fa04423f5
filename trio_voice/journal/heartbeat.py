"""This daemon's run in the journal: a heartbeat says that it lives, and its answer whether anybody has missed it."""

from __future__ import annotations

import math
import os
import secrets
from typing import TYPE_CHECKING, Final

import attrs
import trio

from trio_voice.journal import rows, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from trio_voice.journal.database import Database, Value
    from trio_voice.journal.identity import Identity
    from trio_voice.journal.requests import JournalRequests
    from trio_voice.journal.writer import Answer, Pace

LOOK_SECONDS: Final = 1.0
"""Between two looks at whether the heartbeat has another word to tell."""
STOOD_STILL_SECONDS: Final = 8.0
"""A loop that has not turned for so long was stopped: nobody is declared dead sooner than that."""
WAKING_SECONDS: Final = 60.0
"""Time for which it is remembered then that others may have ended its calls."""


class Heartbeat:
    """This daemon's run, from its first word in the journal to its last.

    Args:
        requests: by which it is written.
        identity: looked at with each beat.
        node: what this machine is called.
        clock: the time of day, in UTC.
        process: see ``Run``.
        pace: how long to wait for what.
    """

    def __init__(
        self,
        requests: JournalRequests,
        identity: Identity,
        node: str,
        clock: Callable[[], datetime],
        process: str,
        pace: Pace,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._node = node
        self._clock = clock
        self._process = process
        self._pace = pace
        self.tell: Callable[[], tuple[str, str]] = lambda: ("", "")
        """Words of the heartbeat on this node: one, of which a change is told at once, and all of it."""
        self._told = ""
        self._turned_at = trio.current_time()
        """Time at which this daemon's loop was last seen to turn."""
        self._slept_until = -math.inf
        self.run = self._new_run()
        """As it was last posted."""
        self._declared_dead_by = ""
        self._declared_dead = trio.Event()

    def _new_run(self) -> rows.Run:
        now = self._clock()
        self._told, node_state = self.tell()
        return rows.Run(
            secrets.token_hex(8),
            self._node,
            os.getpid(),
            started_at=now,
            beat_at=now,
            process=self._process,
            node_state=node_state,
        )

    async def begin(self) -> None:
        """Write down that this daemon lives; thereby the database is opened, or found not to be there."""
        answer = self._beat()
        with trio.move_on_after(self._pace.open_seconds):
            await answer.wait()

    async def keep_beating(self) -> None:
        """Write down, until cancelled, that this daemon's loop still turns, and hear whether anybody missed it."""
        while True:
            await self._until_next_beat()
            self._told, node_state = self.tell()
            self.run = attrs.evolve(self.run, beat_at=self._clock(), node_state=node_state)
            answer = self._beat()
            with trio.move_on_after(self._pace.beat_seconds):
                await answer.wait()
            if answer.value:
                self.run = self._new_run()
                self._beat()
                self._declared_dead_by = answer.value
                self._declared_dead.set()

    async def _until_next_beat(self) -> None:
        """Wait for its time, or for another word to be told."""
        due = trio.current_time() + self._pace.beat_seconds
        while True:
            await trio.sleep(min(LOOK_SECONDS, self._pace.beat_seconds))
            now = trio.current_time()
            if now - self._turned_at > STOOD_STILL_SECONDS:
                self._slept_until = now + WAKING_SECONDS
            self._turned_at = now
            if now >= due or self.tell()[0] != self._told:
                return

    @property
    def stood_still(self) -> bool:
        """True if this daemon's loop stood still a moment ago for so long that others may have ended its calls."""
        now = trio.current_time()
        return now - self._turned_at > STOOD_STILL_SECONDS or now < self._slept_until

    def _beat(self) -> Answer:
        """Write this run down once more; the answer is who has declared it dead, if anybody has."""
        run = self.run

        def write(database: Database) -> str:
            database.execute(schema.WRITE_RUN, [rows.row_of_run(run)])
            self._identity.check(database)
            return declared_dead_by(database, run.run_id)

        return self._requests.do("beat", write)

    async def wait_declared_dead(self) -> str:
        """Wait until another run has declared this one dead, because it stood still; returns that run's id.

        That run ends every telephone call that was ours until then, and closes it in the journal. When this returns,
        a new run has begun, to which whatever is written from now on belongs. Cancelling is safe.
        """
        await self._declared_dead.wait()
        self._declared_dead = trio.Event()
        return self._declared_dead_by

    def end(self) -> None:
        """Write down that this daemon left in good order, and nothing after it."""
        now = self._clock()
        self.run = attrs.evolve(self.run, beat_at=now, ended_at=now)
        run_id = self.run.run_id
        settled: list[Value] = [rows.moment(now), *[run_id] * 4]
        self._requests.post(
            "run",
            [(schema.WRITE_RUN, [rows.row_of_run(self.run)]), (schema.SETTLE_RUN_THAT_HAS_ENDED, [settled])],
        )


def declared_dead_by(database: Database, run_id: str) -> str:
    """The id of the run that has declared a run dead; empty if none has. Raises what the driver raises."""
    found = database.query(schema.DECLARED_DEAD_BY, [run_id])
    return found[0][0] or "" if found else ""
