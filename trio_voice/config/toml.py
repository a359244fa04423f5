"""TOML into frozen objects, and what is wrong with it in words: the path of the key, and the nearest one.

Whatever is in the file, what comes of it is a ``ConfigError``; its reader is bounded where ``tomllib`` is not.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
import stat
import tomllib
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import (
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)

from trio_voice.errors import ConfigError
from trio_voice.setting_fields import RANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from trio_voice.setting_fields import Range

MAX_BYTES: Final = 4_000_000
"""Some thousand personas with long prompts."""
MAX_KEY_PARTS: Final = 32
"""Of ``a.b.c``. ``tomllib`` takes the square of their number in time."""
MOST: Final = 1_000_000_000
"""Of any number: thirty years, if these are seconds. More overflows what it is handed to."""
_KEY_PART: Final = r"""(?:[\w-]+|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY: Final = re.compile(
    rf"(?:^|[{{,\[])[ \t]*+(?:{_KEY_PART}\.[ \t]*+){{{MAX_KEY_PARTS},}}+{_KEY_PART}[=\]]", re.MULTILINE
)
_SHOWN: Final = reprlib.Repr()
_SHOWN.maxlevel, _SHOWN.maxstring, _SHOWN.maxother, _SHOWN.maxlong = 3, 100, 100, 40


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        ConfigError: there is none that can be read; one line, with the line of the file where it has one.
    """
    try:
        text = _read_file(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as unreadable:
        raise ConfigError([f"{path}: cannot be read: {unreadable}"]) from unreadable
    deep = _LONG_KEY.search(text)
    if deep is not None:
        line = text.count("\n", 0, deep.start() + 1) + 1
        raise ConfigError([f"{path}: line {line}: a key has more than {MAX_KEY_PARTS} parts"])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise ConfigError([f"{path}: no valid TOML: {broken}"]) from broken
    except (RecursionError, ValueError) as odd:  # brackets without end; a number of more digits than Python reads
        why = "is nested too deeply" if isinstance(odd, RecursionError) else f"cannot be read: {odd}"
        raise ConfigError([f"{path}: line {_culprit(text)}: {why}"]) from odd


def _read_file(path: Path) -> bytes:
    """Its bytes, if it is a file: a pipe would be waited for, and a device never ends."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return data


def _culprit(text: str) -> int:
    """The number of the first line behind which a text is not only broken, but more than tomllib can bear."""
    lines = text.split("\n")

    def is_odd(count: int) -> bool:
        try:
            tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            return False
        except (RecursionError, ValueError):
            return True
        return False

    low, high = 1, len(lines)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_odd(middle) else (middle + 1, high)
    return low


def shown(value: Any) -> str:
    """A value of a file as a message may quote it, however long or deep it is."""
    return _SHOWN.repr(value)


def converter_of(tables: Iterable[type], kinds: Mapping[type, Mapping[str, type]]) -> cattrs.Converter:
    """A converter that takes what TOML says and guesses nothing.

    Args:
        tables: the classes of tables, whose keys are their attributes.
        kinds: for each class that stands for several, which of them a table is by its key ``kind``.
    """
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)

    converter.register_structure_hook(str, _strictly(str, "a text"))
    converter.register_structure_hook(bool, _strictly(bool, "true or false"))
    converter.register_structure_hook(int, _strictly(int, "a whole number"))
    converter.register_structure_hook(float, _strictly(float, "a number"))
    converter.register_structure_hook(date, _strictly(date, "a date like 2026-11-20, without quotes"))
    converter.register_structure_hook(str | tuple[str, ...], _take_one_or_several)
    converter.register_structure_hook(bool | Literal["here"], _take_recording)

    def take_tuple(value: Any, kind: Any) -> tuple[Any, ...]:
        if get_args(kind)[0] in kinds:
            return take_members(value, kind)
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {shown(value)}")  # noqa: TRY004 - wrong in the file, not in our code
        return tuple(converter.structure(item, get_args(kind)[0]) for item in value)

    converter.register_structure_hook_func(_is_tuple, take_tuple)

    def take_members(value: Any, kind: Any) -> tuple[Any, ...]:
        """One table with a kind, or a list of some, each with its number in what is wrong with it."""
        if isinstance(value, dict):
            return (converter.structure(value, get_args(kind)[0]),)
        if not isinstance(value, list) or not value:
            raise ValueError(f"must be a table with a kind, or a list of some, not {shown(value)}")
        members: list[Any] = []
        wrong: list[Exception] = []
        for number, item in enumerate(value):
            try:
                members.append(converter.structure(item, get_args(kind)[0]))
            except (BaseValidationError, TypeError, ValueError) as mistake:
                mistake.add_note(IterableValidationNote(f"number {number} of {kind}", number, kind))
                wrong.append(mistake)
        if wrong:
            raise IterableValidationError(f"while reading {kind}", wrong, kind)
        return tuple(members)

    def take_table(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table, not {shown(value)}")  # noqa: TRY004 - as above
        return structure[kind](value, kind)

    def take_kind(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table with a kind, not {shown(value)}")  # noqa: TRY004 - as above
        named, known = value.get("kind"), kinds[kind]
        if not isinstance(named, str) or named not in known:
            near = difflib.get_close_matches(named, known, n=1) if isinstance(named, str) else []
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"kind {shown(named)} is not known here{hint}; known are {', '.join(known)}")
        return take_table(value, known[named])

    for several in kinds:
        converter.register_structure_hook(several, take_kind)
    structure: dict[type, Callable[[Any, Any], Any]] = {}
    known_tables = (*tables, *(one for several in kinds.values() for one in several.values()))
    for table in known_tables:  # all of them first: what reads a table looks its inner ones up as it is made
        converter.register_structure_hook(table, take_table)
    for table in known_tables:
        bounded: Any = {
            field.name: cattrs.gen.override(struct_hook=_within(converter, field.metadata[RANGE]))
            for field in attrs.fields(table)
            if RANGE in field.metadata
        }
        structure[table] = cattrs.gen.make_dict_structure_fn(
            table, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **bounded
        )
    return converter


def _strictly(kind: type, words: str) -> Callable[[Any, Any], Any]:
    """A hook for values of a type that takes no others in their place."""

    def take(value: Any, _kind: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not -MOST <= value <= MOST:  # nor nan, which is not less than anything
                raise ValueError(f"must be {words} of at most {MOST}, not {shown(value)}")
            if kind is float:
                return float(value)
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        raise ValueError(f"must be {words}, not {shown(value)}")

    return take


def _take_one_or_several(value: Any, _kind: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"must be a text, or a list of texts, not {shown(value)}")


def _take_recording(value: Any, _kind: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if value == "here":
        return "here"
    raise ValueError(f'must be "here" (on this machine), true (at Twilio) or false, not {shown(value)}')


def _within(converter: cattrs.Converter, span: Range) -> Callable[[Any, Any], Any]:
    """A hook for a number that must not be less or more."""

    def take(value: Any, kind: Any) -> Any:
        number = converter.structure(value, kind)
        if number not in span:
            raise ValueError(f"must be {span}, not {shown(value)}")
        return number

    return take


def explained(wrong: BaseException, path: str) -> list[str]:
    """One line for each thing that is wrong, with the path of its key."""
    if isinstance(wrong, ForbiddenExtraKeysError):
        known = [field.name for field in attrs.fields(wrong.cl)]
        return [no_such_key(f"{path}.{key}", key, known) for key in sorted(wrong.extra_fields)]
    if isinstance(wrong, BaseValidationError):
        lines: list[str] = []
        for inner in wrong.exceptions:
            notes = getattr(inner, "__notes__", [])
            where = path
            for note in notes:
                if isinstance(note, cattrs.AttributeValidationNote):
                    where = f"{path}.{note.name}"
                elif isinstance(note, IterableValidationNote):
                    where = f"{path}.{note.index}"
            lines.extend(explained(inner, where))
        return lines
    if isinstance(wrong, KeyError):
        return [f"{path}: is missing"]
    return [f"{path}: {wrong}"]


def no_such_key(path: str, key: str, known: list[str]) -> str:
    """The line for a key or a name that does not exist, with the nearest one that does, or all of them."""
    near = difflib.get_close_matches(key, known, n=1)
    others = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}" if known else "there is none yet"
    return f"{path}: no such key; {others}"


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple
