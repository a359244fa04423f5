"""The writing half of a leg: a bounded outbox and the one task that empties it into the socket."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.legs.channel import Channel


SAMPLE_SECONDS: Final = 1.0
"""How often a delay is told."""


class Stalled(Exception):
    """The peer has not taken a message within the time it has for one, or too many wait for it."""


class Writer:
    """Sends what is posted, in order, each message whole.

    Posting never waits, because readers post. The outbox holds ``bound`` messages; beyond that the oldest message that
    was posted as droppable (audio: late is worse than lost) makes room and is counted in ``dropped``, and if there is
    none the peer counts as stalled.

    A message that has begun to be sent is sent whole even if the call is being cancelled, for at most
    ``stall_seconds``: half a frame would make it impossible to say goodbye. ``hurry`` shortens that.

    ``on_delay`` is told, for one message a second, how long it took from being posted to being handed to the kernel.
    """

    def __init__(self, bound: int, stall_seconds: float, on_delay: Callable[[float], None] | None = None) -> None:
        self.dropped = 0
        self._on_delay = on_delay
        self._next_sample = -math.inf
        self._bound = bound
        self._stall_seconds = stall_seconds
        self._outbox: deque[tuple[str | bytes, bool, float]] = deque()
        """Message, whether it may be dropped, and when it was posted if its delay is to be told."""
        self._overflowed = False
        self._flush_wanted = False
        self._wake = trio.Event()
        self._sending = trio.CancelScope()
        self._latest = math.inf

    def post(self, message: str | bytes, *, droppable: bool = False) -> None:
        """Have a message sent. Never waits."""
        if len(self._outbox) >= self._bound:
            self._make_room()
        posted_at = 0.0
        if self._on_delay is not None:
            now = trio.current_time()
            if now >= self._next_sample:
                posted_at, self._next_sample = now, now + SAMPLE_SECONDS
        self._outbox.append((message, droppable, posted_at))
        self._wake.set()

    def _make_room(self) -> None:
        for place, (_, droppable, _) in enumerate(self._outbox):
            if droppable:
                del self._outbox[place]
                self.dropped += 1
                return
        self._overflowed = True
        self._outbox.popleft()

    def take_unsent(self) -> list[str | bytes]:
        """What was posted and not sent when ``run`` was cancelled, in order; the outbox is empty then."""
        unsent = [message for message, _, _ in self._outbox]
        self._outbox.clear()
        return unsent

    def hurry(self, deadline: float) -> None:
        """The leg is about to be closed: finish what is being sent by then, or give it up."""
        self._latest = deadline
        self._sending.deadline = min(self._sending.deadline, deadline)

    async def run(self, channel: Channel) -> None:
        """Send until cancelled.

        Cancelling is safe between messages; a message on its way is finished first (see the class).

        Raises:
            Stalled: the peer does not read.
            trio.BrokenResourceError: the connection is gone.
        """
        channel.wake_writer = self._want_flush
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._outbox or self._flush_wanted:
                if self._overflowed:
                    raise Stalled
                await trio.lowlevel.checkpoint_if_cancelled()
                await self._send_one(channel)

    async def _send_one(self, channel: Channel) -> None:
        self._flush_wanted = False  # a send flushes too
        message, _, posted_at = self._outbox.popleft() if self._outbox else (None, False, 0.0)
        deadline = min(trio.current_time() + self._stall_seconds, self._latest)
        with trio.CancelScope(deadline=deadline, shield=True) as self._sending:
            if message is None:
                await channel.flush()
            else:
                await channel.send(message)
        if self._sending.cancelled_caught:
            raise Stalled
        if posted_at and self._on_delay is not None:
            self._on_delay(trio.current_time() - posted_at)

    def _want_flush(self) -> None:
        self._flush_wanted = True
        self._wake.set()
