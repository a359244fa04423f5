"""Configuration and tools, loaded so that whatever a user's module does is one line: key, file, and line of the file.

A module of tools is a stranger's code that runs while it is imported: it may raise anything, end the process, or never
come to an end. At start there is nobody on the line yet, so it is imported in a copy of the process first, which it may
end, and then where it will be used, and a timer ends the process if that takes too long. A daemon that reads its
configuration again has calls: there it is tried first in a process of its own, then loaded in a thread, each with a
deadline, and nothing that comes of either leaves here but a ``ConfigError``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import attrs
import trio

from trio_voice.call.built_in_tools import CONSENT
from trio_voice.call.tool_loading import load_tools, place_in
from trio_voice.config.reading import read_settings
from trio_voice.config.settings import Settings
from trio_voice.errors import ConfigError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from trio_voice.call.built_in_tools import DoNotCall
    from trio_voice.call.tools import Tool
    from trio_voice.persona import Persona

    Toolboxes = dict[Persona, Mapping[str, Tool]]

LOADING_SECONDS: Final = 10.0
"""For a configuration and the modules that it names."""
BEGINNING_SECONDS: Final = 30.0
"""For the process that tries them to begin: a second, where the processor is not full."""
GRACE_SECONDS: Final = 2.0
"""For it to say what did not come to its end in time."""
_VERDICT_BYTES: Final = 1_000_000


@attrs.frozen(kw_only=True)
class Loaded:
    """A configuration that can be used, and the tools of each of its personas."""

    settings: Settings
    toolboxes: Toolboxes


class NoList:
    """Stands for the do-not-call list where no tool is run."""

    async def mark_do_not_call(self, number: str, reason: str, call_id: str) -> None:
        """Never called."""
        raise NotImplementedError


def load(path: Path, numbers: DoNotCall, progress: list[str] | None = None) -> Loaded:
    """Read the configuration and import its tools. Blocks, for as long as the modules do.

    Args:
        path: of the configuration.
        numbers: the do-not-call list that tools write to.
        progress: its last entry says what is being loaded, for whoever has to say what did not end.

    Raises:
        ConfigError: with one line for each mistake, whatever the modules raised.
    """
    settings = read_settings(path)
    try:
        return Loaded(settings=settings, toolboxes=toolboxes_of(settings, numbers, progress))
    except ConfigError as wrong:
        raise ConfigError([f"{path}: {problem}" for problem in wrong.problems]) from wrong


def toolboxes_of(settings: Settings, numbers: DoNotCall, progress: list[str] | None = None) -> Toolboxes:
    """The tools of every persona; otherwise as ``load``."""
    toolboxes: Toolboxes = {}
    problems: list[str] = []
    for name, persona in settings.personas.items():
        try:
            toolboxes[persona] = load_tools(_noted(persona, [] if progress is None else progress), numbers)
        except ValueError as wrong:
            problems.append(f"personas.{name}.tools: {wrong}")
    if problems:
        raise ConfigError(problems)
    return toolboxes


def _noted(persona: Persona, progress: list[str]) -> Iterator[str]:
    """The names of a persona's tools, noting each that is about to be loaded."""
    consent = (CONSENT,) if persona.record_after_consent and CONSENT not in persona.tools else ()
    for tool in (*persona.tools, *consent):
        progress.append(f"personas.{persona.name}.tools: {tool!r}")
        yield tool


class _Progress(list[str]):
    """Names of all that is loaded, the last one now; each is told at once, for whoever is left if this process ends."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__([""])
        self._tell = tell

    def append(self, what: str) -> None:
        super().append(what)
        self._tell(what)


@contextmanager
def _bounded(
    path: Path, refuse: Callable[[str], object], tell: Callable[[str], object] = lambda _what: None
) -> Iterator[list[str]]:
    """While this thread loads; if that takes too long, ``refuse`` is told in one line, and must end the process."""
    loader, progress = threading.get_ident(), _Progress(tell)

    def give_up() -> None:
        where = place_in(sys._current_frames().get(loader))  # noqa: SLF001 - documented, "for debugging"
        what = f"{progress[-1]} cannot be imported: its module" if progress[-1] else "the file"
        place = f", in {where}" if where else ""
        refuse(f"{path}: {what} has not come to its end within {LOADING_SECONDS:g} s{place}")

    timer = threading.Timer(LOADING_SECONDS, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield progress
    finally:
        timer.cancel()
        timer.join()  # whoever is copied next has no other thread


def load_at_start(path: Path, refuse: Callable[[str], object]) -> Loaded:
    """As ``load``, in a process that has nothing else to do yet.

    Args:
        path: of the configuration.
        refuse: told in one line if it takes too long; ends the process.

    Raises:
        ConfigError: as ``load``.
    """
    with _bounded(path, refuse):
        settings = read_settings(path)
    if any(":" in tool for persona in settings.personas.values() for tool in persona.tools):
        ended = _try_in_fork(path, settings)
        if ended:
            raise ConfigError([ended])
    with _bounded(path, refuse) as progress:
        return load(path, NoList(), progress)


def _try_in_fork(path: Path, settings: Settings) -> str:
    """Import the tools in a copy of this process first; returns what is wrong if that ends it, or does not end itself.

    A module may end its process in ways that nothing can catch (``os._exit``, a crash in a library), which at start
    would leave nothing but a status. There are no threads yet, so that a copy can be made in a millisecond. Mistakes
    that can be caught are not told from here: they are found once more, where the tools are loaded.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _import_and_leave(path, settings, writing)
    os.close(writing)
    said, ends_at = b"", time.monotonic() + LOADING_SECONDS + GRACE_SECONDS
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        # Not to its end: whatever the modules have started may hold it open.
        while not said.endswith((_DONE, _WRONG)) and time.monotonic() < ends_at:
            if select.select([pipe], [], [], 0.05)[0] and (more := pipe.read(65_536)):
                said += more
            elif os.waitpid(child, os.WNOHANG) != (0, 0):
                return f"{path}: {_last_of(said)} cannot be imported: its module ended the process"
            else:
                select.select([], [], [], 0.01)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    if said.endswith(_DONE):
        return ""
    return _last_of(said) if said.endswith(_WRONG) else f"{path}: {_last_of(said)} does not come to its end"


_DONE: Final = b"\0done"
_WRONG: Final = b"\0wrong"


def _last_of(said: bytes) -> str:
    """The last entry that a child has written of its progress, or its last words."""
    entries = [each for each in said.removesuffix(_WRONG).split(b"\0") if each]
    return one_line(entries[-1].decode(errors="replace")) if entries else "a module"


def _import_and_leave(path: Path, settings: Settings, verdict: int) -> NoReturn:
    """The copy's whole life: import the tools, saying which, and go without a word to anybody else."""
    os.set_inheritable(verdict, False)  # noqa: FBT003 - the standard library's

    def say(words: bytes) -> None:
        with suppress(OSError):
            os.write(verdict, words)

    leave = os._exit

    def refuse(problem: str) -> None:
        say(b"\0" + problem.encode() + _WRONG)
        leave(0)

    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    threading.Timer(LOADING_SECONDS + GRACE_SECONDS, leave, [0]).start()
    try:
        with _bounded(path, refuse, lambda tool: say(b"\0" + tool.encode())) as progress:
            _catch_ends(path, progress, refuse)
            toolboxes_of(settings, NoList(), progress)
    except BaseException:  # noqa: ASYNC103, BLE001, S110 - no trio here; it is told where the tools are loaded
        pass
    say(_DONE)
    leave(0)


def _catch_ends(path: Path, progress: list[str], refuse: Callable[[str], object]) -> None:
    """From now on ``refuse`` is told where a module ends this process, or adds an audit hook, and must end it."""
    leave, ours = os._exit, os.getpid()

    def ends_process(*_status: object) -> None:
        if os.getpid() != ours:  # a process that the module has forked ends itself alone
            leave(0)
        where = place_in(sys._getframe(1))  # noqa: SLF001 - documented, and the module's own frame is what is told
        refuse(f"{path}: {progress[-1] or 'a module'} cannot be imported: {where}: it ends the process")

    def watch(event: str, _arguments: object) -> None:
        if event == "sys.addaudithook" and os.getpid() == ours:
            where = place_in(sys._getframe(1))  # noqa: SLF001 - as above
            what = "it adds an audit hook, which is the whole daemon's and can never be removed"
            refuse(f"{path}: {progress[-1] or 'a module'} cannot be imported: {where}: {what}")

    os._exit, os.abort = ends_process, ends_process  # type: ignore[assignment]  # they return nothing, for they never do
    sys.addaudithook(watch)


async def load_again(path: Path, numbers: DoNotCall) -> Loaded:
    """As ``load``, beside live calls: tried in a process of its own first, then in a thread.

    Cancelling is safe: the process is killed, and what a module does in the thread is nobody's business any more.

    Raises:
        ConfigError: as ``load``; also if either has taken too long.
    """
    problems = await try_in_child(path)
    if problems:
        raise ConfigError(problems)
    progress: list[str] = [""]
    with trio.move_on_after(LOADING_SECONDS):
        # A limiter of its own: a module that never comes to its end keeps its thread.
        return await trio.to_thread.run_sync(
            load, path, numbers, progress, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
        )
    raise ConfigError([f"{path}: {progress[-1] or 'it'} could be imported, and here not within {LOADING_SECONDS:g} s"])


async def try_in_child(path: Path) -> list[str]:
    """Mistakes in a configuration and its tools, as a process of its own finds them. Raises nothing.

    Cancelling is safe: the process is killed, and whatever it has started and not let go of.
    """
    try:
        return await _ask_child(path)
    except Exception as failed:  # noqa: BLE001 - no descriptor, no memory, no thread: the calls go on without it
        return [f"{path}: cannot be tried: {type(failed).__name__}: {failed}"]


async def _ask_child(path: Path) -> list[str]:
    reading, writing = os.pipe()
    try:
        order = json.dumps({"config": str(path), "verdict": writing, "path": sys.path})
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "trio_voice.daemon.loading", order],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # which is the daemon's own, and a module may write anything
            stderr=subprocess.DEVNULL,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    problems: list[str] | None = None
    tool, waiting, has_begun = "", b"", False
    try:
        async with trio.lowlevel.FdStream(reading) as verdict:
            with trio.move_on_after(BEGINNING_SECONDS) as patience:  # noqa: ASYNC912 - the first reading is one
                # Not to its end: whatever the modules have started may hold it open.
                while problems is None and len(waiting) < _VERDICT_BYTES:
                    more = await verdict.receive_some()
                    if not more:
                        break
                    if not has_begun:
                        has_begun, patience.deadline = True, trio.current_time() + LOADING_SECONDS + GRACE_SECONDS
                    *lines, waiting = (waiting + more).split(b"\n")
                    for said in map(json.loads, filter(None, lines)):
                        tool, problems = (tool, said) if isinstance(said, list) else (one_line(said), None)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            await process.wait()
    if problems is not None:
        return problems
    if patience.cancelled_caught:
        return [f"{path}: {tool or 'it'} was not loaded within {LOADING_SECONDS:g} s"]
    return [f"{path}: {f'{tool} cannot be imported: its module' if tool else 'loading it'} ended the process"]


def _try(order: str) -> None:
    """The child's whole life: say that it begins, and what it loads, and in a list what is wrong, and go at once.

    Each in a line of JSON, but for the first.
    """
    wanted = json.loads(order)
    verdict: int = wanted["verdict"]
    os.set_inheritable(verdict, False)  # noqa: FBT003 - the standard library's
    sys.path[:] = wanted["path"]

    os.write(verdict, b"\n")

    leave = os._exit

    def tell(word: str | list[str]) -> None:
        data = json.dumps(word).encode() + b"\n"
        while data:
            data = data[os.write(verdict, data) :]

    def say(*problems: str) -> None:
        tell([one_line(problem) for problem in problems])
        leave(0)

    def run() -> None:
        path = Path(wanted["config"])
        try:
            with _bounded(path, say, tell) as progress:
                _catch_ends(path, progress, say)
                load(path, NoList(), progress)
        except ConfigError as wrong:
            say(*wrong.problems)
        except BaseException as odd:  # noqa: BLE001, ASYNC103 - no trio here; the daemon is told, whatever it is
            say(f"{path}: cannot be used: {type(odd).__name__}: {odd}")
        say()

    # Not in the main thread, as it will be in the daemon: a module that can only be imported there is refused now.
    threading.Thread(target=run).start()


if __name__ == "__main__":
    _try(sys.argv[1])
