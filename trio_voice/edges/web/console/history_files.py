"""All calls that the history was asked for, as a file: CSV or JSON, read from the journal some at a time."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

import attrs
from quart import Response

from trio_voice.edges.web.console.exports import file_of
from trio_voice.edges.web.console.history import asked_for, calls_of
from trio_voice.edges.web.operator.spreadsheet import safe_cell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.journal import JournaledCall
    from trio_voice.journal.selection import Selection

EXPORT_CALLS: Final = 200
"""Calls that are read at once for a file."""
COLUMNS: Final = (
    *("call_id", "call_sid", "direction", "persona", "from", "to", "started_at", "ended_at", "seconds", "end_reason"),
    *("end_detail", "currency", "telephone", "model", "total"),
)


def add_history_files(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The two files."""

    @app.get("/console/history.csv")
    @access.lets_in
    async def as_csv() -> Response:
        return await _file(context, _lines_of_csv, "text/csv; charset=utf-8", "calls.csv")

    @app.get("/console/history.json")
    @access.lets_in
    async def as_json() -> Response:
        return await _file(context, _lines_of_json, "application/json", "calls.json")


async def _file(context: AppContext, lines_of: Any, content_type: str, name: str) -> Response:
    try:
        wanted = attrs.evolve(calls_of(asked_for()), after=None, limit=EXPORT_CALLS)
    except ValueError as odd:
        return Response(f"{odd}\n", 400, content_type="text/plain; charset=utf-8")
    return await file_of(lines_of(_all(context, wanted)), content_type, name, here="history", code="no_journal")


async def _all(  # noqa: ASYNC900 - it holds nothing open
    context: AppContext, wanted: Selection
) -> AsyncIterator[list[JournaledCall]]:
    """All calls that are asked for, some at a time: once at least."""
    while True:
        found = await context.journal.listed(wanted)
        yield found[:EXPORT_CALLS]
        if len(found) <= EXPORT_CALLS:
            return
        wanted = attrs.evolve(wanted, after=found[EXPORT_CALLS - 1].record.call_id)


async def _lines_of_csv(  # noqa: ASYNC900 - a body: Quart closes it
    pages: AsyncIterator[list[JournaledCall]],
) -> AsyncIterator[bytes]:
    rows: list[Sequence[str]] = [COLUMNS]
    async for found in pages:
        yield _csv(rows + [_cells(each) for each in found])
        rows = []


def _cells(found: JournaledCall) -> list[str]:
    row = found.record.summary()
    row |= row.pop("cost")
    return [safe_cell(row[name]) for name in COLUMNS]


def _csv(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="replace")  # half a surrogate pair is no UTF-8


async def _lines_of_json(  # noqa: ASYNC900 - a body: Quart closes it
    pages: AsyncIterator[list[JournaledCall]],
) -> AsyncIterator[bytes]:
    before = b'{"calls": ['
    async for found in pages:
        yield before + ",\n".join(json.dumps(each.record.as_json()) for each in found).encode()
        before = b",\n"  # there is no empty page behind the first
    yield b"]}\n"
