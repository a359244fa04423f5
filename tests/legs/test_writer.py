"""The bounded outbox and the task that empties it."""

import pytest
import trio

from trio_voice.legs.writer import Stalled, Writer
from trio_voice.sandbox.transport.memory import memory_channels


async def test_messages_go_out_in_order(nursery):
    ours, peer = memory_channels()
    writer = Writer(10, stall_seconds=1)
    for number in range(3):
        writer.post(str(number))
    nursery.start_soon(writer.run, ours)
    assert [await peer.receive() for _ in range(3)] == ["0", "1", "2"]


def test_what_is_posted_with_a_message_waits_behind_it_and_takes_a_place_of_its_own():
    writer = Writer(3, stall_seconds=1)
    writer.post("1", "2")
    writer.post("3")
    assert writer.take_unsent() == ["1", "2", "3"]
    writer.post("a1", "a2", droppable=True)
    writer.post("a3", "a4", droppable=True)
    assert writer.dropped == 1
    assert writer.take_unsent() == ["a2", "a3", "a4"]


def test_a_full_outbox_drops_the_oldest_audio_and_counts_it():
    writer = Writer(3, stall_seconds=1)
    for message in ("a1", "a2"):
        writer.post(message, droppable=True)
    writer.post("tool result")
    writer.post("a3", droppable=True)
    writer.post("a4", droppable=True)
    assert [entry[0] for entry in writer._outbox] == ["tool result", "a3", "a4"]
    assert writer.dropped == 2


async def test_a_full_outbox_without_audio_means_a_stalled_peer():
    ours, _peer = memory_channels()
    writer = Writer(2, stall_seconds=1)
    for message in ("1", "2", "3"):
        writer.post(message)
    with pytest.raises(Stalled):
        await writer.run(ours)
    assert len(writer._outbox) == 2


async def test_a_peer_that_does_not_read_stalls_the_writer_after_its_time(autojump_clock):
    ours, _peer = memory_channels()
    ours.stall_sends()
    writer = Writer(10, stall_seconds=2)
    writer.post("x")
    began = trio.current_time()
    with pytest.raises(Stalled):
        await writer.run(ours)
    assert trio.current_time() - began == 2


async def test_a_message_on_its_way_is_finished_though_the_writer_is_cancelled(autojump_clock, nursery):
    ours, peer = memory_channels()
    ours.stall_sends()
    writer = Writer(10, stall_seconds=5)
    writer.post("whole")
    writer.post("never begun")
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            inner.start_soon(writer.run, ours)
            await trio.sleep(1)
            scope.cancel()
            nursery.start_soon(resume_at, ours, 3)
    assert trio.current_time() == 3
    assert ours.sent == ["whole"]
    assert await peer.receive() == "whole"


async def resume_at(channel, when):
    await trio.sleep_until(when)
    channel.resume_sends()


async def test_hurry_shortens_what_is_being_sent(autojump_clock):
    ours, _peer = memory_channels()
    ours.stall_sends()
    writer = Writer(10, stall_seconds=100)
    writer.post("x")
    with pytest.raises(ExceptionGroup) as raised:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run, ours)
            await trio.sleep(1)
            writer.set_close_deadline(trio.current_time() + 2)
    assert raised.group_contains(Stalled)
    assert trio.current_time() == 3


async def test_the_writer_flushes_what_reading_has_made(nursery):
    ours, _peer = memory_channels()
    flushed = trio.Event()

    async def flush():
        await trio.lowlevel.checkpoint()
        flushed.set()

    ours.flush = flush
    writer = Writer(10, stall_seconds=1)
    nursery.start_soon(writer.run, ours)
    await trio.testing.wait_all_tasks_blocked()
    ours.wake_writer()
    with trio.fail_after(1):
        await flushed.wait()
