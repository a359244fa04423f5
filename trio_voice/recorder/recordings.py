"""The folder of recordings: which calls are recorded, what is kept and for how long, and who has listened.

A recording is ``<call id>.wav`` in ``[recording] directory``. What a killed daemon left is played as it is, and gets
the right sizes in its header when the next one starts.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import structlog
import trio

from trio_voice.isolation import contained
from trio_voice.record import Recording
from trio_voice.recorder import wav
from trio_voice.recorder.call_recorder import CallRecorder
from trio_voice.recorder.disk import Disk, WavFile
from trio_voice.setting_fields import bounded, positive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

log: Final = structlog.stdlib.get_logger("trio_voice.recorder")

CLOSE_SECONDS: Final = 1.0
"""For the last chunk of a recording to be on the disk, before its call's record goes without the final length."""
FLUSH_SECONDS: Final = 5.0
"""For what waits to be written when the daemon stops."""
TIDY_SECONDS: Final = 3_600.0
"""Between two looks for what is older than ``keep_days``."""
READ_BYTES: Final = 65_536
_CALL_ID: Final = re.compile("[0-9a-f]{32}")


@attrs.frozen(kw_only=True)
class RecordingSettings:
    """``[recording]``."""

    directory: str = "recordings"
    """Relative to where the daemon runs, as the journal."""
    keep_days: float = positive(30)
    """A recording is deleted when it is that old."""
    keep_free_gb: float = bounded(0, 1_000_000, 2)
    """While less is free on its disk, nothing more is recorded; nothing is deleted for it."""


@attrs.define
class OpenRecording:
    """A call's recording while the call lives."""

    recorder: CallRecorder
    file: WavFile
    record: CallRecord
    recordings: Recordings

    @property
    def has_failed(self) -> bool:
        """True if nothing is, or will be, recorded any more."""
        return bool(self.file.trouble)

    def consent(self) -> bool:
        """Record from now on; whether that can be, as far as is known."""
        self.recorder.consent()
        return not self.has_failed

    async def close(self) -> None:
        """See the recording whole on the disk, for at most ``CLOSE_SECONDS``, and enter it in the call's record.

        Cancelling is safe: that has its deadline all the same.
        """
        try:
            with contained("recording", call_id=self.record.call_id):
                self.recorder.over()
                if not self.file.has_begun:
                    return
                with trio.CancelScope(deadline=trio.current_time() + CLOSE_SECONDS, shield=True):
                    await self.file.closed.wait()
                if self.file.frames or not self.has_failed:
                    seconds, at = round(self.file.frames / wav.RATE, 3), round(self.file.at_seconds or 0.0, 3)
                    listened = [] if self.record.recording is None else self.record.recording.listened
                    self.record.recording = Recording(url_of(self.record.call_id), seconds, at, listened)
        finally:
            self.recordings.forget(self)


@attrs.frozen
class Found:
    """A recording on the disk."""

    path: Path
    file_bytes: int

    @property
    def seconds(self) -> float:
        """Length of it."""
        return round(wav.frames_of(self.file_bytes) / wav.RATE, 3)


def url_of(call_id: str) -> str:
    """Path by which an operator may listen to it."""
    return f"/calls/{call_id}/recording"


class Recordings:
    """Makes, keeps and finds recordings.

    Args:
        settings: replaced whole on a reload; what is being recorded goes on where it is.
        disk: the thread.
    """

    def __init__(self, settings: RecordingSettings, disk: Disk) -> None:
        self.settings = settings
        self._folder = Path.cwd()  # a tool may go to another
        self._disk = disk
        self._open: dict[str, OpenRecording] = {}

    def open(self, record: CallRecord, persona: Persona, lasted: float = 0.0) -> OpenRecording | None:
        """Record a call whose stream has come, if its persona wants that. Does not wait.

        Args:
            record: of the call.
            persona: who answers.
            lasted: how long the call had lasted before, in seconds, where it was here before.
        """
        if persona.record != "here":
            return None
        earlier = record.recording
        keep_free_bytes = max(0.0, self.settings.keep_free_gb) * 1e9
        begun_at = None if earlier is None else earlier.at
        file = WavFile(self._disk, self._path(record.call_id), record.call_id, keep_free_bytes, begun_at)
        consented = earlier is not None or not persona.record_after_consent
        recorder = CallRecorder(file, trio.current_time, lasted=lasted, consented=consented)
        opened = OpenRecording(recorder, file, record, self)
        self._open[record.call_id] = opened
        return opened

    def forget(self, recording: OpenRecording) -> None:
        """A recording is closed."""
        if self._open.get(recording.record.call_id) is recording:
            del self._open[recording.record.call_id]

    def is_open(self, call_id: str) -> bool:
        """True if a call lives that is being recorded, or will be once there is consent."""
        return call_id in self._open and not self._open[call_id].has_failed

    async def find(self, call_id: str) -> Found | None:
        """The recording of a call, if there is one. Cancelling is safe."""

        def look() -> Found | None:
            path = self._path(call_id)
            try:
                size = path.stat(follow_symlinks=False).st_size
            except OSError:
                return None
            return Found(path, size)

        if _CALL_ID.fullmatch(call_id) is None:
            await trio.lowlevel.checkpoint()
            return None
        return await trio.to_thread.run_sync(look, abandon_on_cancel=True)

    async def read(  # noqa: ASYNC900 - a body: Quart closes it
        self, found: Found, begin: int, end: int
    ) -> AsyncIterator[bytes]:
        """The bytes of a recording from ``begin`` to before ``end``, piece by piece; fewer if it is gone meanwhile."""
        async with await trio.open_file(found.path, "rb") as file:
            await file.seek(begin)
            while begin < end:
                piece = await file.read(min(READ_BYTES, end - begin))
                if not piece:
                    return
                begin += len(piece)
                yield piece  # noqa: ASYNC119 - as above

    async def delete(self, call_id: str) -> bool:
        """Delete the recording of a call; whether there was one."""
        found = await self.find(call_id)
        if found is None:
            return False
        await trio.to_thread.run_sync(_unlink, found.path)
        return True

    @property
    def _directory(self) -> Path:
        return self._folder / self.settings.directory

    def _path(self, call_id: str) -> Path:
        return self._directory / f"{call_id}.wav"

    async def keep_tidy(self) -> None:
        """Mend what a killed daemon left, and delete what is too old, now and every hour, until cancelled."""
        while True:
            self._disk.post(partial(_tidy, self._directory, self.settings.keep_days))
            await trio.sleep(TIDY_SECONDS)


@asynccontextmanager
async def open_recordings(settings: RecordingSettings) -> AsyncIterator[Recordings]:
    """Keep recordings while the block runs.

    At the end what waits is written, for at most ``FLUSH_SECONDS``, cancelled or not; a thread that the kernel holds in
    a disk that does not answer is left behind then, and logged. There is a nursery inside: what the block raises comes
    out in a group.
    """
    disk = Disk(trio.lowlevel.current_trio_token())
    hold, ended = trio.CancelScope(shield=True), trio.Event()

    async def write() -> None:
        with hold, contained("recorder_thread"):
            await trio.to_thread.run_sync(
                disk.run, thread_name="recorder", abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
            )
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        try:
            yield Recordings(settings, disk)
        finally:
            disk.close()
            with trio.move_on_after(FLUSH_SECONDS, shield=True):
                await ended.wait()
            if not ended.is_set():
                log.error("recorder_thread_left_behind", advice="the disk of the recordings does not answer")
                hold.cancel(reason="the disk does not answer")
            nursery.cancel_scope.cancel(reason="the recordings are closed")


def _unlink(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()


def _tidy(directory: Path, keep_days: float) -> None:
    """Mend headers and delete what is too old. What another process is writing is left alone."""
    oldest = datetime.now(UTC).timestamp() - keep_days * 86_400
    deleted = mended = 0
    try:
        paths = [path for path in directory.iterdir() if _CALL_ID.fullmatch(path.stem) and path.suffix == ".wav"]
    except OSError:
        return  # no folder yet, or none that can be read: who begins a recording will say so
    for path in paths:
        with suppress(OSError):  # gone meanwhile, or held by whoever writes it
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                facts = os.fstat(descriptor)
                if facts.st_mtime < oldest:
                    path.unlink()
                    deleted += 1
                else:
                    mended += _mend(descriptor, facts)
            finally:
                os.close(descriptor)
    if deleted or mended:
        log.info("recordings_tidied", deleted=deleted, mended=mended)


def _mend(descriptor: int, facts: os.stat_result) -> bool:
    """Give a file the header that fits its length; whether it had another."""
    right = wav.header(wav.frames_of(facts.st_size))
    found = os.pread(descriptor, wav.HEADER_BYTES, 0)
    if found == right or not wav.is_ours(found):
        return False
    os.ftruncate(descriptor, wav.HEADER_BYTES + wav.frames_of(facts.st_size) * wav.CHANNELS)
    os.pwrite(descriptor, right, 0)
    os.utime(descriptor, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # mending makes nothing younger
    return True
