"""Faults of the sandbox's sockets, and their moments: the acts of networks, broken servers and hostile peers.

Data that a test or a demo hands to a session, inside the ``faults`` of its family.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs
import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.transport.memory import MemoryChannel
from trio_voice.sandbox.transport.sockets import SandboxSocket

# When a fault strikes


@attrs.frozen
class Moment:
    """The ``nth`` event of a kind; an empty ``event`` is any.

    ``reply`` counts only the events within that reply of the session, from 1, the greeting included. Counted are the
    events that the server has sent, or, if ``heard``, the client's messages.
    """

    event: str = ""
    nth: int = 1
    reply: int | None = None
    heard: bool = False


# What strikes


@attrs.frozen
class Cut:
    """End the TCP connection without a close frame, by FIN or by RST."""

    reset: bool = False


@attrs.frozen
class GoSilent:
    """Send nothing more, not even the session's end; go on reading, and answer a close."""


@attrs.frozen
class StopReading:
    """Take nothing more from the socket; go on sending."""


@attrs.frozen
class Close:
    """Close the socket without a word before it; 1011 is the code of a server that crashed."""

    code: int = 1011
    reason: str = ""


@attrs.frozen
class Fail:
    """Say what the family says of an error, and close where that code does."""

    code: str
    message: str = "made to fail"


@attrs.frozen
class Say:
    """Send these as they are, ``times`` over, as fast as they are taken."""

    messages: tuple[str | bytes, ...]
    times: int = 1


Act = Cut | GoSilent | StopReading | Close | Fail | Say


@attrs.frozen
class Strike:
    """Something that happens right after a moment's event was sent, or before a heard one is obeyed."""

    when: Moment
    act: Act


@attrs.frozen(kw_only=True)
class SocketFaults:
    """Faults of a socket of any family. May be exchanged while it is served."""

    ignores_close: bool = False
    """A close frame is not answered, and the connection stays open."""
    never_ready: bool = False
    """The client is never told that it may begin."""
    ready_delay_seconds: float = 0
    strikes: tuple[Strike, ...] = ()


class Tally:
    """Counts what is sent and heard, and so knows when a fault is due.

    Args:
        reply_begins: the event that begins each reply.
    """

    def __init__(self, reply_begins: str = "reply.started") -> None:
        self._reply_begins = reply_begins
        self._replies = 0
        self._counts: Counter[tuple[bool, str, int | None]] = Counter()

    def count(self, event: str, strikes: Iterable[Strike], *, heard: bool = False) -> list[Act]:
        """Take an event into account; returns what strikes because of it."""
        self._replies += event == self._reply_begins
        kinds = {(heard, kind, reply) for kind in ("", event) for reply in (None, self._replies)}
        self._counts.update(kinds)
        moments = ((strike, (strike.when.heard, strike.when.event, strike.when.reply)) for strike in strikes)
        return [strike.act for strike, kind in moments if kind in kinds and self._counts[kind] == strike.when.nth]


# What faults do to a connection


async def cut(channel: Channel, *, reset: bool) -> None:
    """End the connection without a close frame."""
    if isinstance(channel, MemoryChannel):
        channel.cut()
    elif isinstance(channel, SandboxSocket):
        await (channel.cut_with_reset() if reset else channel.cut_with_fin())
    else:
        await channel.abort()


def refuse_to_read(channel: Channel) -> None:
    """In memory, have the client's sends wait at once; on a real socket they will when its buffers are full."""
    if isinstance(channel, MemoryChannel):
        channel.peer.stall_sends()


def refuse_to_close(channel: Channel) -> None:
    """Have a close of the client's stay unanswered and its connection open, until ours is aborted."""
    if isinstance(channel, MemoryChannel):
        channel.mute_close()
    elif isinstance(channel, SandboxSocket):
        # trio-websocket answers a close by itself, whatever we read or do, and then ends the connection.
        connection: Any = channel._connection
        connection._stream = _NeverCloses(channel._stream)


class _NeverCloses:
    """The parts of a stream that trio-websocket uses, but close frames are not sent and the connection does not end."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.receive_some = stream.receive_some

    async def send_all(self, data: bytes) -> None:
        if data[:1] == b"\x88":  # RFC 6455, 5.5.1: FIN and opcode 8
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.send_all(data)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
