"""Collectors of traces that answer as none should: each is told of once, and nothing of theirs is kept or followed."""

import contextlib
from functools import partial

import pytest
import structlog
import trio

from tests.test_traces import call_of
from trio_voice.edges.telemetry.exporter import Traces

FLOOD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 65_535 + b"\r\n"
ODD = {
    "moved": (b"HTTP/1.1 308 Permanent Redirect\r\nLocation: http://127.0.0.1:1/else\r\nContent-Length: 0\r\n\r\n", 0),
    "flood": (FLOOD + b"ffff\r\n" * 2 + b"x" * 200_000, 1),
    "zipped": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip.", 1),
    "garbage": (b"\x00\xff\x16\x03" * 40_000, 1),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", 1),
    "nothing": (b"", 1),
    "busy": (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", 1),
}


# The client leaves a generator of its own to the collector where an answer is not read to its end.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ODD)
async def test_an_odd_answer_is_one_line_and_what_was_not_taken_waits(nursery, kind):
    answer, left = ODD[kind]
    asked = 0

    async def serve(stream):
        nonlocal asked
        asked += 1
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some()
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(answer)

    [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    port = listener.socket.getsockname()[1]
    traces = Traces(f"http://127.0.0.1:{port}", "01", list)
    traces.call_ended(call_of())
    with structlog.testing.capture_logs() as logged:
        await traces._send_all()
        await traces._send_all()
    assert bool(traces._waiting) == bool(left)
    assert asked == 1 + left
    assert [line["event"] for line in logged] == ["spans_not_taken" if left else "spans_refused"]
    assert kind != "moved" or "308" in logged[0]["trouble"]
