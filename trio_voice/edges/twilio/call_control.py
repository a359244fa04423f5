"""Putting callers through: what Twilio is asked for, and what the one at the other end sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_voice.edges.twilio.twiml import dial_twiml
from trio_voice.phone_numbers import e164, of_telephone

if TYPE_CHECKING:
    from trio_voice.edges.twilio.public_url import PublicUrl
    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.record import CallRecord


class TwilioCallControl:
    """Puts calls of the account through to telephones.

    Args:
        rest: Twilio's API.
        public_url: where Twilio says how it went.
        from_number: one of the account's numbers.
    """

    def __init__(self, rest: TwilioRest, public_url: PublicUrl, from_number: str | None) -> None:
        self._rest = rest
        self._public_url = public_url
        self._from_number = from_number

    async def transfer(self, call: CallRecord, number: str) -> None:
        """Replace what a call is doing by a call to somebody else; its stream is stopped.

        Raises:
            RestError: Twilio refused, or cannot be reached.
        """
        action = self._public_url.of(f"/dial-status/{call.call_id}")
        twiml = dial_twiml(number, caller_id=self._caller_id(call), action=action)
        await self._rest.redirect(call.call_sid or "", twiml)

    def _caller_id(self, call: CallRecord) -> str | None:
        """The number to show, where it is not to be the caller's own.

        Twilio shows a caller's number without being asked; but it refuses to dial for a client or a SIP telephone
        without one (13214), and carriers refuse calls that show letters.
        """
        if call.direction != "inbound":
            return of_telephone(call.from_number) or self._from_number
        if of_telephone(call.from_number) is not None:
            return None
        return e164(call.to_number) or self._from_number
