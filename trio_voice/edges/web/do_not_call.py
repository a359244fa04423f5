"""The do-not-call list over HTTP: for programs, for the command, and for the console's page."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

import attrs
from quart import request

from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.spreadsheet import safe_cell
from trio_voice.journal import JournalUnavailable
from trio_voice.phone_numbers import e164

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator_access import OperatorAccess
    from trio_voice.journal.do_not_call import ListedNumber

MOST_NUMBERS: Final = 1_000
"""In one answer."""
MOST_LETTERS: Final = 500
"""Of a reason."""
NO_NUMBER: Final = "must be a telephone number with its country, like +15551234567"


@attrs.frozen
class BadRow:
    """A row of a file that is left out."""

    line: int
    why: str


class DoNotCallEditor:
    """Reads what people and files say, and writes it on the list.

    Args:
        context: whose journal has the list.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    async def page(self, asked: str, after: str, limit: int) -> list[ListedNumber]:
        """Numbers in their order, those that are asked for by all or the last of their digits.

        Raises:
            ValueError: that is no number and no end of one.
            JournalUnavailable: the list cannot be read.
        """
        digits = "".join(letter for letter in asked if letter.isdigit())
        if asked and (len(digits) < 3 or any(letter.isalpha() for letter in asked)):
            raise ValueError("number: must be the last 3 digits at least, or all of it")
        return await self._context.journal.do_not_call_numbers(digits, after, limit)

    async def add(self, number: str, reason: str) -> str:
        """Put a number on the list, or give it another reason; returns it in E.164.

        Raises:
            ValueError: it is no number, or the reason is too long.
            JournalUnavailable: it is not written.
        """
        written = _number(number)
        if len(reason) > MOST_LETTERS:
            raise ValueError(f"reason: must be at most {MOST_LETTERS} letters")
        await self._context.journal.set_do_not_call(written, " ".join(reason.split()))
        return written

    async def remove(self, number: str) -> str:
        """Take a number off the list; returns it in E.164.

        Raises:
            ValueError: it is no number.
            LookupError: it is not on it.
            JournalUnavailable: it is not written.
        """
        written = _number(number)
        if not await self._context.journal.remove_do_not_call(written):
            raise LookupError(f"{written} is not on the list")
        return written

    async def bring_in(self, text: str) -> tuple[int, list[BadRow]]:
        """Put all numbers of a CSV on the list; bad rows are told, and the rest is brought in.

        Raises:
            JournalUnavailable: it is not written.
        """
        rows, bad = read_csv(text)
        await self._context.journal.set_all_do_not_call(rows)
        return len(rows), bad


def _number(text: str) -> str:
    number = e164(text.strip())
    if number is None:
        raise ValueError(f"number: {NO_NUMBER}")
    return number


def read_csv(text: str) -> tuple[list[tuple[str, str]], list[BadRow]]:
    """The numbers in E.164 and the reasons of a CSV with ``number`` and ``reason``, and the rows that are neither.

    The first row may name the columns, in any order; other columns are left alone.
    """
    good: list[tuple[str, str]] = []
    bad: list[BadRow] = []
    reader = csv.reader(io.StringIO(text))
    columns = {"number": 0, "reason": 1}
    is_first = True
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return good, bad
        except csv.Error as odd:
            bad.append(BadRow(reader.line_num, str(odd)))
            continue
        names = [cell.strip().lower() for cell in row]
        if is_first and "number" in names:
            columns = {name: names.index(name) for name in ("number", "reason") if name in names}
            is_first = False
            continue
        is_first = False
        if not any(names):
            continue
        cells = {name: row[at].strip() for name, at in columns.items() if at < len(row)}
        number = e164(cells.get("number", "").removeprefix("'"))
        reason = cells.get("reason", "")
        if number is None:
            bad.append(BadRow(reader.line_num, f"number {NO_NUMBER}, not {cells.get('number', '')[:40]!r}"))
        elif len(reason) > MOST_LETTERS:
            bad.append(BadRow(reader.line_num, f"reason must be at most {MOST_LETTERS} letters"))
        else:
            good.append((number, reason))


async def csv_of(editor: DoNotCallEditor) -> AsyncIterator[bytes]:  # noqa: ASYNC900 - a body: Quart closes it
    """The whole list as a CSV that ``read_csv`` reads. A number has its plus sign: it is text, and no formula."""
    yield b"number,reason\r\n"
    after = ""
    while True:
        rows = await editor.page("", after, MOST_NUMBERS)
        text = io.StringIO()
        csv.writer(text).writerows([row.number, safe_cell(row.reason)] for row in rows)
        yield text.getvalue().encode()
        if len(rows) < MOST_NUMBERS:
            return
        after = rows[-1].number


def add_do_not_call(app: QuartTrio, context: AppContext, access: OperatorAccess) -> DoNotCallEditor:
    """The routes."""
    editor = DoNotCallEditor(context)

    @app.get("/do-not-call")
    @access.lets_in
    async def do_not_call_list() -> Any:
        limit = request.args.get("limit", "1000")
        if not re.fullmatch("[1-9][0-9]{0,3}", limit) or int(limit) > MOST_NUMBERS:
            return failure(400, "bad_request", f"limit: must be a number from 1 to {MOST_NUMBERS}")
        try:
            rows = await editor.page(request.args.get("number", ""), request.args.get("after", ""), int(limit) + 1)
        except ValueError as odd:
            return failure(400, "bad_request", str(odd))
        except JournalUnavailable as trouble:
            return failure(503, "no_list", f"the do-not-call list cannot be read: {trouble}")
        shown = rows[: int(limit)]
        return {
            "numbers": [attrs.asdict(row) for row in shown],
            "next": shown[-1].number if len(rows) > int(limit) else None,
        }

    @app.put("/do-not-call/<number>")
    @access.lets_in
    async def put_number(number: str) -> Any:
        data = await request.get_data()
        try:
            fields = json.loads(data) if data else {}
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not isinstance(fields.get("reason", ""), str) or fields.keys() - {"reason"}:
            return failure(400, "bad_request", 'send JSON like {"reason": "asked not to be called"}')
        try:
            written = await editor.add(number, fields.get("reason", ""))
        except ValueError as odd:
            return failure(400, "bad_number", str(odd))
        except JournalUnavailable as trouble:
            return failure(503, "no_list", f"it is not written: {trouble}")
        return {"number": written, "reason": fields.get("reason", "")}

    @app.get("/do-not-call/<number>")
    @access.lets_in
    async def look_up_number(number: str) -> Any:
        try:
            written = _number(number)
            found = [row for row in await editor.page(written, "", 2) if row.number == written]
        except ValueError as odd:
            return failure(400, "bad_number", str(odd))
        except JournalUnavailable as trouble:
            return failure(503, "no_list", f"the do-not-call list cannot be read: {trouble}")
        if not found:
            return failure(404, "not_listed", f"{written} is not on the do-not-call list")
        return attrs.asdict(found[0])

    @app.delete("/do-not-call/<number>")
    @access.lets_in
    async def delete_number(number: str) -> Any:
        try:
            return {"number": await editor.remove(number)}
        except ValueError as odd:
            return failure(400, "bad_number", str(odd))
        except LookupError as odd:
            return failure(404, "not_listed", str(odd.args[0]))
        except JournalUnavailable as trouble:
            return failure(503, "no_list", f"it is not written: {trouble}")

    return editor
