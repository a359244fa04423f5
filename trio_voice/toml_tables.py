"""TOML tables into frozen objects, and what is wrong with them in words: the path of the key, and the nearest one."""

from __future__ import annotations

import difflib
from datetime import date
from typing import TYPE_CHECKING, Any, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError, IterableValidationNote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def converter_of(tables: Iterable[type], kinds: Mapping[type, Mapping[str, type]]) -> cattrs.Converter:
    """A converter that takes what TOML says and guesses nothing.

    Args:
        tables: the classes of tables, whose keys are their attributes.
        kinds: for each class that stands for several, which of them a table is by its key ``kind``.
    """
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)

    def strictly(kind: type, words: str) -> None:
        def take(value: Any, _kind: Any) -> Any:
            if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
                return value
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            raise ValueError(f"must be {words}, not {value!r}")

        converter.register_structure_hook(kind, take)

    strictly(str, "a text")
    strictly(bool, "true or false")
    strictly(int, "a whole number")
    strictly(float, "a number")
    strictly(date, "a date like 2026-11-20, without quotes")

    def take_tuple(value: Any, kind: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {value!r}")  # noqa: TRY004 - wrong in the file, not in our code
        return tuple(converter.structure(item, get_args(kind)[0]) for item in value)

    converter.register_structure_hook_func(_is_tuple, take_tuple)

    def take_one_or_several(value: Any, _kind: Any) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(f"must be a text, or a list of texts, not {value!r}")

    converter.register_structure_hook(str | tuple[str, ...], take_one_or_several)

    def take_table(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table, not {value!r}")  # noqa: TRY004 - as above
        return structure[kind](value, kind)

    def take_kind(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table with a kind, not {value!r}")  # noqa: TRY004 - as above
        named, known = value.get("kind"), kinds[kind]
        if not isinstance(named, str) or named not in known:
            near = difflib.get_close_matches(str(named), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"kind {named!r} is not known here{hint}; known are {', '.join(known)}")
        return take_table(value, known[named])

    for several in kinds:
        converter.register_structure_hook(several, take_kind)
    structure: dict[type, Callable[[Any, Any], Any]] = {}
    for table in (*tables, *(one for several in kinds.values() for one in several.values())):
        structure[table] = cattrs.gen.make_dict_structure_fn(
            table, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
        )
        converter.register_structure_hook(table, take_table)
    return converter


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
    return f"{path}: no such key" + (f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}")


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple
