"""Log lines whose reader may have stopped."""

import errno
import os
import subprocess
import sys
import textwrap
import threading
import time

from trio_voice.daemon import log_stream
from trio_voice.daemon.log_stream import LogStream

LINE = "x" * 999 + "\n"


def read_all(reader, writer, stream):
    """Everything, once the reader goes on; both ends are closed then."""
    got = []

    def read():
        while data := os.read(reader, 65_536):
            got.append(data)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    assert stream.finish(10)
    os.close(writer)
    reading.join()
    os.close(reader)
    return b"".join(got)


def test_lines_come_in_order():
    reader, writer = os.pipe()
    stream = LogStream(writer)
    for number in range(100):
        stream.write(f"{number}\n")
    assert read_all(reader, writer, stream).decode().split() == [str(number) for number in range(100)]


def test_a_reader_that_has_stopped_is_not_waited_for_and_what_does_not_fit_is_counted():
    told = []
    reader, writer = os.pipe()
    stream = LogStream(writer, told.append)
    began = time.monotonic()
    for _ in range(3_000):
        stream.write(LINE)
    assert time.monotonic() - began < 2
    fits = log_stream.MAX_BYTES // len(LINE)
    assert 3_000 - fits - 200 <= stream.dropped <= 3_000 - fits
    assert not stream.finish(0.1)
    dropped = stream.dropped
    assert read_all(reader, writer, stream) == LINE.encode() * (3_000 - dropped)
    deadline = time.monotonic() + 10  # it is told once the lines are on their way
    while sum(told) < dropped and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sum(told) == dropped


def test_a_reader_that_is_gone_does_no_harm():
    reader, writer = os.pipe()
    os.close(reader)
    stream = LogStream(writer)
    stream.write(LINE)
    assert stream.finish(5)
    os.close(writer)
    stream.write(LINE)
    assert stream.finish(5)


def test_lines_that_a_full_disk_does_not_take_are_counted_and_the_next_begins_a_line(monkeypatch):
    told, written, room = [], [], [6, 0, 1_000]

    def write(_descriptor, data):
        if not room[0]:
            room.pop(0)
            raise OSError(errno.ENOSPC, "no space")
        taken, room[0] = data[: room[0]], max(0, room[0] - len(data))
        written.append(taken)
        return len(taken)

    monkeypatch.setattr(log_stream.os, "write", write)
    stream = LogStream(2, told.append)
    for line in ("whole\n", "torn\n", "lost\n", "next\n", "last\n"):
        stream.write(line)
        assert stream.finish(10)
    assert b"".join(written) == b"whole\nnext\nlast\n"
    assert (stream.dropped, told) == (2, [2])
    room[:] = [3, 1_000]
    for line in ("torn\n", "next\n"):
        stream.write(line)
        assert stream.finish(10)
    assert b"".join(written).endswith(b"last\ntor\nnext\n")
    assert stream.dropped == 3


def test_a_descriptor_that_does_not_block_is_waited_for_by_the_thread_alone():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    stream = LogStream(writer)
    for _ in range(200):
        stream.write(LINE)
    assert len(read_all(reader, writer, stream)) == 200 * len(LINE)


def test_a_process_ends_though_nobody_reads_its_log():
    """Within the time that is left for it, and with what could be written."""
    script = """
        import os
        from trio_voice.daemon.log_stream import LogStream

        reader, writer = os.pipe()
        stream = LogStream(writer)
        for _ in range(1000):
            stream.write("x" * 999)
        LogStream(2).write("said at the very end")
    """
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=120, check=False)
    assert ran.returncode == 0
    assert ran.stderr == b"said at the very end"
    assert time.monotonic() - began < 20


def test_a_forked_child_writes_lines_of_its_own_and_none_of_its_parents():
    script = """
        import os
        from trio_voice.daemon.log_stream import LogStream

        stream = LogStream(2)
        stream.write("parent\\n")
        stream.finish()
        if os.fork() == 0:
            stream.write("child\\n")
            stream.finish()
            os._exit(0)
        os.wait()
    """
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True, timeout=120, check=False
    )
    assert ran.stderr == b"parent\nchild\n"
