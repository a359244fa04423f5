"""Requests of Twilio to our server: signed, and never leaving this machine.

The signature is written from Twilio's "Security" page; the tests hold it against published vectors.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs
import httpx2
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Form = tuple[tuple[str, str], ...]

CONNECT_SECONDS: Final = 10.0
"""Twilio tries twice to connect, 5 s each."""
ANSWER_SECONDS: Final = 15.0
"""The whole of a webhook, connecting included."""
MOST_REDIRECTS: Final = 10


def sign(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """``X-Twilio-Signature`` of a request: of the URL as Twilio has it, and a POST's decoded form.

    A field that is blank counts; one that comes several times counts once for each different value.
    """
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(auth_token.encode(), text.encode(), hashlib.sha1)).decode()


def signed_url(url: str) -> str:
    """The form of a webhook's URL that is signed: without user, fragment and, for https, port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https":
        host = host.removesuffix(f":{parts.port}")
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


class Unreachable(Exception):
    """No way leads to this host from the sandbox, which reaches this machine only."""


class Loopback(httpx2.AsyncBaseTransport):
    """Takes requests for public hosts to ports of this machine, as a tunnel with TLS in front of the server does.

    ``ports`` says which host is behind which port; loopback hosts are their own. There is no other way out.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.ports = dict(ports)
        # A connection for each request: nothing idle is left behind, and a server that is stopped sees nobody.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(verify=False, trust_env=False, limits=limits)

    def port_of(self, url: str) -> int:
        """The port behind which the host of this URL is.

        Raises:
            Unreachable: there is none.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host in self.ports:
            return self.ports[host]
        if host in {"127.0.0.1", "localhost", "::1"}:
            return parts.port or (80 if parts.scheme in {"http", "ws"} else 443)
        raise Unreachable(f"no port is known for {host!r}: connect_to has {', '.join(self.ports) or 'none'}")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it to loopback, with its own Host header."""
        try:
            port = self.port_of(str(request.url))
        except Unreachable as lost:
            raise httpx2.ConnectError(str(lost)) from lost
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


@attrs.frozen
class WebhookRequest:
    """One request that Twilio made, and what became of it.

    ``event`` says what for: ``twiml``, ``action``, ``amd``, or the event that a callback reports. ``at`` is in trio's
    clock, ``status`` is None when no whole answer came in time; ``error`` then says why.
    """

    at: float
    event: str
    method: str
    url: str
    form: Form
    status: int | None
    content_type: str
    body: bytes
    error: str = ""


class Webhooks:
    """One call's requests to our server: with its own cookies, each within 15 s and recorded.

    Args:
        transport: the way to our server.
        auth_token: what the account signs with by then.
    """

    def __init__(self, transport: Loopback, auth_token: Callable[[], str]) -> None:
        self.requests: list[WebhookRequest] = []
        self._auth_token = auth_token
        # Shares the transport, so it is not closed with the call.
        self._client = httpx2.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=True,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        )
        self._client.max_redirects = MOST_REDIRECTS
        self._client.headers = httpx2.Headers({"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"})

    async def ask(self, event: str, url: str, form: Form, method: str = "POST") -> WebhookRequest:
        """Make one request. It never raises for what the server does; cancelling is safe."""
        at = trio.current_time()
        if method == "GET":
            parts = urlsplit(url)
            url = urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *form])))
            form, content = (), None
        else:
            content = urlencode(form)
        headers = {
            "X-Twilio-Signature": sign(self._auth_token(), signed_url(url), form),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
        }
        if content is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, content_type, body, error = None, "", b"", f"no answer within {ANSWER_SECONDS:.0f} s"
        with trio.move_on_after(ANSWER_SECONDS):  # noqa: ASYNC912 - the request is one
            try:
                answer = await self._client.request(method, url, headers=headers, content=content)
                status, body, error = answer.status_code, answer.content, ""
                content_type = answer.headers.get("content-type", "")
            except (httpx2.HTTPError, httpx2.InvalidURL) as failed:
                error = f"{type(failed).__name__}: {failed}"
        request = WebhookRequest(at, event, method, url, form, status, content_type, body, error)
        self.requests.append(request)
        return request
