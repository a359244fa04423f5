"""The do-not-call list over HTTP: for programs, for the command, and for the console's page."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio
from quart import request

from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.entrypoints import give_more_time
from trio_voice.edges.web.operator.listing import NO_END
from trio_voice.edges.web.operator.number_file import (
    MAX_LETTERS,
    NO_NUMBER,
    BadRow,
    GoodRow,
    csv_of,
    read_rows,
    text_of,
)
from trio_voice.journal import JournalUnavailable
from trio_voice.phone_numbers import e164, number_or_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.journal.do_not_call import ListedNumber

PATH: Final = "/do-not-call"
MAX_NUMBERS: Final = 1_000
"""In one answer."""
MAX_FILE_BYTES: Final = 8_388_608
"""Of a file that is brought in: some 400,000 numbers."""
ROWS_AT_ONCE: Final = 50
"""Rows that are read between two turns of the loop: a millisecond."""
ROWS_WRITTEN: Final = 5_000
"""Rows that are written together: the journal answers in seconds."""
MAX_BAD_ROWS: Final = 1_000
"""Bad rows that a program is told; it is told how many there are."""


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
        end = number_or_end(asked)
        if asked and end is None:
            raise ValueError(f"number: {NO_END}")
        return await self._context.journal.do_not_call_numbers(end or "", after, limit)

    async def add(self, number: str, reason: str) -> str:
        """Put a number on the list, or give it another reason; returns it in E.164.

        Raises:
            ValueError: it is no number, or the reason is too long.
            JournalUnavailable: it is not written.
        """
        written = _number(number)
        if len(reason) > MAX_LETTERS:
            raise ValueError(f"reason: must be at most {MAX_LETTERS} letters")
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

    async def bring_in(self, data: bytes, go_on: Callable[[], object]) -> tuple[int, list[BadRow]]:
        """Put all numbers of a file on the list; bad rows are told, and the rest is brought in.

        Cancelling is safe, and takes back nothing of what is written.

        Args:
            data: the file.
            go_on: told after each piece of it that is written.

        Raises:
            JournalUnavailable: it is not written, or not all of it.
        """
        good: list[tuple[str, str]] = []
        bad: list[BadRow] = []
        added = 0
        for number, row in enumerate(read_rows(text_of(data)), 1):
            if isinstance(row, GoodRow):
                good.append((row.number, row.reason))
            else:
                bad.append(row)
            if len(good) >= ROWS_WRITTEN:
                await self._context.journal.set_all_do_not_call(good)
                added += len(good)
                good = []
                go_on()
            elif number % ROWS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        await self._context.journal.set_all_do_not_call(good)
        return added + len(good), bad


def _number(text: str) -> str:
    number = e164(text.strip())
    if number is None:
        raise ValueError(f"number: {NO_NUMBER}")
    return number


async def whole_list(editor: DoNotCallEditor) -> AsyncIterator[bytes]:  # noqa: ASYNC900 - a body: Quart closes it
    """The whole list as a CSV that can be brought in again."""
    head, after = "number,reason\r\n", ""
    while True:
        rows = await editor.page("", after, MAX_NUMBERS)
        yield (head + csv_of((row.number, row.reason) for row in rows)).encode()
        if len(rows) < MAX_NUMBERS:
            return
        head, after = "", rows[-1].number


def add_do_not_call(app: QuartTrio, context: AppContext, access: OperatorAccess) -> DoNotCallEditor:
    """The routes."""
    editor = DoNotCallEditor(context)

    @app.get(PATH)
    @access.lets_in
    async def do_not_call_list() -> Any:
        limit = request.args.get("limit", "1000")
        if not re.fullmatch("[1-9][0-9]{0,3}", limit) or int(limit) > MAX_NUMBERS:
            return failure(400, "bad_request", f"limit: must be a number from 1 to {MAX_NUMBERS}")
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

    @app.post(PATH)
    @access.lets_in
    async def bring_in_numbers() -> Any:
        if request.mimetype != "text/csv":
            return failure(415, "wrong_content_type", "send a file with the columns number and reason as text/csv")
        try:
            data = await request.get_data(cache=False, as_text=False, parse_form_data=False)
            added, bad = await editor.bring_in(data, partial(give_more_time, request.scope))
        except JournalUnavailable as trouble:
            return failure(503, "no_list", f"it is not written, or not all of it: {trouble}")
        return {"added": added, "bad": [attrs.asdict(row) for row in bad[:MAX_BAD_ROWS]], "bad_rows": len(bad)}

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
