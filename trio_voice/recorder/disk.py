"""The thread that writes recordings: it alone touches the disk, and no frame waits for it.

Chunks are posted from the loop, in order, and never wait. Overflow: a recording of which ``MAX_WAITING_BYTES`` wait to
be written ends there, because the disk does not keep up; so does one whose disk is full or says no. The file keeps
what was written, its header says how much that is, and one line in the log says why. Other recordings go on.

Every write is followed by a header with the sizes that are true then, so that a killed daemon's file can be played as
it is. While a file is being written it is locked (flock), so that another process that tidies the folder leaves it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import queue
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.audio.mulaw import SILENCE_BYTE
from trio_voice.recorder import wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log: Final = structlog.stdlib.get_logger("trio_voice.recorder")

MAX_WAITING_BYTES: Final = 1_000_000
"""Of one recording: a minute."""
SILENT_BYTES: Final = 65_536
"""Written at once where a recording goes on after a pause."""
LONGEST_PAUSE_SECONDS: Final = 3_600.0
FREE_EVERY_BYTES: Final = 160_000
"""Of a recording, between two looks at what is left of the disk: ten seconds."""


class Disk:
    """The queue, and the thread's work.

    Args:
        token: of the loop that posts.
    """

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._complaint = ""

    def post(self, job: Callable[[], None]) -> None:
        """Have something done in the thread. Never waits; see the module for the bound."""
        self._jobs.put(job)

    def close(self) -> None:
        """Let the thread end when it has done what was posted."""
        self._jobs.put(None)

    def run(self) -> None:
        """The thread's life. A job that fails is logged, and the next is done."""
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                log.exception("recorder_bug")

    def tell_loop(self, what: Callable[[], object]) -> None:
        """Call something in the loop, if it is still there."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(what)

    def complain(self, what: str, call_id: str, **facts: object) -> None:
        """Say once why recordings cannot be made, until one can again, or cannot for another reason."""
        if self._complaint != what:
            self._complaint = what
            log.error("recording_failed", call_id=call_id, error=what, **facts)

    def works(self) -> None:
        """A recording was begun: the next trouble is news."""
        self._complaint = ""


class WavFile:
    """One recording on the disk. The first three methods are the loop's, and never wait.

    Args:
        disk: its thread.
        path: where it is to be.
        call_id: whose it is.
        keep_free_bytes: what must be left of the disk.
        begun_at: where it goes on with the file of an earlier stream of the same call, as that was given to ``begin``.
    """

    def __init__(
        self, disk: Disk, path: Path, call_id: str, keep_free_bytes: float, begun_at: float | None = None
    ) -> None:
        self.path = path
        self._begun_at = begun_at
        self._disk = disk
        self._call_id = call_id
        self._keep_free_bytes = keep_free_bytes
        self._descriptor: int | None = None
        self._posted = 0
        self._written = 0
        """Bytes of sound that were posted by the loop, and that the thread has dealt with."""
        self._since_looked = 0
        self._is_new = False
        """True if the file is this recording's and holds nothing yet."""
        self.at_seconds: float | None = None
        """Seconds that the call had lasted when the recording began; ``None`` until it has."""
        self.frames = 0
        """Samples of each channel that are in the file."""
        self.trouble = ""
        """Reason for which it ended before its call did."""
        self.closed = trio.Event()
        """Set once nothing more will be done to the file."""

    @property
    def has_begun(self) -> bool:
        """True if a file was asked for."""
        return self.at_seconds is not None

    def begin(self, at_seconds: float) -> None:
        """Make the file, or go on with it behind silence, which stands for what was not recorded meanwhile.

        Args:
            at_seconds: how long the call has lasted.
        """
        begun_at = self.at_seconds = at_seconds if self._begun_at is None else self._begun_at
        work = self._open if self._begun_at is None else partial(self._reopen, at_seconds - begun_at)
        self._disk.post(partial(self._guarded, work))

    def write(self, data: bytes) -> None:
        """Write behind what was written."""
        if not data:
            return
        if self._posted - self._written > MAX_WAITING_BYTES:
            self._disk.post(lambda: self._fail("the disk does not keep up"))
            return
        self._posted += len(data)
        self._disk.post(lambda: self._write(data))

    def end(self) -> None:
        """Nothing more comes."""
        self._disk.post(self._close)

    # In the thread

    def _guarded(self, work: Callable[[], None]) -> None:
        if self.trouble:
            return
        try:
            work()
        except OSError as failed:
            words = "the disk is full" if failed.errno in (errno.ENOSPC, errno.EDQUOT) else str(failed)
            self._fail(words)

    def _fail(self, why: str) -> None:
        if self.trouble:
            return
        self.trouble = why
        seconds = round(self.frames / wav.RATE, 3)
        self._disk.complain(
            why,
            self._call_id,
            folder=str(self.path.parent),
            ends_after_seconds=seconds,
            effect="the call goes on; its recording ends here" if self.frames else "the call goes on unrecorded",
        )
        self._shut()
        if self._is_new and not self.frames:
            with suppress(OSError):
                self.path.unlink()

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._look_at_space()
        if self.trouble:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        self._is_new = True
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(self._descriptor, wav.header(0), 0)
        self._disk.works()

    def _reopen(self, pause_until: float) -> None:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.frames = wav.frames_of(os.fstat(self._descriptor).st_size)
        silent = round(min(pause_until, self.frames / wav.RATE + LONGEST_PAUSE_SECONDS) * wav.RATE) - self.frames
        while silent > 0:
            frames = min(silent, SILENT_BYTES // wav.CHANNELS)
            self._append(bytes([SILENCE_BYTE]) * (frames * wav.CHANNELS))
            silent -= frames

    def _write(self, data: bytes) -> None:
        self._guarded(lambda: self._append(data))
        self._written += len(data)
        self._since_looked += len(data)
        if self._since_looked >= FREE_EVERY_BYTES and not self.trouble:
            self._since_looked = 0
            self._guarded(self._look_at_space)

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            return
        at = wav.HEADER_BYTES + self.frames * wav.CHANNELS
        written = 0
        try:
            data = data[: (wav.MAX_FRAMES - self.frames) * wav.CHANNELS]
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], at + written)
        finally:
            self.frames += written // wav.CHANNELS
            with suppress(OSError):
                _write_all(self._descriptor, wav.header(self.frames), 0)

    def _look_at_space(self) -> None:
        space = os.statvfs(self.path.parent)
        if space.f_bavail * space.f_frsize < self._keep_free_bytes:
            self._fail(f"less than recording.keep_free_gb = {self._keep_free_bytes / 1e9:g} is free")

    def _shut(self) -> None:
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, wav.HEADER_BYTES + self.frames * wav.CHANNELS)
        with suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = None

    def _close(self) -> None:
        self._shut()
        self._disk.tell_loop(self.closed.set)


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written
