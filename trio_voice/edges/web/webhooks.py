"""Webhooks of Twilio, checked by their signatures: a call comes in, was answered, or something has become of it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Final

import structlog
from quart import Response, jsonify, request

from trio_voice.call.put_through import ANSWERED
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
from trio_voice.edges.web.callbacks import note_callback
from trio_voice.edges.web.complaints import Complaints
from trio_voice.edges.web.media_stream import STATUSES, OtherNode, refusal_of
from trio_voice.edges.web.nodes import MOST_HOPS, VIA
from trio_voice.edges.workers.handover import PROMISED
from trio_voice.errors import CallRefused
from trio_voice.record import TERMINAL_STATUSES, CallState, EndReason
from trio_voice.tokens import lines_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext

log: Final = structlog.stdlib.get_logger("trio_voice.app")

NOBODY: Final = "Nobody can take your call right now. Please try again later."
SORRY: Final = "We cannot take your call right now. Please try again later."


def add_webhooks(app: QuartTrio, context: AppContext) -> None:
    """Add the routes that Twilio asks.

    Args:
        app: to which they are added.
        context: what they need to know.
    """
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
            note_callback(context.registry, request.path, path.get("call_id"), form)
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


def _twiml(text: str) -> Response:
    # Always a 200: Twilio plays nothing of any other, and tells the caller of an application error instead.
    return Response(text, content_type="text/xml; charset=utf-8")


def _last_digits(number: str) -> str:
    """A number that can be told from others in a log without being one."""
    return f"…{number[-4:]}" if len(number) > 4 else number
