"""A real stream that was captured: the shape of its messages, and its replay."""

import json
from importlib import resources

import pytest
import trio
import trio.testing

from tests.sandbox.twilio.streams import SID, Server, about, end_of, line
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.callers import Capture
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer

__all__ = ["line"]

CAPTURED = resources.files("trio_voice.sandbox") / "data" / "twilio-stream-hello-world.jsonl"


@pytest.fixture
def capture_lines():
    return CAPTURED.read_text().splitlines()


def shape(value):
    """Keys and types; strings of digits are a type of their own."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return "digits" if isinstance(value, str) and value.isdecimal() else type(value)


async def test_every_message_has_the_shape_of_the_captured_one(autojump_clock, line, capture_lines):
    peer, server = line
    peer.parameters |= {"StateName": "IRS", "IsScoutCall": "no"}
    del peer.parameters["k"]
    await trio.sleep(8)
    peer.hang_up()
    await peer.ended.wait()
    captured = {message["event"]: message for message in map(json.loads, capture_lines)}
    ours = {message["event"]: message for _, message in server.messages}
    assert ours.keys() == captured.keys()
    assert {event: shape(message) for event, message in ours.items()} == {
        event: shape(message) for event, message in captured.items()
    }
    assert captured["start"]["start"]["mediaFormat"] == ours["start"]["start"]["mediaFormat"]
    first = next(message for message in map(json.loads, capture_lines) if message["event"] == "media")
    assert server.of("media")[0][1]["sequenceNumber"] == first["sequenceNumber"]
    assert server.of("media")[0][1]["media"].keys() == first["media"].keys()
    assert server.of("media")[0][1]["media"]["timestamp"] == first["media"]["timestamp"]


async def replay(capture):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(
        twilio_end, capture=capture, stream_sid=SID, call_sid="CA1", account_sid="AC1", parameters={"k": "v"}
    )
    server = Server(our_end)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.read)
        nursery.start_soon(peer.run)
    return peer, server, twilio_end


async def test_a_capture_is_replayed_verbatim_at_its_timestamps(autojump_clock, capture_lines):
    peer, server, twilio_end = await replay(Capture(capture_lines))
    assert twilio_end.sent == capture_lines
    assert [at for at, _ in server.of("media")] == [about(0.099 + 0.02 * number) for number in range(363)]
    assert end_of(peer).by == "twilio"
    assert end_of(peer).at == about(7.339)
    assert peer.stream_sid == json.loads(capture_lines[1])["streamSid"]


async def test_a_capture_can_be_fitted_to_the_call_that_was_admitted(autojump_clock, capture_lines):
    _peer, server, _ = await replay(Capture(capture_lines, verbatim=False))
    captured = json.loads(capture_lines[1])
    start = server.of("start")[0][1]
    assert start["streamSid"] == start["start"]["streamSid"] == SID
    assert (start["start"]["callSid"], start["start"]["accountSid"]) == ("CA1", "AC1")
    assert start["start"]["customParameters"] == captured["start"]["customParameters"] | {"k": "v"}
    assert server.of("stop")[0][1]["stop"] == {"accountSid": "AC1", "callSid": "CA1"}
    assert {message.get("streamSid") for _, message in server.messages} == {None, SID}
    numbers = [message["sequenceNumber"] for _, message in server.messages[1:]]
    assert numbers == [str(number) for number in range(1, 366)]


async def test_a_capture_without_stop_leaves_the_line_open(autojump_clock, capture_lines):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end, capture=Capture(capture_lines[:-1]))
    server = Server(our_end)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.read)
        nursery.start_soon(peer.run)
        await trio.sleep(30)
        assert peer.end is None
        peer.press("1")
        await trio.sleep(1)
        peer.hang_up()
    assert [message["event"] for _, message in server.messages[-2:]] == ["dtmf", "stop"]
