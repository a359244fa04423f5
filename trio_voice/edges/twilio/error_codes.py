"""Twilio's error codes, and what to do about each (Twilio, "Error and Warning Dictionary")."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"\+?\d{7,}")
"""Telephone numbers, which Twilio's sentences name and no log may."""

ADVICE: Final = {
    10001: "the Twilio account is inactive: see its console",
    10003: "Twilio has disabled voice for this account: see its console",
    10004: "the account has as many calls at once as it may: wait, or ask Twilio for more",
    10005: "Twilio has disabled voice for this account: see its console",
    20003: "Twilio refuses the credentials: check account_sid, TWILIO_AUTH_TOKEN, and that both are of one region",
    20005: "the Twilio account is suspended or closed: see its console",
    20008: "these are test credentials, which cannot do this: use the live ones",
    20404: "Twilio does not know this call or account: check account_sid",
    20429: "too many requests at once: wait a moment, then try again",
    21205: "Twilio cannot use our URL: check public_url",
    21210: "from_number is not a number of this account: buy it, or verify it as a caller ID",
    21211: "the number to call is not valid: it must be like +15551234567",
    21212: "from_number is not valid: it must be like +15551234567",
    21213: "from_number is missing: set it in [twilio]",
    21214: "the number to call cannot be reached",
    21215: "the account may not call this country: enable it under Voice, Geo Permissions, in the console",
    21216: "Twilio does not allow calls to this number",
    21217: "the number to call does not look valid: it must be like +15551234567",
    21219: "a trial account may only call verified numbers: verify this one in the console, or upgrade the account",
    21220: "the call is not in progress any more",
}


def advice_for(code: int, status: int, said: str) -> str:
    """A sentence that says what to do about an error, with Twilio's own words behind it."""
    if code in ADVICE:
        return f"{ADVICE[code]} (Twilio {code})"
    if status == 429:
        return f"{ADVICE[20429]} (HTTP 429)"
    if status >= 500:
        return f"Twilio is having trouble (HTTP {status}): try again later"
    return f"Twilio refused with {status} ({code}): {_NUMBER.sub('a number', said)}"
