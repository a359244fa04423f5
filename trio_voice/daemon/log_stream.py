"""Log lines on their way to whoever reads them, who may have stopped: nobody waits for that.

A terminal that was stopped by Ctrl-S, or a full pipe, makes write(2) wait, and with it the loop and every call. So a
thread does the writing. What waits for it is bounded; beyond that the newest lines are dropped, counted, and the log
says how many once it can be written again.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES: Final = 1_048_576
"""Bytes that may wait: some 4,000 lines."""
AT_ONCE_BYTES: Final = 65_536
"""Most bytes of one write: as much as a pipe holds."""
LAST_SECONDS: Final = 2.0
"""For what still waits when the process ends."""


class LogStream:
    """A text stream, as far as ``logging.StreamHandler`` needs one, whose writing never waits and never raises.

    Args:
        descriptor: where it goes. Not closed here.
        on_dropped: called in the writing thread, once lines are written again, with how many were dropped meanwhile.
    """

    def __init__(self, descriptor: int, on_dropped: Callable[[int], None] | None = None) -> None:
        self.dropped = 0
        """Lines, of all time."""
        self.descriptor = descriptor
        self._on_dropped = on_dropped
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._untold = 0
        self._is_torn = False
        """True if what was last written may be half a line, behind which the next must not go on."""
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._begin_anew)

    def write(self, text: str) -> int:
        """Have it written."""
        line = text.encode("utf-8", "backslashreplace")
        with self._change:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            if self._waiting_bytes + len(line) > MAX_BYTES:
                self.dropped += 1
                self._untold += 1
            else:
                self._lines.append(line)
                self._waiting_bytes += len(line)
                self._change.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing: the thread does not wait for more."""

    def finish(self, seconds: float = LAST_SECONDS) -> bool:
        """Wait until all is written, but no longer than this; whether it is."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting_bytes, seconds)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._lines)
                some = self._take()
            lost = self._write(some)
            with self._change:
                self._waiting_bytes -= len(some)
                untold = 0
                if lost:
                    self.dropped += lost
                    self._untold += lost
                else:
                    untold, self._untold = self._untold, 0
                self._change.notify_all()
            if untold and self._on_dropped is not None:
                self._on_dropped(untold)

    def _take(self) -> bytes:
        """The next lines. They count as waiting until they are written."""
        some = [self._lines.popleft()]
        size = len(some[0])
        while self._lines and size + len(self._lines[0]) <= AT_ONCE_BYTES:
            size += len(self._lines[0])
            some.append(self._lines.popleft())
        return b"".join(some)

    def _write(self, data: bytes) -> int:
        """Write it all, however long that takes; the number of lines that could not be, as on a disk that is full."""
        if self._is_torn:
            data = b"\n" + data
        whole = data
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BlockingIOError:  # somebody who has a copy of the descriptor wants it so
                select.select([], [self.descriptor], [])
            except (OSError, ValueError):
                written = whole[: len(whole) - len(data)]
                self._is_torn = not written.endswith(b"\n") if written else self._is_torn
                return data.count(b"\n")
        self._is_torn = False
        return 0

    def _begin_anew(self) -> None:
        """In a forked child: the thread and what waits for it are its parent's."""
        self._lines.clear()
        self._waiting_bytes = self._untold = 0
        self._change = threading.Condition()
        self._thread = None


class Unwaited(io.RawIOBase):
    """The bytes below a text stream that others print to, on their way through a ``LogStream``."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """Descriptor of where it goes."""
        return self._stream.descriptor

    def isatty(self) -> bool:
        """True for a terminal."""
        return os.isatty(self._stream.descriptor)

    def write(self, data: Any) -> int:
        """Have it written; all of it is taken."""
        taken = bytes(data)
        self._stream.write(taken.decode(errors="backslashreplace"))
        return len(taken)
