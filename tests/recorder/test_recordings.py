"""Recordings on a real disk, by the real thread: modes, sizes, ends, mending, forgetting."""

import os
import stat
import struct
from contextlib import asynccontextmanager

import pytest
import structlog
import trio

from trio_voice.persona import Persona
from trio_voice.record import CallRecord
from trio_voice.recorder import disk as disk_module
from trio_voice.recorder import recordings as recordings_module
from trio_voice.recorder import wav
from trio_voice.recorder.disk import Disk, WavFile
from trio_voice.recorder.recordings import Recordings, RecordingSettings, open_recordings

CALL_ID = "ab" * 16
HERE = Persona(name="p", model="m", record="here")


def record_of(call_id=CALL_ID):
    return CallRecord(call_id=call_id, direction="inbound", persona="p", from_number="", to_number="")


def sizes(data):
    """Words of a header: RIFF, samples, bytes of sound."""
    assert data[:4] == b"RIFF"
    assert data[8:16] == b"WAVEfmt "
    assert struct.unpack_from("<HHIIHH", data, 20) == (7, 2, 8_000, 16_000, 2, 8)
    return (
        struct.unpack_from("<I", data, 4)[0],
        struct.unpack_from("<I", data, 46)[0],
        struct.unpack_from("<I", data, 54)[0],
    )


def assert_whole(path):
    """The header says how long the file is; returns its samples."""
    data = path.read_bytes()
    riff, frames, sound = sizes(data)
    assert (riff, sound) == (len(data) - 8, len(data) - wav.HEADER_BYTES)
    assert sound == 2 * frames
    return frames


@asynccontextmanager
async def folder(tmp_path, **settings):
    settings = {"directory": str(tmp_path / "kept"), "keep_free_gb": 0} | settings
    async with open_recordings(RecordingSettings(**settings)) as recordings:
        yield recordings


async def test_a_recording_is_for_its_owner_alone_and_its_record_says_where_it_is(tmp_path):
    record = record_of()
    async with folder(tmp_path) as recordings:
        opened = recordings.open(record, HERE)
        assert recordings.is_open(CALL_ID)
        opened.recorder.caller_audio("Kioq" * 53 + "Kg==", 0)
        await opened.close()
        assert not recordings.is_open(CALL_ID)
        found = await recordings.find(CALL_ID)
    path = tmp_path / "kept" / f"{CALL_ID}.wav"
    assert found.path == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert assert_whole(path) == 160
    assert record.as_json()["recording"] == {
        "url": f"/calls/{CALL_ID}/recording",
        "seconds": 0.02,
        "at": 0.0,
        "listened": [],
    }


@pytest.mark.parametrize("record", [False, True])
async def test_a_persona_that_does_not_record_here_has_no_file(tmp_path, record):
    async with folder(tmp_path) as recordings:
        assert recordings.open(record_of(), Persona(name="p", model="m", record=record)) is None
        assert await recordings.find(CALL_ID) is None
    assert not (tmp_path / "kept").exists()


async def test_without_consent_there_is_no_file(tmp_path):
    record = record_of()
    async with folder(tmp_path) as recordings:
        opened = recordings.open(record, Persona(name="p", model="m", record="here", record_after_consent=True))
        await opened.close()
    assert record.recording is None
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("wrong", ["a file", "no right", "too little free"])
async def test_a_folder_that_cannot_be_used_is_one_line_and_no_recording(tmp_path, wrong):
    settings = {}
    if wrong == "a file":
        (tmp_path / "kept").write_text("")
    elif wrong == "no right":
        settings["directory"] = "/proc/recordings"
    else:
        settings["keep_free_gb"] = 1_000_000
    with structlog.testing.capture_logs() as lines:
        async with folder(tmp_path, **settings) as recordings:
            for number in range(3):
                record = record_of(f"{number:032x}")
                opened = recordings.open(record, HERE)
                opened.recorder.caller_audio("Kioq" * 53 + "Kg==", 0)
                await opened.close()
                assert record.recording is None
                assert await recordings.find(record.call_id) is None
    (line,) = [line for line in lines if "record" in line["event"]]
    assert (line["event"], line["log_level"]) == ("recording_failed", "error")


async def test_a_disk_that_is_full_ends_the_recording_where_it_was_full(tmp_path, monkeypatch):
    real, room = os.pwrite, 20_000

    def pwrite(descriptor, data, at):
        if at + len(data) > room and at >= wav.HEADER_BYTES:
            if at >= room:
                raise OSError(28, "No space left on device")
            data = data[: room - at]
        return real(descriptor, data, at)

    monkeypatch.setattr(disk_module.os, "pwrite", pwrite)
    record = record_of()
    with structlog.testing.capture_logs() as lines:
        async with folder(tmp_path) as recordings:
            opened = recordings.open(record, HERE)
            for n in range(250):
                opened.recorder.caller_audio("Kioq" * 53 + "Kg==", 20 * n)
            await opened.close()
    assert assert_whole(tmp_path / "kept" / f"{CALL_ID}.wav") == (room - wav.HEADER_BYTES) // 2
    assert record.recording.seconds == pytest.approx(1.246, abs=0.001)
    (line,) = [line for line in lines if "record" in line["event"]]
    assert line["error"] == "the disk is full"
    assert line["ends_after_seconds"] == record.recording.seconds


async def test_a_disk_that_does_not_keep_up_ends_the_recording_and_holds_no_more_than_its_bound(tmp_path):
    disk = Disk(trio.lowlevel.current_trio_token())  # whose thread has not begun
    file = WavFile(disk, tmp_path / "kept" / f"{CALL_ID}.wav", CALL_ID, 0)
    file.begin(0.0)
    for _ in range(100):
        file.write(bytes(32_000))
    file.end()
    with structlog.testing.capture_logs() as lines:
        disk.close()
        disk.run()
    assert file.trouble == "the disk does not keep up"
    assert [line["event"] for line in lines] == ["recording_failed"]
    assert file.frames * 2 <= disk_module.MAX_WAITING_BYTES + 32_000
    assert assert_whole(file.path) == file.frames


async def test_a_call_that_comes_back_goes_on_in_its_file_behind_silence(tmp_path):
    record = record_of()
    async with folder(tmp_path) as recordings:
        for lasted in (0.0, 3.0):
            opened = recordings.open(record, HERE, lasted)
            opened.recorder.caller_audio("Kioq" * 53 + "Kg==", 100)
            await opened.close()
    path = tmp_path / "kept" / f"{CALL_ID}.wav"
    left = path.read_bytes()[wav.HEADER_BYTES :: 2]
    assert [n for n, sample in enumerate(left) if sample != 0xFF] == [*range(800, 960), *range(24_800, 24_960)]
    assert assert_whole(path) == 24_960


async def test_what_a_killed_daemon_left_is_mended_and_what_is_old_is_deleted(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    left, old, strange = kept / f"{CALL_ID}.wav", kept / f"{'cd' * 16}.wav", kept / "mine.wav"
    left.write_bytes(wav.header(5) + b"\xff" * 321)
    for path in (old, strange):
        path.write_bytes(wav.header(0))
        os.utime(path, (0, 0))
    async with folder(tmp_path, keep_days=1) as recordings, trio.open_nursery() as nursery:
        nursery.start_soon(recordings.keep_tidy)
        while left.stat().st_size != wav.HEADER_BYTES + 320 or old.exists():
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert assert_whole(left) == 160
    assert strange.exists()


async def test_what_somebody_is_writing_is_neither_mended_nor_deleted(tmp_path):
    async with folder(tmp_path, keep_days=1) as recordings:
        opened = recordings.open(record_of(), HERE)
        path = tmp_path / "kept" / f"{CALL_ID}.wav"
        while not path.exists():
            await trio.sleep(0.01)
        os.utime(path, (0, 0))
        await trio.to_thread.run_sync(recordings_module._tidy, path.parent, 1.0)
        assert path.exists()
        await opened.close()


@pytest.mark.parametrize("call_id", ["..", "../secret", "AB" * 16, "ab" * 15, ""])
async def test_no_name_leads_out_of_the_folder(tmp_path, call_id):
    (tmp_path / "secret.wav").write_bytes(b"")
    async with folder(tmp_path) as recordings:
        assert await recordings.find(call_id) is None
        assert await recordings.delete(call_id) is False


async def test_a_link_is_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    target = tmp_path / "target"
    (kept / f"{CALL_ID}.wav").symlink_to(target)
    record = record_of()
    async with folder(tmp_path) as recordings:
        opened = recordings.open(record, HERE)
        await opened.close()
    assert not target.exists()
    assert record.recording is None


def test_a_header_knows_its_own():
    assert wav.is_ours(wav.header(77))
    assert not wav.is_ours(b"RIFF" + bytes(60))
    assert wav.frames_of(0) == 0


async def test_a_call_that_is_cancelled_has_its_recording_whole(tmp_path):
    record = record_of()
    async with folder(tmp_path) as recordings:
        opened = recordings.open(record, HERE)
        opened.recorder.caller_audio("Kioq" * 53 + "Kg==", 0)
        with trio.CancelScope() as scope:
            scope.cancel()
            await opened.close()
        assert not recordings.is_open(CALL_ID)
    assert record.recording.seconds == 0.02
    assert assert_whole(tmp_path / "kept" / f"{CALL_ID}.wav") == 160


async def test_a_disk_that_does_not_answer_keeps_no_call_from_its_end(tmp_path, autojump_clock):
    disk = Disk(trio.lowlevel.current_trio_token())  # whose thread has not begun
    recordings = Recordings(RecordingSettings(directory=str(tmp_path / "kept")), disk)
    record = record_of()
    opened = recordings.open(record, HERE)
    began = trio.current_time()
    await opened.close()
    assert trio.current_time() - began == recordings_module.CLOSE_SECONDS
