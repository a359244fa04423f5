"""Do not call: whom never to call, to be looked up, added, removed, brought in and taken out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from quart import Response, request

from trio_voice.edges.web.console.exports import file_of
from trio_voice.edges.web.console.rendering import page
from trio_voice.edges.web.entrypoints import give_more_time
from trio_voice.edges.web.operator.do_not_call import DoNotCallEditor, whole_list
from trio_voice.edges.web.operator.number_file import BadRow
from trio_voice.journal import JournalUnavailable
from trio_voice.phone_numbers import e164

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from quart_trio import QuartTrio

    from trio_voice.edges.web.operator.access import OperatorAccess

IMPORT: Final = "/console/do-not-call/import"
PAGE_NUMBERS: Final = 50
DONE: Final = {"added": "is never called again", "removed": "may be called again"}
"""The words for each change, by its name in the address that follows it."""
MAX_SHOWN: Final = 20
"""Bad rows of a file that are told."""


def add_do_not_call_page(app: QuartTrio, editor: DoNotCallEditor, access: OperatorAccess) -> None:
    """The page, and its forms."""

    async def shown(wrong: str = "", done: str = "", bad: list[BadRow] | None = None, status: int = 200) -> Response:
        after, asked = request.args.get("after", ""), request.args.get("number", "").strip()
        trouble, rows, following = "", [], ""
        try:
            rows = await editor.page(asked, after, PAGE_NUMBERS + 1)
        except JournalUnavailable as why:
            trouble = f"The list cannot be read, so nobody is called: {why}"
        except ValueError as odd:
            wrong = wrong or f"{odd}."
        if len(rows) > PAGE_NUMBERS:
            following = urlencode({"number": asked, "after": rows[PAGE_NUMBERS - 1].number})
        return await page(
            "do_not_call",
            here="do_not_call",
            status=status,
            rows=rows[:PAGE_NUMBERS],
            following=following,
            asked=asked,
            wrong=wrong,
            done=done or _done(),
            bad=(bad or [])[:MAX_SHOWN],
            bad_beyond=len((bad or [])[MAX_SHOWN:]),
            trouble=trouble,
        )

    async def changed(change: Awaitable[str], done: str) -> Response:
        """The answer to a change of one number, whose result is that number; ``done`` is a name in ``DONE``."""
        try:
            number = await change
        except (ValueError, LookupError) as odd:
            return await shown(f"{odd}.", status=400)
        except JournalUnavailable as trouble:
            return await shown(f"It could not be written: {trouble}", status=503)
        return Response("", 303, {"Location": f"/console/do-not-call?{urlencode({done: number})}"})

    @app.get("/console/do-not-call")
    @access.lets_in
    async def do_not_call_page() -> Response:
        return await shown()

    @app.post("/console/do-not-call")
    @access.lets_in
    async def add_number() -> Response:
        form = await request.form
        return await changed(editor.add(form.get("number", ""), form.get("reason", "")), "added")

    @app.post("/console/do-not-call/remove")
    @access.lets_in
    async def remove_number() -> Response:
        number = (await request.form).get("number", "")
        return await changed(editor.remove(number), "removed")

    @app.post(IMPORT)
    @access.lets_in
    async def import_numbers() -> Response:
        sent = (await request.files).get("file")
        try:
            data = b"" if sent is None else sent.read()
            added, bad = await editor.bring_in(data, partial(give_more_time, request.scope))
        except JournalUnavailable as trouble:
            return await shown(f"It could not be written, or not all of it: {trouble}", status=503)
        done = f"{added} {'number was' if added == 1 else 'numbers were'} brought in."
        return await shown(done=done, bad=bad)

    @app.get("/console/do-not-call.csv")
    @access.lets_in
    async def export_numbers() -> Response:
        pieces, kind = whole_list(editor), "text/csv; charset=utf-8"
        return await file_of(pieces, kind, "do-not-call.csv", here="do_not_call", code="no_list")


def _done() -> str:
    """Words for the change after which the browser was sent here. A link can name a number and nothing else."""
    for name, words in DONE.items():
        if number := e164(request.args.get(name, "")):
            return f"{number} {words}."
    return ""
