"""The tools that a persona lists, loaded: built-in ones by their names, the user's from their own modules.

A user's module does anything at all while it is imported; whatever that is becomes one line that says where.
"""

from __future__ import annotations

import fcntl
import inspect
import logging
import os
import re
import sys
import sysconfig
import traceback
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import structlog

from trio_voice.call.built_in_tools import (
    BUILT_IN,
    CONSENT,
    END_CALL,
    TRANSFER,
    DoNotCallTool,
    consent_to_recording,
    end_call,
    generate_random_number,
    transfer_to_human,
)
from trio_voice.call.interpreter_kept import interpreter_kept
from trio_voice.call.tools import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from trio_voice.call.built_in_tools import DoNotCall

TOOL_NAME: Final = re.compile("[a-zA-Z0-9_-]{1,64}")
"""Names that all models take for that of a function."""


def load_tools(names: Iterable[str], numbers: DoNotCall) -> dict[str, Tool]:
    """Tools by the names that a persona lists: built-in ones, and the user's as ``package.module:function``.

    Blocks for as long as the modules take to be imported.

    Raises:
        ValueError: one cannot be loaded, whatever its module raised; the message says which, why, and where.
    """
    built_in: dict[str, Callable[..., Any]] = {
        "generate_random_number": generate_random_number,
        END_CALL: end_call,
        TRANSFER: transfer_to_human,
        CONSENT: consent_to_recording,
        "mark_do_not_call": DoNotCallTool(numbers).mark_do_not_call,
    }
    tools: dict[str, Tool] = {}
    for name in names:
        tool = Tool(built_in[name]) if name in built_in else _users_tool(name, [*built_in.values()])
        if tool.schema.name in tools:
            raise ValueError(f"{name!r} is the second tool that is called {tool.schema.name!r}: rename one")
        tools[tool.schema.name] = tool
    return tools


def _users_tool(name: str, built_in: list[Callable[..., Any]]) -> Tool:
    function = _import(name)
    try:
        _refuse_what_is_no_function(function)
        tool = Tool(function)
    except BaseException as wrong:
        code = getattr(function, "__code__", None)
        where = f"{Path(code.co_filename).name} line {code.co_firstlineno}: " if code is not None else ""
        raise ValueError(f"{name!r} cannot be used: {where}{_words(wrong)}") from wrong  # noqa: ASYNC104 - blocks, no trio
    if not TOOL_NAME.fullmatch(tool.schema.name):
        raise ValueError(f"{name!r}: models take no name but of up to 64 letters a to z, digits, _ and -")
    if tool.schema.name in BUILT_IN and function not in built_in:
        raise ValueError(f"{name!r} has the name of a built-in tool, and would take its place: rename it")
    return tool


def _refuse_what_is_no_function(found: Callable[..., Any]) -> None:
    """Raises ``TypeError`` for what can be called and gives no result that a model could be told, or has no name."""
    if inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        what = "it yields"
    elif isinstance(found, type):
        what = "it is a class"
    elif not isinstance(getattr(found, "__name__", None), str):
        what = f"it is a {type(found).__name__}, which has no name"
    else:
        return
    raise TypeError(f"{what}: a tool is a `def` or an `async def` that returns its result")


def _import(name: str) -> Callable[..., Any]:
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(
            f"no built-in tool {name!r} (there are {', '.join(sorted(BUILT_IN))}); your own is MODULE:FUNCTION"
        )
    here = sys.modules.get(module)
    process = os.getpid()
    try:
        # What is here already runs nothing of the user's. To look at all that a module may change takes milliseconds of
        # the interpreter, for each tool of each persona, while calls go on.
        if isinstance(here, ModuleType) and function in vars(here):
            found = vars(here)[function]
        else:
            with _standard_descriptors(), _log_kept(), interpreter_kept():
                found = getattr(import_module(module), function)
        if os.getpid() != process:  # it has forked, and this is the copy, which would become a second daemon
            os._exit(0)
    # What a module does while it is imported is anything at all, `sys.exit` and KeyboardInterrupt included.
    except BaseException as wrong:
        raise ValueError(f"{name!r} cannot be imported: {_words(wrong, place_in(wrong))}") from wrong  # noqa: ASYNC104 - blocks, no trio
    if inspect.iscoroutine(found):
        found.close()  # or it would be said that nobody has awaited it
    if not callable(found):
        raise ValueError(f"{name!r} is no function")  # noqa: TRY004 - a wrong name in the configuration
    return found  # type: ignore[no-any-return]  # whatever the user wrote


@contextmanager
def _standard_descriptors() -> Iterator[None]:
    """Put back standard input, output and error if they are closed in the block: the next socket would be one of them.

    Raises:
        ValueError: one was closed.
    """
    kept: dict[int, int] = {}
    for descriptor in range(3):
        with suppress(OSError):  # it was closed before
            kept[descriptor] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    closed: list[int] = []
    try:
        yield
    finally:
        for descriptor, copy in kept.items():
            try:
                os.fstat(descriptor)
            except OSError:
                os.dup2(copy, descriptor)
                closed.append(descriptor)
            with suppress(OSError):  # closed, too
                os.close(copy)
    if closed:
        raise ValueError(f"it closes a standard descriptor ({closed[0]}), where the log or the next socket would be")


@contextmanager
def _log_kept() -> Iterator[None]:
    """Undo how the block sets up logging: many modules do, for themselves, and the log is the daemon's."""
    root = logging.getLogger()
    handlers, level, disabled = [*root.handlers], root.level, root.manager.disable
    was_set_up, processing = structlog.is_configured(), structlog.get_config()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
        if was_set_up:
            structlog.configure(**processing)
        else:
            structlog.reset_defaults()


def _words(wrong: BaseException, place: str = "") -> str:
    """The exception and its place, in one line."""
    try:
        said = wrong.msg if isinstance(wrong, SyntaxError) else str(wrong)
    except Exception:  # noqa: BLE001 - a user's class, whose words are its own
        said = ""
    if not place and isinstance(wrong, (ImportError, AttributeError)):
        return said  # there is no such module or function, which needs no more words
    kind = type(wrong).__name__
    return ": ".join(each for each in (place, kind, said) if each)


_NOT_THE_USERS: Final = (
    *("<frozen", str(Path(__file__).parents[1])),
    *(sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "scripts")),
)


def place_in(of: BaseException | FrameType | None) -> str:
    """File and line where the user's code raised this or is now, as far in as it is theirs; empty if it is not."""
    if isinstance(of, SyntaxError) and of.filename:
        return f"{Path(of.filename).name} line {of.lineno}"
    stack = traceback.extract_tb(of.__traceback__) if isinstance(of, BaseException) else traceback.extract_stack(of)
    installed = sysconfig.get_path("purelib")
    theirs = [each for each in stack if each.filename.startswith(installed) or not _is_not_theirs(each.filename)]
    own = [each for each in theirs if not each.filename.startswith(installed)]
    last = (own or theirs)[-1:]
    return "".join(f"{Path(each.filename).name} line {each.lineno}" for each in last)


def _is_not_theirs(filename: str) -> bool:
    return filename.startswith(_NOT_THE_USERS)
