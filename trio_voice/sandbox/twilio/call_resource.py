"""Twilio's "Call resource": a call's creation, its changes and its JSON, checked and written as Twilio does."""

from __future__ import annotations

import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from trio_voice.sandbox.twilio.account import API_VERSION, CALL_SECONDS, RING_SECONDS, CallOrder, Instructions
from trio_voice.sandbox.twilio.failures import RestFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from trio_voice.sandbox.twilio.call import SandboxCall
    from trio_voice.sandbox.twilio.webhooks import Form

MAGIC_TO: Final = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
"""Numbers that fail on purpose, as with Twilio's test credentials."""
MAGIC_FROM: Final = {"+15005550001": 21212}

_ADDRESS: Final = re.compile(r"\+[1-9]\d{6,14}|sip:[^@\s]+@\S+|client:\S+")
_DETECTION_RANGES: Final = {
    "MachineDetectionTimeout": (3, 59),
    "MachineDetectionSpeechThreshold": (1000, 6000),
    "MachineDetectionSpeechEndThreshold": (500, 5000),
    "MachineDetectionSilenceTimeout": (2000, 10000),
}


def order_in(form: Form, refused: Mapping[str, int], own_numbers: set[str] | None) -> CallOrder:
    """A call's creation, checked as Twilio does.

    Args:
        form: the request's.
        refused: numbers that cannot be called, and the code that says so.
        own_numbers: those that may call; None for any.

    Raises:
        RestFailure: something in it is wrong.
    """
    fields = dict(form)
    to, from_ = fields.get("To", ""), fields.get("From", "")
    if not to or not from_:
        raise RestFailure(21213 if to else 21201)
    if code := refused.get(to) or MAGIC_TO.get(to) or MAGIC_FROM.get(from_):
        raise RestFailure(code)
    if not _ADDRESS.fullmatch(to) or to == from_:
        raise RestFailure(21211)
    if not _ADDRESS.fullmatch(from_):
        raise RestFailure(21212)
    if own_numbers is not None and from_ not in own_numbers:
        raise RestFailure(21210)
    for name, (least, most) in _DETECTION_RANGES.items():
        if name in fields and not least <= _seconds(fields[name], 21234) <= most:
            raise RestFailure(21234)
    return CallOrder(
        to=to,
        from_=from_,
        instructions=_instructions(fields),
        fallback_url=fields.get("FallbackUrl", ""),
        fallback_method=_method(fields, "FallbackMethod"),
        status_callback=fields.get("StatusCallback", ""),
        status_callback_method=_method(fields, "StatusCallbackMethod"),
        status_callback_events=tuple(value for name, value in form if name == "StatusCallbackEvent") or ("completed",),
        ring_seconds=_seconds(fields.get("Timeout", str(RING_SECONDS)), 21208),
        time_limit=_seconds(fields.get("TimeLimit", str(CALL_SECONDS)), 20001),
        machine_detection=fields.get("MachineDetection", ""),
        async_amd=fields.get("AsyncAmd") == "true",
        async_amd_callback=fields.get("AsyncAmdStatusCallback", ""),
        async_amd_callback_method=_method(fields, "AsyncAmdStatusCallbackMethod"),
    )


def update(call: SandboxCall, fields: dict[str, str]) -> None:
    """Do to a call what the request's form asks for.

    Raises:
        RestFailure: it cannot be done, or makes no sense.
    """
    if fields.get("Status", "completed") not in {"completed", "canceled"}:
        raise RestFailure(20001)
    redirects = "Url" in fields or "Twiml" in fields
    if call.over or (redirects and call.start_time is None):
        raise RestFailure(21220)
    if "TimeLimit" in fields:
        call.limit_time(_seconds(fields["TimeLimit"], 20001))
    if redirects:
        call.redirect(_instructions(fields))
    match fields.get("Status"):
        case "completed":
            call.end("completed" if call.start_time else "canceled", "rest")
        case "canceled" if call.start_time is None:
            call.end("canceled", "rest")
        case _:
            pass  # nothing was asked, or a call cannot be canceled that somebody has answered


def matches(call: SandboxCall, query: dict[str, str]) -> bool:
    """True if a list with these filters holds this call; dates count by the day."""
    started = "" if call.start_time is None else f"{call.start_time:%Y-%m-%d}"
    return (
        query.get("Status", call.status) == call.status
        and query.get("To", call.to) == call.to
        and query.get("From", call.from_) == call.from_
        and query.get("StartTime", started)[:10] == started
        and query.get("StartTime>", "")[:10] <= started
        and ("StartTime<" not in query or started <= query["StartTime<"][:10])
    )


def call_json(call: SandboxCall, account_sid: str) -> dict[str, Any]:
    """The Call resource: all strings or null, dates in RFC 2822."""
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Calls/{call.sid}"
    parts = ("notifications", "recordings", "streams", "transcriptions", "siprec", "events")
    return {
        "sid": call.sid,
        "account_sid": account_sid,
        "parent_call_sid": None,
        "to": call.to,
        "to_formatted": call.to,
        "from": call.from_,
        "from_formatted": call.from_,
        "phone_number_sid": None,
        "status": call.status,
        "start_time": _date(call.start_time),
        "end_time": _date(call.end_time),
        "duration": None if call.duration is None else str(call.duration),
        "price": None,
        "price_unit": "USD",
        "direction": call.direction,
        "answered_by": call.answered_by,
        "api_version": API_VERSION,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": str(call.queue_ms),
        "stir_verstat": None,
        "trunk_sid": None,
        "date_created": _date(call.date_created),
        "date_updated": _date(call.end_time or call.start_time or call.date_created),
        "uri": f"{uri}.json",
        "subresource_uris": {part: f"{uri}/{part.capitalize()}.json" for part in parts},
    }


def _instructions(fields: dict[str, str]) -> Instructions:
    if url := fields.get("Url", ""):
        if not url.startswith(("http://", "https://")):
            raise RestFailure(21205)
        return Instructions(url, _method(fields, "Method"))
    if "Twiml" not in fields:
        raise RestFailure(21205)
    return Instructions(twiml=fields["Twiml"])


def _method(fields: dict[str, str], name: str) -> str:
    method = fields.get(name, "POST")
    if method not in {"GET", "POST"}:
        raise RestFailure(21209)
    return method


def _seconds(text: str, code: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise RestFailure(code) from None


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else format_datetime(moment)
