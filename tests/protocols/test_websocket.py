"""Our frames against a reference: the same bytes mean the same, whatever they are and however they are cut."""

import itertools
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed

from tests.wires import frame
from trio_voice.protocols.websocket import CLOSE, CONTINUATION, NO_CODE, PING, PONG, TEXT, WebSocket

BOTH_ENDS = pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
LIMIT = 1_000_000


def ours(*, client=False, limit=LIMIT):
    return WebSocket(client=client, max_message_bytes=limit)


def reference(*, client=False):
    return FrameProtocol(client=client, extensions=[])


def read_all(websocket, pieces):
    """The understood: the messages, the pongs asked for, and how it ended."""
    messages = []
    for piece in pieces:
        messages += websocket.receive(piece)
    return messages


def read_by_reference(protocol, data):
    """The same from wsproto: messages, payloads of pings, the close, and what was wrong."""
    messages, pings, close, wrong, parts = [], [], None, None, []
    protocol.receive_bytes(data)
    try:
        for got in protocol.received_frames():
            if got.opcode is Opcode.CLOSE:
                close = (int(got.payload[0]), got.payload[1] or "")
                break
            if got.opcode is Opcode.PING:
                pings.append(bytes(got.payload))
            elif got.opcode is not Opcode.PONG:
                parts.append(got.payload)
                if got.message_finished:
                    messages.append(("" if isinstance(got.payload, str) else b"").join(map(type(got.payload), parts)))
                    parts.clear()
    except ParseFailed as failed:
        wrong = int(failed.code)
    return messages, pings, close, wrong


def pong(payload, *, client):
    return reference(client=client).pong(payload)


# Whole conversations of a peer that keeps the rules

texts = st.text(max_size=400) | st.integers(120, 130).map("x".__mul__) | st.sampled_from(["x" * 65_535, "ü" * 40_000])
cuts = st.lists(st.integers(0, 400), max_size=6)


def in_pieces(data, cuts):
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


@BOTH_ENDS
@given(
    said=st.lists(
        st.tuples(st.sampled_from(["text", "binary", "ping", "pong"]), texts, st.lists(st.booleans(), max_size=3)),
        max_size=5,
    ),
    cuts=cuts,
)
def test_what_the_reference_says_is_heard_however_it_is_cut(client, said, cuts):
    peer, wire, expected, pings = reference(client=not client), b"", [], []
    for kind, text, pauses in said:
        if kind == "ping":
            wire += peer.ping(text.encode()[:125])
            pings.append(text.encode()[:125])
        elif kind == "pong":
            wire += peer.pong(text.encode()[:125])
        else:
            payload = text if kind == "text" else text.encode()
            expected.append(payload)
            size = len(payload) // (len(pauses) + 1)
            for place, ping_between in enumerate(pauses):  # fragments, with control frames between them
                wire += peer.send_data(payload[place * size : (place + 1) * size], fin=False)
                if ping_between:
                    wire += peer.ping(b"?")
                    pings.append(b"?")
            wire += peer.send_data(payload[len(pauses) * size :], fin=True)
    wire += peer.close(CloseReason.NORMAL_CLOSURE, "bye")
    heard = ours(client=client)
    assert read_all(heard, in_pieces(wire, cuts)) == expected
    assert (heard.failure, heard.close_code, heard.close_reason) == (None, 1000, "bye")
    by_reference = read_by_reference(reference(client=not client), b"".join(heard.replies))
    assert len(heard.replies) == len(pings) + 1
    assert by_reference[2:] == ((1000, ""), None)


@BOTH_ENDS
@given(said=st.lists(texts, max_size=4), reason=st.text(max_size=200), code=st.sampled_from([1000, 1001, 1011, 3000]))
def test_what_we_say_is_heard_by_the_reference(client, said, reason, code):
    speaker = ours(client=client)
    wire = b"".join(speaker.text(text) for text in said) + speaker.close(code, reason)
    messages, _, close, wrong = read_by_reference(reference(client=not client), wire)
    assert messages == said
    assert wrong is None
    assert close is not None
    assert close[0] == code
    assert reason.startswith(close[1])
    assert len(close[1].encode()) <= 123


# Anything at all

payloads = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=4).map(str.encode),
    st.integers(0, 300).map(b"x".__mul__),
    st.tuples(st.integers(0, 6_000), st.binary(max_size=4)).map(lambda close: struct.pack("!H", close[0]) + close[1]),
)
good_frames = st.builds(frame, st.sampled_from([TEXT, 0x2, PING, PONG]), payloads.filter(lambda data: len(data) < 126))
any_frames = st.builds(
    frame,
    st.sampled_from([TEXT, 0x2, CONTINUATION, CLOSE, PING, PONG]) | st.integers(0, 15),
    payloads,
    fin=st.booleans(),
    mask=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0x10, 0x20, 0x40]),
)
wires = st.tuples(st.lists(good_frames, max_size=2), st.lists(any_frames, max_size=4), st.binary(max_size=3)).map(
    lambda parts: b"".join([*parts[0], *parts[1], parts[2]])
)


@settings(max_examples=400)
@given(wires)
@example(frame(TEXT, b"x", rsv=0x40))
@example(frame(TEXT, b"x", rsv=0x20))
@example(frame(TEXT, b"x", rsv=0x10))
@example(b"\x01\x81\0\0\0\0\x80\x01\x80\0\0\0\0")
@example(b"\x03\x7e")
@example(b"\x03\xfe")
@example(frame(PING, b"x" * 126))
@example(frame(PING, b"x" * 125))
@example(frame(TEXT, b"x" * 125))
@example(frame(TEXT, b"x" * 126))
@example(frame(TEXT, b"x" * 65_535))
@example(frame(TEXT, b"x" * 65_536))
@example(frame(TEXT, b"\xff" * 200))
@example(frame(TEXT, b"x" * 200) + frame(PING))
@example(frame(TEXT, b"a", fin=False) + frame(TEXT, b"x" * 200))
@example(b"\x81\xfe\x00\x05\0\0\0\0hello")
@example(b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0" + b"x" * 65_535)
def test_any_bytes_mean_what_they_mean_to_the_reference(data):
    heard = ours()
    messages = read_all(heard, [data])
    expected, pings, close, wrong = read_by_reference(reference(), data)
    if wrong == 1007 and heard.replies[-1:] != [reference().close(1007, "")]:
        assert expected == messages  # it looks at the UTF-8 of a message that is not complete
        return
    assert messages == expected
    if heard.failure is not None and wrong is None:  # it waits for the rest of a frame that cannot become right
        assert read_by_reference(reference(), data + bytes(LIMIT + 14))[3] is not None
        return
    assert (heard.failure is None) == (wrong is None)
    assert (heard.close_code, heard.close_reason) == (close or (None, ""))
    answers = [pong(payload, client=False) for payload in pings]
    assert heard.replies[: len(answers)] == answers
    if wrong is not None:
        assert heard.replies[len(answers) :] == [reference().close(wrong, "")]


@given(wires, cuts)
def test_how_bytes_are_cut_makes_no_difference(data, cuts):
    whole, cut, by_bytes = ours(), ours(), ours()
    messages = read_all(whole, [data])
    assert read_all(cut, in_pieces(data, cuts)) == messages
    assert read_all(by_bytes, [data[at : at + 1] for at in range(len(data))]) == messages
    for other in (cut, by_bytes):
        assert (other.failure, other.close_code, other.replies) == (whole.failure, whole.close_code, whole.replies)


def test_a_whole_text_that_comes_by_itself_within_another_message_is_a_breach():
    heard = ours()
    assert read_all(heard, [frame(TEXT, b"a", fin=False), frame(TEXT, b"x" * 200)]) == []
    assert heard.failure == "a message begins within another"


def test_a_whole_text_that_comes_behind_a_part_of_a_frame_is_a_part_of_it():
    heard, inner = ours(), frame(TEXT, b"x" * 200)
    outer = frame(0x2, inner)
    assert read_all(heard, [outer[: -len(inner)], inner]) == [inner]


# Bounds and codes


@pytest.mark.parametrize(
    "wire",
    [
        frame(TEXT, b"x" * 1_001)[:8],
        frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 401)[:8],
        b"\x81\xff" + struct.pack("!Q", 1 << 62),
    ],
    ids=["in one", "in two", "endless"],
)
def test_a_message_that_will_be_too_long_is_refused_before_it_has_come(wire):
    heard = ours(limit=1_000)
    assert heard.receive(wire) == []
    assert heard.failure is not None
    assert heard.replies == [frame(CLOSE, struct.pack("!H", 1009), mask=False)]
    assert heard.receive(frame(TEXT, b"more")) == []


def test_a_message_of_the_greatest_length_is_not_too_long():
    heard = ours(limit=1_000)
    assert heard.receive(frame(TEXT, b"x" * 1_000)) == ["x" * 1_000]


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999])
def test_a_close_is_answered_with_its_own_code_once(code):
    heard = ours()
    heard.receive(frame(CLOSE, struct.pack("!H", code) + b"so it is"))
    assert (heard.close_code, heard.close_reason) == (code, "so it is")
    assert heard.replies == [frame(CLOSE, struct.pack("!H", code), mask=False)]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_codes_that_no_peer_may_send(code):
    heard = ours()
    heard.receive(frame(CLOSE, struct.pack("!H", code)))
    assert heard.failure is not None
    assert heard.replies == [frame(CLOSE, struct.pack("!H", 1002), mask=False)]


def test_a_close_without_a_code_is_answered_without_one():
    heard = ours()
    heard.receive(frame(CLOSE))
    assert heard.close_code == NO_CODE
    assert heard.replies == [frame(CLOSE, mask=False)]


def test_a_close_that_answers_ours_is_not_answered_and_no_ping_is_after_it():
    heard = ours()
    heard.close(1000, "bye")
    assert heard.receive(frame(PING, b"?") + frame(CLOSE, struct.pack("!H", 1000)) + frame(TEXT, b"late")) == []
    assert heard.replies == []
    assert heard.close_code == 1000


def test_every_frame_of_a_clients_has_a_key_of_its_own():
    speaker = ours(client=True)
    keys = {speaker.text("x" * 200)[4:8] for _ in range(2_500)} | {speaker.text("x")[2:6] for _ in range(500)}
    assert len(keys) > 2_990


GREEK = "κόσμε".encode()
NO_TEXT = {"beyond Unicode": b"\xf4\x90", "overlong": b"\xc0\xaf", "a surrogate": b"\xed\xa0", "a stray end": b"\x80"}


@pytest.mark.parametrize("wrong", NO_TEXT.values(), ids=NO_TEXT)
@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("lengths", [1, 2, 3, 50])
def test_what_is_no_text_is_refused_as_soon_as_that_is_seen(wrong, client, lengths):
    """Autobahn's cases 6.4: within a frame that has not come whole, and between the pieces of a message."""
    text = GREEK + wrong + b"never looked at" * 20
    for wire in (
        frame(0x1, text, mask=not client),
        frame(0x1, GREEK, fin=False, mask=not client) + frame(0x0, wrong + b"x" * 300, fin=False, mask=not client),
    ):
        protocol = WebSocket(client=client, max_message_bytes=65_536)
        bad = wire.index(wire[-1:], len(wire) - 1) - 250  # well behind what is wrong, and well before the end
        for at in range(0, bad, lengths):
            assert protocol.receive(wire[at : at + lengths]) == []
        assert protocol.failure == "a text message is not UTF-8"


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("lengths", [1, 2, 3, 7, 4_096])
def test_a_text_may_be_cut_anywhere(client, lengths):
    whole = GREEK * 30
    pieces = [whole[:11], b"", whole[11:12], whole[12:]]
    wire = frame(0x1, whole, mask=not client) + frame(0x1, pieces[0], fin=False, mask=not client)
    wire += frame(0x9, b"\xff\xfe", mask=not client)
    for number, piece in enumerate(pieces[1:], 2):
        wire += frame(0x0, piece, fin=number == len(pieces), mask=not client)
    wire += frame(0x2, b"\xff\xfe" * 100, mask=not client) + frame(0x1, GREEK, mask=not client)
    protocol = WebSocket(client=client, max_message_bytes=65_536)
    messages = [message for at in range(0, len(wire), lengths) for message in protocol.receive(wire[at : at + lengths])]
    assert messages == [whole.decode(), whole.decode(), b"\xff\xfe" * 100, GREEK.decode()]
    assert protocol.failure is None
