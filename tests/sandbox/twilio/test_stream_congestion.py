"""A server that does not read, and one that sends too much."""

import pytest
import trio
import trio.testing

from tests.sandbox.twilio.streams import CLEAR, SID, SPEECH, Server, about, end_of, line, media
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer

__all__ = ["line"]


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
