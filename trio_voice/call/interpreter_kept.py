"""Settings of the interpreter that a user's module changes while it is imported, which are the whole daemon's.

All of them are put back. What would slow, stop or mislead everybody is refused as well, so that whoever wrote the
module hears of it; what libraries set for themselves by habit (warnings, the locale, a timeout) is put back in silence.
An audit hook can never be removed: ``daemon/loading.py`` finds it in the process that tries a module first.
"""

from __future__ import annotations

import decimal
import faulthandler
import gc
import locale
import socket
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
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


@attrs.frozen
class _Setting:
    """One of the interpreter."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    refusal: str = ""
    """The name of what is changed; empty where it is only put back."""


def _set_collector(before: tuple[bool, tuple[int, int, int], int]) -> None:
    is_enabled, thresholds, debug = before
    (gc.enable if is_enabled else gc.disable)()
    gc.set_threshold(*thresholds)
    gc.set_debug(debug)


_SETTINGS: Final = (
    # First: the rest may need more calls within calls than were left.
    _Setting(
        lambda: min(sys.getrecursionlimit(), LEAST_DEPTH),
        sys.setrecursionlimit,
        "how deep calls may be (recursion limit)",
    ),
    _Setting(sys.gettrace, sys.settrace, "what is traced (sys.settrace)"),
    _Setting(sys.getprofile, sys.setprofile, "what is profiled (sys.setprofile)"),
    _Setting(threading.gettrace, threading.settrace, "what is traced in threads"),
    _Setting(threading.getprofile, threading.setprofile, "what is profiled in threads"),
    _Setting(sys.getswitchinterval, sys.setswitchinterval, "how long a thread may keep others waiting"),
    _Setting(lambda: (gc.isenabled(), gc.get_threshold(), gc.get_debug()), _set_collector),
    _Setting(socket.getdefaulttimeout, socket.setdefaulttimeout),
    _Setting(lambda: locale.setlocale(locale.LC_ALL), lambda before: locale.setlocale(locale.LC_ALL, before)),
    _Setting(faulthandler.is_enabled, lambda was: faulthandler.enable() if was else faulthandler.disable()),
)


@contextmanager
def interpreter_kept() -> Iterator[None]:
    """Put back what the block has changed of the interpreter.

    Raises:
        ValueError: something was changed that is refused.
    """
    before = [setting.read() for setting in _SETTINGS]
    names, path = _watched_names(), [*sys.path]
    changed: list[str] = []
    with warnings.catch_warnings(), decimal.localcontext():
        try:
            yield
        finally:
            for setting, value in zip(_SETTINGS, before, strict=True):
                if setting.read() != value:
                    with suppress(locale.Error):  # it is not there any more
                        setting.write(value)
                    changed += [setting.refusal] if setting.refusal else []
            faulthandler.cancel_dump_traceback_later()  # which may end the process
            changed += [_put_back(*name, value) for name, value in names.items() if _found(*name) is not value]
            if missing := [folder for folder in path if folder not in sys.path]:
                sys.path.extend(missing)
                changed.append("where modules are looked for (sys.path)")
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
