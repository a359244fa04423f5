"""A pair of channels in memory, with the ways that a real connection fails.

For tests on trio's virtual clock: nothing is slow unless it is told to be, and every fault is exact.
"""

from __future__ import annotations

import trio

from trio_voice.net.channel import Channel

WIRE_MESSAGES = 1_000
"""Messages that fit on the wire before a sender waits for a reader; roughly a kernel's socket buffers."""


class MemoryChannel(Channel):
    """One end of a pair. The fault methods act on this end's peer, as if the network or the peer had done it.

    ``stall_sends``: what this end sends is no longer taken; it waits, until ``resume_sends``.
    ``cut``: the connection is gone, for both ends, without a close frame.
    ``mute_close``: the other end never answers a close.
    """

    def __init__(self) -> None:
        self.peer: MemoryChannel
        self.closed = False
        """This end has been closed, one way or the other: what tests ask of every channel at the end of a call."""
        self.aborted = False
        self.sent: list[str] = []
        """Every message that this end has got onto the wire, in order."""
        self._inbox_in, self._inbox = trio.open_memory_channel[str | bytes](WIRE_MESSAGES)
        self._cut = False
        self._answers_close = True
        self._stalled: trio.Event | None = None
        self._peer_closed = trio.Event()

    async def receive(self) -> str | bytes:
        if self.closed:
            raise trio.ClosedResourceError
        try:
            return await self._inbox.receive()
        except trio.EndOfChannel:
            if self._cut:
                self.close_reason = "it was cut without a close frame"
                raise trio.BrokenResourceError(self.close_reason) from None
            raise

    async def send(self, message: str | bytes) -> None:
        if self.closed:
            raise trio.ClosedResourceError
        if self._stalled is not None:
            await self._stalled.wait()
        if self._cut or self.peer.closed or self.close_code is not None:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("the connection is closing")
        try:
            await self.peer._inbox_in.send(message)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            raise trio.BrokenResourceError("the peer is gone") from None
        if isinstance(message, str):
            self.sent.append(message)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self.closed:
            return
        try:
            if self._stalled is not None:
                await self._stalled.wait()
            if not self._cut:
                self.peer._hear_close(code, reason)
                if self.close_code is None:
                    await self._peer_closed.wait()
        finally:
            self._shut()

    def _hear_close(self, code: int, reason: str) -> None:
        if self.close_code is None and not self.closed:
            self.close_code, self.close_reason = code, reason
            self._inbox_in.close()
        if self._answers_close:
            self.peer._hear_echo(code)

    def _hear_echo(self, code: int) -> None:
        if self.close_code is None:
            self.close_code = code
        self._peer_closed.set()

    async def abort(self) -> None:
        if not self.closed:
            self.aborted = True
            self.cut()
            self._shut()
        await trio.lowlevel.checkpoint()

    def _shut(self) -> None:
        self.closed = True
        self._inbox.close()

    # Faults

    def cut(self) -> None:
        """The connection is lost in both directions, without a word."""
        for end in (self, self.peer):
            end._cut = True
            end._inbox_in.close()
            end._peer_closed.set()
            if end._stalled is not None:
                end._stalled.set()

    def stall_sends(self) -> None:
        """The peer stops reading: from now on a send of this end waits, as does its close."""
        self._stalled = trio.Event()

    def resume_sends(self) -> None:
        """The peer reads again."""
        if self._stalled is not None:
            self._stalled.set()
            self._stalled = None

    def mute_close(self) -> None:
        """This end will not answer a close of its peer's."""
        self._answers_close = False


def memory_channels() -> tuple[MemoryChannel, MemoryChannel]:
    """Two ends of one connection."""
    left, right = MemoryChannel(), MemoryChannel()
    left.peer, right.peer = right, left
    return left, right
