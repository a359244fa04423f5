"""The server under test as a process: started, looked at from outside, stopped."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import trio

from rig.http import open_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

START_SECONDS: Final = 60.0
"""Some servers import for a while."""
METRICS_SECONDS: Final = 5.0


class DidNotStart(Exception):
    """The server under test cannot be tested; the message says why."""


@attrs.frozen
class Footprint:
    """Resources that a process holds."""

    descriptors: int
    threads: int
    memory_kb: int
    """Resident."""
    tasks: int | None
    """As far as it tells."""


@attrs.frozen(kw_only=True)
class Target:
    """A server to be tested.

    Words in braces stand for what is known only when it is started: ``{port}``, ``{model_url}``, ``{rest_url}``,
    ``{public_url}``, ``{folder}``.
    """

    name: str
    command: str
    environment: Mapping[str, str] = attrs.field(factory=dict)
    files: Mapping[str, str] = attrs.field(factory=dict)
    """Files that must lie in ``{folder}``, which is also where it runs if ``own_folder``."""
    path: str = "/twiml"
    """Of the webhook that answers a call."""
    tasks_metric: str | None = None
    """The gauge on ``/metrics`` that counts its tasks."""
    limits: Mapping[str, float] = attrs.field(factory=dict)
    """The limits that it was started with, by name, in seconds."""
    own_folder: bool = False


class ServerProcess:
    """A running server under test."""

    def __init__(self, target: Target, process: trio.Process, port: int) -> None:
        self.target = target
        self.port = port
        self._process = process

    @property
    def exit_status(self) -> int | None:
        """Negative for a signal; ``None`` while it runs."""
        return self._process.returncode

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Until it has ended; its exit status."""
        return await self._process.wait()

    async def footprint(self) -> Footprint:
        """Resources that it and its children hold now."""
        descriptors = threads = memory = 0
        for pid in _family_of(self._process.pid):
            with suppress(OSError, KeyError):  # one that ends meanwhile
                held = _held_by(pid)
                descriptors, threads, memory = descriptors + held[0], threads + held[1], memory + held[2]
        return Footprint(descriptors, threads, memory, await self._tasks())

    async def _tasks(self) -> int | None:
        metric = self.target.tasks_metric
        if metric is None or self.exit_status is not None:
            return None
        async with open_http(METRICS_SECONDS) as http:
            page = (await http.get(f"http://127.0.0.1:{self.port}/metrics")).text
        found = [line.split()[1] for line in page.splitlines() if line.startswith(metric + " ")]
        return int(float(found[0])) if found else None


def _held_by(pid: int) -> tuple[int, int, int]:
    """A process's descriptors, threads, and kilobytes of resident memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return descriptors, int(fields["Threads"]), int(fields["VmRSS"].split()[0])


def _family_of(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += _family_of(int(child))
    return found


async def free_port() -> int:
    """A port that nobody listens on at the moment."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listener.socket.getsockname()[1]
    await listener.aclose()
    return port


@asynccontextmanager
async def open_server(target: Target, known: Mapping[str, str], folder: Path) -> AsyncIterator[ServerProcess]:
    """Start it, and kill it in the end.

    Args:
        target: what to start.
        known: the words in braces, without ``port`` and ``folder``.
        folder: for its files and its output, which is kept in ``output.log``.

    Raises:
        DidNotStart: it ended, or did not listen in time.
    """
    port = await free_port()
    words = {**known, "port": str(port), "folder": str(folder)}
    for name, text in target.files.items():
        (folder / name).write_text(_filled(text, words))
    command = [_filled(word, words) for word in shlex.split(target.command)]
    environment = {name: _filled(value, words) for name, value in target.environment.items()}
    with (folder / "output.log").open("ab") as output:
        process = await trio.lowlevel.open_process(
            command,
            env=environment,
            cwd=folder if target.own_folder else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        await _wait_listening(process, port, folder)
        yield ServerProcess(target, process, port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever it has started, too: the session is its own
        with trio.CancelScope(deadline=trio.current_time() + 5, shield=True):
            await process.wait()


async def _wait_listening(process: trio.Process, port: int, folder: Path) -> None:
    with trio.move_on_after(START_SECONDS):  # noqa: ASYNC912 - it has not ended before it has begun
        while process.poll() is None:
            with suppress(OSError):
                await trio.aclose_forcefully(await trio.open_tcp_stream("127.0.0.1", port))
                await trio.sleep(0.2)  # until it has seen that one leave
                return
            await trio.sleep(0.05)
    ended = f"ended with status {process.returncode}" if process.returncode is not None else "does not listen"
    raise DidNotStart(f"it {ended}; {last_words(folder)}")


def last_words(folder: Path) -> str:
    """The end of a server's output."""
    said = (folder / "output.log").read_text(errors="replace").strip().splitlines()
    return f"the last it said was: {said[-1]}" if said else "it said nothing"


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{" + name + "}", value)
    return text
