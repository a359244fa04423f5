"""How calls end, and what may be refused: end reasons, states, closings and error codes."""

from __future__ import annotations

import ast
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from reference_pages.markdown import (
    MADE,
    Undocumented,
    attribute_docs,
    meaning,
    refuse_leftovers,
    sources,
    table,
)
from trio_voice.record import CallState, EndReason
from trio_voice.session_record import Closing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

ANSWERING: Final = ("failure", "error_answer", "_refuse", "refuse", "Refusal")
"""Functions and classes whose first two arguments are a status and a code."""
ERRORS: Final = frozenset(status.value for status in HTTPStatus if status.value >= 400)


def _rows_of(kind: type[StrEnum]) -> Iterator[tuple[str, str]]:
    docs = attribute_docs(kind)
    for member in kind:
        if member.name not in docs:
            raise Undocumented(
                f"{kind.__name__}.{member.name} has no meaning: write one as a text below it, then `make reference`"
            )
        yield f"`{member.value}`", docs[member.name]


def end_reasons() -> str:
    """The page of end reasons, states and closings."""
    parts = [MADE, "# End reasons, states, closings\n\n", meaning("pages", "end_reasons").strip(), "\n\n"]
    for heading, kind in (("`end_reason`", EndReason), ("`state`", CallState), ("`closing`", Closing)):
        parts.extend((f"## {heading}\n\n", table(("value", "meaning"), _rows_of(kind)), "\n"))
    return "".join(parts)


def error_codes() -> dict[str, set[int]]:
    """Each code that an ``{"error": ...}`` may have, and the statuses that it comes with."""
    found: dict[str, set[int]] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id=name) | ast.Attribute(attr=name), args=[status, ast.Constant(value=str(code)), *_]
                ) if name in ANSWERING:
                    found.setdefault(code, set()).update(_status_of(status))
                case ast.Tuple(
                    elts=[ast.Call(func=ast.Name(id="error_of"), args=[ast.Constant(value=str(code)), *_]), status]
                ):
                    found.setdefault(code, set()).update(_status_of(status))
                case ast.Call(func=ast.Name(id="CallRefused"), args=[code, *_]):
                    for each in _constants(code):
                        found.setdefault(each, set())
                case ast.Dict(keys=[ast.Constant(value=str()), *_] as codes, values=values) if "edges" in path.parts:
                    for key, value in zip(codes, values, strict=True):  # such as the status of each reason
                        if isinstance(key, ast.Constant) and (among := {*_status_of(value)} & ERRORS):
                            found.setdefault(str(key.value), set()).update(among)
    return found


def _constants(code: ast.expr) -> Iterator[str]:
    for node in ast.walk(code):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _status_of(status: ast.expr) -> Iterator[int]:
    match status:
        case ast.Constant(value=int(number)):
            yield number
        case ast.Attribute(value=ast.Name(id="HTTPStatus"), attr=name):
            yield HTTPStatus[name].value


def errors() -> str:
    """The page of error codes."""
    found = error_codes()
    refuse_leftovers("error_codes", found)
    rows = (
        (f"`{code}`", ", ".join(str(status) for status in sorted(found[code])), meaning("error_codes", code))
        for code in sorted(found)
    )
    return "".join(
        (
            MADE,
            "# Error codes\n\n",
            meaning("pages", "error_codes").strip(),
            "\n\n",
            table(("code", "status", "meaning"), rows),
        )
    )
