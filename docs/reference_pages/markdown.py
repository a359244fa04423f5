"""Markdown out of what code says about itself: tables, and the texts that stand behind attributes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "trio_voice"
MEANINGS: Final = Path(__file__).parent / "meanings.toml"
MADE: Final = "<!-- Made from the code by `make reference`: change it there. -->\n"


class Undocumented(Exception):
    """Something that users meet has no meaning; the message says where to write one."""


@cache
def meanings() -> Mapping[str, Any]:
    """Meanings that no code says: the tables of ``meanings.toml``."""
    return tomllib.loads(MEANINGS.read_text(encoding="utf-8"))


def meaning(table: str, name: str) -> Any:
    """One entry of a table of ``meanings.toml``.

    Raises:
        Undocumented: there is none.
    """
    try:
        return meanings()[table][name]
    except KeyError:
        raise Undocumented(
            f"{name!r} has no meaning: write one in {MEANINGS.relative_to(ROOT)} under [{table}], then `make reference`"
        ) from None


def refuse_leftovers(table: str, there: Iterable[str]) -> None:
    """Look whether a table of ``meanings.toml`` speaks only of what there is.

    Raises:
        Undocumented: it speaks of something that does not exist any more.
    """
    gone = sorted(meanings()[table].keys() - set(there))
    if gone:
        where = MEANINGS.relative_to(ROOT)
        raise Undocumented(f"nothing in trio_voice is named {', '.join(gone)}: take it out of [{table}] of {where}")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, with a line break behind it."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines.extend(" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "".join(f"| {line} |\n" for line in lines)


def told(docstring: str) -> str:
    """A docstring, or what stands behind an attribute, as one line of Markdown."""
    return re.sub(r"\s+", " ", docstring.replace("``", "`")).strip()


@cache
def attribute_docs(kind: type) -> Mapping[str, str]:
    """The text behind each attribute of a class, its own or one that it inherits."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("trio_voice."):
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            if isinstance(body, ast.ClassDef):
                found.update(_documented(body.body))
    return found


def _documented(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, told(text)


def constants(path: Path) -> Mapping[str, Any]:
    """The constants of a module that are literals, by name."""
    found: dict[str, Any] = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            try:
                found[statement.target.id] = ast.literal_eval(statement.value)
            except ValueError:
                continue
    return found


def sources() -> Iterator[Path]:
    """The files of the package that a daemon runs: all but the sandbox."""
    return (path for path in sorted(SOURCE.rglob("*.py")) if "sandbox" not in path.relative_to(SOURCE).parts)
