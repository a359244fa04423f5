"""Server-sent events: whole, cut anywhere, and endless."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_voice.errors import RemoteProtocolError
from trio_voice.protocols.server_sent_events import MAX_EVENT_BYTES, EventStreamReader, ServerSentEvent

STREAM = (
    ': a comment\r\nevent: message_start\r\ndata: {"text":"Grüß Gott, 世界"}\r\n\r\n'
    "data: one\ndata: two\n\nid: 7\nretry: 100\n\ndata:no space\r\rdata: [DONE]\n\n"
).encode()
EVENTS = [
    ServerSentEvent("message_start", '{"text":"Grüß Gott, 世界"}'),
    ServerSentEvent("", "one\ntwo"),
    ServerSentEvent("", "no space"),
    ServerSentEvent("", "[DONE]"),
]


def read(*pieces):
    reader = EventStreamReader()
    return [event for piece in pieces for event in reader.receive(piece)] + reader.end()


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
@example([34, 34])
def test_pieces_may_end_anywhere(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[start:end] for start, end in itertools.pairwise(edges))) == EVENTS


def test_byte_by_byte():
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == EVENTS


def test_a_last_event_without_its_blank_line_is_one():
    assert read(b"data: a\n\ndata: b") == [ServerSentEvent("", "a"), ServerSentEvent("", "b")]


def test_bytes_that_are_no_utf8_are_replaced():
    assert read(b"data: \xff\n\n") == [ServerSentEvent("", "�")]


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_000 + b"\n"], ids=["a line", "lines"])
def test_an_endless_event_is_refused(piece):
    reader = EventStreamReader()
    with pytest.raises(RemoteProtocolError, match=str(MAX_EVENT_BYTES)):
        for _ in range(MAX_EVENT_BYTES // len(piece) + 2):
            reader.receive(piece)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_raise_anything_else(pieces):
    read(*pieces)
