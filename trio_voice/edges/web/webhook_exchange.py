"""A webhook's exchange on its socket: what Twilio usually sends is answered without hypercorn and the app.

They take two thirds of a webhook's processor time, of which a call has four or five. Nothing is decided
here: ``webhooks.py`` does that for both ways, and what is not a plain request of the usual form (``_plain_head``) is
left to hypercorn, as it came. So this never has to judge what is odd.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import attrs
import trio
from werkzeug.exceptions import RequestTimeout

from trio_voice.edges.web.answers import Answer, bug_answer, http_error_answer
from trio_voice.edges.web.nodes import NODE, VIA
from trio_voice.edges.web.webhooks import BODY_SECONDS, MAX_BODY_BYTES, SIGNATURE, Webhook, Webhooks, form_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.edges.web.entrypoints import Entrypoint

DISCARD_SECONDS: Final = 1.0
"""To read what still comes of a request that was answered before its end. A socket that is closed before is reset, and
the answer is lost."""
_REQUEST: Final = re.compile(r"POST (/[a-z-]+)(?:/([0-9A-Za-z]+))?(?:\?([0-9A-Za-z=&._-]*))? HTTP/1\.1")
_HEADER: Final = re.compile(r"([0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?[ \t]*")
_FORM: Final = re.compile(r"application/x-www-form-urlencoded(?: *; *charset=utf-8)?", re.IGNORECASE)
_ODD: Final = frozenset({"transfer-encoding", "expect", "upgrade", NODE.lower()})
"""Headers that want more than an answer."""


@attrs.frozen
class _PlainHead:
    """Head of a webhook that needs no web server to be understood."""

    rule: str
    path: str
    target: str
    call_id: str | None
    via: str | None
    signature: str
    length: int
    """Of the body that follows, in bytes."""

    def with_body(self, body: bytes) -> Webhook:
        """The whole request."""
        try:
            form = form_of(parse_qsl(body.decode(), keep_blank_values=True))
        except ValueError:  # no text: no form, as with Quart
            form = {}
        return Webhook(self.rule, self.path, self.target, self.call_id, self.via, self.signature, form)


def _plain_head(head: bytes, rules: tuple[str, ...]) -> _PlainHead | None:
    """A head of the form that Twilio and proxies send, or ``None``: each header once, its letters plain."""
    request, *lines = head.decode("latin-1").split("\r\n")
    asked = _REQUEST.fullmatch(request)
    if asked is None:
        return None
    name, call_id, query = asked.groups()
    rule = name if call_id is None else f"{name}/<call_id>"
    if rule not in rules:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        headers[header[1].lower()] = header[2] or ""
    length = headers.get("content-length", "")
    if (
        len(headers) < len(lines)
        or not headers.keys().isdisjoint(_ODD)
        or "host" not in headers
        or _FORM.fullmatch(headers.get("content-type", "")) is None
        or not length.isdecimal()
        or len(length) > len(str(MAX_BODY_BYTES))
        or int(length) > MAX_BODY_BYTES
    ):
        return None
    path = name if call_id is None else f"{name}/{call_id}"
    target = path if not query else f"{path}?{query}"
    fields = form_of(parse_qsl(query or "", keep_blank_values=True))
    via = fields[VIA][0] if VIA in fields else None
    return _PlainHead(rule, path, target, call_id, via, headers.get(SIGNATURE.lower(), ""), int(length))


async def serve_webhook(
    stream: trio.SocketStream,
    data: bytes,
    entrypoint: Entrypoint,
    webhooks: Webhooks,
    on_arrival: Callable[[], object],
    send_seconds: float,
) -> bool:
    """Answer one plain webhook; the caller closes the stream. Cancelling is safe.

    Args:
        stream: whose first request's head was read.
        data: that head and whatever came behind it.
        entrypoint: by which it came.
        webhooks: what is answered.
        on_arrival: called when the request has arrived whole.
        send_seconds: for a client to take the answer.

    Returns:
        Whether it was one. If it was not, nothing more was read, and nothing was sent.

    Raises:
        trio.BrokenResourceError: the connection was cut.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    plain = _plain_head(head, webhooks.rules)
    if plain is None or not entrypoint.serves(plain.path):
        return False
    answer, rest = webhooks.refusal_by_head(plain.path, plain.signature), plain.length - len(body)
    if answer is None:
        with trio.move_on_after(BODY_SECONDS) as in_time:
            whole = await _read_body(stream, body, plain.length)
        if in_time.cancelled_caught:
            answer = http_error_answer(RequestTimeout())
        elif whole is None:
            return True
        else:
            on_arrival()
            answer, rest = await _answer(webhooks, plain.with_body(whole)), 0
    with trio.move_on_after(send_seconds):
        await stream.send_all(answer.as_http())
        await stream.send_eof()
    with trio.move_on_after(DISCARD_SECONDS):
        await _read_body(stream, b"", rest)
    return True


async def _answer(webhooks: Webhooks, webhook: Webhook) -> Answer:
    try:
        return await webhooks.answer(webhook)
    except Exception as error:  # noqa: BLE001 - it is logged, answered, and stays this request's failure
        return bug_answer(webhook.path, error)


async def _read_body(stream: trio.SocketStream, body: bytes, length: int) -> bytes | None:
    """A body of which the beginning was read; ``None`` if the peer leaves before its end."""
    pieces = [body]
    missing = length - len(body)
    while missing > 0:
        more = await stream.receive_some(missing)
        if not more:
            return None
        pieces.append(bytes(more))
        missing -= len(more)
    return b"".join(pieces)[:length]
