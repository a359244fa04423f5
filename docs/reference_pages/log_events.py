"""Every line that the daemon logs, found in its source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

from reference_pages.markdown import MADE, SOURCE, meaning, refuse_leftovers, sources, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEVELS: Final = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
SEVERITY: Final = ("error", "warning", "info", "debug")


class Line(NamedTuple):
    """One place that logs."""

    event: str
    level: str
    facts: tuple[str, ...]
    place: str


def lines() -> Iterator[Line]:
    """Every place that logs an event by its name."""
    for path in sources():
        place = str(path.relative_to(SOURCE.parent))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from _logged(node, node.func, place)


def _logged(call: ast.Call, method: ast.Attribute, place: str) -> Iterator[Line]:
    owner = ast.unparse(method.value).rpartition(".")[2].lstrip("_")
    level, arguments = LEVELS.get(method.attr), call.args
    if owner == "complaints" and method.attr == "warn":
        level = "warning"
    elif owner == "log" and method.attr == "log":
        level, arguments = " or ".join(_names(call.args[0])), call.args[1:]
    elif owner != "log" or level is None:
        return
    facts = tuple(each.arg for each in call.keywords if each.arg is not None and each.arg != "exc_info")
    for event in _constants(arguments[:1]):
        yield Line(event, level, facts, place)


def _constants(arguments: Iterable[ast.expr]) -> Iterator[str]:
    for each in arguments:
        match each:
            case ast.Constant(value=str(event)):
                yield event
            case ast.IfExp(body=body, orelse=other):
                yield from _constants([body, other])


def _names(level: ast.expr) -> Iterator[str]:
    """The words for levels in an expression such as ``WARNING if failed else INFO``."""
    for node in ast.walk(level):
        word = (node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else "").lower()
        if word in LEVELS:
            yield LEVELS[word]


def page() -> str:
    """The page of the reference."""
    found: dict[str, list[Line]] = {}
    for line in lines():
        found.setdefault(line.event, []).append(line)
    refuse_leftovers("log_events", found)
    rows = []
    for event in sorted(found):
        levels = dict.fromkeys(line.level for line in found[event])
        facts = dict.fromkeys(fact for line in found[event] for fact in line.facts)
        rows.append((f"`{event}`", ", ".join(levels), meaning("log_events", event), ", ".join(f"`{f}`" for f in facts)))
    return "".join(
        (
            MADE,
            "# Log events\n\n",
            meaning("pages", "log_events").strip(),
            "\n\n",
            table(("event", "level", "meaning", "facts"), rows),
        )
    )
