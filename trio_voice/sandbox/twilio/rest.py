"""The part of Twilio's REST API that concerns calls: create, fetch, list, update; and its ways to fail.

From Twilio's "Calls resource", its OpenAPI description and its error dictionary. Requests are answered without I/O:
what they do to a call happens in that call's own task.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs
import trio

from trio_voice.sandbox.twilio.account import API_VERSION, Account, CallOrder
from trio_voice.sandbox.twilio.call_resource import call_json, matches, order_in, update
from trio_voice.sandbox.twilio.failures import ERRORS, RestFailure
from trio_voice.sandbox.twilio.http import HttpAnswer, HttpRequest, LoopbackServer, Misbehaviour
from trio_voice.sandbox.twilio.number_resource import IncomingNumber
from trio_voice.sandbox.twilio.pages import page_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.sandbox.twilio.call import SandboxCall
    from trio_voice.sandbox.twilio.webhooks import Form


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
        account = f"/{API_VERSION}/Accounts/{self._account.sid}"
        try:
            self._authenticate(request.headers.get("authorization", ""))
            for resource, answer in (("IncomingPhoneNumbers", self._answer_numbers), ("Calls", self._answer_calls)):
                root = f"{account}/{resource}"
                if request.path == f"{root}.json":
                    return answer(request, None)
                if request.path.startswith(f"{root}/") and request.path.endswith(".json"):
                    return answer(request, request.path.removeprefix(f"{root}/").removesuffix(".json"))
            raise RestFailure(20404)  # noqa: TRY301 - one way out for every failure
        except RestFailure as failure:
            return _failed(failure)

    def _answer_calls(self, request: HttpRequest, sid: str | None) -> HttpAnswer:
        if sid is None and request.method == "POST":
            call = self._place(order_in(request.form, self.refused_numbers, self.own_numbers))
            return _json(201, call_json(call, self._account.sid))
        if sid is None:
            query = dict(request.query)
            found = [call for call in reversed(self._calls.values()) if matches(call, query)]
            page = page_of("calls", found, query, request.path)
            here = [call_json(call, self._account.sid) for call in page["calls"]]
            start = page["page"] * page["page_size"]
            return _json(200, page | {"calls": here, "start": start, "end": start + max(len(here) - 1, 0)})
        if sid not in self._calls:
            raise RestFailure(20404)
        if request.method == "POST":
            update(self._calls[sid], dict(request.form))
        elif request.method != "GET":
            raise RestFailure(20004)
        return _json(200, call_json(self._calls[sid], self._account.sid))

    def _answer_numbers(self, request: HttpRequest, sid: str | None) -> HttpAnswer:
        if sid is None:
            if request.method != "GET":
                raise RestFailure(20004)
            wanted = dict(request.query).get("PhoneNumber", "")
            found = [each.as_json(self._account.sid) for each in self.numbers.values() if wanted in each.number]
            return _json(200, page_of("incoming_phone_numbers", found, dict(request.query), request.path))
        number = self.numbers.get(sid)
        if number is None:
            raise RestFailure(20404)
        if request.method == "POST":
            number.update(dict(request.form))
        elif request.method != "GET":
            raise RestFailure(20004)
        return _json(200, number.as_json(self._account.sid))

    def _authenticate(self, authorization: str) -> None:
        keys = {self._account.sid: self._account.auth_token, **self.api_keys}
        good = {f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}" for user, secret in keys.items()}
        if authorization not in good:
            raise RestFailure(20003)


def _spoilt(answer: int | Misbehaviour) -> HttpAnswer | Misbehaviour:
    if isinstance(answer, str):
        return answer
    code = next((code for code, (status, _) in ERRORS.items() if status == answer), 20000 + answer)
    return _failed(RestFailure(code, answer))


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


def _json(status: int, value: dict[str, Any], headers: Form = ()) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode(), (("Content-Type", "application/json"), *headers))
