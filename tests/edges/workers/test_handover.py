"""Connections that one worker hands over to another, through a folder that somebody may empty."""

import errno
import os
import shutil
import socket
from contextlib import asynccontextmanager

import trio

from tests.daemons import PATIENCE_SECONDS, eventually
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.workers import handover
from trio_voice.edges.workers.call_counts import CallCounts, make_call_counts
from trio_voice.edges.workers.handover import Colleagues


@asynccontextmanager
async def two_processes(folder, serve=None):
    """Two processes' views of their node, the second of which takes what it is handed, and serves it as it is told."""
    descriptor = make_call_counts(2)
    here, there = (Colleagues(folder, index, 2, CallCounts(descriptor, 2, index)) for index in range(2))
    served = []

    async def note(_entrypoint, stream, data):
        served.append(data)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(there.listen, serve or note, lambda *_: None)
        while not (folder / "hand-1").exists():
            await trio.sleep(0.01)
        yield here, served
        nursery.cancel_scope.cancel()
    os.close(descriptor)


async def a_connection(nursery):
    """A connection that was accepted here."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    ours = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    accepted = await listener.accept()
    await listener.aclose()
    return accepted, ours


async def test_a_connection_is_handed_over_when_the_other_has_taken_it(tmp_path, nursery):
    async with two_processes(tmp_path) as (here, served):
        accepted, ours = await a_connection(nursery)
        assert await here.hand_over(Entrypoint.SHARED, accepted, b"head", 1)
        await accepted.aclose()
        with trio.fail_after(20):
            assert await ours.receive_some() == b""  # the other has closed it
        assert served == [b"head"]
        await ours.aclose()


async def test_who_listens_does_so_again_where_somebody_has_emptied_the_folder(tmp_path, nursery, monkeypatch):
    monkeypatch.setattr(handover, "LOOK_SECONDS", 0.02)
    folder = tmp_path / "trio-voice-x"
    folder.mkdir()
    async with two_processes(folder) as (here, served):
        shutil.rmtree(folder)
        await eventually((folder / "hand-1").exists)
        assert folder.stat().st_mode & 0o777 == 0o700
        accepted, ours = await a_connection(nursery)
        assert await here.hand_over(Entrypoint.SHARED, accepted, b"head", 1)
        await accepted.aclose()
        await ours.aclose()
        await eventually(lambda: served == [b"head"])


async def test_a_question_is_answered_again_where_somebody_has_emptied_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "LOOK_SECONDS", 0.02)
    folder = tmp_path / "trio-voice-x"
    folder.mkdir()

    async def serve(entrypoint, stream, _data):
        async with stream:
            await stream.receive_some()
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n" + entrypoint.value * 2
            )

    async with two_processes(folder, serve) as (here, _served):
        for _ in range(2):
            with trio.fail_after(PATIENCE_SECONDS):
                while not (answers := await here.ask("/calls", {})):  # it is there before it listens
                    await trio.sleep(0.01)
            (answer,) = answers
            assert answer.content == Entrypoint.COLLEAGUE.value * 2
            shutil.rmtree(folder)


async def test_one_that_stands_still_takes_nothing_and_serves_nothing_of_it_later(tmp_path, nursery, monkeypatch):
    monkeypatch.setattr(handover, "HAND_OVER_SECONDS", 0.1)
    descriptor = make_call_counts(2)
    here = Colleagues(tmp_path, 0, 2, CallCounts(descriptor, 2, 0))
    CallCounts(descriptor, 2, 0).occupy(3)
    assert here.owner_of(b"POST /twiml HTTP/1.1") == 1
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stopped:
        await stopped.bind(str(tmp_path / "hand-1"))
        stopped.listen(10)
        accepted, ours = await a_connection(nursery)
        assert not await here.hand_over(Entrypoint.SHARED, accepted, b"head", 1)
        assert here.owner_of(b"POST /twiml HTTP/1.1") == 0  # not offered the next ones for a while
        served = []

        async def serve(_entrypoint, _stream, data):
            served.append(data)

        giver, _ = await stopped.accept()  # it wakes
        with trio.fail_after(20):
            await Colleagues(tmp_path, 1, 2, CallCounts(descriptor, 2, 1))._receive(giver, serve, lambda *_: None)
        assert served == []
        await accepted.aclose()
        await ours.aclose()
    os.close(descriptor)


async def test_no_descriptor_for_what_is_handed_over_ends_nobody(tmp_path, nursery, monkeypatch):
    accepted, ours = await a_connection(nursery)
    accept = type(accepted.socket).accept
    failures = [OSError(errno.EMFILE, "Too many open files")] * 2

    async def failing(self):
        taken = await accept(self)
        if failures:
            taken[0].close()
            raise failures.pop()
        return taken

    monkeypatch.setattr(type(accepted.socket), "accept", failing)
    async with two_processes(tmp_path) as (here, served):
        assert not await here.hand_over(Entrypoint.SHARED, accepted, b"head", 1)
        with trio.fail_after(20):
            while not await here.hand_over(Entrypoint.SHARED, accepted, b"head", 1):
                pass
        await accepted.aclose()
        with trio.fail_after(20):
            assert await ours.receive_some() == b""
        assert served == [b"head"]
        await ours.aclose()


async def test_what_was_handed_over_goes_on_when_taking_the_next_fails(tmp_path, nursery, monkeypatch):
    accepted, ours = await a_connection(nursery)
    accept = type(accepted.socket).accept
    was_taken = trio.Event()

    async def fail_once(self):
        if not was_taken.is_set():
            return await accept(self)
        monkeypatch.setattr(type(accepted.socket), "accept", accept)
        raise OSError(errno.EBADF, "Bad file descriptor")

    async def serve(_door, stream, _data):
        was_taken.set()
        async with stream:
            assert await stream.receive_some() == b"on the line"
            await stream.send_all(b"still here")

    descriptor = make_call_counts(2)
    here, there = (Colleagues(tmp_path, index, 2, CallCounts(descriptor, 2, index)) for index in range(2))
    monkeypatch.setattr(type(accepted.socket), "accept", fail_once)
    nursery.start_soon(there.listen, serve, lambda *_: None)
    with trio.fail_after(20):
        while not await here.hand_over(Entrypoint.SHARED, accepted, b"head", 1):
            await trio.sleep(0.01)
        await was_taken.wait()
        await accepted.aclose()
        await here.pass_on_status("CA1", "ringing")  # the next attempt fails
        await ours.send_all(b"on the line")
        assert await ours.receive_some() == b"still here"
        await ours.aclose()
    nursery.cancel_scope.cancel()
    os.close(descriptor)
