"""``workers = N``: so many processes share the port, each a whole daemon with its own calls.

This process answers nothing itself. It opens the port, starts the others and keeps them alive: one that dies takes its
own calls with it, whose phones and sessions the others settle by the journal, and is replaced. What is said to this one
(SIGTERM, SIGHUP) is said to all. To each of them it is what systemd is to it: it waits until it is ready, and ends one
whose loop stands still.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
import trio

from trio_voice.daemon.ports import open_ports, urls_of
from trio_voice.daemon.process_identity import has_ended, this_process
from trio_voice.daemon.signals import STOP, hold_signals, until_told_to_stop
from trio_voice.edges.systemd import Notifier, watchdog_seconds
from trio_voice.edges.web.operator.sessions import make_table
from trio_voice.edges.workers.addresses import LOOK_SECONDS, bind_at
from trio_voice.edges.workers.call_counts import CallCounts, make_call_counts
from trio_voice.errors import ConfigError
from trio_voice.isolation import contained, keep_running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from trio_voice.config.settings import Settings
    from trio_voice.daemon.ports import Announce

log: Final = structlog.stdlib.get_logger("trio_voice.supervisor")

EXIT_CONFIG: Final = 78
UNUSABLE: Final = "a worker could not use the configuration: its lines above say why"
START_SECONDS: Final = 90.0
"""For a process to be ready: as long as systemd waits. Where the machine is busy, half a minute was not enough."""
STEADY_SECONDS: Final = 60.0
"""A process that has lived so long has not died of its start."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
"""Between the death of a process and the next try, doubled each time."""
WATCHDOG_SECONDS: Final = 10.0
"""Time that a process may say nothing, unless systemd's watchdog says otherwise."""
ABORT_SECONDS: Final = 2.0
"""From SIGABRT, which leaves a trace, to SIGKILL, which a process that was stopped obeys, too."""
OWNER: Final = "supervisor"
"""In the directory that workers share: whose it is (``process_identity.py``)."""
PREFIX: Final = "trio-voice-"
STUBBORN_SECONDS: Final = 5.0
"""Time after the end of all patience at which a process is killed that has not stopped."""


@attrs.frozen
class WorkerSlot:
    """Place of one worker among those that share the port: JSON on its command line."""

    index: int
    count: int
    listeners: tuple[int, ...]
    """Descriptors of the port."""
    operator_listeners: tuple[int, ...]
    """The same of the operator's own; empty if they have none."""
    call_counts: int
    """Descriptor of what all of them see."""
    sessions: int
    """Descriptor of the console's sessions."""
    directory: str

    def as_text(self) -> str:
        """For ``serve --worker``."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> WorkerSlot:
        """The slot of which ``as_text`` made a text."""
        slot: dict[str, Any] = json.loads(text)
        listeners = {name: tuple(slot[name]) for name in ("listeners", "operator_listeners")}
        return cls(**slot | listeners)


class _Worker:
    """One of the processes, whichever holds its slot."""

    def __init__(self, slot: WorkerSlot, command: list[str], environment: Mapping[str, str], watchdog: float) -> None:
        self.slot = slot
        self.ready = trio.Event()
        self.process: trio.Process | None = None
        self._command = command
        self._environment = environment
        self._watchdog = watchdog
        self._heard_at = 0.0

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def run(self) -> int:
        """Run one process to its end; its exit status. Cancelling kills it."""
        if self.ready.is_set():
            self.ready = trio.Event()
        address = Path(self.slot.directory) / f"notify-{self.slot.index}"
        told = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": f"{self._watchdog * 1e6:.0f}"}
        environment = dict(self._environment) | told
        with await bind_at(address, socket.SOCK_DGRAM) as notices:
            # Its standard input says when we are gone: it ends then.
            self.process = await trio.lowlevel.open_process(
                [*self._command, self.slot.as_text()],
                stdin=subprocess.PIPE,
                pass_fds=(
                    *self.slot.listeners,
                    *self.slot.operator_listeners,
                    self.slot.call_counts,
                    self.slot.sessions,
                ),
                env=environment,
            )
            process = self.process
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(keep_running, "worker_notices", partial(self._listen, address, notices))
                    nursery.start_soon(keep_running, "worker_watch", partial(self._watch, process))
                    await keep_running("worker", self._wait)  # its calls do not end of what fails here
                    nursery.cancel_scope.cancel(reason="it has ended")
            finally:
                if process.returncode is None:
                    process.kill()
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                        await process.wait()
                if process.stdin is not None:
                    await trio.aclose_forcefully(process.stdin)
        return process.returncode or 0

    async def _wait(self) -> None:
        """Wait for its end."""
        if self.process is not None:
            await self.process.wait()

    async def _listen(self, address: Path, notices: trio.socket.SocketType) -> None:
        await self._hear(address, notices)
        while True:  # somebody has emptied /tmp
            with await bind_at(address, socket.SOCK_DGRAM) as anew:
                # For who starts when we were killed.
                address.with_name(OWNER).write_text(this_process(), encoding="utf-8")
                await self._hear(address, anew)

    async def _hear(self, address: Path, notices: trio.socket.SocketType) -> None:
        """Hear what it says until the address is gone."""
        while address.exists():  # noqa: ASYNC240 - a look at memory
            with trio.move_on_after(LOOK_SECONDS):
                said = (await notices.recv(4096)).decode(errors="replace").split("\n")
                self._heard_at = trio.current_time()
                if "READY=1" in said:
                    self.ready.set()

    async def _watch(self, process: trio.Process) -> None:
        """End it if it is never ready, or if its loop stands still."""
        with trio.move_on_after(START_SECONDS):
            await self.ready.wait()
        if not self.ready.is_set():
            log.error("worker_never_ready", worker=self.slot.index, seconds=START_SECONDS)
            process.kill()
            return
        silent = 0
        while silent < 2:  # the second look is for what was said while we stood still ourselves
            await trio.sleep(self._watchdog / 4)
            silent = silent + 1 if trio.current_time() - self._heard_at > self._watchdog else 0
        log.error("worker_stuck", worker=self.slot.index, seconds=self._watchdog)
        process.send_signal(signal.SIGABRT)
        await trio.sleep(ABORT_SECONDS)
        process.kill()


async def supervise(settings: Settings, config: Path, announce: Announce, patience: float) -> None:
    """Keep ``settings.server.workers`` processes alive until SIGTERM or SIGINT, then see them drain.

    Args:
        settings: checked.
        config: the file they are read from, which each process reads again.
        announce: called with the base URL, and the operator's if it is another, once all of them accept calls.
        patience: how long a drain may take, at the longest.

    Raises:
        CannotListen: an address cannot be listened on.
        ConfigError: a process found something that only it could find.
    """
    with hold_signals() as signals, Notifier(os.environ) as systemd:
        await _supervise(settings, config, announce, patience, signals, systemd)


async def _supervise(
    settings: Settings,
    config: Path,
    announce: Announce,
    patience: float,
    signals: AsyncIterator[int],
    systemd: Notifier,
) -> None:
    count = settings.server.workers
    watchdog = watchdog_seconds(os.environ) or WATCHDOG_SECONDS
    listeners, operators = await open_ports(settings)
    descriptors, operators_descriptors = _descriptors(listeners), _descriptors(operators)
    counts_descriptor = make_call_counts(count)
    sessions = make_table()
    call_counts = CallCounts(counts_descriptor, count, count)  # none of ours: we have no calls
    # -P: without it the working directory, which the service may write to, would be looked in before the library.
    python = [sys.executable, "-P", "-m", "trio_voice"]
    serve = ["serve", "--log-level", settings.log.level, "--worker"]
    command = [*python, "--config", str(config.absolute()), *serve]  # noqa: ASYNC240 - it holds up no call
    stopping, begun = trio.Event(), trio.Event()
    await trio.to_thread.run_sync(_remove_leftovers)
    with TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as directory, ExitStack() as ports:
        for listener in (*listeners, *operators):
            ports.callback(listener.socket.close)
        Path(directory, OWNER).write_text(this_process(), encoding="utf-8")  # noqa: ASYNC240 - a word
        slots = [
            WorkerSlot(index, count, descriptors, operators_descriptors, counts_descriptor, sessions, directory)
            for index in range(count)
        ]
        workers = [_Worker(slot, command, os.environ, watchdog) for slot in slots]
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(_keep_alive, worker, call_counts, begun, stopping)
            nursery.start_soon(keep_running, "watchdog", systemd.feed_watchdog)
            told = partial(_announce, workers, systemd, begun, lambda: announce(*urls_of(listeners, operators)))
            nursery.start_soon(keep_running, "announce", told)
            await until_told_to_stop(signals, partial(_reload, workers, systemd, begun))
            stopping.set()
            await systemd.notify("STOPPING=1", "STATUS=draining", f"EXTEND_TIMEOUT_USEC={patience * 1e6:.0f}")
            for worker in workers:
                worker.tell(signal.SIGTERM)
            with trio.move_on_after(patience + STUBBORN_SECONDS):  # noqa: ASYNC912 - leaving a nursery is one
                async with trio.open_nursery() as drain:
                    drain.start_soon(keep_running, "hurry", partial(_hurry, signals, workers))
                    for worker in workers:
                        if worker.process is not None:
                            await worker.process.wait()
                    drain.cancel_scope.cancel(reason="all have stopped")
            nursery.cancel_scope.cancel(reason="stopped")
    log.info("all_stopped")
    if any(worker.process is not None and worker.process.returncode == EXIT_CONFIG for worker in workers):
        raise ConfigError([UNUSABLE])  # another machine has this node's digits


def _remove_leftovers() -> None:
    """Remove the directories of supervisors that were killed, and nobody else's."""
    for directory in Path(gettempdir()).glob(f"{PREFIX}*"):
        try:
            owner = (directory / OWNER).read_text(encoding="utf-8")
            ours = directory.stat().st_uid == os.getuid()
        except (OSError, UnicodeDecodeError):
            continue
        if ours and has_ended(owner):
            shutil.rmtree(directory, ignore_errors=True)


def _descriptors(listeners: list[trio.SocketListener]) -> tuple[int, ...]:
    return tuple(listener.socket.fileno() for listener in listeners)


async def _announce(workers: list[_Worker], systemd: Notifier, begun: trio.Event, announce: Callable[[], None]) -> None:
    for worker in workers:
        await worker.ready.wait()
    begun.set()
    announce()
    await systemd.notify("READY=1")


async def _keep_alive(worker: _Worker, call_counts: CallCounts, begun: trio.Event, stopping: trio.Event) -> None:
    """Start a process, and another whenever it ends, until all are to stop.

    Raises:
        ConfigError: the configuration is wrong, and not all were ready yet. Later the others have calls, and the file
            may be what somebody is just writing: it is tried again until it can be used.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        began = trio.current_time()
        status: int | None = None
        with contained("worker", worker=worker.slot.index):
            status = await worker.run()
        call_counts.occupy(0, worker.slot.index)
        call_counts.occupy_browsers(0, worker.slot.index)
        if stopping.is_set():
            return
        if status == EXIT_CONFIG and not begun.is_set():
            raise ConfigError([UNUSABLE])
        advice = {"advice": UNUSABLE} if status == EXIT_CONFIG else {}
        seconds = round(trio.current_time() - began)
        log.error("worker_died", worker=worker.slot.index, status=status, seconds=seconds, **advice)
        pause = FIRST_PAUSE_SECONDS if trio.current_time() - began > STEADY_SECONDS else pause
        with trio.move_on_after(pause):
            await stopping.wait()
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _reload(workers: list[_Worker], systemd: Notifier, begun: trio.Event) -> None:
    """Have all of them read personas and numbers again; each says by itself what became of it."""
    await begun.wait()  # before that it is waited for each to be ready, once
    await systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")
    for worker in workers:
        worker.ready = trio.Event()
        worker.tell(signal.SIGHUP)
    with trio.move_on_after(START_SECONDS):  # noqa: ASYNC912 - there is at least one
        for worker in workers:
            await worker.ready.wait()
    await systemd.notify("READY=1")


async def _hurry(signals: AsyncIterator[int], workers: list[_Worker]) -> None:
    """A second SIGTERM is said to all, too."""
    async for received in signals:
        if received in STOP:
            for worker in workers:
                worker.tell(signal.Signals(received))
