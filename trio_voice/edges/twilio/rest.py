"""Twilio's REST API, through the twilio SDK under trio.

The SDK's own async client is aiohttp, cannot run under trio, ignores its timeout and repeats POSTs. ``_TrioHttp`` takes
its place: httpx2, a deadline on every request, and no retry that we did not decide on.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import attrs
import httpx2
import stamina
import structlog
import trio
from twilio.base import values
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from trio_voice.edges import bounded_answer
from trio_voice.edges.twilio.error_codes import advice_for
from trio_voice.errors import ConfigError, RestError, one_line, told_in_words
from trio_voice.record import TERMINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from trio_voice.net.proxies import Proxy

log: Final = structlog.stdlib.get_logger("trio_voice.twilio_rest")

REQUEST_SECONDS: Final = 10.0
"""For one request. Twilio answers in well under a second."""
HANG_UP_SECONDS: Final = 120.0
"""For ending a call, with all its retries. TwiML's ``<Hangup/>`` and the call's time limit stand behind it."""
NO_SUCH_RESOURCE: Final = 20404
"""Twilio's code of its own 404 (Twilio, error and warning dictionary)."""
CALL_NOT_IN_PROGRESS: Final = 21220
FIRST_CODE: Final = 10_000
"""Twilio's codes begin there; where an answer has none, the SDK puts the status of HTTP in its place."""
RETRYABLE: Final = frozenset({429, 500, 502, 503, 504})
SID: Final = re.compile("[0-9A-Za-z]{1,64}")
"""Names of a call at Twilio: 34 letters and digits. It becomes part of an address of the REST API."""
_STATUS: Final = re.compile("[a-z-]{1,20}")
"""Words for what a call is doing; Twilio may add some."""


@attrs.frozen(kw_only=True)
class CallOrder:
    """A call to place."""

    to_number: str
    from_number: str
    twiml_url: str
    status_url: str
    ring_seconds: float
    time_limit_seconds: float
    recording_url: str | None = None
    """Address at which Twilio tells that the recording is there; without it nothing is recorded."""
    machine_url: str | None = None
    """Address at which Twilio tells who answered; without it, it does not find out."""
    wait_for_beep: bool = False
    """Have it say so only when a machine has finished its greeting."""


MAX_ANSWER_BYTES: Final = 4_000_000
"""A thousand numbers are less than half of it, a call some 2 kB."""
MAX_NUMBERS: Final = 1_000
"""Telephone numbers of an account that are looked at."""


class _TrioHttp(AsyncHttpClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's transport, over httpx2.

    A client for each request: one that is cancelled just as it has connected leaves its connection in the client's
    pool, which never closes nor uses it again (httpcore2 2.16).
    """

    def __init__(self, open_client: Callable[[], httpx2.AsyncClient], api_url: str) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True, timeout=REQUEST_SECONDS)
        self._open_client = open_client
        self._api_url = api_url.rstrip("/")

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the SDK's signature
        allow_redirects: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> Response:
        # The SDK puts TWILIO_EDGE and TWILIO_REGION of the environment into the host; api_url goes before them.
        parts = urlsplit(uri)
        uri = self._api_url + urlunsplit(parts._replace(scheme="", netloc=""))
        if data is not None:
            data = {name: str(value).lower() if isinstance(value, bool) else value for name, value in data.items()}
        if params is not None:
            params = {name: value for name, value in params.items() if value not in (None, values.unset)}
        with trio.fail_after(timeout or REQUEST_SECONDS):  # noqa: ASYNC912 - the request is a checkpoint
            async with self._open_client() as client:
                answer = await bounded_answer.ask(
                    client,
                    method.upper(),
                    uri,
                    most_bytes=MAX_ANSWER_BYTES,
                    params=params,
                    data=data,
                    headers=headers,
                    auth=auth,
                    follow_redirects=allow_redirects,
                )
        return Response(answer.status_code, answer.text, answer.headers)


def open_client_maker(proxy: Proxy | None) -> Callable[[], httpx2.AsyncClient]:
    """A maker of clients, one for each request; one is made at once, so that a fault of it shows now.

    Args:
        proxy: by which Twilio is reached; the environment is not looked at again.

    Raises:
        ConfigError: none can be made: the authorities cannot be read.
    """
    try:
        make = partial(
            httpx2.AsyncClient,
            verify=httpx2.create_ssl_context(),  # its authorities are read once
            proxy=None if proxy is None else proxy.url,
            trust_env=False,
        )
        make()
    except Exception as wrong:
        raise ConfigError([f"no HTTP client for Twilio can be made: {type(wrong).__name__}: {wrong}"]) from wrong
    return make


class TwilioRest:
    """The account's calls.

    Args:
        account_sid: ``AC…``
        auth_token: its token.
        api_url: where the API is; another base for tests and proxies.
        open_http: makes a client for one request.
        on_failure: told of every request that failed, retries too: ``create``, ``complete``, ``fetch``, ``transfer``.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        api_url: str,
        open_http: Callable[[], httpx2.AsyncClient],
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._on_failure = on_failure
        self.account_sid = account_sid
        self._http = _TrioHttp(open_http, api_url)
        self.use_token(auth_token)

    def use_token(self, auth_token: str) -> None:
        """Ask with this token from now on."""
        self._client = Client(self.account_sid, auth_token, http_client=self._http)
        self._calls = self._client.calls  # the SDK imports lazily, 0.3 s; better at start than in the first call

    async def hang_up(self, call_sid: str) -> bool:
        """End a call, whatever it is doing, and see that it has ended. Idempotent: one that is over is a success.

        Retries what can be retried for up to ``HANG_UP_SECONDS``. Never raises; what could not be done is logged.
        Cancelling is safe.
        """
        with trio.move_on_after(HANG_UP_SECONDS):  # noqa: ASYNC912 - the request is a checkpoint
            patient = stamina.AsyncRetryingCaller(attempts=None, timeout=None, wait_initial=0.5, wait_max=15.0)
            try:
                await patient(_is_retryable, self._complete, call_sid)
            except RestError as refused:
                log.warning("hang_up_failed", call_sid=call_sid, error=str(refused))
                return False
            return True
        log.warning("hang_up_timed_out", call_sid=call_sid, seconds=HANG_UP_SECONDS)
        return False

    async def is_over(self, call_sid: str) -> bool:
        """True if a call has ended, as far as Twilio says so. Never raises."""
        try:
            return await self._fetch_status(call_sid) in TERMINAL_STATUSES
        except RestError as failed:
            return _is_over(failed)

    async def reach(self) -> None:
        """Ask for the account, to see whether Twilio can be reached and takes the credentials.

        Raises:
            RestError: it cannot, or does not.
        """
        await self._ask("account", self._client.api.accounts(self.account_sid).fetch_async())

    async def redirect(self, call_sid: str, twiml: str) -> None:
        """Replace what a call is doing by something else; its stream is stopped.

        Raises:
            RestError: Twilio refused, or cannot be reached.
        """
        await self._ask_of_call("transfer", self._calls(call_sid).update_async(twiml=twiml), call_sid)

    async def numbers(self) -> list[Any]:
        """The account's telephone numbers, as the SDK has them, up to ``MAX_NUMBERS``.

        Raises:
            RestError: Twilio refused, or cannot be reached.
        """
        asked = self._client.incoming_phone_numbers.list_async(limit=MAX_NUMBERS, page_size=MAX_NUMBERS)
        found: list[Any] = await self._ask("numbers", asked)
        return found

    async def point_number(self, sid: str, voice_url: str, status_callback: str) -> None:
        """Have Twilio ask this address about calls to a number; nothing else of it is changed.

        Raises:
            RestError: Twilio refused, or cannot be reached.
        """
        number = self._client.incoming_phone_numbers(sid)
        change = number.update_async(voice_url=voice_url, voice_method="POST", status_callback=status_callback)
        await self._ask("point_number", change)

    async def create(self, order: CallOrder) -> tuple[str, str]:
        """Place a call; returns its SID and its status. Never repeated: a call that is placed twice rings twice.

        Raises:
            RestError: Twilio refused. With ``outcome_unknown`` the call may have been placed all the same.
        """
        options: dict[str, Any] = {}
        if order.recording_url is not None:
            options |= {
                "record": True,
                "recording_channels": "dual",
                "recording_status_callback": order.recording_url,
                "recording_status_callback_event": ["completed", "absent"],
            }
        if order.machine_url is not None:
            options |= {
                "machine_detection": "DetectMessageEnd" if order.wait_for_beep else "Enable",
                "async_amd": "true",
                "async_amd_status_callback": order.machine_url,
                "async_amd_status_callback_method": "POST",
            }
        return await self._ask_of_call(
            "create",
            self._calls.create_async(
                to=order.to_number,
                from_=order.from_number,
                url=order.twiml_url,
                method="POST",
                status_callback=order.status_url,
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                status_callback_method="POST",
                timeout=round(order.ring_seconds),
                time_limit=round(order.time_limit_seconds),
                **options,
            ),
        )

    async def _complete(self, call_sid: str) -> None:
        status = await self._update(call_sid)
        if status not in TERMINAL_STATUSES:
            status = await self._fetch_status(call_sid)  # the resource lags behind the call
        if status not in TERMINAL_STATUSES:
            raise RestError(f"the call is still {status}", retryable=True)

    async def _update(self, call_sid: str) -> str:
        try:
            update = self._calls(call_sid).update_async(status="completed")
            _, status = await self._ask_of_call("complete", update, call_sid)
        except RestError as refused:
            if _is_over(refused):
                return "completed"
            raise
        return status

    async def _fetch_status(self, call_sid: str) -> str:
        _, status = await self._ask_of_call("fetch", self._calls(call_sid).fetch_async(), call_sid)
        return status

    async def _ask_of_call(self, what: str, request: Awaitable[Any], call_sid: str | None = None) -> tuple[str, str]:
        """Await a request whose answer is a call, this one if there is one already; its SID and its status."""

        async def asked() -> tuple[str, str]:
            call = await request
            if SID.fullmatch(call.sid) and call_sid in (None, call.sid) and _STATUS.fullmatch(call.status):
                return call.sid, call.status
            raise ValueError("no call, or another")

        answered: tuple[str, str] = await self._ask(what, asked())
        return answered

    async def _ask(self, what: str, request: Awaitable[Any]) -> Any:
        """Await one request of the SDK."""
        try:
            return await self._translated(request)
        except RestError as failed:
            if self._on_failure is not None and not (what == "complete" and _is_over(failed)):
                self._on_failure(what)
            raise

    async def _translated(self, request: Awaitable[Any]) -> Any:
        """The only place that knows the SDK's exceptions and httpx2's."""
        try:
            return await request
        except TwilioRestException as refused:
            code = refused.code if isinstance(refused.code, int) and refused.code >= FIRST_CODE else 0
            raise RestError(
                advice_for(code, refused.status, one_line(str(refused.msg))),
                status=refused.status,
                code=code,
                retryable=refused.status in RETRYABLE or not code,  # without one it is not Twilio who refuses
                outcome_unknown=refused.status >= 500,
            ) from refused
        except TwilioException as refused:
            raise RestError(one_line(f"Twilio's answer is not understood: {refused}"), retryable=True) from refused
        except (httpx2.HTTPError, trio.TooSlowError) as failed:
            unsent = isinstance(failed, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise RestError(
                f"Twilio cannot be reached: {told_in_words(failed)}",
                retryable=True,
                outcome_unknown=not unsent,
            ) from failed
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as odd:
            # The SDK reads an answer of 200 without looking: no JSON, or JSON that is no call, raises whatever it does.
            raise RestError(
                f"Twilio's answer is not understood: {type(odd).__name__}", retryable=True, outcome_unknown=True
            ) from odd
        except Exception as bug:
            # No thread for the look-up of a name, a library that is not there: a phone is up all the same, and what
            # does not work now may work in a second.
            log.exception("rest_bug")
            raise RestError(
                f"Twilio could not be asked: {type(bug).__name__}", retryable=True, outcome_unknown=True
            ) from bug


def _is_over(failure: RestError) -> bool:
    """True if a call could not be ended because it had, in Twilio's words: a proxy's 404 is about something else."""
    return failure.code in {NO_SUCH_RESOURCE, CALL_NOT_IN_PROGRESS}


def _is_retryable(failure: Exception) -> bool:
    retryable = isinstance(failure, RestError) and failure.retryable
    if retryable:
        log.info("twilio_rest_retry", error=str(failure))
    return retryable
