"""HTTP for a chain's language model: the one file of the call's side that knows an HTTP library.

A client belongs to one call, so that nothing of it outlives the call; within the call its connection is kept, because a
handshake before each answer would be heard.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx2

from trio_voice.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from trio_voice.events.stage import ModelRequest

CONNECTIONS: Final = httpx2.Limits(max_connections=4, max_keepalive_connections=2)
"""One answer is waited for, and one may be on its way out."""


class HttpAnswer:
    """An answer whose body is still coming."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces = response.aiter_bytes()
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Cancelling is safe.

        Raises:
            ModelUnavailable: it broke off.
        """
        try:
            return await anext(self._pieces, b"")
        except (httpx2.HTTPError, httpx2.StreamError) as broken:
            raise ModelUnavailable(f"the answer broke off: {_words(broken)}") from broken

    async def aclose(self) -> None:
        """Close it, read or not. Never waits: an answer that is not at its end costs its connection."""
        await self._response.aclose()


class HttpClient:
    """Posts to language models. Has no timeouts of its own: whoever asks has a deadline."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    @asynccontextmanager
    async def post(self, request: ModelRequest) -> AsyncIterator[HttpAnswer]:
        """Send a request; the block reads the answer, and leaving it closes the answer.

        Cancelling is safe: the connection is closed.

        Raises:
            ModelUnavailable: nobody answers there; the message names the host and never a header.
        """
        try:
            wanted = self._client.build_request(
                "POST", request.url, headers=dict(request.headers), content=request.body
            )
            response = await self._client.send(wanted, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as failed:
            host = request.url.split("/")[2:3]
            raise ModelUnavailable(f"{''.join(host)} cannot be asked: {_words(failed)}") from failed
        answer = HttpAnswer(response)
        try:
            yield answer
        finally:
            await answer.aclose()  # noqa: ASYNC102 - shielded inside, and never waits for the peer


@asynccontextmanager
async def open_http(proxies: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[HttpClient]:
    """A client for one call.

    Args:
        proxies: the proxy's URL of each address that is reached by one (``proxies.py``).
    """
    mounts = {
        f"all://{urlsplit(address).netloc.rpartition('@')[2]}": httpx2.AsyncHTTPTransport(
            verify=_tls(), limits=CONNECTIONS, trust_env=False, proxy=proxy
        )
        for address, proxy in proxies.items()
    }
    async with httpx2.AsyncClient(
        verify=_tls(), timeout=None, limits=CONNECTIONS, follow_redirects=False, trust_env=False, mounts=mounts
    ) as client:
        yield HttpClient(client)


@cache
def _tls() -> ssl.SSLContext:
    """The system's authorities, read once: it takes some 17 ms, in which no call goes on."""
    return ssl.create_default_context()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
