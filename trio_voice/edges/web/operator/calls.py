"""The operator's routes of calls: one is placed, they are listed, told of, and hung up."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response, request

from trio_voice.call.callbacks import note_status
from trio_voice.edges.web.answers import STATUSES, error_of, failure
from trio_voice.edges.web.nodes import NODE, json_of
from trio_voice.edges.web.operator.call_request import read_call_request, sent_json
from trio_voice.edges.web.operator.elsewhere import calls_elsewhere, ended_elsewhere, placed_elsewhere
from trio_voice.edges.web.operator.idempotency import once
from trio_voice.edges.web.operator.listing import selection_of, together
from trio_voice.edges.web.operator.recordings import described
from trio_voice.edges.workers import aggregate
from trio_voice.edges.workers.handover import HERE
from trio_voice.errors import CallRefused
from trio_voice.journal import JournalUnavailable
from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.persona import Persona

_FIELDS: Final = ("to", "persona")


def add_calls(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """Add the routes.

    Args:
        app: to which they are added.
        context: what they need to know.
        access: lets operators in.
    """

    @app.post("/call")
    @access.lets_in
    async def place_call() -> Any:
        asked = await read_call_request(
            context.routing, _FIELDS, '{"to": "+15551234567", "persona": "reminder"}', must_have=("to",)
        )
        if isinstance(asked, Response):
            return asked
        wanted, persona = asked
        place = partial(placed, context, wanted, persona)
        key = request.headers.get("Idempotency-Key")
        return await (place() if key is None else once(context.journal, key, wanted, place))

    @app.get("/calls")
    @access.lets_in
    async def calls() -> Any:
        try:
            wanted = selection_of(request.args)
        except ValueError as wrong:
            return failure(400, "bad_request", str(wrong))
        here = [record.summary() for record in context.registry.records() if wanted.takes(record)]
        if HERE in request.headers:
            return {"calls": here}
        if context.asks_colleagues:
            here = aggregate.calls([here, *(answer.json()["calls"] for answer in await context.ask())])
        if NODE in request.headers:
            return {"calls": here}
        if context.nodes is not None:
            known = {call["call_id"] for call in here}
            theirs = await calls_elsewhere(context.nodes, context.journal, wanted)
            here += [call for call in theirs if call["call_id"] not in known]
        journaled = None
        with suppress(JournalUnavailable):
            journaled = [found.record.summary() for found in await context.journal.listed(wanted)]
        return together(here, journaled, wanted.limit, first_page=wanted.after is None)

    @app.get("/calls/<call_id>")
    @access.lets_in
    async def call(call_id: str) -> Any:
        record = context.registry.record(call_id)
        if record is None and context.asks_nodes and context.nodes is not None:
            answer = await context.nodes.ask_owner(call_id, "GET", f"/calls/{call_id}")
            if answer is not None and json_of(answer).get("call_id") == call_id:
                return json_of(answer)
        if record is None:
            try:
                journaled = await context.journal.call(call_id)
            except JournalUnavailable as trouble:
                return failure(503, "no_journal", f"nobody knows this call by heart, and the journal: {trouble}")
            record = None if journaled is None else journaled.record
        if record is None:
            return _no_such_call()
        if context.recordings is not None:
            await described(record, context.recordings)
        return record.as_json()

    @app.delete("/calls/<call_id>")
    @access.lets_in
    async def hang_up(call_id: str) -> Any:
        record = context.registry.record(call_id)
        if record is not None:
            context.registry.end(call_id, EndReason.OPERATOR, "the operator hung up")
            return record.summary()
        if not context.asks_nodes or context.nodes is None:
            return _no_such_call()
        return await ended_elsewhere(context.nodes, context.journal, context.rest, call_id) or _no_such_call()

    @app.post("/calls/<call_sid>/status")
    @access.lets_in
    async def status_of_a_node(call_sid: str) -> Any:
        """Another node was told by Twilio what has become of a call that is not its own."""
        said = await sent_json()
        status = said.get("status") if isinstance(said, dict) else None
        if not isinstance(status, str) or status not in TERMINAL_STATUSES:
            return failure(400, "bad_request", f"send JSON with a status: {', '.join(sorted(TERMINAL_STATUSES))}")
        note_status(context.registry, None, call_sid, status)
        if context.colleagues is not None:
            await context.colleagues.pass_on_status(call_sid, status)
        return "", 204


async def placed(context: AppContext, wanted: dict[str, Any], persona: Persona) -> tuple[dict[str, Any], int]:
    """Place a call, here or at a node that takes one; the answer and its status."""
    try:
        record = await context.dialer.place(wanted["to"], persona)
    except CallRefused as refused:
        if refused.code in ("full", "draining") and context.asks_nodes and context.nodes is not None:
            answer = await placed_elsewhere(context.nodes, wanted)
            if answer is not None:
                return answer
        context.metrics.count_refusal("call", refused.code)
        return error_of(refused.code, str(refused)), STATUSES[refused.code]
    return {"call_id": record.call_id, "call_sid": record.call_sid, "status": record.twilio_status}, 201


def _no_such_call() -> Response:
    return failure(404, "unknown_call", "there is no call of this id; GET /calls lists those that are known")
