"""The writing half of a leg: a bounded outbox and the one task that empties it into the socket."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.net.channel import Channel


SAMPLE_EVERY: Final = 50
"""Messages from one whose delay is told to the next: one a second, of a telephone's."""


class Stalled(Exception):
    """The peer has not taken a message within the time it has for one, or too many wait for it."""


class Writer:
    """Sends what is posted, in order, each message whole.

    Posting never waits, because readers post. The outbox holds ``bound`` messages; beyond that the oldest message that
    was posted as droppable (audio: late is worse than lost) makes room and is counted in ``dropped``, and if there is
    none the peer counts as stalled.

    A message that has begun to be sent is sent whole even if the call is being cancelled, for at most
    ``stall_seconds``: half a frame would make it impossible to say goodbye. ``set_close_deadline`` shortens that.

    A message that finds nothing before it, and a socket that takes it at once, is sent by ``post`` itself.

    ``on_delay`` is told, for one message in fifty, how long it took from being posted to being handed to the kernel.
    """

    __slots__ = (
        "_bound",
        "_flush_wanted",
        "_idle",
        "_latest",
        "_on_delay",
        "_outbox",
        "_overflowed",
        "_sending",
        "_stall_seconds",
        "_until_sample",
        "_wake",
        "dropped",
    )

    def __init__(self, bound: int, stall_seconds: float, on_delay: Callable[[float], None] | None = None) -> None:
        self.dropped = 0
        self._on_delay = on_delay
        self._until_sample = 0
        self._idle: Channel | None = None
        """The channel, while ``run`` waits for something to do: then whoever posts may send."""
        self._bound = bound
        self._stall_seconds = stall_seconds
        self._outbox: list[tuple[str | bytes, bool, float]] = []
        """Message, whether it may be dropped, and when it was posted if its delay is to be told. No deque: empty, as
        this is for nearly all of a call, one takes ten times the memory."""
        self._overflowed = False
        self._flush_wanted = False
        self._wake = trio.Event()
        self._sending = trio.CancelScope()
        self._latest = math.inf

    def post(self, message: str | bytes, behind: str | bytes | None = None, *, droppable: bool = False) -> None:
        """Have a message sent, and another behind it, in the same packet if it can be. Never waits."""
        posted_at = 0.0
        if self._on_delay is not None:
            self._until_sample -= 1
            if self._until_sample < 0:
                posted_at, self._until_sample = trio.current_time(), SAMPLE_EVERY
        if self._idle is not None and self._idle.send_now(message, behind):
            if posted_at:
                self._tell_delay(posted_at)
            return
        self._keep(message, posted_at, droppable=droppable)
        if behind is not None:
            self._keep(behind, 0.0, droppable=droppable)
        self._rouse()

    def _keep(self, message: str | bytes, posted_at: float, *, droppable: bool) -> None:
        if len(self._outbox) >= self._bound:
            self._make_room()
        self._outbox.append((message, droppable, posted_at))

    def _rouse(self) -> None:
        self._idle = None
        self._wake.set()

    def _tell_delay(self, posted_at: float) -> None:
        if self._on_delay is not None:
            self._on_delay(trio.current_time() - posted_at)

    def _make_room(self) -> None:
        for place, (_, droppable, _) in enumerate(self._outbox):
            if droppable:
                del self._outbox[place]
                self.dropped += 1
                return
        self._overflowed = True
        self._outbox.pop(0)

    def take_unsent(self) -> list[str | bytes]:
        """Messages that were posted and not sent when ``run`` was cancelled, in order; the outbox is empty then."""
        unsent = [message for message, _, _ in self._outbox]
        self._outbox.clear()
        return unsent

    def set_close_deadline(self, deadline: float) -> None:
        """The leg is about to be closed: finish what is being sent by then, or give it up."""
        self._latest = deadline
        self._sending.deadline = min(self._sending.deadline, deadline)

    async def run(self, channel: Channel, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send until cancelled. Once it has started, what is posted may be sent by ``post`` itself.

        Cancelling is safe between messages; a message on its way is finished first (see the class).

        Raises:
            Stalled: the peer does not read.
            trio.BrokenResourceError: the connection is gone.
        """
        channel.wake_writer = self._want_flush
        task_status.started()
        try:
            while True:
                while self._outbox or self._flush_wanted:
                    if self._overflowed:
                        raise Stalled
                    await trio.lowlevel.checkpoint_if_cancelled()
                    await self._send_one(channel)
                self._wake = trio.Event()
                self._idle = channel
                await self._wake.wait()
        finally:
            self._idle = channel.wake_writer = None

    async def _send_one(self, channel: Channel) -> None:
        self._flush_wanted = False  # a send flushes too
        message, _, posted_at = self._outbox.pop(0) if self._outbox else (None, False, 0.0)
        deadline = min(trio.current_time() + self._stall_seconds, self._latest)
        with trio.CancelScope(deadline=deadline, shield=True) as self._sending:
            if message is None:
                await channel.flush()
            else:
                await channel.send(message)
        if self._sending.cancelled_caught:
            raise Stalled
        if posted_at:
            self._tell_delay(posted_at)

    def _want_flush(self) -> None:
        self._flush_wanted = True
        self._rouse()
