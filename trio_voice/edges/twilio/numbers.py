"""The account's telephone numbers: where their calls go, and having one's go here.

From Twilio's "IncomingPhoneNumber resource": where ``TrunkSid`` or ``VoiceApplicationSid`` is set, ``VoiceUrl`` is not
asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trio_voice.errors import RestError

if TYPE_CHECKING:
    from trio_voice.edges.twilio.public_url import PublicUrl
    from trio_voice.edges.twilio.rest import TwilioRest


@attrs.frozen(kw_only=True)
class TwilioNumber:
    """One of them."""

    sid: str
    number: str
    name: str = ""
    voice_url: str = ""
    voice_method: str = ""
    status_callback: str = ""
    voice_application_sid: str = ""
    trunk_sid: str = ""

    @property
    def where(self) -> str:
        """The place that its calls go to, in words."""
        if self.trunk_sid:
            return f"the SIP trunk {self.trunk_sid}"
        if self.voice_application_sid:
            return f"the application {self.voice_application_sid}"
        return f"{self.voice_url} ({self.voice_method or 'POST'})" if self.voice_url else "nowhere"


class AccountNumbers:
    """Looks at the account's numbers, and points them here.

    Args:
        rest: Twilio's API.
        public_url: our address, as Twilio sees it.
    """

    def __init__(self, rest: TwilioRest, public_url: PublicUrl) -> None:
        self._rest = rest
        self._public_url = public_url

    async def listed(self) -> list[TwilioNumber]:
        """All of them, up to a thousand. Raises ``RestError``."""
        return [
            TwilioNumber(
                sid=str(each.sid),
                number=str(each.phone_number),
                name=str(each.friendly_name or ""),
                voice_url=str(each.voice_url or ""),
                voice_method=str(each.voice_method or ""),
                status_callback=str(each.status_callback or ""),
                voice_application_sid=str(each.voice_application_sid or ""),
                trunk_sid=str(each.trunk_sid or ""),
            )
            for each in await self._rest.numbers()
        ]

    @property
    def url(self) -> str:
        """The address that a number has to point to."""
        return self._public_url.of("/twiml")

    def points_here(self, number: TwilioNumber) -> bool:
        """True if a number's calls come here."""
        is_elsewhere = number.trunk_sid or number.voice_application_sid
        return not is_elsewhere and number.voice_url.rstrip("/") == self.url and number.voice_method in ("", "POST")

    async def point(self, number: TwilioNumber) -> None:
        """Have a number's calls come here.

        Raises:
            RestError: Twilio refused, cannot be reached, or would go on asking somebody else.
        """
        if number.trunk_sid or number.voice_application_sid:
            raise RestError(
                f"its calls go to {number.where}, which goes before any address: take that away in Twilio's console"
            )
        await self._rest.point_number(number.sid, self.url, self._public_url.of("/call-status"))
