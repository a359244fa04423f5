"""Tools: things that an agent can do besides talk.

A tool is a function, plain or async. Its signature becomes the JSON Schema that the model sees, its docstring the
description, and msgspec holds the model's arguments against it. A parameter named ``call`` is not the model's: it
receives the ``CallFacts``.

Whatever a tool does, its request is answered: a tool that raises, takes too long, returns what is no JSON or too much
of it gives the model an error that it can speak about.
"""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import attrs
import msgspec
import structlog
import trio

from trio_voice.call.async_tools import run_async_tool
from trio_voice.call.result_size import is_longer_than
from trio_voice.errors import first_cause, one_line
from trio_voice.events.call import Then, ToolResult
from trio_voice.isolation import parted
from trio_voice.persona import ToolSchema

if TYPE_CHECKING:
    from collections.abc import Callable

log: Final = structlog.stdlib.get_logger("trio_voice.tools")

MAX_RESULT_BYTES: Final = 32_768
"""A longer result than this is refused: a model would have to read it while the caller waits."""
MAX_PLACES: Final = 8
"""Of a tool's failure, in the log."""
WRAPPINGS: Final = frozenset({"arguments", "parameters", "args", "kwargs", "input", "params", "properties"})
"""Names under which models put all of the arguments once more."""
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
class Afterwards:
    """Result of a built-in tool that says what becomes of the call."""

    result: Any
    then: Then


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
        self._texts = {name for name, hint, *_ in fields if hint is str or set(get_args(hint)) == {str, NoneType}}
        """Parameters that are texts, for which models give numbers."""
        self._not_null = {name for name, hint, *default in fields if default and not _takes_null(hint)}
        """Parameters that may be left out, but not be null."""
        self._arguments = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
        description, parameter_texts = _read_docstring(inspect.getdoc(function) or "")
        self._by_letters: dict[str, list[str]] = {}
        for field in self._arguments.__struct_fields__:
            self._by_letters.setdefault(_letters(field), []).append(field)
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
        out, and so is what all are wrapped up in: models add these. A name may be spelled otherwise. Null is no value
        where one may be left out, and a number is a text where one is wanted. Other arguments that are no mapping fit
        no tool.

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
                if isinstance(returned, Afterwards):
                    returned, then = returned.result, returned.then
                return attrs.evolve(_as_json(name, returned, then), unknown_arguments=unknown)
            except BaseException as failed:  # noqa: ASYNC103, BLE001 - what came of a cancellation is raised below
                cancelled, own = parted(failed, trio.Cancelled)
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
        arguments = self._unwrapped(arguments)
        known = {
            name: value for given, value in arguments.items() if (name := self._parameter(given, arguments)) is not None
        }
        wanted = {
            name: _text_of(value) if name in self._texts else value
            for name, value in known.items()
            if value is not None or name not in self._not_null
        }
        return wanted, len(arguments) - len(known)

    def _parameter(self, given: str, arguments: Mapping[str, Any]) -> str | None:
        """The parameter that a name means: of this name, or the only one that is spelled otherwise, and not given."""
        if given in self._arguments.__struct_fields__:
            return given
        alike = self._by_letters.get(_letters(given), [])
        return alike[0] if len(alike) == 1 and alike[0] not in arguments else None

    def _unwrapped(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments without what all of them are wrapped up in, such as the tool's name, or a whole call of it."""
        outer = {name: value for name, value in arguments.items() if (name, value) != ("name", self.schema.name)}
        if any(self._parameter(name, outer) is not None for name in outer):
            return arguments
        tables = [(name, table) for name, value in outer.items() if (table := _table_in(value)) is not None]
        if len(tables) != 1:
            return arguments
        ((name, inside),) = tables
        is_wrapping = name in WRAPPINGS or any(self._parameter(each, inside) is not None for each in inside)
        return inside if is_wrapping else arguments

    async def _call(self, given: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._function):
            return await run_async_tool(self.schema.name, self._function, given)
        return await trio.to_thread.run_sync(
            lambda: self._function(**given), abandon_on_cancel=True, limiter=_threads()
        )


def _takes_null(hint: Any) -> bool:
    try:
        msgspec.convert(None, hint)
    except (msgspec.ValidationError, TypeError):
        return False
    return True


def _table_in(value: Any) -> Mapping[str, Any] | None:
    """An object, or JSON text of one; ``None`` if it is neither."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def _text_of(value: Any) -> Any:
    """A number as the text that it would be, written out; anything else as it is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _tell_failure(name: str, raised: BaseException) -> None:
    """Log what a tool raised, without its words: they are the caller's, or quote them; so do those of its causes."""
    try:
        kind = type(first_cause(raised))
        error = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        log.error("tool_failed", tool=name, error=error, at=_places_of(raised))
        log.debug("tool_failed_saying", tool=name, exc_info=raised)
    except BaseException:  # noqa: ASYNC103, BLE001 - classes have code of their own, for their names and words as well
        log.error("tool_failed", tool=name, error="of a class that cannot be named", at=[])  # noqa: TRY400 - its traceback cannot be written


def _places_of(raised: BaseException) -> list[str]:
    """Places where it was raised, the innermost first: file, line and function, without a word of what was in them."""
    walk = traceback.walk_tb(first_cause(raised).__traceback__)
    # The last ones alone, and without their lines, for which their files would be read: here every call waits.
    frames = traceback.StackSummary.extract(walk, limit=-MAX_PLACES, lookup_lines=False)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)]


_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("tool_threads")


def _threads() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(PLAIN_TOOL_THREADS)
        _limiter.set(limiter)
        return limiter


def _as_json(name: str, returned: Any, then: Then) -> ToolResult:
    if is_longer_than(returned, MAX_RESULT_BYTES):
        return _too_long(name)
    try:
        text = msgspec.json.encode(returned)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        log.warning("tool_result_no_json", tool=name, type=type(returned).__name__)
        return _failure("the tool's result cannot be read; say that it did not work")
    return _too_long(name) if len(text) > MAX_RESULT_BYTES else ToolResult(text.decode(), then=then)


def _too_long(name: str) -> ToolResult:
    log.warning("tool_result_too_long", tool=name, most_bytes=MAX_RESULT_BYTES)
    return _failure("the tool's result is too long to read out; ask for something more specific")


def _failure(words: str) -> ToolResult:
    return ToolResult(msgspec.json.encode({"error": words}).decode(), failed=True)


def cannot_record() -> ToolResult:
    """The answer to a consent where nothing can be recorded."""
    return _failure("this call cannot be recorded; go on without it")


def no_telephone() -> ToolResult:
    """The answer to a transfer of a caller whose telephone is a page."""
    return _failure("this caller speaks by a browser and has no telephone line to put through; say so, and go on")


def tool_of(name: str, tools: Mapping[str, Tool]) -> Tool | None:
    """The tool that a model means: of this name, or the only one whose name is spelled otherwise (``lookUp``)."""
    if name in tools:
        return tools[name]
    alike = [tool for other, tool in tools.items() if _letters(other) == _letters(name)]
    return alike[0] if len(alike) == 1 else None


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def unknown_tool(name: str) -> ToolResult:
    """The answer to a request for a tool that this persona does not have."""
    return _failure(f"there is no tool {name[:60]!r}; go on without it")


def too_many_tools() -> ToolResult:
    """The answer to a request while too many others are running."""
    return _failure("too many things are being looked up at once; say that it takes a moment")


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
