"""Every key of config.toml, every credential and every variable of the environment, from the classes that read them."""

from __future__ import annotations

import ast
import collections.abc
import re
import typing
from collections.abc import Mapping
from datetime import date
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import attrs

from reference_pages.markdown import (
    MADE,
    Undocumented,
    attribute_docs,
    meaning,
    refuse_leftovers,
    sources,
    table,
    told,
)
from trio_voice.billing.prices import ModelPrices, PriceList, TwilioPrices
from trio_voice.config.credentials import SECRETS
from trio_voice.config.settings import Settings
from trio_voice.legs.providers import KINDS
from trio_voice.persona import Persona, TurnDetection
from trio_voice.protocols.chain_stages import HEARING, SPEAKING, THINKING
from trio_voice.protocols.settings import ModelSettings, StageSettings
from trio_voice.setting_fields import RANGE, VALUES, Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STAGES: Final = {"stt": HEARING, "llm": THINKING, "tts": SPEAKING}
BESIDE: Final = ("secrets", "proxies")
"""Attributes of ``Settings`` that come from the environment."""
REQUIRED: Final = "*required*"
NOT_SET: Final = "*not set*"


class Key(NamedTuple):
    """One key of config.toml."""

    table: str
    """As its heading: ``[limits]``."""
    name: str
    type: str
    default: str
    span: str
    meaning: str


class Table(NamedTuple):
    """One table of config.toml."""

    heading: str
    level: int
    kind: type
    without: type | None = None
    """The class whose keys stand elsewhere."""


def tables() -> Iterator[Table]:
    """All tables, in the order in which they are told."""
    hints = _hints_of(Settings)
    for field in attrs.fields(Settings):
        kind = hints[field.name]
        if attrs.has(kind) and field.name not in BESIDE:
            yield Table(f"[{field.name}]", 2, kind)
    yield Table("[models.NAME]", 2, ModelSettings)
    for name, row in KINDS.items():
        yield Table(f'kind = "{name}"', 3, row.settings, ModelSettings)
    yield Table("A stage of a chain", 2, StageSettings)
    for key, rows in STAGES.items():
        for name, stage in rows.items():
            yield Table(f'{key} = {{ kind = "{name}" }}', 3, stage.settings, StageSettings)
    yield Table("[personas.NAME]", 2, Persona)
    yield Table("turn_detection of a persona", 3, TurnDetection)
    yield Table("[prices]", 2, PriceList)
    yield Table("[prices.twilio]", 3, TwilioPrices)
    yield Table("[prices.NAME]", 3, ModelPrices)


def keys_of(told_of: Table) -> list[Key]:
    """The keys of one table.

    Raises:
        Undocumented: one has no meaning, or stands in a class that is not told of.
    """
    hints = _hints_of(told_of.kind)
    docs = attribute_docs(told_of.kind)
    elsewhere = {field.name: field for field in attrs.fields(told_of.without)} if told_of.without else {}
    found: list[Key] = []
    for field in attrs.fields(told_of.kind):
        if not field.init or (field.name == "name" and issubclass(told_of.kind, (ModelSettings, Persona))):
            continue
        if field.name in elsewhere and elsewhere[field.name].default == field.default:
            continue
        if not docs.get(field.name):
            place = f"{told_of.kind.__module__.replace('.', '/')}.py, class {told_of.kind.__name__}"
            raise Undocumented(
                f"the key {field.name!r} of {told_of.heading} has no meaning: write one as a text below it, "
                f"in {place}, then `make reference`"
            )
        kind = hints[field.name]
        words, default = type_of(kind), default_of(field)
        found.append(Key(told_of.heading, field.name, words, default, span_of(field, kind), docs[field.name]))
    return found


def _hints_of(kind: type) -> dict[str, Any]:
    """The types of a class's attributes; some of their names are imported for type checkers alone."""
    return typing.get_type_hints(kind, localns=vars(collections.abc))


def type_of(kind: Any) -> str:
    """A type in the words of people who write TOML."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        words = dict.fromkeys(type_of(each) for each in inner if each is not NoneType)
        return " or ".join(words)
    if origin is Literal:
        return "text"
    if origin is tuple:
        if attrs.has(inner[0]):
            return "table or list of tables"
        return f"list of {type_of(inner[0])}s"
    if origin in (Mapping, dict):
        return "table"
    if attrs.has(kind):
        return "table"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "text"
    return {str: "text", bool: "true or false", int: "whole number", float: "number", date: "date"}[kind]


def default_of(field: attrs.Attribute[Any]) -> str:
    """The value of a key that is left out."""
    if field.default is attrs.NOTHING:
        return REQUIRED
    default: Any = field.default
    value = default.factory() if hasattr(default, "factory") else default
    match value:
        case None:
            return NOT_SET
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'`"{value}"`'
        case int() | float():
            return f"`{value:.10g}`"
        case tuple():
            return "`[" + ", ".join(f'"{each}"' for each in value) + "]`"
        case _:
            return NOT_SET


def span_of(field: attrs.Attribute[Any], kind: Any) -> str:
    """The values that a key may have, where its type does not say."""
    if RANGE in field.metadata:
        span: Range = field.metadata[RANGE]
        return str(span)
    if VALUES in field.metadata:
        return str(field.metadata[VALUES])
    literals = [value for each in (kind, *get_args(kind)) if get_origin(each) is Literal for value in get_args(each)]
    return ", ".join(f"`{each}`" for each in literals)


def introduction_of(kind: type) -> str:
    """A table's class in a sentence: its docstring, without the name of the table and what the class raises."""
    words = told((kind.__doc__ or "").partition("\n    Raises:")[0])
    sentence = re.sub(r"^`[^`]+`(: |\.$|\. )", "", words)
    return f"{sentence[0].upper()}{sentence[1:]}\n\n" if sentence else ""


def page() -> str:
    """The page of the reference."""
    parts = [MADE, "# Configuration\n\n", meaning("pages", "configuration").strip(), "\n\n"]
    for each in tables():
        parts.append(f"{'#' * each.level} {_code(each.heading)}\n\n")
        parts.append(introduction_of(each.kind))
        rows = [(f"`{key.name}`", key.type, key.default, key.span, key.meaning) for key in keys_of(each)]
        if rows:
            parts.append(table(("key", "type", "default", "values", "meaning"), rows) + "\n")
        else:
            parts.append("No keys of its own.\n\n")
    parts.append(meaning("tables", "numbers").strip() + "\n\n")
    parts.append("## Credentials\n\n" + meaning("tables", "credentials").strip() + "\n\n")
    parts.append(table(("credential", "meaning"), ((f"`{name}`", words) for name, words in SECRETS.items())))
    parts.append("\n## Environment\n\n" + meaning("tables", "environment").strip() + "\n\n")
    named = variables()
    parts.append(table(("variable", "meaning"), ((f"`{name}`", meaning("environment", name)) for name in named)))
    refuse_leftovers("environment", named)
    return "".join(parts)


def _code(heading: str) -> str:
    return f"`{heading}`" if heading[0] == "[" or "=" in heading else heading


def variables() -> list[str]:
    """The variables of the environment that the package asks for by name, other than credentials."""
    found: set[str] = set()
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id: value.value
            for statement in tree.body
            for target, value in _assigned(statement)
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=owner, attr="get"), args=[ast.Constant(value=str(name)), *_]):
                    pass
                case ast.Call(func=ast.Attribute(value=owner, attr="get"), args=[ast.Name(id=alias), *_]) if (
                    alias in named
                ):
                    name = named[alias]
                case ast.Subscript(value=owner, slice=ast.Constant(value=str(name))):
                    pass
                case _:
                    continue
            if ast.unparse(owner).rpartition(".")[2].lstrip("_") in ("environ", "environment"):
                found.add(name)
    proxies = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"}  # read_proxies puts their names together
    return sorted((found | proxies) - SECRETS.keys())


def _assigned(statement: ast.stmt) -> Iterable[tuple[ast.expr, ast.expr]]:
    match statement:
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return [(target, value)]
        case ast.Assign(targets=[target], value=value):
            return [(target, value)]
        case _:
            return []
