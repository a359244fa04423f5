"""A socket that a poller watches: what comes is handed over by a plain call, or received as from any stream of trio's.

See ``poller.py`` for why.
"""

from __future__ import annotations

import select
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import trio

from trio_voice.net.tcp import finish, keep_from_children, reset
from trio_voice.net.tls import ClientTls

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

Listener: TypeAlias = "Callable[[bytes], None]"

READ_BYTES: Final = 4_096
"""Most bytes of one read: a hundred of the shortest messages, some 4 ms in which nobody else is heard. A 20 ms frame is
about 400 bytes."""

_READABLE: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITABLE: Final = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_ENDING: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Watcher(Protocol):
    """Whoever tells streams that the kernel has news of them: ``poller.Poller``."""

    def add(self, stream: PolledStream) -> None:
        """Begin to watch."""

    def remove(self, stream: PolledStream) -> None:
        """Stop watching, before the socket is closed. Harmless if it is not watched."""

    def move(self, stream: PolledStream) -> None:
        """``stream.low_latency`` is about to change."""

    def remember(self, stream: PolledStream) -> None:
        """Call its ``go_on`` in the next round: it may have more to read, and the kernel tells that only once."""


class PolledStream(trio.abc.AsyncResource):
    """A connected socket, with TLS or without, that belongs to a poller.

    Besides a stream's methods it has ``listen``, ``send_now`` and ``abort``. What was given to ``send_now`` or
    ``send_all`` is sent once and whole: a cancelled ``send_all`` leaves its rest to the next one.
    """

    __slots__ = (
        "_closed",
        "_cut",
        "_ended",
        "_ending",
        "_error",
        "_listener",
        "_may_have_more",
        "_poller",
        "_reading",
        "_run",
        "_tls",
        "_writing",
        "low_latency",
        "socket",
        "unsent",
    )

    def __init__(self, sock: socket.socket, poller: Watcher) -> None:
        sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.socket = sock
        self._poller = poller
        self.low_latency = False
        """True while what comes is served at once; else it may be let gather with others' (``poller.py``)."""
        self._tls: ClientTls | None = None
        self.unsent = b""
        """The rest of something, which waits for the kernel to take it; ``send_all(b"")`` waits for that."""
        self._may_have_more = True
        """True if a read may find something: the kernel tells only once."""
        self._ending = False
        """The kernel has told of the end, and may not tell again: read on until it is there."""
        self._ended = False
        self._cut: OSError | None = None
        """Failure of a ``send_now``: what the kernel then tells a reader looks like an end."""
        self._error: Exception | None = None
        self._closed = False
        self._listener: Listener | None = None
        self._run: Callable[[Listener, bytes], None] = _call
        """Calls the listener in its own task's context."""
        self._reading: trio.lowlevel.Task | None = None
        self._writing: trio.lowlevel.Task | None = None
        keep_from_children(sock)
        poller.add(self)

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands as a TLS client. Cancelling is safe; the stream is of no use then.

        Raises:
            ssl.SSLError, trio.BrokenResourceError: it did not come to a handshake.
        """
        tls = ClientTls(context, host, READ_BYTES)
        while not tls.shake_hands():
            await self._send(tls.take_unsent())
            data = await self.receive_some()
            if not data:
                raise trio.BrokenResourceError("the peer left during the TLS handshake")
            tls.feed(data)
        await self._send(tls.take_unsent())
        self._tls = tls
        self._may_have_more = True  # application data may have come with the last of the handshake

    def set_low_latency(self, *, wanted: bool = True) -> None:
        """Have what comes served at once, or let it gather with others' again. Harmless once it is closed."""
        if wanted != self.low_latency and not self._closed:
            self._poller.move(self)
            self.low_latency = wanted

    # Called by the poller

    def wake(self, flags: int) -> None:
        """The kernel has news. Never raises."""
        if flags & _READABLE:
            self._may_have_more = True
            if flags & _ENDING:
                self._ending = True
            if self._listener is None:
                self._wake_reader()
            elif self.go_on():
                self._poller.remember(self)
        if self._writing is not None and flags & _WRITABLE:
            self._wake_writer()

    def go_on(self) -> bool:
        """Give the listener, in its own context, what one read finds; what it raises is kept for its own task.

        Returns:
            Whether another read may find more for it. Never raises.
        """
        listener = self._listener
        if listener is None:
            return False
        try:
            data = self._read_now()
            if data:
                self._run(listener, data)
            elif data is not None:
                self.stop_listening()
        except Exception as error:  # noqa: BLE001 - raised again by listen, in the task that it concerns
            self._error = error
            self.stop_listening()
        return self._may_have_more and self._is_heard

    def _wake_reader(self) -> None:
        if self._reading is not None:
            task, self._reading = self._reading, None
            trio.lowlevel.reschedule(task)

    def _wake_writer(self) -> None:
        if self._writing is not None:
            task, self._writing = self._writing, None
            trio.lowlevel.reschedule(task)

    # Reading

    async def listen(self, listener: Listener) -> None:
        """Have the listener called with whatever comes, until ``stop_listening`` or the peer's end.

        It is called from another task, in this task's context, and must not wait; what it raises is raised here.
        Cancelling is safe: what has not been handed over can still be received.

        Raises:
            trio.BrokenResourceError: the connection was cut.
            trio.ClosedResourceError: it was closed here.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_free(self._reading)
        task = trio.lowlevel.current_task()
        self._listener = listener
        try:
            # Of what has come before, the kernel does not tell again.
            while self._is_heard and self._may_have_more and not self._ended:
                self._run = _call
                self.go_on()
                self._run = task.context.run
                await trio.lowlevel.checkpoint()
            self._run = task.context.run
            if not self._ended and self._is_heard:
                self._reading = task
                await trio.lowlevel.wait_task_rescheduled(self._forget_reader)
        finally:
            self._listener = None
        if self._error is not None:
            error, self._error = self._error, None
            if isinstance(error, OSError):
                raise trio.BrokenResourceError(str(error)) from error
            raise error
        self._check_open()

    @property
    def _is_heard(self) -> bool:
        return self._listener is not None

    def stop_listening(self) -> None:
        """``listen`` returns. Harmless if nobody listens."""
        if self._listener is not None:
            self._listener = None
            self._wake_reader()

    def _forget_reader(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._listener = self._reading = None
        return trio.lowlevel.Abort.SUCCEEDED

    async def receive_some(self, _max_bytes: int | None = None) -> bytes:
        """Bytes that have come, at most ``READ_BYTES`` of the wire; none at the peer's end. Cancelling is safe.

        Raises:
            trio.BrokenResourceError: the connection was cut.
            trio.ClosedResourceError: it was closed here.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while not self._ended:
            self._check_free(self._reading)
            if self._may_have_more:
                try:
                    data = self._read_now()
                except OSError as cut:
                    raise trio.BrokenResourceError(str(cut)) from cut
                if data:
                    if not waited:
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    return data
            else:
                self._reading = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._forget_reader)
                waited = True
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._check_open()
        return b""

    def is_quiet(self) -> bool:
        """True if it is open and nothing has come that nobody asked for. Never waits, never raises.

        TLS's own messages are read and do not count. To be asked where nobody listens or receives; where it says no,
        the stream is of no use any more: what had come is gone.
        """
        if self._closed or self._ended:
            return False
        try:
            while self._may_have_more and not self._ended:
                if self._read_now():
                    return False
        except OSError:
            return False
        return not self._ended

    def _read_now(self) -> bytes | None:
        """Bytes that one read finds: ``None`` for nothing whole as yet, none at the end."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            self._may_have_more = False
            return None if self._tls is None else self._decrypt(b"")
        if len(data) < READ_BYTES and not self._ending:
            self._may_have_more = False  # the kernel will tell of what comes next
        if not data:
            if self._cut is not None:
                raise self._cut
            self._ended = True
        elif self._tls is not None:
            return self._decrypt(data)
        return data

    def _decrypt(self, data: bytes) -> bytes | None:
        tls = self._tls
        assert tls is not None  # noqa: S101 - for the type checker
        plain = tls.decrypt(data)
        if tls.over:
            self._ended = True
            return plain
        answer = tls.take_unsent()
        if answer:  # TLS's own: new keys
            self.unsent += answer
            self._send_some()
        return plain or None

    # Writing

    def send_now(self, data: bytes) -> bool:
        """Send without waiting: nothing, or all of it; ``unsent`` is what the kernel did not take.

        Never raises, for it is called by whoever hears another socket: what is wrong here is told to those who read,
        or wait to write, this one.
        """
        if self.unsent or self._closed:
            return False
        try:
            if self._tls is not None:
                data = self._tls.encrypt(data)
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as cut:  # which TLS's errors are, too
            if not isinstance(cut, BrokenPipeError):  # that comes of an end of the peer's which is still to be read
                self._cut = cut  # the kernel tells it once
            return False  # it is gone: whoever waits for it will be told
        if sent < len(data):
            self.unsent = data[sent:]
        return True

    async def send_all(self, data: bytes) -> None:
        """Send, after whatever still waits here. If it is cancelled, what was not sent waits here for the next one.

        Raises:
            trio.BrokenResourceError: the connection was cut.
            trio.ClosedResourceError: it was closed here.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        try:
            self.unsent += data if self._tls is None else self._tls.encrypt(data)
        except OSError as cut:
            raise trio.BrokenResourceError(str(cut)) from cut
        await self._send(b"")

    async def _send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.unsent += data
        while True:
            self._check_free(self._writing)
            try:
                self._send_some()
            except OSError as cut:
                raise trio.BrokenResourceError(str(cut)) from cut
            if not self.unsent:
                break
            self._writing = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget_writer)
        await trio.lowlevel.cancel_shielded_checkpoint()

    def _send_some(self) -> None:
        if self.unsent:
            try:
                sent = self.socket.send(self.unsent)
            except BlockingIOError:
                return
            self.unsent = self.unsent[sent:]

    def _forget_writer(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._writing = None
        return trio.lowlevel.Abort.SUCCEEDED

    # Closing

    async def aclose(self) -> None:
        """Close. Waits for nobody; what the kernel has taken is still sent."""
        self.close_now()
        await trio.lowlevel.checkpoint()

    def close_now(self) -> None:
        """``aclose`` without its checkpoint. Idempotent."""
        if not self._closed and self._tls is not None:
            with suppress(OSError):
                self.unsent += self._tls.say_goodbye()
                self._send_some()
        self._close(finish)

    def abort(self) -> None:
        """Close with a reset: what a stalled peer has not read would keep the connection alive in the kernel."""
        self._close(reset)

    def _close(self, end: Callable[[socket.socket], None]) -> None:
        if not self._closed:
            self._closed = self._ended = True
            self._poller.remove(self)
            end(self.socket)
            self.socket.close()
            self.stop_listening()
            self._wake_reader()
            self._wake_writer()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this socket was closed here")

    def _check_free(self, task: trio.lowlevel.Task | None) -> None:
        self._check_open()
        if task is not None:
            raise trio.BusyResourceError("another task uses this end of the stream")


def _call(listener: Listener, data: bytes) -> None:
    """Call a listener whose context is its own already."""
    listener(data)
