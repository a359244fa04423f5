"""An HTTP answer that is read to its end, but not without one: whoever answers may be anybody, or broken.

A client of httpx2 reads an answer whole, however long it is, and unpacks what is compressed, a thousand times as much
as has come, without giving anybody else a turn.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import httpx2
import trio

from trio_voice.net.connect import default_tls

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN: Final = "identity"
"""The coding of what is not compressed (RFC 9110, 8.4.1)."""
GRACE_SECONDS: Final = 0.5
"""For the client's own deadlines to say which of them has passed."""


async def ask(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    most_bytes: int,
    headers: Mapping[str, str] | None = None,
    **how: Any,
) -> httpx2.Response:
    """One request, and its answer of at most so many bytes. Cancelling is safe; the caller sets the deadline.

    Args:
        client: by which it is asked.
        method: of the request.
        url: where.
        most_bytes: of the answer's body.
        headers: of the request; that nothing is to be compressed is added.
        how: as ``httpx2.AsyncClient.stream`` takes it.

    Raises:
        httpx2.HTTPError: there is no answer, it is longer, or it is compressed all the same.
    """
    asked = {**(headers or {}), "Accept-Encoding": PLAIN}
    async with client.stream(method, url, headers=asked, **how) as answer:
        coding = answer.headers.get("Content-Encoding", PLAIN).strip().lower()
        if coding != PLAIN:
            raise httpx2.DecodingError(f"the answer is compressed ({coding[:20]}), which nobody asked for")
        body = bytearray()
        async with aclosing(answer.aiter_bytes()) as pieces:
            async for piece in pieces:
                await trio.lowlevel.checkpoint()  # of what was read at once there may be ten thousand
                body += piece
                if len(body) > most_bytes:
                    raise httpx2.RemoteProtocolError(f"the answer is longer than {most_bytes} bytes")
    return httpx2.Response(answer.status_code, headers=answer.headers, content=bytes(body), request=answer.request)


async def ask_once(method: str, url: str, *, seconds: float, most_bytes: int, **how: Any) -> httpx2.Response:
    """``ask`` by a client of its own, and never by a proxy: it would be given the token. Arguments as of ``ask``.

    Raises:
        httpx2.HTTPError: as ``ask``; also if there is no whole answer in time.
    """
    with trio.move_on_after(seconds + GRACE_SECONDS):
        async with httpx2.AsyncClient(verify=default_tls(), timeout=seconds, trust_env=False) as client:
            return await ask(client, method, url, most_bytes=most_bytes, **how)
    raise httpx2.ReadTimeout(f"no whole answer within {seconds:g} s")
