"""Sockets that cost no system call but their own reads and writes.

trio asks the kernel anew for each wait (``epoll_ctl`` each time) and switches to a task for each answer. A call's
frames come every 10 ms, on two sockets that live for minutes; so these are told to the kernel once, edge-triggered, in
an epoll of our own, and one task waits on that for all calls. It reads what has come and hands it over by a plain call
to whoever listens (``PolledStream.listen``): a frame that can go straight through crosses no task switch.

What makes that safe: a listener never waits; what it raises ends the listening of that one stream, in the task that
listens; a stream is read once a round, so that none keeps the others waiting; and every stream can also be used as any
other of trio's, by ``receive_some`` and ``send_all``.
"""

from __future__ import annotations

import select
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.net.polled_stream import PolledStream
from trio_voice.net.timer import Pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

INTEREST: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""Events that the kernel is asked to tell, once each time that one becomes true."""
log: Final = structlog.stdlib.get_logger("trio_voice.poller")

PEER_SECONDS: Final = 10
"""A peer that is gone without a word (its power, a cable, a firewall that has forgotten us) is noticed in so long, and
a peer that reads nothing: the kernel waits no longer for what was sent to be acknowledged. Left alone it would wait for
a quarter of an hour, and for ever where nothing is sent."""
ROUND_EVENTS: Final = 64
"""Streams that are served before every other task of the process has its turn: some 2 ms."""

FEW_EVENTS: Final = 2
MANY_EVENTS: Final = 40
PAUSE_SECONDS: Final = 0.002
"""Time for which streams are let gather when they come to be served a few at a time. A turn of trio's loop that begins
with the processor idle costs as much of its time as two or three frames (most of it is waiting for memory), and so
several share one. It adds two or three milliseconds to the delay of a frame, which lasts 20. Where there are many
already, and where there is but one, it would win nothing. It is cut short by a stream of low latency
(``PolledStream.set_low_latency``): it would lengthen the pause before an answer, once for each stage."""

_poller: Final = trio.lowlevel.RunVar["Poller | None"]("trio_voice.poller", None)


@asynccontextmanager
async def open_poller() -> AsyncIterator[None]:
    """While this is open, ``adopt`` gives sockets to a poller.

    To be opened outside of whatever uses sockets: its task goes on while they say goodbye, though all around it be
    cancelled, and ends with the block.
    """
    poller = Poller()
    token = _poller.set(poller)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.run)
            try:
                yield
            finally:
                poller.stop()
    finally:
        _poller.reset(token)
        poller.close()


def adopt(stream: trio.SocketStream) -> PolledStream | trio.SocketStream:
    """Take a connected socket over from trio, if there is a poller; the given stream is of no use any more then."""
    poller = _poller.get()
    if poller is None:
        return stream
    trio.lowlevel.notify_closing(stream.socket)  # out of trio's own epoll
    sock = socket.socket(fileno=stream.socket.detach())
    _notice_loss(sock, PEER_SECONDS)
    return PolledStream(sock, poller)


def _notice_loss(sock: socket.socket, seconds: int) -> None:
    """Have the kernel cut a TCP connection whose peer has not acknowledged anything for so long (tcp(7)).

    A connection that has been silent for half of that is probed, and the probe has the other half to be answered.
    """
    half = max(1, seconds // 2)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, half)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, half)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1_000)


class Poller:
    """An epoll, one for streams of low latency, and the task that serves the streams in both."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._low_latency = select.epoll()
        self._epoll.register(self._low_latency, select.EPOLLIN)
        self._streams: dict[int, PolledStream] = {}
        self._pause = Pause(PAUSE_SECONDS, self._low_latency.fileno())
        self._unfinished: list[PolledStream] = []
        """Streams whose last read may have left something."""
        self._scope = trio.CancelScope(shield=True)
        """Without a deadline: sockets say goodbye while all else is cancelled. Leaving ``open_poller`` stops it."""

    async def run(self) -> None:
        """Serve until stopped, whatever is cancelled around it: see ``open_poller``."""
        with self._scope:
            while True:
                try:
                    await self._serve()
                except Exception:  # without it no call goes on
                    log.exception("poller_bug")
                    await trio.lowlevel.checkpoint()

    async def _serve(self) -> None:
        poll, descriptor_of_all, streams = self._epoll.poll, self._epoll.fileno(), self._streams
        poll_low_latency = self._low_latency.poll
        while True:
            events = poll_low_latency(0, ROUND_EVENTS) + poll(0, ROUND_EVENTS)
            again, self._unfinished = self._unfinished, []
            for descriptor, flags in events:
                stream = streams.get(descriptor)
                if stream is not None:
                    try:
                        stream.wake(flags)
                    except Exception:  # one call's failure, and all are served here
                        log.exception("stream_bug")
                        stream.abort()
            for stream in again:
                try:
                    if stream.go_on():
                        self.remember(stream)
                except Exception:  # likewise
                    log.exception("stream_bug")
                    stream.abort()
            if self._unfinished or len(events) >= MANY_EVENTS:
                await trio.lowlevel.checkpoint()
            elif len(events) >= FEW_EVENTS:
                await self._pause.wait()
            else:
                await trio.lowlevel.wait_readable(descriptor_of_all)

    def stop(self) -> None:
        """Nobody uses a stream any more."""
        self._scope.cancel(reason="no socket is left")

    def close(self) -> None:
        """Free the descriptors."""
        self._pause.close()
        self._epoll.close()
        self._low_latency.close()

    def add(self, stream: PolledStream) -> None:
        """Begin to watch."""
        self._epoll.register(stream.socket, INTEREST)
        self._streams[stream.socket.fileno()] = stream

    def remove(self, stream: PolledStream) -> None:
        """Stop watching. Before its socket is closed, and not by that: a forked child may have a copy of it."""
        if self._streams.pop(stream.socket.fileno(), None) is not None and not self._epoll.closed:
            self._epoll_of(stream).unregister(stream.socket)

    def move(self, stream: PolledStream) -> None:
        """``stream.low_latency`` is about to change. What has come is told again."""
        if stream.socket.fileno() in self._streams:
            self._epoll_of(stream).unregister(stream.socket)
            (self._epoll if stream.low_latency else self._low_latency).register(stream.socket, INTEREST)

    def _epoll_of(self, stream: PolledStream) -> select.epoll:
        return self._low_latency if stream.low_latency else self._epoll

    def remember(self, stream: PolledStream) -> None:
        """Serve it again: it may have more to read, and the kernel tells that only once."""
        self._unfinished.append(stream)
