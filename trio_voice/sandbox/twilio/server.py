"""A Twilio on this machine: calls our server as Twilio would, and is called by it.

    async with open_sandbox_twilio(connect_to={"voice.example.com": 8080}) as twilio:
        call = await twilio.call_in("https://voice.example.com/twiml", caller=Voice(mulaw))
        stream = await call.wait_for_stream()
        ...
        call.hang_up()
        await call.settled.wait()

It reaches this machine only: `connect_to` says behind which port of it a public host is found, and the URLs it asks and
signs are the public ones. What happened is in the call's record, and in `twilio.rest.requests`.
"""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from trio_voice.sandbox.twilio.account import Account, CallOrder, Instructions, new_sid
from trio_voice.sandbox.twilio.call import SandboxCall
from trio_voice.sandbox.twilio.callers import Capture, FrameSource, Voice
from trio_voice.sandbox.twilio.rest import RestApi
from trio_voice.sandbox.twilio.webhooks import Form, Loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

INBOUND_FIELDS: Form = (
    ("CallToken", '{"parentCallInfoToken":"made up in the sandbox","identityHeaderTokens":[]}'),
    ("StirVerstat", "TN-Validation-Passed-A"),
)
"""Fields that calls from a telephone bring along more often than not."""


class SandboxTwilio:
    """One account: its calls, its REST API and the script of what they meet (``account``)."""

    def __init__(self, account: Account, nursery: trio.Nursery) -> None:
        self.account = account
        self.calls: dict[str, SandboxCall] = {}
        """Every call there was, by SID, oldest first."""
        self.rest = RestApi(account, self.calls, self._place)
        self._nursery = nursery

    @property
    def account_sid(self) -> str:
        """The account's SID."""
        return self.account.sid

    @property
    def auth_token(self) -> str:
        """The account's token, which signs webhooks and opens the REST API."""
        return self.account.auth_token

    @property
    def api_url(self) -> str:
        """Address that stands in for https://api.twilio.com."""
        return self.rest.url

    def connect_to(self, host: str, port: int) -> None:
        """From now on this public host is behind this port of this machine."""
        self.account.transport.ports[host] = port

    async def call_in(
        self,
        webhook_url: str,
        *,
        from_: str = "+15557654321",
        to: str = "+15551234567",
        caller: FrameSource | None = None,
        capture: Capture | None = None,
        method: str = "POST",
        fallback_url: str = "",
        status_callback: str = "",
        fields: Form = INBOUND_FIELDS,
    ) -> SandboxCall:
        """Somebody calls one of our numbers, which has these settings. Returns while it rings; it never fails.

        ``capture`` is replayed on its first stream, instead of the caller's audio; ``fields`` are added to the
        webhook's standard ones.
        """
        order = CallOrder(
            to=to,
            from_=from_,
            instructions=Instructions(webhook_url, method),
            fallback_url=fallback_url,
            status_callback=status_callback,
            fields=fields,
        )
        call = SandboxCall(self.account, order, "inbound", caller or Voice(), capture)
        self.calls[call.sid] = call
        await self._nursery.start(call.run)
        return call

    def _place(self, order: CallOrder) -> SandboxCall:
        call = SandboxCall(self.account, order, "outbound-api", self.account.callee(order.to).voice())
        self.calls[call.sid] = call
        self._nursery.start_soon(call.run)
        return call


@asynccontextmanager
async def open_sandbox_twilio(
    *, account_sid: str = "", auth_token: str = "", connect_to: Mapping[str, int] | None = None, port: int = 0
) -> AsyncIterator[SandboxTwilio]:
    """Run an account's calls and REST API until the block is left.

    Then whatever is still open is dropped at once; no task and no socket remain. The SID and the token are made up
    unless they are given, and the REST API's port is a free one.
    """
    transport = Loopback(connect_to or {})
    account = Account(sid=account_sid or new_sid("AC"), auth_token=auth_token or uuid.uuid4().hex, transport=transport)
    try:
        async with trio.open_nursery() as nursery:
            twilio = SandboxTwilio(account, nursery)
            twilio.rest.server.port = port
            await nursery.start(twilio.rest.server.run)
            yield twilio
            nursery.cancel_scope.cancel("the sandbox is closed")
    finally:
        with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
            await transport.aclose()
