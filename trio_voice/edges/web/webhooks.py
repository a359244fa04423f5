"""Twilio's webhooks: who may ask, what is answered, and what it does. For any server, and without a web framework.

Two ways lead here: the app's routes, and ``webhook_exchange.py``, by which our own server answers what Twilio usually
sends without the app. There is one of everything that is decided about a webhook, and it is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import structlog

from trio_voice.call.callbacks import note_machine, note_status, note_stream_failure
from trio_voice.call.put_through import ANSWERED
from trio_voice.edges.complaints import Complaints
from trio_voice.edges.twilio.rest import SID
from trio_voice.edges.twilio.signatures import is_signed, may_be_signature
from trio_voice.edges.twilio.twiml import connect_twiml, hangup_twiml, redirect_twiml, reject_twiml, sorry_twiml
from trio_voice.edges.web.answers import NO_CONTENT, STATUSES, XML, Answer, error_answer, json_answer
from trio_voice.edges.web.callback_timeline import note_callback
from trio_voice.edges.web.media_stream import OtherNode, refusal_of
from trio_voice.edges.web.nodes import MAX_HOPS
from trio_voice.edges.workers.handover import PROMISED
from trio_voice.errors import CallRefused
from trio_voice.phone_numbers import last_digits
from trio_voice.record import TERMINAL_STATUSES, CallState
from trio_voice.tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from trio_voice.call.expected import ExpectedCall
    from trio_voice.edges.web.context import AppContext

log: Final = structlog.stdlib.get_logger("trio_voice.app")

MAX_BODY_BYTES: Final = 65_536
BODY_SECONDS: Final = 10
"""For a body to arrive."""
SIGNATURE: Final = "X-Twilio-Signature"
NOBODY: Final = "Nobody can take your call right now. Please try again later."
SORRY: Final = "We cannot take your call right now. Please try again later."


@attrs.frozen
class Webhook:
    """One request of Twilio's, whole."""

    rule: str
    """Its route, such as ``/twiml/<call_id>``."""
    path: str
    """As it was decoded."""
    target: str
    """Path and query as they were sent, which is what was signed."""
    call_id: str | None
    """The last part of the path, where the route has one."""
    via: str | None
    """The query's field with the digits of the nodes that have sent the caller on, if it is there."""
    signature: str
    form: dict[str, list[str]]
    """The fields, blank ones too; each with all its values in their order."""

    def field(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return self.form[name][0] if name in self.form else default


def form_of(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """A form by its fields in their order."""
    form: dict[str, list[str]] = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return form


class Webhooks:
    """Answers to what Twilio asks for.

    Args:
        context: what is needed to decide who may do what.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._complaints = Complaints(log)
        self._answers: dict[str, Callable[[Webhook], Awaitable[Answer]]] = {
            "/twiml": self._new_call,
            "/twiml/<call_id>": self._placed_call,
            "/dial-status/<call_id>": self._dial_status,
            "/amd-status/<call_id>": self._amd_status,
            "/recording-status/<call_id>": self._recording_status,
            "/call-status": self._call_status,
            "/call-status/<call_id>": self._call_status,
            "/stream-status/<call_id>": self._stream_status,
        }

    @property
    def rules(self) -> tuple[str, ...]:
        """The routes, each of which is asked for by POST."""
        return tuple(self._answers)

    def refusal_by_head(self, path: str, signature: str) -> Answer | None:
        """The refusal of a request that has no signature, for which nothing more is read; ``None`` if it has one.

        What follows a head costs more than the head.
        """
        if self._context.auth_token is None or may_be_signature(signature):
            return None
        message = "X-Twilio-Signature is missing, or is none: this is for Twilio, at the address in public_url"
        return self._refuse(403, "bad_signature", message, path)

    async def answer(self, webhook: Webhook) -> Answer:
        """Answer a request, and do what it is about, only if Twilio has signed it and its call is one of ours.

        Cancelling is safe.
        """
        context = self._context
        owner = None if context.nodes is None else context.nodes.owner_of(webhook.call_id)
        if context.auth_token is not None:
            refused = self._refusal_of_a_stranger(webhook, context.auth_token, owner)
            if refused is not None:
                return refused
        if owner is not None:
            other = OtherNode(owner)
            context.metrics.count_refusal("webhook", other.code)
            self._complaints.warn("webhook_refused", other.code, code=other.code, path=webhook.path, node=owner)
            return json_answer(STATUSES[other.code], refusal_of(other))
        first = {name: values[0] for name, values in webhook.form.items()}
        note_callback(context.registry, webhook.path, webhook.call_id, first)
        return await self._answers[webhook.rule](webhook)

    def _refusal_of_a_stranger(self, webhook: Webhook, auth_token: str, owner: str | None) -> Answer | None:
        context = self._context
        spellings = context.public_url.webhook_spellings(webhook.target)
        if owner is not None and context.nodes is not None:
            spellings += context.nodes.webhook_spellings(owner, webhook.target)
        if not is_signed(spellings, webhook.form, tokens_of(auth_token), webhook.signature):
            return self._refuse(
                403,
                "bad_signature",
                "X-Twilio-Signature does not fit: public_url must be the address that Twilio is given, "
                "and TWILIO_AUTH_TOKEN this account's primary token",
                webhook.path,
                checked_url=spellings[0],
            )
        # What is signed has no end between a field's name and its value, and may be of another account's call.
        account = context.account_sid
        if account is not None and webhook.field("AccountSid", account) != account:
            return self._refuse(403, "wrong_account", "AccountSid is not the account_sid of [twilio]", webhook.path)
        if not SID.fullmatch(webhook.field("CallSid")):
            return self._refuse(400, "no_call_sid", "CallSid is missing, or no SID", webhook.path)
        return None

    def _refuse(self, status: int, code: str, message: str, path: str, **facts: object) -> Answer:
        self._context.metrics.count_refusal("webhook", code)
        self._complaints.warn("webhook_refused", code, code=code, path=path, **facts)
        return error_answer(status, code, message)

    # Calls that begin

    async def _new_call(self, webhook: Webhook) -> Answer:
        context = self._context
        again = context.registry.asked_again(webhook.field("CallSid"))
        if again is not None:  # the answer was lost, or somebody has redirected the caller, from whatever number
            return self._stream_again(again)
        theirs = context.colleagues and context.colleagues.call_elsewhere(webhook.field("CallSid"))
        if theirs:
            return _twiml(redirect_twiml(context.public_url.of(f"/twiml/{theirs}")))
        number = webhook.field("To")
        persona = context.routing.persona_for(number)
        if persona is None:
            context.metrics.count_refusal("call", "no_persona")
            log.warning("no_persona", to=last_digits(number))
            return _twiml(reject_twiml())
        try:
            expected = context.registry.expect(
                persona,
                direction="inbound",
                from_number=webhook.field("From"),
                to_number=number,
                call_sid=webhook.field("CallSid") or None,
            )
        except CallRefused as refused:
            elsewhere = await self._sent_on(refused.code, webhook.via or "")
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
        return self._stream(call_id, expected.path)

    def _stream_again(self, expected: ExpectedCall) -> Answer:
        log.info("call_asked_again", call_id=expected.record.call_id, call_sid=expected.record.call_sid)
        return self._stream(expected.record.call_id, expected.path)

    async def _sent_on(self, code: str, via: str) -> Answer | None:
        """The way to a node that takes the call that we do not."""
        nodes = self._context.nodes
        if nodes is None or code not in ("full", "draining"):
            return None
        passed = [via[at : at + 2] for at in range(0, len(via), 2)]
        node = await nodes.find_taker({*passed, nodes.digits}) if len(passed) < MAX_HOPS else None
        if node is None:
            return None
        log.info("call_sent_on", node=node.digits, code=code)
        return _twiml(redirect_twiml(nodes.redirect_url(node, via)))

    async def _placed_call(self, webhook: Webhook) -> Answer:
        if webhook.via is not None:  # a call that comes in, sent on by another node
            return await self._new_call(webhook)
        context, call_id = self._context, webhook.call_id or ""
        expected = context.registry.answered(call_id, webhook.field("CallSid") or None)
        if expected is None:
            context.metrics.count_refusal("call", "unknown_call")
            log.warning("unknown_call_answered", call_id=call_id)
            return _twiml(hangup_twiml())
        if expected.is_second:
            return self._stream_again(expected)
        context.journal.call_began(expected.record)
        return self._stream(call_id, expected.path)

    def _stream(self, call_id: str, path: str) -> Answer:
        public_url = self._context.public_url
        return _twiml(connect_twiml(public_url.stream(path), public_url.of(f"/stream-status/{call_id}")))

    # What becomes of them

    async def _dial_status(self, webhook: Webhook) -> Answer:
        context, call_id = self._context, webhook.call_id or ""
        if "DialCallStatus" not in webhook.form:  # of the one who was called
            if webhook.field("CallStatus") == "in-progress":  # and who has answered
                await context.registry.dialed(call_id, "answered", over=False)
            return NO_CONTENT
        outcome = webhook.field("DialCallStatus")
        if outcome in ANSWERED and webhook.field("DialBridged") == "false":
            outcome = "no-answer"  # by whom the caller has not been connected to
        over = webhook.field("CallStatus") in TERMINAL_STATUSES
        expected = await context.registry.dialed(call_id, outcome, over=over)
        log.info("dialed", call_id=call_id, outcome=outcome[:20], comes_back=expected is not None)
        if expected is not None:
            context.journal.call_began(expected.record)
            return self._stream(call_id, expected.path)
        self._write_again(call_id)
        return _twiml(hangup_twiml() if over or outcome in ANSWERED else sorry_twiml(NOBODY))

    async def _amd_status(self, webhook: Webhook) -> Answer:
        note_machine(self._context.registry, webhook.call_id or "", webhook.field("AnsweredBy", "unknown"))
        self._write_again(webhook.call_id or "")
        return NO_CONTENT

    def _write_again(self, call_id: str) -> None:
        """Have what Twilio has said of a call that was over before in its record all the same."""
        record = self._context.registry.record(call_id)
        if record is not None and record.state is CallState.ENDED:
            self._context.journal.call_ended(record)

    async def _recording_status(self, webhook: Webhook) -> Answer:
        record = self._context.registry.record(webhook.call_id or "")
        if record is not None and webhook.field("RecordingStatus") == "completed":
            record.recording_url = webhook.field("RecordingUrl") or None
            self._write_again(record.call_id)
        return NO_CONTENT

    async def _call_status(self, webhook: Webhook) -> Answer:
        call_sid, status = webhook.field("CallSid"), webhook.field("CallStatus")
        record = self._context.registry.record(webhook.call_id or "")
        was_nameless = record is not None and record.call_sid is None
        note_status(self._context.registry, webhook.call_id, call_sid, status)
        if record is not None and was_nameless and record.call_sid is not None and record.ended_at is None:
            self._context.journal.call_began(record)  # whoever comes after us can hang it up
        if webhook.call_id is None:
            await self._tell_others(call_sid, status)
        return NO_CONTENT

    async def _tell_others(self, call_sid: str, status: str) -> None:
        """Tell the other processes and nodes what Twilio says of a call whose id it did not say."""
        context = self._context
        if context.colleagues is not None:
            await context.colleagues.pass_on_status(call_sid, status)
        is_ours = context.registry.record_of_sid(call_sid) is not None
        if context.nodes is not None and status in TERMINAL_STATUSES and not is_ours:
            context.nodes.tell_status(call_sid, status)

    async def _stream_status(self, webhook: Webhook) -> Answer:
        if webhook.field("StreamEvent") == "stream-error":
            # In known incidents this came at once, while the socket stayed half-open for minutes.
            detail = f"Twilio's stream failed: {webhook.field('StreamError', 'no reason given')}"
            note_stream_failure(self._context.registry, webhook.call_id or "", webhook.field("StreamSid"), detail)
        return NO_CONTENT


def _twiml(text: str) -> Answer:
    # Always a 200: Twilio plays nothing of any other, and tells the caller of an application error instead.
    return Answer(200, text.encode(), XML)
