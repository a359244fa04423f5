"""The Quart-Trio app: Twilio's webhooks, the operator's routes, health, and a stream route for any ASGI server."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

import structlog
from quart import Response, jsonify, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from trio_voice.call.nodes import READY
from trio_voice.call.put_through import ANSWERED
from trio_voice.edges.metrics.metrics import CONTENT_TYPE
from trio_voice.edges.twilio.webhooks import (
    connect_twiml,
    hangup_twiml,
    is_signed,
    may_be_signature,
    redirect_twiml,
    reject_twiml,
    sorry_twiml,
)
from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.browser_calls import add_browser_calls
from trio_voice.edges.web.complaints import Complaints
from trio_voice.edges.web.console.rendering import TEMPLATES
from trio_voice.edges.web.console.routes import add_console
from trio_voice.edges.web.context import AppContext, AppJournal
from trio_voice.edges.web.do_not_call import add_do_not_call
from trio_voice.edges.web.doors import door_of
from trio_voice.edges.web.elsewhere import calls_elsewhere, ended_elsewhere, placed_elsewhere
from trio_voice.edges.web.events import add_events
from trio_voice.edges.web.listing import selection_of, together
from trio_voice.edges.web.media_stream import PREFIX, STATUSES, OtherNode, refusal_of
from trio_voice.edges.web.nodes import MOST_HOPS, NODE, VIA
from trio_voice.edges.web.operator_door import OperatorDoor
from trio_voice.edges.web.orders import once
from trio_voice.edges.web.quart_channel import QuartChannel
from trio_voice.edges.web.recordings import add_recordings, described
from trio_voice.edges.web.steering import add_steering
from trio_voice.edges.workers import aggregate
from trio_voice.edges.workers.handover import HERE, PROMISED
from trio_voice.errors import CallRefused
from trio_voice.journal import JournalUnavailable
from trio_voice.record import TERMINAL_STATUSES, CallState, EndReason
from trio_voice.tokens import lines_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_voice.persona import Persona

log: Final = structlog.stdlib.get_logger("trio_voice.app")

MAX_BODY_BYTES: Final = 65_536
MOST_NAMED: Final = 20
"""Calls that /healthz names because the journal has rows of theirs that are not understood."""
BODY_SECONDS: Final = 10
NOBODY: Final = "Nobody can take your call right now. Please try again later."
SORRY: Final = "We cannot take your call right now. Please try again later."
_CALL_FIELDS: Final = ("to", "persona")
_REFUSALS: Final = {
    "bad_number": 400,
    "not_allowed": 403,
    "do_not_call": 403,
    "budget": 403,
    "bad_public_url": 409,
    "no_account": 409,
    "no_from_number": 409,
    "no_list": 503,
    "pace": 503,
    "full": 503,
    "draining": 503,
    "twilio_refused": 502,
    "unknown_outcome": 504,
}
"""The HTTP status of each reason not to place a call."""


def create_app(context: AppContext) -> QuartTrio:
    """The app, for our own server or any other that speaks ASGI under trio."""
    app = QuartTrio("trio_voice", template_folder=TEMPLATES, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["BODY_TIMEOUT"] = BODY_SECONDS
    app.json.sort_keys = False  # type: ignore[attr-defined]  # quart's default provider has it
    _add_errors(app)
    _add_doors(app)
    _add_webhooks(app, context)
    _add_stream(app, context)
    door = OperatorDoor(context)
    _add_operator(app, context, door)
    add_browser_calls(app, context, door)
    add_events(app, context, door)
    steering = add_steering(app, context, door)
    desk = add_do_not_call(app, context, door)
    add_console(app, context, door, steering, desk)

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        counts = context.registry.statistics()
        here = (
            {
                "status": "draining" if counts.draining else "ok",
                "live_calls": counts.live_calls,
                "journal": _health_of(context.journal),  # anybody may ask; the log says why
            }
            | ({"unread_rows": sorted(context.journal.unread)[:MOST_NAMED]} if context.journal.unread else {})
        )
        if not context.asks_colleagues:
            return here
        return aggregate.health([here, *(answer.json() for answer in await context.ask())])

    @app.get("/readyz")
    async def readyz() -> Any:
        status = context.status
        live_calls, max_calls = context.registry.statistics().live_calls, context.registry.limits.max_calls
        if context.asks_colleagues:
            live_calls += sum(answer.json()["live_calls"] for answer in await context.ask("/healthz"))
        node = None if context.nodes is None else context.nodes.digits
        answer = {"status": status, "node": node, "live_calls": live_calls, "max_calls": max_calls}
        return answer, 200 if status == READY else 503

    @app.get("/metrics")
    async def metrics() -> Response:
        text = context.metrics.render()
        if context.asks_colleagues:
            text = aggregate.metrics([text.decode(), *(answer.text for answer in await context.ask())]).encode()
        return Response(text, content_type=CONTENT_TYPE)

    return app


def _health_of(journal: AppJournal) -> str:
    if journal.trouble or journal.list_trouble:
        return "failing"
    return "unread_rows" if journal.unread else "ok"


def _twiml(text: str) -> Response:
    # Always a 200: Twilio plays nothing of any other, and tells the caller of an application error instead.
    return Response(text, content_type="text/xml; charset=utf-8")


def _add_errors(app: QuartTrio) -> None:
    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        code = (error.name or "error").lower().replace(" ", "_")
        return failure(error.code or 500, code, error.description or str(error))

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        # One request's failure is answered and stays one request's failure.
        log.error("request_bug", path=request.path, exc_info=error)
        return failure(500, "bug", "an error in trio_voice; its log has the traceback")


def _add_doors(app: QuartTrio) -> None:
    @app.before_request
    async def of_this_door() -> Response | None:
        if door_of(request.scope).serves(request.path):
            return None
        return failure(404, "not_found", "nothing of this path is on this address; see [operator] bind")


def _add_webhooks(app: QuartTrio, context: AppContext) -> None:
    complaints = Complaints(log)

    def from_twilio(handler: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        """Let a request through only if Twilio signed it."""

        def refuse(status: int, code: str, message: str, **facts: object) -> Response:
            context.metrics.count_refusal("webhook", code)
            complaints.warn("webhook_refused", code, code=code, path=request.path, **facts)
            return failure(status, code, message)

        @wraps(handler)
        async def checked(**path: str) -> Response:
            signature = request.headers.get("X-Twilio-Signature", "")
            if context.auth_token is not None and not may_be_signature(signature):
                # Nothing is read for it: what follows its head costs more than the head.
                return refuse(
                    403,
                    "bad_signature",
                    "X-Twilio-Signature is missing, or is none: this is for Twilio, at the address in public_url",
                )
            form = await request.form
            owner = None if context.nodes is None else context.nodes.owner_of(path.get("call_id"))
            if context.auth_token is not None:
                target = request.scope.get("raw_path", request.path.encode()).decode("latin-1").partition("?")[0]
                if request.query_string:
                    target += "?" + request.query_string.decode("latin-1")
                fields = {name: form.getlist(name) for name in form} if request.method == "POST" else {}
                spellings = context.public_url.webhook_spellings(target)
                if owner is not None and context.nodes is not None:
                    spellings += context.nodes.webhook_spellings(owner, target)
                if not is_signed(spellings, fields, lines_of(context.auth_token), signature):
                    return refuse(
                        403,
                        "bad_signature",
                        "X-Twilio-Signature does not fit: public_url must be the address that Twilio is given, "
                        "and TWILIO_AUTH_TOKEN this account's primary token",
                        checked_url=spellings[0],
                    )
                # What is signed has no end between a field's name and its value, and may be of another account's call.
                if (
                    context.account_sid is not None
                    and form.get("AccountSid", context.account_sid) != context.account_sid
                ):
                    return refuse(403, "wrong_account", "AccountSid is not the account_sid of [twilio]")
                if not form.get("CallSid"):
                    return refuse(400, "no_call_sid", "CallSid is missing")
            if owner is not None:
                refused = OtherNode(owner)
                context.metrics.count_refusal("webhook", refused.code)
                complaints.warn("webhook_refused", refused.code, code=refused.code, path=request.path, node=owner)
                answer = jsonify(refusal_of(refused))
                answer.status_code = STATUSES[refused.code]
                return answer
            return await handler(**path)

        return checked

    async def sent_on(code: str) -> Response | None:
        """The way to a node that takes the call that we do not."""
        if context.nodes is None or code not in ("full", "draining"):
            return None
        via = request.args.get(VIA, "")
        passed = [via[at : at + 2] for at in range(0, len(via), 2)]
        node = await context.nodes.find_taker({*passed, context.nodes.digits}) if len(passed) < MOST_HOPS else None
        if node is None:
            return None
        log.info("call_sent_on", node=node.digits, code=code)
        return _twiml(redirect_twiml(context.nodes.redirect_url(node, via)))

    @app.post("/twiml")
    @from_twilio
    async def twiml() -> Response:
        return await new_call()

    async def new_call() -> Response:
        form = await request.form
        number = form.get("To", "")
        persona = context.routing.persona_for(number)
        if persona is None:
            context.metrics.count_refusal("call", "no_persona")
            log.warning("no_persona", to=_last_digits(number))
            return _twiml(reject_twiml())
        try:
            expected = context.registry.expect(
                persona,
                direction="inbound",
                from_number=form.get("From", ""),
                to_number=number,
                call_sid=form.get("CallSid") or None,
            )
        except CallRefused as refused:
            elsewhere = await sent_on(refused.code)
            if elsewhere is not None:
                return elsewhere
            context.metrics.count_refusal("call", refused.code)
            log.warning("call_refused", code=refused.code, reason=str(refused))
            return _twiml(hangup_twiml() if refused.code == "over" else sorry_twiml(SORRY))
        context.journal.call_began(expected.record)
        call_id = expected.record.call_id
        if context.colleagues is not None and expected.record.call_sid is not None:
            await context.colleagues.pass_on_status(expected.record.call_sid, PROMISED)
        log.info("call_expected", call_id=call_id, call_sid=expected.record.call_sid, persona=persona.name)
        stream_status = context.public_url.of(f"/stream-status/{call_id}")
        return _twiml(connect_twiml(context.public_url.stream(call_id), stream_status))

    @app.post("/twiml/<call_id>")
    @from_twilio
    async def outbound_twiml(call_id: str) -> Response:
        form = await request.form
        if VIA in request.args:  # a call that comes in, sent on by another node
            return await new_call()
        record = context.registry.answered(call_id, form.get("CallSid"))
        if record is None:
            context.metrics.count_refusal("call", "unknown_call")
            log.warning("unknown_call_answered", call_id=call_id)
            return _twiml(hangup_twiml())
        context.journal.call_began(record)
        stream_status = context.public_url.of(f"/stream-status/{call_id}")
        return _twiml(connect_twiml(context.public_url.stream(call_id), stream_status))

    @app.post("/dial-status/<call_id>")
    @from_twilio
    async def dial_status(call_id: str) -> Response:
        form = await request.form
        outcome = form.get("DialCallStatus")
        if outcome is None:  # of the one who was called, who has answered
            await context.registry.dialed(call_id, "answered", over=False)
            return Response("", 204)
        over = form.get("CallStatus") in TERMINAL_STATUSES
        expected = await context.registry.dialed(call_id, outcome, over=over)
        log.info("dialed", call_id=call_id, outcome=outcome[:20], comes_back=expected is not None)
        if expected is not None:
            context.journal.call_began(expected.record)
            stream_status = context.public_url.of(f"/stream-status/{call_id}")
            return _twiml(connect_twiml(context.public_url.stream(expected.path), stream_status))
        return _twiml(hangup_twiml() if over or outcome in ANSWERED else sorry_twiml(NOBODY))

    @app.post("/amd-status/<call_id>")
    @from_twilio
    async def amd_status(call_id: str) -> Response:
        form = await request.form
        context.registry.note_machine(call_id, form.get("AnsweredBy", "unknown"))
        record = context.registry.record(call_id)
        if record is not None and record.state is CallState.ENDED:
            context.journal.call_ended(record)  # it is in the record of a call that was quicker than this
        return Response("", 204)

    @app.post("/recording-status/<call_id>")
    @from_twilio
    async def recording_status(call_id: str) -> Response:
        form = await request.form
        record = context.registry.record(call_id)
        if record is not None and form.get("RecordingStatus") == "completed":
            record.recording_url = form.get("RecordingUrl")
        return Response("", 204)

    @app.post("/call-status")
    @app.post("/call-status/<call_id>")
    @from_twilio
    async def call_status(call_id: str | None = None) -> Response:
        form = await request.form
        context.registry.note_status(call_id, form.get("CallSid", ""), form.get("CallStatus", ""))
        await tell_others(context, call_id, form.get("CallSid", ""), form.get("CallStatus", ""))
        return Response("", 204)

    @app.post("/stream-status/<call_id>")
    @from_twilio
    async def stream_status(call_id: str) -> Response:
        form = await request.form
        if form.get("StreamEvent") == "stream-error":
            # In known incidents this came at once, while the socket stayed half-open for minutes.
            detail = f"Twilio's stream failed: {form.get('StreamError', 'no reason given')}"
            context.registry.end(call_id, EndReason.TWILIO_ENDED, detail)
        return Response("", 204)


async def tell_others(context: AppContext, call_id: str | None, call_sid: str, status: str) -> None:
    """Tell the other processes and nodes what Twilio says of a call whose id it did not say."""
    if call_id is not None:
        return
    if context.colleagues is not None:
        await context.colleagues.pass_on_status(call_sid, status)
    if context.nodes is not None and status in TERMINAL_STATUSES and not context.registry.knows(call_sid):
        context.nodes.tell_status(call_sid, status)


def _add_stream(app: QuartTrio, context: AppContext) -> None:
    @app.websocket(PREFIX + "<call_id>")
    async def media_stream(call_id: str) -> tuple[str, int] | None:
        socket = websocket._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - werkzeug's own name
        try:
            headers = socket.headers
            expected = context.authenticator.admit(
                PREFIX + call_id, headers.get("X-Twilio-Signature"), headers.get("Origin"), headers.get("Host")
            )
        except CallRefused as refused:
            return str(refused), STATUSES[refused.code]
        await socket.accept()
        # An older Quart cancels this task when the peer leaves; to the call that is its caller being lost.
        channel = QuartChannel(socket)
        await context.authenticator.reception.answer(expected, channel, cancelled_because=EndReason.CALLER_LOST)
        return None


def _add_operator(app: QuartTrio, context: AppContext, door: OperatorDoor) -> None:
    from_operator = door.lets_in

    @app.post("/call")
    @from_operator
    async def place_call() -> Any:
        try:
            wanted = json.loads(await request.get_data())
        except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested too deeply to be any of ours
            wanted = None
        if not isinstance(wanted, dict) or not isinstance(wanted.get("to"), str):
            return failure(400, "bad_request", 'send JSON like {"to": "+15551234567", "persona": "reminder"}')
        unknown = sorted(str(field)[:60] for field in wanted.keys() - set(_CALL_FIELDS))
        if unknown:
            known = ", ".join(_CALL_FIELDS)
            return failure(400, "unknown_field", f"there is no field {', '.join(unknown[:8])}; there are {known}")
        name = wanted.get("persona", context.routing.numbers.get("default"))
        persona = context.routing.personas.get(name) if isinstance(name, str) else None
        if persona is None:
            known = ", ".join(sorted(context.routing.personas))
            return failure(404, "unknown_persona", f"there is no persona {str(name)[:60]!r}; there are {known}")
        place = partial(placed, context, wanted, persona)
        key = request.headers.get("Idempotency-Key")
        return await (place() if key is None else once(context.journal, key, wanted, place))

    @app.get("/calls")
    @from_operator
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
    @from_operator
    async def call(call_id: str) -> Any:
        record = context.registry.record(call_id)
        if record is None and context.asks_nodes and context.nodes is not None:
            answer = await context.nodes.ask_owner(call_id, "GET", f"/calls/{call_id}")
            if answer is not None and answer.is_success:
                return answer.json()
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
    @from_operator
    async def hang_up(call_id: str) -> Any:
        record = context.registry.record(call_id)
        if record is not None:
            context.registry.end(call_id, EndReason.OPERATOR, "the operator hung up")
            return record.summary()
        if not context.asks_nodes or context.nodes is None:
            return _no_such_call()
        return await ended_elsewhere(context.nodes, context.journal, context.rest, call_id) or _no_such_call()

    @app.post("/calls/<call_sid>/status")
    @from_operator
    async def status_of_a_node(call_sid: str) -> Any:
        """Another node was told by Twilio what has become of a call that is not its own."""
        said = await request.get_json(silent=True)
        status = said.get("status") if isinstance(said, dict) else None
        if not isinstance(status, str) or status not in TERMINAL_STATUSES:
            return failure(400, "bad_request", f"send JSON with a status: {', '.join(sorted(TERMINAL_STATUSES))}")
        context.registry.note_status(None, call_sid, status)
        if context.colleagues is not None:
            await context.colleagues.pass_on_status(call_sid, status)
        return "", 204

    if context.recordings is not None:
        add_recordings(app, context.registry, context.journal, context.recordings, from_operator)


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
        return {"error": {"code": refused.code, "message": str(refused)}}, _REFUSALS.get(refused.code, 400)
    return {"call_id": record.call_id, "call_sid": record.call_sid, "status": record.twilio_status}, 201


def _no_such_call() -> Response:
    return failure(404, "unknown_call", "there is no call of this id; GET /calls lists those that are known")


def _last_digits(number: str) -> str:
    """A number that can be told from others in a log without being one."""
    return f"…{number[-4:]}" if len(number) > 4 else number
