"""Callbacks of a call at the sandbox's Twilio to our server, and its entries in the account's debugger."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import attrs
import trio

from trio_voice.sandbox.twilio.account import API_VERSION, Account, CallOrder, Notice, voice_form
from trio_voice.sandbox.twilio.webhooks import Form, WebhookRequest, Webhooks

if TYPE_CHECKING:
    from trio_voice.sandbox.twilio.twiml import Stream

WAITING_CALLBACKS: Final = 1_000
"""Callbacks of one call that may wait for those before them. A call that makes more gets ``trio.WouldBlock``."""

_SIP_CODES: Final = {"completed": 200, "busy": 486, "no-answer": 487, "failed": 404, "canceled": 487}


@attrs.frozen
class Callback:
    """A callback that waits to be delivered."""

    event: str
    url: str
    method: str
    form: Form


class Reports:
    """One call's voice towards our server.

    Callbacks are made when something happens and delivered one after the other by ``deliver``; the account's
    ``delivery`` says how badly.
    """

    def __init__(self, account: Account, order: CallOrder, call_sid: str, direction: str) -> None:
        self.notices: list[Notice] = []
        self._account = account
        self._order = order
        self._call_sid = call_sid
        self._direction = direction
        self._webhooks = Webhooks(account.transport, lambda: account.auth_token)
        self._waiting_in, self._waiting = trio.open_memory_channel[Callback](WAITING_CALLBACKS)
        self._sequence = 0

    @property
    def requests(self) -> list[WebhookRequest]:
        """Everything that was asked of our server, in the order of the answers."""
        return self._webhooks.requests

    def note(self, code: int, text: str, http_status: int | None = None) -> None:
        """Write into the account's debugger."""
        self.notices.append(Notice(code, text, trio.current_time(), http_status))

    async def ask(self, event: str, url: str, status: str, fields: Form, method: str) -> WebhookRequest:
        """Ask our server what to do next."""
        return await self._webhooks.ask(event, url, (*self._form(status), *fields), method)

    def progress(self, event: str, status: str, seconds: int | None = None) -> None:
        """The call has come this far; ``seconds`` is its duration, once it is over."""
        if event not in self._order.status_callback_events:
            return
        fields = {
            "Timestamp": format_datetime(datetime.now(UTC)),
            "SequenceNumber": str(self._sequence),
            "CallbackSource": "call-progress-events",
        }
        if seconds is not None:
            fields |= {"CallDuration": str(seconds), "SipResponseCode": str(_SIP_CODES[status])}
            if status == "completed":
                fields["Duration"] = str(math.ceil(seconds / 60))
        form = (*self._form(status), *fields.items())
        if self._call_back(event, self._order.status_callback, self._order.status_callback_method, form):
            self._sequence += 1

    def stream(self, verb: Stream, stream_sid: str, event: str, error: str = "") -> None:
        """A stream has started, stopped or failed."""
        fields = {
            "AccountSid": self._account.sid,
            "CallSid": self._call_sid,
            "StreamSid": stream_sid,
            "StreamName": verb.name or stream_sid,
            "StreamEvent": event,
            # A real one has nanoseconds.
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z",
        }
        if error:
            fields["StreamError"] = error
        self._call_back(event, verb.status_callback, verb.status_callback_method, tuple(fields.items()))

    def child_answered(self, url: str, sid: str, to: str) -> None:
        """The one whom a ``<Dial>`` has called has answered."""
        fields = {
            "AccountSid": self._account.sid,
            "ApiVersion": API_VERSION,
            "CallSid": sid,
            "ParentCallSid": self._call_sid,
            "CallStatus": "in-progress",
            "Direction": "outbound-dial",
            "To": to,
            "CallbackSource": "call-progress-events",
        }
        self._call_back("answered", url, "POST", tuple(fields.items()))

    def machine_detection(self, answered_by: str, seconds: float) -> None:
        """Tell who answered, when that is not told with the request for TwiML."""
        fields = {
            "AccountSid": self._account.sid,
            "CallSid": self._call_sid,
            "AnsweredBy": answered_by,
            "MachineDetectionDuration": str(round(1000 * seconds)),
        }
        form = tuple(fields.items())
        self._call_back("amd", self._order.async_amd_callback, self._order.async_amd_callback_method, form)

    async def deliver(self) -> None:
        """Deliver callbacks until ``close``, and those that are late."""
        async with trio.open_nursery() as nursery:
            async for callback in self._waiting:
                for _ in range(self._account.delivery.times):
                    if (late := self._account.delivery.late.get(callback.event)) is None:
                        await self._post(callback)
                    else:
                        nursery.start_soon(self._post, callback, late)

    def close(self) -> None:
        """Nothing more will be told."""
        self._waiting_in.close()

    async def _post(self, callback: Callback, late: float = 0) -> None:
        await trio.sleep(late)
        answer = await self._webhooks.ask(callback.event, callback.url, callback.form, callback.method)
        if answer.status is None or not 200 <= answer.status < 300:
            self.note(15003, f"{callback.url} answered {answer.status} {answer.error}", answer.status)

    def _call_back(self, event: str, url: str, method: str, form: Form) -> bool:
        if url:
            self._waiting_in.send_nowait(Callback(event, url, method, form))
        return bool(url)

    def _form(self, status: str) -> Form:
        return voice_form(self._account.sid, self._call_sid, self._order, status, self._direction)
