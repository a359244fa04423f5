"""Settings of the interpreter and its process that a user's module changes as it is imported: the whole daemon's.

All of them are put back. What would slow, stop or mislead everybody is refused as well, so that whoever wrote the
module hears of it; what libraries set for themselves by habit (warnings, the locale, a timeout) is put back in silence.
An audit hook can never be removed: ``daemon/loading.py`` finds it in the process that tries a module first.
"""

from __future__ import annotations

import decimal
import faulthandler
import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
import tracemalloc
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

MIN_DEPTH: Final = 1_000
"""Calls that must be able to nest: Python's own limit. More is allowed."""
WATCHED: Final = frozenset(
    {
        *(
            "builtins",
            "json",
            "logging",
            "os",
            "select",
            "signal",
            "socket",
            "sqlite3",
            "ssl",
            "subprocess",
            "sys",
            "threading",
        ),
        *("attr", "h11", "httpx2", "hypercorn", "msgspec", "quart", "structlog", "time", "trio", "trio_voice"),
    }
)
"""Packages whose functions and classes, by their names in a module, are the daemon's, and the methods of these."""
_METHODS: Final = (FunctionType, classmethod, staticmethod, property)
_PYTHONS_SIGNALS: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)
"""Signals that Python has its way with: it ignores two, which end a process otherwise, and hears of its children's ends
only where these are not ignored."""
_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS: Final = [value for name, value in vars(resource).items() if name.startswith("RLIMIT_")]


@attrs.frozen
class _Setting:
    """One of the interpreter, or of its process."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    refusal: str = ""
    """The name of what is changed; empty where it is only put back."""


def _set_collector(before: tuple[bool, tuple[int, int, int], int]) -> None:
    is_enabled, thresholds, debug = before
    (gc.enable if is_enabled else gc.disable)()
    gc.set_threshold(*thresholds)
    gc.set_debug(debug)


def _umask() -> int:
    """The process's, which os.umask tells only by setting another for a moment."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("Umask:")[2].split(maxsplit=1)[0], 8)


def _set_limits(before: dict[int, tuple[int, int]]) -> None:
    """Raise what was lowered; not what was lowered for good."""
    for limit, values in before.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, values)


def _set_handlers(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _stop_timers(before: list[bool]) -> None:
    for timer, was_running in zip(_TIMERS, before, strict=True):
        if not was_running:
            signal.setitimer(timer, 0)


def _share() -> tuple[object, ...]:
    """Priority, policy and processors of the thread in which calls go on."""
    process = os.getpid()
    priority = os.getpriority(os.PRIO_PROCESS, process)
    return priority, os.sched_getscheduler(process), os.sched_getaffinity(process)


_SETTINGS: Final = (
    # First what the rest is put back by: calls within calls, then open files.
    _Setting(
        lambda: min(sys.getrecursionlimit(), MIN_DEPTH),
        sys.setrecursionlimit,
        "how deep calls may be (recursion limit)",
    ),
    _Setting(lambda: {limit: resource.getrlimit(limit) for limit in _LIMITS}, _set_limits, "a limit of the process"),
    _Setting(sys.gettrace, sys.settrace, "what is traced (sys.settrace)"),
    _Setting(sys.getprofile, sys.setprofile, "what is profiled (sys.setprofile)"),
    _Setting(threading.gettrace, threading.settrace, "what is traced in threads"),
    _Setting(threading.getprofile, threading.setprofile, "what is profiled in threads"),
    _Setting(sys.getswitchinterval, sys.setswitchinterval, "how long a thread may keep others waiting"),
    _Setting(lambda: Path("/proc/self/cwd").readlink(), os.chdir, "the working directory"),
    _Setting(_umask, os.umask, "the mode of new files (umask)"),
    _Setting(
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda before: signal.pthread_sigmask(signal.SIG_SETMASK, before),
        "which signals are heard",
    ),
    _Setting(lambda: {number: signal.getsignal(number) for number in _PYTHONS_SIGNALS}, _set_handlers),
    _Setting(
        lambda: [signal.getitimer(timer) != (0.0, 0.0) for timer in _TIMERS], _stop_timers, "when it is woken (a timer)"
    ),
    # Nobody gets it back: the process that tries a module first is the one that loses it.
    _Setting(_share, lambda _before: None, "its share of the processors"),
    _Setting(lambda: (gc.isenabled(), gc.get_threshold(), gc.get_debug()), _set_collector),
    _Setting(lambda: [*gc.callbacks], lambda before: gc.callbacks.__setitem__(slice(None), before)),
    _Setting(tracemalloc.is_tracing, lambda was: None if was else tracemalloc.stop()),
    _Setting(sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    _Setting(threading.stack_size, threading.stack_size),
    _Setting(logging.getLogRecordFactory, logging.setLogRecordFactory),
    _Setting(logging.getLoggerClass, logging.setLoggerClass),
    _Setting(socket.getdefaulttimeout, socket.setdefaulttimeout),
    _Setting(lambda: locale.setlocale(locale.LC_ALL), lambda before: locale.setlocale(locale.LC_ALL, before)),
    _Setting(faulthandler.is_enabled, lambda was: faulthandler.enable() if was else faulthandler.disable()),
)


@contextmanager
def interpreter_kept() -> Iterator[None]:
    """Put back what the block has changed of the interpreter and of its process, in the order of the table.

    Raises:
        ValueError: something was changed that is refused. A limit that was lowered for good cannot be put back.
    """
    before = [setting.read() for setting in _SETTINGS]
    names, path, finders, variables = _watched_names(), [*sys.path], [*sys.meta_path], dict(os.environ)
    changed: list[str] = []
    with warnings.catch_warnings(), decimal.localcontext():
        try:
            yield
        finally:
            for setting, value in zip(_SETTINGS, before, strict=True):
                if setting.read() != value:
                    with suppress(locale.Error, OSError):  # it is not there any more
                        setting.write(value)
                    changed += [setting.refusal] if setting.refusal else []
            faulthandler.cancel_dump_traceback_later()  # which may end the process
            changed += [_put_back(*name, value) for name, value in names.items() if _found(*name) is not value]
            if missing := [folder for folder in path if folder not in sys.path]:
                sys.path.extend(missing)
                changed.append("where modules are looked for (sys.path)")
            if variables.keys() - os.environ.keys():
                os.environ.update({name: value for name, value in variables.items() if name not in os.environ})
                changed.append("the environment (variables are gone)")
            # One that is added behind them is asked for nothing that was there before; some libraries have such.
            if sys.meta_path[: len(finders)] != finders:
                sys.meta_path[:] = finders
                changed.append("how modules are found (sys.meta_path)")
    if changed:
        raise ValueError(f"it changes {', '.join(dict.fromkeys(changed))}, which is the whole daemon's")


def _watched_names() -> dict[tuple[str | type, str], object]:
    """Modules of ``WATCHED``, by their names and no other, their functions and classes, and the methods of these."""
    watched: dict[tuple[str | type, str], object] = {}
    classes: set[type] = set()
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] in WATCHED:
            watched[name, ""] = module
            # Hooks for exceptions are for whoever reports them.
            named = {key: value for key, value in vars(module).items() if callable(value) and "hook" not in key}
            watched |= {(name, key): value for key, value in named.items()}
            classes.update(value for value in named.values() if isinstance(value, type))
    for owner in classes:
        watched |= {(owner, key): does for key, does in vars(owner).items() if isinstance(does, _METHODS)}
    return watched


def _found(owner: str | type, name: str) -> object:
    if isinstance(owner, type):
        return vars(owner).get(name)
    loaded: ModuleType | None = sys.modules.get(owner)
    return loaded if not name else vars(loaded).get(name) if loaded is not None else None


def _put_back(owner: str | type, name: str, value: Any) -> str:
    """Undo one change; the name of what was changed. Modules come before what is in them."""
    if isinstance(owner, type):
        setattr(owner, name, value)
        return f"{owner.__module__}.{owner.__qualname__}.{name}"
    if name:
        vars(sys.modules[owner])[name] = value
    else:
        sys.modules[owner] = value
    return f"{owner}.{name}".rstrip(".")
