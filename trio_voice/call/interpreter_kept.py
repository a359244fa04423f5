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
import os
import resource
import signal
import socket
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

LEAST_DEPTH: Final = 1_000
"""Calls that must be able to nest: Python's own limit. More is allowed."""
WATCHED: Final = frozenset(
    {
        *("builtins", "json", "os", "select", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "threading"),
        *("attr", "h11", "httpx2", "hypercorn", "msgspec", "quart", "structlog", "time", "trio", "trio_voice"),
    }
)
"""Packages whose functions and classes, by their names in a module, are the daemon's."""

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


_SETTINGS: Final = (
    # First what the rest is put back by: calls within calls, then open files.
    _Setting(
        lambda: min(sys.getrecursionlimit(), LEAST_DEPTH),
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
    _Setting(lambda: (gc.isenabled(), gc.get_threshold(), gc.get_debug()), _set_collector),
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
    names, path, variables = _watched_names(), [*sys.path], dict(os.environ)
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
    if changed:
        raise ValueError(f"it changes {', '.join(dict.fromkeys(changed))}, which is the whole daemon's")


def _watched_names() -> dict[tuple[str, str], object]:
    """Modules of ``WATCHED``, by their names and no other, and their functions and classes by both."""
    watched: dict[tuple[str, str], object] = {}
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] in WATCHED:
            watched[name, ""] = module
            # Hooks for exceptions are for whoever reports them.
            watched |= {
                (name, key): value for key, value in vars(module).items() if callable(value) and "hook" not in key
            }
    return watched


def _found(module: str, name: str) -> object:
    loaded: ModuleType | None = sys.modules.get(module)
    return loaded if not name else vars(loaded).get(name) if loaded is not None else None


def _put_back(module: str, name: str, value: Any) -> str:
    """Undo one change; the name of what was changed. Modules come before what is in them."""
    if name:
        vars(sys.modules[module])[name] = value
    else:
        sys.modules[module] = value
    return f"{module}.{name}".rstrip(".")
