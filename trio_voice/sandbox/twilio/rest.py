"""The part of Twilio's REST API that concerns calls: create, fetch, list, update; and its ways to fail.

From Twilio's "Calls resource", its OpenAPI description and its error dictionary. Requests are answered without I/O:
what they do to a call happens in that call's own task.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections import deque
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import attrs
import trio

from trio_voice.sandbox.twilio.account import API_VERSION, CALL_SECONDS, RING_SECONDS, Account, CallOrder, Instructions
from trio_voice.sandbox.twilio.http import HttpAnswer, HttpRequest, LoopbackServer, Misbehaviour

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from trio_voice.sandbox.twilio.call import SandboxCall
    from trio_voice.sandbox.twilio.webhooks import Form

ERRORS: Final[dict[int, tuple[int, str]]] = {
    20001: (400, "A parameter is not valid"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20007: (400, "Page size must be between 1 and 1000"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "Url parameter is required"),
    21208: (400, "Timeout is not valid"),
    21209: (400, "Method is not valid"),
    21210: (400, "The source phone number provided is not yet verified for your account"),
    21211: (400, "The phone number you are attempting to call is not valid"),
    21212: (400, "The source phone number provided is not valid"),
    21213: (400, "No 'From' number is specified"),
    21214: (400, "The phone number you are attempting to call cannot be reached"),
    21215: (400, "Account not authorized to call this number: check your geographic permissions"),
    21216: (400, "Account not allowed to call this number"),
    21217: (400, "The phone number you are attempting to call does not appear to be valid"),
    21219: (400, "The number is unverified: trial accounts may only call verified numbers"),
    21220: (400, "Call is not in-progress. Cannot redirect"),
    21234: (400, "A parameter of machine detection is not valid"),
}
"""Code to HTTP status and message."""

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


class RestFailure(Exception):
    """A request that is answered with an error's JSON."""

    def __init__(self, code: int, status: int | None = None) -> None:
        known_status, message = ERRORS.get(code, (400, f"Error {code}"))
        super().__init__(message)
        self.code = code
        self.status = status or known_status


@attrs.frozen
class RestRequest:
    """A request to the API as it came, when, and the status it was answered with; None if it was not answered."""

    at: float
    method: str
    path: str
    query: Form
    form: Form
    status: int | None

    @property
    def fields(self) -> dict[str, str]:
        """The form; of a field that is repeated, the last."""
        return dict(self.form)


@attrs.frozen
class Fault:
    """A fault instead of a request's answer: an HTTP status, silence or a reset; ``processed``: it took effect."""

    answer: int | Misbehaviour
    method: str = ""
    call_sid: str = ""
    processed: bool = False

    def meets(self, request: HttpRequest) -> bool:
        """True if it is for this request."""
        return self.method in {"", request.method} and self.call_sid in request.path


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


class RestApi:
    """The API over HTTP on loopback, for one account. ``server.run`` serves it."""

    def __init__(
        self, account: Account, calls: dict[str, SandboxCall], place: Callable[[CallOrder], SandboxCall]
    ) -> None:
        self.server = LoopbackServer(self._handle)
        self.requests: list[RestRequest] = []
        self.faults: deque[Fault] = deque()
        self.refused_numbers: dict[str, int] = {}
        """Error codes for numbers that cannot be called, such as 21219: not verified by a trial account."""
        self.own_numbers: set[str] | None = None
        """The numbers that may call; None for any."""
        self.api_keys: dict[str, str] = {}
        """SIDs (SK...) and secrets that are as good as the account's own."""
        self.numbers: dict[str, IncomingNumber] = {}
        """The account's numbers by SID; ``buy`` adds one."""
        self._account = account
        self._calls = calls
        self._place = place

    @property
    def url(self) -> str:
        """Address that stands in for https://api.twilio.com."""
        return f"http://127.0.0.1:{self.server.port}"

    def buy(self, number: str, **fields: str) -> IncomingNumber:
        """The account has one more number."""
        bought = IncomingNumber(f"PN{secrets.token_hex(16)}", number, **fields)
        self.numbers[bought.sid] = bought
        return bought

    def fail_next(
        self,
        answer: int | Misbehaviour,
        *,
        times: int = 1,
        method: str = "",
        call_sid: str = "",
        processed: bool = False,
    ) -> None:
        """Let the next requests (with this method, about this call) fail: with this status, by silence, or by a reset.

        ``processed``: the request has its effect, and only its answer is lost.
        """
        self.faults.extend([Fault(answer, method, call_sid, processed)] * times)

    def _handle(self, request: HttpRequest) -> HttpAnswer | Misbehaviour:
        fault = next((fault for fault in self.faults if fault.meets(request)), None)
        if fault is None:
            answer = self._answer(request)
        else:
            self.faults.remove(fault)
            if fault.processed:
                self._answer(request)
            answer = _spoilt(fault.answer)
        sent = answer.status if isinstance(answer, HttpAnswer) else None
        self.requests.append(
            RestRequest(trio.current_time(), request.method, request.path, request.query, request.form, sent)
        )
        return answer

    def _answer(self, request: HttpRequest) -> HttpAnswer | Misbehaviour:
        try:
            self._authenticate(request.headers.get("authorization", ""))
            numbers = f"/{API_VERSION}/Accounts/{self._account.sid}/IncomingPhoneNumbers"
            if request.path.startswith((f"{numbers}.json", f"{numbers}/")):
                return self._answer_numbers(request, numbers)
            root = f"/{API_VERSION}/Accounts/{self._account.sid}/Calls"
            if request.path == f"{root}.json":
                if request.method == "POST":
                    call = self._place(self._order(request.form))
                    return _json(201, call_json(call, self._account.sid))
                return _json(200, self._list(dict(request.query), request.path))
            sid = request.path.removeprefix(f"{root}/").removesuffix(".json")
            if sid not in self._calls or request.path != f"{root}/{sid}.json":
                raise RestFailure(20404)  # noqa: TRY301 - one way out for every failure
            if request.method == "POST":
                self._update(self._calls[sid], dict(request.form))
            elif request.method != "GET":
                raise RestFailure(20004)  # noqa: TRY301
            return _json(200, call_json(self._calls[sid], self._account.sid))
        except RestFailure as failure:
            return _failed(failure)

    def _answer_numbers(self, request: HttpRequest, root: str) -> HttpAnswer:
        """The "IncomingPhoneNumber resource": list, fetch, update of the voice's addresses."""
        if request.path == f"{root}.json":
            if request.method != "GET":
                raise RestFailure(20004)
            return _json(200, self._list_numbers(dict(request.query), request.path))
        number = self.numbers.get(request.path.removeprefix(f"{root}/").removesuffix(".json"))
        if number is None:
            raise RestFailure(20404)
        if request.method == "POST":
            number.update(dict(request.form))
        elif request.method != "GET":
            raise RestFailure(20004)
        return _json(200, number.as_json(self._account.sid))

    def _list_numbers(self, query: dict[str, str], path: str) -> dict[str, Any]:
        page, size = int(query.get("Page", 0)), int(query.get("PageSize", 50))
        if not 1 <= size <= 1000:
            raise RestFailure(20007)
        wanted = query.get("PhoneNumber", "")
        found = [number for number in self.numbers.values() if wanted in number.number]
        here = found[page * size : (page + 1) * size]

        def uri(at: int) -> str:
            return f"{path}?{urlencode(query | {'PageSize': size, 'Page': at})}"

        return {
            "incoming_phone_numbers": [number.as_json(self._account.sid) for number in here],
            "first_page_uri": uri(0),
            "next_page_uri": uri(page + 1) if len(found) > (page + 1) * size else None,
            "previous_page_uri": uri(page - 1) if page else None,
            "page": page,
            "page_size": size,
            "uri": uri(page),
        }

    def _authenticate(self, authorization: str) -> None:
        keys = {self._account.sid: self._account.auth_token, **self.api_keys}
        good = {f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}" for user, secret in keys.items()}
        if authorization not in good:
            raise RestFailure(20003)

    def _order(self, form: Form) -> CallOrder:
        """A call's creation, checked as Twilio does."""
        fields = dict(form)
        to, from_ = fields.get("To", ""), fields.get("From", "")
        if not to or not from_:
            raise RestFailure(21213 if to else 21201)
        if code := self.refused_numbers.get(to) or MAGIC_TO.get(to) or MAGIC_FROM.get(from_):
            raise RestFailure(code)
        if not _ADDRESS.fullmatch(to) or to == from_:
            raise RestFailure(21211)
        if not _ADDRESS.fullmatch(from_):
            raise RestFailure(21212)
        if self.own_numbers is not None and from_ not in self.own_numbers:
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
            status_callback_events=tuple(value for name, value in form if name == "StatusCallbackEvent")
            or ("completed",),
            ring_seconds=_seconds(fields.get("Timeout", str(RING_SECONDS)), 21208),
            time_limit=_seconds(fields.get("TimeLimit", str(CALL_SECONDS)), 20001),
            machine_detection=fields.get("MachineDetection", ""),
            async_amd=fields.get("AsyncAmd") == "true",
            async_amd_callback=fields.get("AsyncAmdStatusCallback", ""),
            async_amd_callback_method=_method(fields, "AsyncAmdStatusCallbackMethod"),
        )

    def _update(self, call: SandboxCall, fields: dict[str, str]) -> None:
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

    def _list(self, query: dict[str, str], path: str) -> dict[str, Any]:
        page, size = int(query.get("Page", 0)), int(query.get("PageSize", 50))
        if not 1 <= size <= 1000:
            raise RestFailure(20007)
        found = [call for call in reversed(self._calls.values()) if _matches(call, query)]
        here = found[page * size : (page + 1) * size]

        def uri(number: int) -> str:
            return f"{path}?{urlencode(query | {'PageSize': size, 'Page': number})}"

        return {
            "calls": [call_json(call, self._account.sid) for call in here],
            "end": page * size + max(len(here) - 1, 0),
            "first_page_uri": uri(0),
            "next_page_uri": uri(page + 1) if len(found) > (page + 1) * size else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": uri(page - 1) if page else None,
            "start": page * size,
            "uri": uri(page),
        }


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


def _matches(call: SandboxCall, query: dict[str, str]) -> bool:
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


def _spoilt(answer: int | Misbehaviour) -> HttpAnswer | Misbehaviour:
    if isinstance(answer, str):
        return answer
    code = next((code for code, (status, _) in ERRORS.items() if status == answer), 20000 + answer)
    return _failed(RestFailure(code, answer))


def _json(status: int, value: dict[str, Any], headers: Form = ()) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode(), (("Content-Type", "application/json"), *headers))


def _failed(failure: RestFailure) -> HttpAnswer:
    body = {
        "code": failure.code,
        "message": str(failure),
        "more_info": f"https://www.twilio.com/docs/errors/{failure.code}",
        "status": failure.status,
    }
    headers: dict[int, Form] = {
        401: (("WWW-Authenticate", 'Basic realm="Twilio API"'),),
        429: (("Twilio-Concurrent-Requests", "100"),),
    }
    return _json(failure.status, body, headers.get(failure.status, ()))
