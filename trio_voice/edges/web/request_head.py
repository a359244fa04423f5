"""Requests that are turned away by their head alone, before a server library sees them.

One connection serves one request of HTTP/1. What would make more of it is refused here: HTTP/2, by prior knowledge
(RFC 9113, 3.3) or by ``Upgrade: h2c`` (RFC 7540, 3.2), whose streams would hold a place that nobody can take from them;
and a body whose end is told in two ways (RFC 9112, 6.3), which proxies and servers see in different places. So is a
head that does not end.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import attrs

from trio_voice.edges.web.answers import error_answer


@attrs.frozen
class Refusal:
    """Reason for which a request is turned away."""

    status: HTTPStatus
    code: str
    """The word for programs."""
    message: str

    def answer(self) -> bytes:
        """The bytes to send, and nothing after them."""
        return error_answer(self.status, self.code, self.message).as_http()


HEAD_BYTES: Final = 16_384
"""A longer request head than this is refused."""
HEAD_TOO_LONG: Final = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_long", f"send a head of at most {HEAD_BYTES} bytes"
)
HTTP_2: Final = Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "http2", "speak HTTP/1.1: HTTP/2 is not served here")
UPGRADE: Final = Refusal(HTTPStatus.BAD_REQUEST, "http2", "speak HTTP/1.1 and ask for no upgrade to h2c")
TWO_LENGTHS: Final = Refusal(
    HTTPStatus.BAD_REQUEST, "two_lengths", "send Content-Length or Transfer-Encoding, and one of them only once"
)
FOLDED: Final = Refusal(HTTPStatus.BAD_REQUEST, "folded_header", "write each header in one line")


def refusal_of(head: bytes) -> Refusal | None:
    """The refusal of a request, by its head and whatever came behind that; ``None`` if it may be served."""
    if b"\r\n\r\n" not in head[:HEAD_BYTES]:
        return HEAD_TOO_LONG
    # Servers take a bare line feed for the end of a line, and empty lines before a request for nothing.
    request, *headers = head.lstrip(b"\r\n").partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n").split(b"\n")
    method, _, rest = request.partition(b" ")
    version = rest.rpartition(b" ")[2].upper()
    if method.upper() == b"PRI" or (version.startswith(b"HTTP/") and not version.startswith(b"HTTP/1.")):
        return HTTP_2
    lengths = 0
    for header in headers:
        if header[:1] in (b" ", b"\t"):
            return FOLDED
        name, _, value = header.partition(b":")
        match name.strip().lower():
            case b"content-length" | b"transfer-encoding":
                lengths += 1
            case b"http2-settings":
                return UPGRADE
            case b"upgrade" if b"h2" in value.lower():
                return UPGRADE
    return TWO_LENGTHS if lengths > 1 else None
