"""Twilio's side of a stream, on the virtual clock and over channels in memory: every time is exact."""

import base64
import json
from importlib import resources

import pytest
import trio
import trio.testing

from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.callers import COMFORT_NOISE, SILENCE, Capture, Voice
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
from trio_voice.sandbox.twilio.messages import Misfit, check_message

SID = "MZ0123456789abcdef0123456789abcdef"
SPEECH = bytes(range(160)) * 50
CAPTURED = resources.files("trio_voice.sandbox") / "data" / "twilio-stream-hello-world.jsonl"


@pytest.fixture
def capture_lines():
    return CAPTURED.read_text().splitlines()


def about(seconds):
    return pytest.approx(seconds, abs=1e-9)


def media(mulaw):
    payload = base64.b64encode(mulaw).decode()
    return json.dumps({"event": "media", "streamSid": SID, "media": {"payload": payload}})


def mark(name):
    return json.dumps({"event": "mark", "streamSid": SID, "mark": {"name": name}})


CLEAR = json.dumps({"event": "clear", "streamSid": SID})


class Server:
    """Our end of the channel: reads everything, with the time."""

    def __init__(self, channel):
        self.channel = channel
        self.messages = []
        self.over = None

    async def read(self):
        try:
            while True:
                message = await self.channel.receive()
                self.messages.append((trio.current_time(), json.loads(message)))
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError) as over:
            self.over = (trio.current_time(), type(over))
            await self.channel.aclose()

    def of(self, event):
        return [(at, message) for at, message in self.messages if message["event"] == event]


def end_of(peer):
    assert peer.end is not None
    return peer.end


@pytest.fixture
async def line(nursery):
    """A stream that has just begun at time 0, and the server that reads it."""
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end, stream_sid=SID, call_sid="CA1", account_sid="AC1", parameters={"k": "v"})
    server = Server(our_end)
    nursery.start_soon(server.read)
    nursery.start_soon(peer.run)
    return peer, server


async def test_it_begins_with_connected_and_start(autojump_clock, line):
    _peer, server = line
    await trio.sleep(0.05)
    assert server.messages == [
        (0, {"event": "connected", "protocol": "Call", "version": "1.0.0"}),
        (
            0,
            {
                "event": "start",
                "sequenceNumber": "1",
                "streamSid": SID,
                "start": {
                    "streamSid": SID,
                    "accountSid": "AC1",
                    "callSid": "CA1",
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                    "customParameters": {"k": "v"},
                },
            },
        ),
    ]


async def test_frames_leave_every_20_ms_for_100_s(autojump_clock, line):
    peer, server = line
    await trio.sleep(100)
    peer.hang_up()
    await peer.ended.wait()
    frames = server.of("media")
    assert len(frames) == 4996
    for number, (at, message) in enumerate(frames):
        assert at == about(0.099 + number * 0.02)
        assert message["sequenceNumber"] == str(number + 2)
        assert message["media"]["chunk"] == str(number + 1)
        assert message["media"]["timestamp"] == str(99 + number * 20)
        assert len(base64.b64decode(message["media"]["payload"])) == 160
    assert server.of("stop")[0][1]["sequenceNumber"] == "4998"


async def test_a_hang_up_is_stop_and_then_a_close(autojump_clock, line):
    peer, server = line
    await trio.sleep(1)
    peer.hang_up()
    await peer.ended.wait()
    await trio.testing.wait_all_tasks_blocked()
    (at, stop) = server.messages[-1]
    assert (at, stop["event"], stop["stop"]) == (about(1), "stop", {"accountSid": "AC1", "callSid": "CA1"})
    assert server.over == (about(1), trio.EndOfChannel)
    assert end_of(peer).by == "twilio"
    assert end_of(peer).at == about(1)


async def test_marks_are_echoed_when_their_audio_has_played(autojump_clock, line):
    peer, server = line
    await trio.sleep(1)
    await server.channel.send(mark("nothing before it"))
    await server.channel.send(media(SPEECH))
    await server.channel.send(mark("one"))
    await server.channel.send(media(SPEECH[:800]))
    await server.channel.send(mark("two"))
    await trio.sleep(2)
    assert [(at, echo["mark"], echo["streamSid"]) for at, echo in server.of("mark")] == [
        (about(1), {"name": "nothing before it"}, SID),
        (about(2), {"name": "one"}, SID),
        (about(2.1), {"name": "two"}, SID),
    ]
    assert peer.line.heard(3) == b"\xff" * 8000 + SPEECH + SPEECH[:800] + b"\xff" * 7200
    numbers = [int(message["sequenceNumber"]) for _, message in server.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_clear_echoes_every_mark_at_once(autojump_clock, line):
    peer, server = line
    for name in ("one", "two"):
        await server.channel.send(media(SPEECH))
        await server.channel.send(mark(name))
    await trio.sleep(0.5)
    await server.channel.send(CLEAR)
    await trio.sleep(1)
    assert [(at, echo["mark"]["name"]) for at, echo in server.of("mark")] == [(about(0.5), "one"), (about(0.5), "two")]
    assert peer.line.heard(1) == SPEECH[:4000] + b"\xff" * 4000
    assert [(each.at, each.event) for each in peer.received][-1] == (about(0.5), "clear")


async def test_the_server_closing_ends_it(autojump_clock, line):
    peer, server = line
    await trio.sleep(1)
    await server.channel.send(media(SPEECH))
    await server.channel.send(mark("never played"))
    await server.channel.aclose(1001, "going away")
    await peer.ended.wait()
    assert (end_of(peer).by, end_of(peer).code, end_of(peer).reason, end_of(peer).at) == (
        "server",
        1001,
        "going away",
        about(1),
    )
    assert [each.event for each in peer.received] == ["media", "mark"]
    assert server.of("stop") == server.of("mark") == []


async def test_a_cut_connection_ends_it(autojump_clock, line):
    peer, server = line
    await trio.sleep(1)
    server.channel.cut()
    await peer.ended.wait()
    assert (end_of(peer).by, end_of(peer).code) == ("network", None)


async def test_keys_are_pressed_between_frames(autojump_clock, line):
    peer, server = line
    await trio.sleep(0.11)
    peer.press("#")
    await trio.sleep(0.1)
    [(at, pressed)] = server.of("dtmf")
    assert at == about(0.11)
    assert pressed == {
        "event": "dtmf",
        "streamSid": SID,
        "sequenceNumber": "3",
        "dtmf": {"track": "inbound_track", "digit": "#"},
    }
    with pytest.raises(ValueError, match="no key"):
        peer.press("12")


async def test_a_vanished_stream_says_nothing_more_and_answers_no_close(autojump_clock, line):
    peer, server = line
    await trio.sleep(1)
    peer.vanish()
    before = len(server.messages)
    await server.channel.send(mark("unanswered"))
    await trio.sleep(60)
    assert len(server.messages) == before
    assert peer.received == []
    assert peer.end is None
    with trio.move_on_after(2) as patience:
        await server.channel.aclose()
    assert patience.cancelled_caught
    assert end_of(peer).by == "server"
    peer.hang_up()
    await trio.sleep(10)
    assert len(server.messages) == before


async def test_stalled_reading_leaves_the_frames_alone(autojump_clock, line):
    peer, server = line
    await trio.sleep(1)
    peer.stall_reading()
    await trio.testing.wait_all_tasks_blocked()
    await server.channel.send(CLEAR)
    await trio.sleep(1)
    assert peer.received == []
    assert server.messages[-1][0] == about(1.999)
    peer.resume_reading()
    await trio.testing.wait_all_tasks_blocked()
    assert [each.event for each in peer.received] == ["clear"]


async def test_a_stalled_peer_still_notices_that_the_server_is_gone(autojump_clock, line):
    peer, server = line
    peer.stall_reading()
    await trio.sleep(1)
    await server.channel.abort()
    await trio.sleep(0.1)
    assert (end_of(peer).by, end_of(peer).at) == ("network", about(1.019))


async def test_a_congested_server_costs_the_caller_audio_and_bounds_the_hang_up(autojump_clock, nursery):
    twilio_end, _our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end, stream_sid=SID, caller=Voice(SPEECH * 60))
    twilio_end.stall_sends()
    nursery.start_soon(peer.run)
    await trio.sleep(3)
    peer.hang_up()
    await peer.ended.wait()
    assert (trio.current_time(), end_of(peer).by) == (about(5), "twilio")
    assert twilio_end.aborted


async def test_a_server_that_reads_again_finds_a_gap_and_a_warning(autojump_clock, nursery):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end, stream_sid=SID)
    server = Server(our_end)
    nursery.start_soon(peer.run)
    await trio.sleep(60)
    nursery.start_soon(server.read)
    await trio.sleep(1)
    frames = [message for _, message in server.of("media")]
    chunks = [int(message["media"]["chunk"]) for message in frames]
    gap = next(number for number in range(1, len(chunks)) if chunks[number] != chunks[number - 1] + 1)
    assert gap == 999
    assert frames[gap]["media"]["timestamp"] == str(99 + 20 * (chunks[gap] - 1))
    assert [int(message["sequenceNumber"]) for message in frames] == list(range(2, len(frames) + 2))
    assert list(peer.warnings) == [31930]


async def test_cancelling_leaves_the_socket_closed(autojump_clock):
    twilio_end, _our_end = memory_channels()
    with trio.move_on_after(1):
        await MediaStreamPeer(twilio_end).run()
    assert twilio_end.closed


async def test_a_server_that_never_answers_the_close_is_left_after_two_seconds(autojump_clock, nursery):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end)
    our_end.mute_close()
    peer.hang_up()
    end = await peer.run()
    assert (trio.current_time(), end.at, twilio_end.closed) == (about(2), about(0), True)


async def test_hanging_up_at_once_is_a_stream_without_media(autojump_clock, nursery):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end)
    server = Server(our_end)
    nursery.start_soon(server.read)
    peer.hang_up()
    await peer.run()
    assert [message["event"] for _, message in server.messages] == ["connected", "start", "stop"]


async def test_raw_messages_go_out_as_they_are(autojump_clock, nursery):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end)
    nursery.start_soon(peer.run)
    peer.send_raw("garbage")
    peer.send_raw(b"\x00\x01")
    got = [await our_end.receive() for _ in range(4)]
    assert got[2:] == ["garbage", b"\x00\x01"]
    peer.hang_up()


async def test_what_waits_for_a_socket_that_takes_nothing_is_bounded(autojump_clock):
    peer = MediaStreamPeer(memory_channels()[0])
    for _ in range(1_000):
        peer.press("1")
    with pytest.raises(BufferError):
        peer.press("1")


async def test_more_than_ten_minutes_of_audio_are_refused_with_one_warning(autojump_clock, line):
    peer, server = line
    for _ in range(602):
        await server.channel.send(media(SPEECH))
    await peer.until(lambda: len(peer.received) == 602)
    assert peer.line.queued_seconds(0) == 600
    assert list(peer.warnings) == [31931]


async def test_until_waits_for_what_the_server_sends_and_not_longer_than_the_stream(autojump_clock, line, nursery):
    peer, server = line

    async def speak():
        await trio.sleep(1)
        await server.channel.send(CLEAR)
        await trio.sleep(1)
        await server.channel.aclose()

    nursery.start_soon(speak)
    await peer.until(lambda: bool(peer.received))
    assert trio.current_time() == about(1)
    with pytest.raises(EOFError):
        await peer.until(lambda: len(peer.received) == 2)
    assert trio.current_time() == about(2)


# What the server may send


def text(event="clear", sid=SID, **fields):
    return json.dumps({"event": event, "streamSid": sid, **fields})


WRONG: dict[str, tuple[str | bytes, int]] = {
    "binary": (b"\x00", 31950),
    "no JSON": ("{", 31951),
    "no object": ("[]", 31951),
    "unknown event": (text("pause"), 31951),
    "event of a wrong type": (text(["media"]), 31951),
    "no SID": ('{"event":"clear"}', 31951),
    "null SID": (text(sid=None), 31951),
    "another's SID": (text(sid="MZ1"), 31951),
    "an extra field": (text(clear={}), 31951),
    "a mark without a body": (text("mark"), 31951),
    "a mark without a name": (text("mark", mark={}), 31951),
    "a numbered mark": (text("mark", mark={"name": 1}), 31951),
    "media with a track": (text("media", media={"payload": "", "track": "x"}), 31951),
    "no base64": (text("media", media={"payload": "a b"}), 31951),
    "bad padding": (text("media", media={"payload": "abc"}), 31951),
}


@pytest.mark.parametrize("wrong", WRONG, ids=list(WRONG))
def test_what_twilio_would_warn_about_is_a_misfit(wrong):
    message, code = WRONG[wrong]
    with pytest.raises(Misfit) as misfit:
        check_message(message, SID)
    assert misfit.value.code == code


async def test_each_warning_comes_once_per_stream_and_nothing_of_it_is_played(autojump_clock, line):
    peer, server = line
    for message, _ in WRONG.values():
        await server.channel.send(message)
    await trio.sleep(0.1)
    assert sorted(peer.warnings) == [31950, 31951]
    assert len(peer.rejected) == len(WRONG)
    assert peer.received == []
    await server.channel.aclose()
    await peer.ended.wait()
    assert {warning.code for warning in end_of(peer).warnings} == {31950, 31951}


# Who speaks


def test_a_voice_says_what_it_is_told_and_then_leaves_the_line_to_its_noise():
    voice = Voice(SPEECH[:240])
    assert voice.pending_seconds == about(0.04)
    assert voice.next_frame(0) == SPEECH[:160]
    second = voice.next_frame(0.02)
    assert second[:80] == SPEECH[160:240]
    assert second[80:] == COMFORT_NOISE[240:320]
    assert set(b"".join(voice.next_frame(0) for _ in range(100))) == {0xFF, 0x7F, 0xFE, 0x7E}
    assert Voice(quiet=SILENCE).next_frame(0) == b"\xff" * 160
    voice.say(SPEECH)
    voice.hush()
    assert voice.pending_seconds == 0
    with pytest.raises(ValueError, match="ten minutes"):
        voice.say(bytes(601 * 8000))


async def test_what_is_said_while_the_line_is_open_is_heard_in_the_next_frames(autojump_clock, nursery):
    twilio_end, our_end = memory_channels()
    voice = Voice(quiet=SILENCE)
    peer = MediaStreamPeer(twilio_end, caller=voice)
    server = Server(our_end)
    nursery.start_soon(server.read)
    nursery.start_soon(peer.run)
    await trio.sleep(1)
    voice.say(SPEECH)
    await trio.sleep(2)
    peer.hang_up()
    await peer.ended.wait()
    audio = b"".join(base64.b64decode(message["media"]["payload"]) for _, message in server.of("media"))
    assert audio.strip(b"\xff") == SPEECH.strip(b"\xff")
    assert server.of("media")[audio.index(SPEECH) // 160][0] == about(1.019)
    assert peer.spoken.heard(3)[round(1.019 * 8000) :].startswith(SPEECH)


# A real stream


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
