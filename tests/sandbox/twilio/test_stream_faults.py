"""Failures of streams."""

import json
from pathlib import Path

import httpx2
import trio

from tests.sandbox.twilio.world import call_in, codes, eventually, media, open_world


async def test_a_vanished_stream_answers_no_close(sandbox, streams):
    told, took = trio.Event(), []

    async def close_when_told(socket):
        await told.wait()
        began = trio.current_time()
        with trio.move_on_after(0.2):
            await socket.aclose()
        took.append(trio.current_time() - began)

    streams.serve = close_when_told
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    stream.vanish()
    told.set()
    await stream.ended.wait()
    assert 0.19 < took[0] < 1.5
    assert stream.end.by == "network"
    assert codes(call) == []


async def test_a_stalled_stream_fills_the_wire(sandbox, streams):
    """The server's sends wait once the queues on the way are full; nothing is lost when reading goes on."""
    sent, resumed = [], trio.Event()

    async def flood(socket):
        while json.loads(message := await socket.receive())["event"] != "start":
            pass
        wide = json.dumps(media(bytes(30_000))(json.loads(message)["streamSid"]))
        for number in range(1_000):
            with trio.move_on_after(0.3) as patience:
                await socket.send(wide)
                sent.append(number)
            if patience.cancelled_caught:
                break
        resumed.set()

    streams.serve = flood
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    stream.stall_reading()
    await resumed.wait()
    assert 200 < len(sent) < 1_000
    assert len(stream.received) <= 1


async def test_a_lost_stream_is_reported_at_once_and_stays_half_open(sandbox, site, streams):
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    call.lose_stream()
    assert (call.status, codes(call)) == ("completed", [31924])
    await eventually(lambda: site.forms("/call-status"))
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-error"]
    assert not streams.over.is_set()
    assert not stream.ended.is_set()
    await streams.sockets[0].abort()
    await call.settled.wait()
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-error"]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_the_sandbox_can_be_closed_in_the_middle_of_everything():
    before = open_files()
    async with open_world() as (sandbox, site, _streams):
        call = await call_in(sandbox)
        await call.wait_for_stream()
        lost = await call_in(sandbox)
        await lost.wait_for_stream()
        lost.lose_stream()
        site.answers["/twiml"] = "hang"
        await call_in(sandbox)
        sandbox.rest.fail_next("hang")
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            with trio.move_on_after(0.1):
                await client.get(sandbox.api_url)
    assert open_files() == before
