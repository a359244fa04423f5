"""Twilio's "IncomingPhoneNumber resource": the account's numbers, and where their calls go."""

from __future__ import annotations

import re
from typing import Any

import attrs

from trio_voice.sandbox.twilio.account import API_VERSION
from trio_voice.sandbox.twilio.failures import RestFailure


@attrs.define
class IncomingNumber:
    """A number of the account, and where its calls go."""

    sid: str
    number: str
    friendly_name: str = ""
    voice_url: str = "https://demo.twilio.com/welcome/voice/"
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str = ""
    trunk_sid: str | None = None
    sms_url: str = "https://demo.twilio.com/welcome/sms/reply"

    def update(self, fields: dict[str, str]) -> None:
        """Change what is given and nothing else. Raises ``RestFailure``."""
        for name, value in fields.items():
            attribute = re.sub("(?<!^)([A-Z])", r"_\1", name).lower()
            if attribute in ("sid", "number") or attribute not in attrs.fields_dict(IncomingNumber):
                continue  # as Twilio does with what it does not know
            if attribute.endswith("_method") and value not in ("GET", "POST"):
                raise RestFailure(21209)
            if attribute.endswith("_url") and value and not value.startswith(("http://", "https://")):
                raise RestFailure(21205)
            setattr(self, attribute, value)

    def as_json(self, account_sid: str) -> dict[str, Any]:
        """The resource, as far as it is of voice."""
        return {
            "account_sid": account_sid,
            "sid": self.sid,
            "phone_number": self.number,
            "friendly_name": self.friendly_name or self.number,
            "voice_url": self.voice_url,
            "voice_method": self.voice_method,
            "voice_fallback_url": self.voice_fallback_url,
            "voice_fallback_method": "POST",
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "voice_application_sid": self.voice_application_sid,
            "voice_caller_id_lookup": False,
            "voice_receive_mode": "voice",
            "trunk_sid": self.trunk_sid,
            "sms_url": self.sms_url,
            "sms_method": "POST",
            "sms_fallback_url": "",
            "sms_fallback_method": "POST",
            "sms_application_sid": "",
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "address_requirements": "none",
            "address_sid": None,
            "identity_sid": None,
            "bundle_sid": None,
            "emergency_status": "Active",
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "api_version": API_VERSION,
            "beta": False,
            "origin": "twilio",
            "status": "in-use",
            "date_created": "Sat, 31 Jan 2026 09:00:00 +0000",
            "date_updated": "Sat, 31 Jan 2026 09:00:00 +0000",
            "uri": f"/{API_VERSION}/Accounts/{account_sid}/IncomingPhoneNumbers/{self.sid}.json",
        }
