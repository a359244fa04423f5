"""History: the calls that are over, from the journal, page by page."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import attrs
from quart import Response, request

from trio_voice.edges.web.console.rendering import page
from trio_voice.edges.web.console.words import amount, clock, moment
from trio_voice.edges.web.operator.listing import selection_of
from trio_voice.journal import JournalUnavailable
from trio_voice.journal.selection import Selection
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.journal import JournaledCall

PAGE_CALLS: Final = 50
FILTERS: Final = ("number", "persona", "end_reason", "day", "words")


def add_history(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The page."""

    @app.get("/console/history")
    @access.lets_in
    async def history() -> Response:
        query, wrong, trouble = asked_for(), "", ""
        found: list[JournaledCall] = []
        try:
            wanted = attrs.evolve(calls_of(query), limit=PAGE_CALLS)
        except ValueError as odd:
            wanted, wrong = Selection(limit=PAGE_CALLS), f"{odd}."
        if not wrong:
            try:
                found = await context.journal.listed(wanted)
            except JournalUnavailable as why:
                trouble = str(why)
        rest = {name: value for name, value in query.items() if name != "after"}
        day = ""
        with suppress(ValueError):  # browsers complain of a day that is none
            day = _bounds_of(query.get("day", ""))[0].date().isoformat()
        following = ""
        if len(found) > PAGE_CALLS:
            following = urlencode(rest | {"after": found[PAGE_CALLS - 1].record.call_id})
        return await page(
            "history",
            here="history",
            rows=[_row(each) for each in found[:PAGE_CALLS]],
            following=following,
            first=urlencode(rest) if "after" in query else None,
            query=query,
            day=day,
            exported=urlencode(rest),
            wrong=wrong,
            trouble=trouble,
            personas=sorted({*context.routing.personas, query.get("persona", "")} - {""}),  # calls stay, personas go
            end_reasons=list(EndReason),
            keeps_words=context.journal.keeps_words,
        )


def asked_for() -> dict[str, str]:
    """The filters that are set, and the page."""
    return {name: value for name in (*FILTERS, "after") if (value := request.args.get(name, "").strip())}


def calls_of(query: Mapping[str, str]) -> Selection:
    """The calls that are asked for. Raises ``ValueError`` where a value cannot be meant."""
    asked = dict(query)
    if "day" in asked:
        begins, ends = _bounds_of(asked.pop("day"))
        asked |= {"since": begins.isoformat(), "until": ends.isoformat()}
    return selection_of(asked)


def _bounds_of(day: str) -> tuple[datetime, datetime]:
    """The first moment of a day, and of the next. Raises ``ValueError`` for what is no day."""
    try:
        begins = datetime.fromisoformat(f"{day}T00:00:00+00:00")
        return begins, begins + timedelta(days=1)
    except (ValueError, OverflowError):  # behind the last of all there is none
        raise ValueError("day: must be like 2026-01-31") from None


def _row(found: JournaledCall) -> dict[str, Any]:
    record = found.record
    said = [line.text for line in record.transcript if line.role == "caller"]
    return {
        "call_id": record.call_id,
        "began": moment(record.started_at or found.began_at),
        "direction": record.direction,
        "persona": record.persona,
        "other": record.other_number,
        "time": clock(record.seconds),
        "cost": amount(record.cost, record.currency),
        "end": record.end_reason.value.replace("_", " ") if record.end_reason else "settled",
        "words": said[0][:120] if said else "",
        "recording": record.recording is not None and record.recording.url is not None,
    }
