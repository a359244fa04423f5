"""Requests that are turned away by their head."""

import pytest

from trio_voice.edges.web.request_head import refusal_of

END = b"\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        (b"\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        (b"pri * http/2.0\r\n\r\n", "http2"),
        (b"PRI * HTTP/1.1\r\nHost: x" + END, "http2"),
        (b"GET / HTTP/2" + END, "http2"),
        (b"GET / HTTP/3.0\r\nHost: x" + END, "http2"),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade" + END, "http2"),
        (b"GET / HTTP/1.1\r\nupgrade:websocket, H2C" + END, "http2"),
        (b"GET / HTTP/1.1\nUpgrade : h2c\nConnection: Upgrade" + END, "http2"),
        (b"GET /media-stream/x HTTP/1.1\r\nHTTP2-Settings: AAMAAABk" + END, "http2"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked" + END, "two_lengths"),
        (b"POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length : 3" + END, "two_lengths"),
        (b"POST / HTTP/1.1\nContent-Length: 3\nTransfer-Encoding: chunked" + END, "two_lengths"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3" + END, "two_lengths"),
        (b"POST / HTTP/1.1\r\nX: y\r\n Content-Length: 3" + END, "folded_header"),
    ],
)
def test_what_would_be_more_than_one_request_is_refused(head, code):
    refusal = refusal_of(head)
    assert refusal is not None
    assert refusal.code == code
    answer, _, body = refusal.answer().partition(END)
    assert answer.startswith(b"HTTP/1.1 %d " % refusal.status)
    assert b"content-length: %d" % len(body) in answer.lower()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x" + END,
        b"GET /healthz HTTP/1.0" + END,
        b"POST /twiml HTTP/1.1\r\nContent-Length: 3" + END + b"PRI * HTTP/2.0\r\nUpgrade: h2c",
        b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked" + END,
        b"GET /media-stream/x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade" + END,
        b"\xff\xfe" + END,
        END,
    ],
)
def test_what_is_one_request_or_none_is_left_to_others(head):
    assert refusal_of(head) is None
