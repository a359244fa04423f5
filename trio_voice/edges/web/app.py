"""The Quart-Trio app: Twilio's webhooks, the operator's routes, health, and a stream route for any ASGI server."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import structlog
from quart import Response, jsonify, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from trio_voice.call.put_through import ANSWERED
from trio_voice.edges.metrics.metrics import CONTENT_TYPE
from trio_voice.edges.twilio.webhooks import (
    PublicUrl,
    connect_twiml,
    hangup_twiml,
    is_signed,
    may_be_signature,
    reject_twiml,
    sorry_twiml,
)
from trio_voice.edges.web.complaints import Complaints
from trio_voice.edges.web.doors import door_of
from trio_voice.edges.web.listing import selection_of, together
from trio_voice.edges.web.media_stream import PREFIX, STATUSES
from trio_voice.edges.web.operator_tokens import WRONG_PER_SECOND, TokenJudge, Verdict, bearer_of
from trio_voice.edges.web.quart_channel import QuartChannel
from trio_voice.edges.workers import aggregate
from trio_voice.edges.workers.handover import HERE, PROMISED
from trio_voice.errors import CallRefused
from trio_voice.journal import JournalUnavailable
from trio_voice.phone_numbers import e164
from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx2

    from trio_voice.call.registry import Registry
    from trio_voice.edges.metrics.metrics import Metrics
    from trio_voice.edges.twilio.dialer import Dialer
    from trio_voice.edges.web.doors import Hosts
    from trio_voice.edges.web.media_stream import StreamAuthenticator
    from trio_voice.edges.workers.handover import Colleagues
    from trio_voice.journal import JournaledCall
    from trio_voice.journal.selection import Selection
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

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
    "full": 503,
    "draining": 503,
    "twilio_refused": 502,
    "unknown_outcome": 504,
}
"""The HTTP status of each reason not to place a call."""


@attrs.define
class NumberRouting:
    """Which persona answers which of our numbers. Replaced whole on a reload."""

    personas: Mapping[str, Persona]
    numbers: Mapping[str, str]
    """Persona names by number; ``default`` answers the rest."""

    def persona_for(self, number: str) -> Persona | None:
        """Who answers a number, however it is written, if anybody does."""
        name = self.numbers.get(number) or self.numbers.get(e164(number) or "", self.numbers.get("default"))
        return None if name is None else self.personas[name]


class AppJournal(Protocol):
    """Where it is written down whom we have promised to answer, if it is."""

    @property
    def trouble(self) -> str:
        """Why nothing is written down; empty if it is."""

    @property
    def list_trouble(self) -> str:
        """Why it is not known whom never to call; empty if it is."""

    @property
    def unread(self) -> Mapping[str, list[str]]:
        """Calls of which it does not understand every row, and which."""

    def call_began(self, call: CallRecord) -> None:
        """Write down that a call is ours, so that whoever comes after us knows. Does not wait."""

    async def call(self, call_id: str) -> JournaledCall | None:
        """One call, whole. Raises ``JournalUnavailable``."""

    async def listed(self, wanted: Selection) -> list[JournaledCall]:
        """A page of calls that are over, the newest first, and one more. Raises ``JournalUnavailable``."""


@attrs.define(kw_only=True)
class AppContext:
    """What the app's routes need to decide who may do what.

    ``auth_token`` is ``None`` only where Twilio's signatures are not to be checked; without an ``api_token`` the
    operator's routes are closed.
    """

    authenticator: StreamAuthenticator
    public_url: PublicUrl
    routing: NumberRouting
    dialer: Dialer
    journal: AppJournal
    metrics: Metrics
    auth_token: str | None
    api_token: str | None
    account_sid: str | None = None
    """Whose calls Twilio tells us of; ``None`` if we have not been told."""
    colleagues: Colleagues | None = None
    """The other processes on this port, if there are any."""
    hosts: Hosts | None = None
    """The names of the operator's address, once it is known."""

    @property
    def asks_colleagues(self) -> bool:
        """Whether the request that is being answered is to be answered for all processes."""
        return self.colleagues is not None and HERE not in request.headers

    @property
    def registry(self) -> Registry:
        """The registry of this process's calls."""
        return self.authenticator.reception.registry


def create_app(context: AppContext) -> QuartTrio:
    """The app, for our own server or any other that speaks ASGI under trio."""
    app = QuartTrio("trio_voice")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["BODY_TIMEOUT"] = BODY_SECONDS
    app.json.sort_keys = False  # type: ignore[attr-defined]  # quart's default provider has it
    _add_errors(app)
    _add_doors(app)
    _add_webhooks(app, context)
    _add_stream(app, context)
    _add_operator(app, context)

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
        return aggregate.health([here, *(answer.json() for answer in await _ask(context))])

    @app.get("/readyz")
    async def readyz() -> Any:
        counts = context.registry.statistics()  # which forgets the promises that have expired
        if counts.draining:
            status = "draining"
        elif context.journal.trouble:
            status = "no_journal"
        else:
            status = "full" if context.registry.is_full else "ready"
        live_calls, max_calls = counts.live_calls, context.registry.limits.max_calls
        answer = {"status": status, "node": None, "live_calls": live_calls, "max_calls": max_calls}
        return answer, 200 if status == "ready" else 503

    @app.get("/metrics")
    async def metrics() -> Response:
        text = context.metrics.render()
        if context.asks_colleagues:
            text = aggregate.metrics([text.decode(), *(answer.text for answer in await _ask(context))]).encode()
        return Response(text, content_type=CONTENT_TYPE)

    return app


async def _ask(context: AppContext) -> list[httpx2.Response]:
    """What the other processes answer to this very request."""
    if context.colleagues is None:
        return []
    authorization = request.headers.get("Authorization")
    path = request.full_path.rstrip("?")
    return await context.colleagues.ask(path, {"Authorization": authorization} if authorization else {})


def _health_of(journal: AppJournal) -> str:
    if journal.trouble or journal.list_trouble:
        return "failing"
    return "unread_rows" if journal.unread else "ok"


def _failure(status: int, code: str, message: str) -> Response:
    answer = jsonify({"error": {"code": code, "message": message}})
    answer.status_code = status
    return answer


def _twiml(text: str) -> Response:
    # Always a 200: Twilio plays nothing of any other, and tells the caller of an application error instead.
    return Response(text, content_type="text/xml; charset=utf-8")


def _add_errors(app: QuartTrio) -> None:
    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        code = (error.name or "error").lower().replace(" ", "_")
        return _failure(error.code or 500, code, error.description or str(error))

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        # One request's failure is answered and stays one request's failure.
        log.error("request_bug", path=request.path, exc_info=error)
        return _failure(500, "bug", "an error in trio_voice; its log has the traceback")


def _add_doors(app: QuartTrio) -> None:
    @app.before_request
    async def of_this_door() -> Response | None:
        if door_of(request.scope).serves(request.path):
            return None
        return _failure(404, "not_found", "nothing of this path is on this address; see [operator] bind")


def _add_webhooks(app: QuartTrio, context: AppContext) -> None:
    complaints = Complaints(log)

    def from_twilio(handler: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        """Let a request through only if Twilio signed it."""

        def refuse(status: int, code: str, message: str, **facts: object) -> Response:
            context.metrics.count_refusal("webhook", code)
            complaints.warn("webhook_refused", code, code=code, path=request.path, **facts)
            return _failure(status, code, message)

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
            if context.auth_token is not None:
                target = request.scope.get("raw_path", request.path.encode()).decode("latin-1").partition("?")[0]
                if request.query_string:
                    target += "?" + request.query_string.decode("latin-1")
                fields = {name: form.getlist(name) for name in form} if request.method == "POST" else {}
                spellings = context.public_url.webhook_spellings(target)
                if not is_signed(spellings, fields, context.auth_token, signature):
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
            return await handler(**path)

        return checked

    @app.post("/twiml")
    @from_twilio
    async def twiml() -> Response:
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
        if call_id is None and context.colleagues is not None:
            await context.colleagues.pass_on_status(form.get("CallSid", ""), form.get("CallStatus", ""))
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


def _add_stream(app: QuartTrio, context: AppContext) -> None:
    @app.websocket(PREFIX + "<call_id>")
    async def media_stream(call_id: str) -> tuple[str, int] | None:
        socket = websocket._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - werkzeug's own name
        try:
            expected = context.authenticator.admit(PREFIX + call_id, socket.headers.get("X-Twilio-Signature"))
        except CallRefused as refused:
            return str(refused), STATUSES[refused.code]
        await socket.accept()
        # An older Quart cancels this task when the peer leaves; to the call that is its caller being lost.
        channel = QuartChannel(socket)
        await context.authenticator.reception.answer(expected, channel, cancelled_because=EndReason.CALLER_LOST)
        return None


def _add_operator(app: QuartTrio, context: AppContext) -> None:
    complaints = Complaints(log)
    house = 1 if context.colleagues is None else 1 + len(context.colleagues.others)
    judge = TokenJudge(WRONG_PER_SECOND / house)

    def refuse(status: int, code: str, message: str) -> Response:
        context.metrics.count_refusal("operator", code)
        complaints.warn("operator_refused", code, code=code, path=request.path)
        answer = _failure(status, code, message)
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        else:
            answer.headers["Retry-After"] = "1"
        return answer

    def from_operator(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Let a request through only with the operator's bearer token."""

        @wraps(handler)
        async def checked(**path: str) -> Any:
            if context.api_token is None:
                return _failure(403, "closed", "set TRIO_VOICE_API_TOKEN to open the operator's routes")
            offered = bearer_of(request.headers.get("Authorization", ""))
            if offered is None:
                return refuse(401, "unauthorized", "send Authorization: Bearer <TRIO_VOICE_API_TOKEN>")
            match await judge.judge(offered, [context.api_token]):
                case Verdict.WRONG:
                    return refuse(401, "unauthorized", "this is not TRIO_VOICE_API_TOKEN")
                case Verdict.TOO_MANY:
                    return refuse(429, "too_many_tokens", "many wrong tokens are being tried here: again in a second")
            return await handler(**path)

        return checked

    @app.post("/call")
    @from_operator
    async def place_call() -> Any:
        try:
            wanted = json.loads(await request.get_data())
        except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested too deeply to be any of ours
            wanted = None
        if not isinstance(wanted, dict) or not isinstance(wanted.get("to"), str):
            return _failure(400, "bad_request", 'send JSON like {"to": "+15551234567", "persona": "reminder"}')
        unknown = sorted(str(field)[:60] for field in wanted.keys() - set(_CALL_FIELDS))
        if unknown:
            known = ", ".join(_CALL_FIELDS)
            return _failure(400, "unknown_field", f"there is no field {', '.join(unknown[:8])}; there are {known}")
        name = wanted.get("persona", context.routing.numbers.get("default"))
        persona = context.routing.personas.get(name) if isinstance(name, str) else None
        if persona is None:
            known = ", ".join(sorted(context.routing.personas))
            return _failure(404, "unknown_persona", f"there is no persona {str(name)[:60]!r}; there are {known}")
        try:
            record = await context.dialer.place(wanted["to"], persona)
        except CallRefused as refused:
            context.metrics.count_refusal("call", refused.code)
            return _failure(_REFUSALS.get(refused.code, 400), refused.code, str(refused))
        answer = {"call_id": record.call_id, "call_sid": record.call_sid, "status": record.twilio_status}
        return answer, 201

    @app.get("/calls")
    @from_operator
    async def calls() -> Any:
        try:
            wanted = selection_of(request.args)
        except ValueError as wrong:
            return _failure(400, "bad_request", str(wrong))
        here = [record.summary() for record in context.registry.records() if wanted.takes(record)]
        if HERE in request.headers:
            return {"calls": here}
        if context.asks_colleagues:
            here = aggregate.calls([here, *(answer.json()["calls"] for answer in await _ask(context))])
        journaled = None
        with suppress(JournalUnavailable):
            journaled = [found.record.summary() for found in await context.journal.listed(wanted)]
        return together(here, journaled, wanted.limit, first_page=wanted.after is None)

    @app.get("/calls/<call_id>")
    @from_operator
    async def call(call_id: str) -> Any:
        record = context.registry.record(call_id)
        if record is None:
            try:
                journaled = await context.journal.call(call_id)
            except JournalUnavailable as trouble:
                return _failure(503, "no_journal", f"nobody knows this call by heart, and the journal: {trouble}")
            record = None if journaled is None else journaled.record
        return _no_such_call() if record is None else record.as_json()

    @app.delete("/calls/<call_id>")
    @from_operator
    async def hang_up(call_id: str) -> Any:
        record = context.registry.record(call_id)
        if record is None:
            return _no_such_call()
        context.registry.end(call_id, EndReason.OPERATOR, "the operator hung up")
        return record.summary()


def _no_such_call() -> Response:
    return _failure(404, "unknown_call", "there is no call of this id; GET /calls lists those that are known")


def _last_digits(number: str) -> str:
    """A number that can be told from others in a log without being one."""
    return f"…{number[-4:]}" if len(number) > 4 else number
