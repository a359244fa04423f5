"""Things that an agent can do besides talk: built-in tools, and the user's own Python functions.

A tool is a function, plain or async. Its signature becomes the JSON Schema that the model sees, its docstring the
description, and msgspec holds the model's arguments against it. A parameter named ``call`` is not the model's: it
receives the ``CallFacts``.

Whatever a tool does, its request is answered: a tool that raises, takes too long, returns what is no JSON or too much
of it gives the model an error that it can speak about.
"""

from __future__ import annotations

import inspect
import os
import random
import re
import sysconfig
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, get_type_hints

import attrs
import msgspec
import structlog
import trio

from trio_voice.call.tool_runs import run_async_tool
from trio_voice.errors import first_cause, one_line
from trio_voice.events.call import Then, ToolResult
from trio_voice.persona import ToolSchema
from trio_voice.phone_numbers import of_telephone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

log: Final = structlog.stdlib.get_logger("trio_voice.tools")

MAX_RESULT_BYTES: Final = 32_768
"""A longer result than this is refused: a model would have to read it while the caller waits."""
MOST_PLACES: Final = 8
"""Of a tool's failure, in the log."""
PLAIN_TOOL_THREADS: Final = 40
"""Plain functions that may run at once. One that never returns keeps its thread; when all are kept, tools wait."""


@attrs.frozen
class CallFacts:
    """Facts that a tool may know of its call."""

    call_id: str
    call_sid: str | None
    direction: str
    from_number: str
    to_number: str
    persona: str

    @property
    def other_number(self) -> str:
        """The number of the person at the other end, as Twilio tells it: perhaps withheld, or that of no telephone."""
        return self.from_number if self.direction == "inbound" else self.to_number


@attrs.frozen
class _Afterwards:
    """Result of a built-in tool that says what becomes of the call."""

    result: Any
    then: Then


class DoNotCall(Protocol):
    """The list of numbers that are never dialed again."""

    async def mark_do_not_call(self, number: str, reason: str, call_id: str) -> None:
        """Put a number on the list."""


class Tool:
    """One function that a model may call.

    Args:
        function: plain or async, with annotated parameters.
        name: as the model sees it; the function's own by default.

    Raises:
        TypeError: a parameter has no annotation, or one that JSON cannot express.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self._function = function
        hints = get_type_hints(function)
        parameters = [
            parameter for parameter in inspect.signature(function).parameters.values() if parameter.name != "call"
        ]
        self._wants_call = "call" in inspect.signature(function).parameters
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        for parameter in parameters:
            if parameter.name.startswith("__"):
                raise TypeError(f"parameter {parameter.name!r} of tool {function.__name__} begins with two underscores")
            if parameter.name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"parameter {parameter.name!r} of tool {function.__name__} needs a type")
            fields.append(
                (parameter.name, hints[parameter.name])
                if parameter.default is parameter.empty
                else (parameter.name, hints[parameter.name], parameter.default)
            )
        self._arguments = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
        description, parameter_texts = _read_docstring(inspect.getdoc(function) or "")
        _, components = msgspec.json.schema_components([self._arguments], ref_template="#/$defs/{name}")
        schema: dict[str, Any] = components.pop("Arguments")
        schema.pop("title", None)
        schema.setdefault("required", [])
        for parameter_name, text in parameter_texts.items():
            if parameter_name in schema["properties"]:
                schema["properties"][parameter_name]["description"] = text
        if components:
            schema["$defs"] = components
        self.schema = ToolSchema(name=name or function.__name__, description=description, parameters=schema)

    async def run(self, arguments: Any, call: CallFacts, seconds: float) -> ToolResult:
        """Run it under a deadline. Never raises but ``Cancelled``.

        What is as good as no arguments (null, an empty text or list) is none, and what the tool has no name for is left
        out: models add both. Any other arguments that are no mapping fit no tool.

        Cancelling is safe; a plain function goes on in its thread, where nothing can stop it, and is forgotten.
        """
        name = self.schema.name
        wanted, unknown = self._without_unknown(arguments)
        with trio.move_on_after(seconds):  # noqa: ASYNC912 - calling the tool is a checkpoint
            # A tool's failure is an answer, and its traceback the operator's. `sys.exit` is no exception to that: the
            # call ends by end_call, and the daemon by a signal, which reaches no tool. Reading the arguments and
            # writing the result are its business, too: its types have code of their own.
            try:
                try:
                    given = msgspec.structs.asdict(msgspec.convert(wanted, self._arguments, strict=False))
                except (msgspec.ValidationError, UnicodeEncodeError) as wrong:  # or half a letter, which is no text
                    return _failure(f"the arguments do not fit: {one_line(str(wrong))}")
                if self._wants_call:
                    given["call"] = call
                returned = await self._call(given)
                then = Then.GO_ON
                if isinstance(returned, _Afterwards):
                    returned, then = returned.result, returned.then
                return attrs.evolve(_as_json(name, returned, then), unknown_arguments=unknown)
            except BaseException as failed:  # noqa: ASYNC103, BLE001 - what came of a cancellation is raised below
                cancelled, own = _parted(failed)
                if own is not None:
                    _tell_failure(name, own)
                if cancelled is not None:
                    raise cancelled from None  # noqa: ASYNC104 - it is that, and no more
                return _failure("the tool failed; say that it did not work and offer something else")  # noqa: ASYNC104 - as above
        log.warning("tool_too_slow", tool=name, seconds=seconds)
        return _failure("the tool took too long; say that it does not answer right now")

    def _without_unknown(self, arguments: Any) -> tuple[Any, int]:
        """The arguments that it has a name for, and how many others there were."""
        if not arguments or (isinstance(arguments, str) and arguments.strip() in ("", "null", "{}", "[]")):
            return {}, 0
        if not isinstance(arguments, Mapping):
            return arguments, 0
        known = {name: value for name, value in arguments.items() if name in self._arguments.__struct_fields__}
        return known, len(arguments) - len(known)

    async def _call(self, given: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._function):
            return await run_async_tool(self.schema.name, self._function, given)
        return await trio.to_thread.run_sync(
            lambda: self._function(**given), abandon_on_cancel=True, limiter=_threads()
        )


def _parted(raised: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """The cancellation in an exception, and the tool's own error: a nursery of its own may raise both at once."""
    if isinstance(raised, BaseExceptionGroup):
        return raised.split(trio.Cancelled)
    return (raised, None) if isinstance(raised, trio.Cancelled) else (None, raised)


def _tell_failure(name: str, raised: BaseException) -> None:
    """Log what a tool raised, without its words: they are the caller's, or quote them; so do those of its causes."""
    try:
        kind = type(first_cause(raised))
        error = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        log.error("tool_failed", tool=name, error=error, at=_places_of(raised))
        log.debug("tool_failed_saying", tool=name, exc_info=raised)
    except BaseException:  # noqa: ASYNC103, BLE001 - classes have code of their own, for their names and words as well
        log.error("tool_failed", tool=name, error="of a class that cannot be named", at=[])  # noqa: TRY400


def _places_of(raised: BaseException) -> list[str]:
    """Places where it was raised, the innermost first: file, line and function, without a word of what was in them."""
    frames = traceback.extract_tb(first_cause(raised).__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)][:MOST_PLACES]


_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("tool_threads")


def _threads() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(PLAIN_TOOL_THREADS)
        _limiter.set(limiter)
        return limiter


def _as_json(name: str, returned: Any, then: Then) -> ToolResult:
    try:
        text = msgspec.json.encode(returned)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        log.warning("tool_result_no_json", tool=name, type=type(returned).__name__)
        return _failure("the tool's result cannot be read; say that it did not work")
    if len(text) > MAX_RESULT_BYTES:
        log.warning("tool_result_too_long", tool=name, bytes=len(text))
        return _failure("the tool's result is too long to read out; ask for something more specific")
    return ToolResult(text.decode(), then=then)


def _failure(words: str) -> ToolResult:
    return ToolResult(msgspec.json.encode({"error": words}).decode(), failed=True)


def cannot_record() -> ToolResult:
    """The answer to a consent where nothing can be recorded."""
    return _failure("this call cannot be recorded; go on without it")


def no_telephone() -> ToolResult:
    """The answer to a transfer of a caller whose telephone is a page."""
    return _failure("this caller speaks by a browser and has no telephone line to put through; say so, and go on")


def unknown_tool(name: str) -> ToolResult:
    """The answer to a request for a tool that this persona does not have."""
    return _failure(f"there is no tool {name[:60]!r}; go on without it")


def too_many_tools() -> ToolResult:
    """The answer to a request while too many others are running."""
    return _failure("too many things are being looked up at once; say that it takes a moment")


# Built in: none computes or waits, so none needs a thread


async def generate_random_number(minimum: int = 1, maximum: int = 100) -> dict[str, int]:
    """Draw a random whole number.

    Args:
        minimum: The smallest number that may come.
        maximum: The largest number that may come.
    """
    await trio.lowlevel.checkpoint()
    low, high = sorted((minimum, maximum))
    return {"number": random.randint(low, high)}  # noqa: S311 - a number to say, not a secret


async def end_call() -> _Afterwards:
    """End the telephone call. Say goodbye first; the call ends once the caller has heard it."""
    await trio.lowlevel.checkpoint()
    return _Afterwards({"status": "the call ends as soon as the caller has heard your goodbye"}, Then.END_CALL)


async def transfer_to_human(reason: str = "") -> _Afterwards:
    """Put the caller through to a human. Tell the caller first; the transfer happens once they have heard it.

    Args:
        reason: Why the caller needs a human.
    """
    await trio.lowlevel.checkpoint()
    del reason  # in the arguments, which are logged, for whoever picks up
    status = "the caller is put through as soon as they have heard you say so"
    return _Afterwards({"status": status}, Then.TRANSFER)


async def consent_to_recording() -> _Afterwards:
    """Begin to record this call. Call it only after you have asked, and the caller has clearly said yes."""
    await trio.lowlevel.checkpoint()
    return _Afterwards({"status": "the call is being recorded from now on"}, Then.RECORD)


class DoNotCallTool:
    """``mark_do_not_call``: keeps the number of the person at the other end from ever being dialed again."""

    def __init__(self, numbers: DoNotCall) -> None:
        self._numbers = numbers

    async def mark_do_not_call(self, call: CallFacts, reason: str = "", number: str = "") -> dict[str, str]:
        """Take this person off the list, so that they are never called again.

        Args:
            reason: Why they do not want to be called.
            number: Their number with its country code, as they say it; only where this call does not show it.
        """
        kept = of_telephone(call.other_number) or of_telephone(number)
        if kept is None:
            return {"error": "this call shows no number that could be kept: ask for it, and call this again with it"}
        await self._numbers.mark_do_not_call(kept, reason, call.call_id)
        return {"status": "this number will not be called again"}


END_CALL: Final = "end_call"
TRANSFER: Final = "transfer_to_human"
CONSENT: Final = "consent_to_recording"
"""Offered to the model where the persona has ``record_after_consent``, listed or not, and nowhere else."""
BUILT_IN: Final = frozenset({"generate_random_number", END_CALL, TRANSFER, CONSENT, "mark_do_not_call"})
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


def _import(name: str) -> Callable[..., Any]:
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(
            f"no built-in tool {name!r} (there are {', '.join(sorted(BUILT_IN))}); your own is MODULE:FUNCTION"
        )
    process = os.getpid()
    try:
        found = getattr(import_module(module), function)
        if os.getpid() != process:  # it has forked, and this is the copy, which would become a second daemon
            os._exit(0)
    # What a module does while it is imported is anything at all, `sys.exit` and KeyboardInterrupt included.
    except BaseException as wrong:
        raise ValueError(f"{name!r} cannot be imported: {_words(wrong, place_in(wrong))}") from wrong  # noqa: ASYNC104 - blocks, no trio
    if not callable(found):
        raise ValueError(f"{name!r} is no function")  # noqa: TRY004 - a wrong name in the configuration
    return found  # type: ignore[no-any-return]  # whatever the user wrote


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


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """A docstring's first paragraph, and what its ``Args:`` section says of each parameter."""
    description = " ".join(text.split("\n\n", 1)[0].split())
    _, _, section = text.partition("Args:\n")
    texts: dict[str, str] = {}
    for line in section.split("\n\n", 1)[0].splitlines():
        found = re.match(r"\s+(\w+)(?: \([^)]*\))?: (.*)", line)
        if found:
            texts[found[1]] = found[2]
        elif texts:
            texts[next(reversed(texts))] += " " + line.strip()
    return description, texts
