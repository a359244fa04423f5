"""A media stream's end, whoever ends it."""

import trio
import trio.testing

from tests.sandbox.twilio.streams import SPEECH, Server, about, end_of, line, mark, media
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer

__all__ = ["line"]


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
