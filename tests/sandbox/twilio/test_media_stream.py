"""Twilio's side of a stream, on the virtual clock and over channels in memory: every time is exact."""

import base64
import json

import pytest
import trio
import trio.testing

from tests.sandbox.twilio.streams import CLEAR, SID, SPEECH, Server, about, end_of, line, mark, media
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.callers import COMFORT_NOISE, SILENCE, Voice
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
from trio_voice.sandbox.twilio.messages import Misfit, check_message

__all__ = ["line"]


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


async def test_raw_messages_go_out_as_they_are(autojump_clock, nursery):
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end)
    nursery.start_soon(peer.run)
    peer.send_raw("garbage")
    peer.send_raw(b"\x00\x01")
    got = [await our_end.receive() for _ in range(4)]
    assert got[2:] == ["garbage", b"\x00\x01"]
    peer.hang_up()


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
