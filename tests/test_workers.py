"""Several processes on one port: they are one daemon to everybody outside, and each other's keepers."""

import errno
import json
import os
import shutil
import signal
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog.testing
import trio

from tests.daemons import PATIENCE_SECONDS, eventually, keep_up, open_world, operator
from trio_voice.call.recovery import LOOKS, SILENT_SECONDS
from trio_voice.config.reading import read_settings
from trio_voice.daemon import supervisor
from trio_voice.daemon.process_identity import this_process
from trio_voice.edges.systemd import Notifier
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.workers import handover
from trio_voice.edges.workers.addresses import bind_at
from trio_voice.edges.workers.aggregate import metrics
from trio_voice.edges.workers.call_counts import CallCounts, make_call_counts
from trio_voice.edges.workers.handover import Colleagues
from trio_voice.errors import ConfigError


def workers_of(world):
    """Process ids by number."""
    found = {}
    for thread in Path(f"/proc/{world.daemon.process.pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if "--worker" in command:  # which a dead one no longer says
                found[json.loads(command[command.index("--worker") + 1])["index"]] = int(child)
    return found


def owner(record):
    return int(record["call_id"][2:4], 16)


async def test_calls_are_spread_and_all_of_them_are_seen_by_each(tmp_path):
    async with open_world(tmp_path, workers=2, seconds=60, max_calls=6) as world:
        talks = [await world.talk() for _ in range(6)]
        records = [await world.record(call) for call, _ in talks]
        assert sorted(owner(record) for record in records) == [0, 0, 0, 1, 1, 1]
        full = await world.ring()
        await full.settled.wait()
        assert len(world.agent.sessions) == 6  # max_calls holds for the whole

        for _ in range(4):  # whoever answers
            assert (await world.daemon.ask("/healthz"))["live_calls"] == 6
        async with operator() as http:
            text = (await http.get(f"{world.daemon.url}/metrics")).text
            assert 'trio_voice_calls{state="live"} 6.0' in text
            await http.delete(f"{world.daemon.url}/calls/{records[0]['call_id']}")
        assert (await world.ended(talks[0][0]))["end_reason"] == "operator"
        for call, _ in talks[1:]:
            call.hang_up()
        for call, _ in talks[1:]:
            assert (await world.ended(call))["end_reason"] == "hangup"
        async with operator() as http:
            text = (await http.get(f"{world.daemon.url}/metrics")).text
        ended = [line for line in text.splitlines() if line.startswith("trio_voice_calls_ended_total")]
        assert sum(float(line.rpartition(" ")[2]) for line in ended if 'end_reason="hangup"' in line) == 5


@pytest.mark.slow
async def test_a_worker_that_dies_takes_its_own_calls_only_and_is_replaced(tmp_path):
    async with open_world(tmp_path, workers=2, seconds=90) as world:
        talks = [await world.talk() for _ in range(4)]
        records = {call.sid: await world.record(call) for call, _ in talks}
        of_the_doomed, of_the_other = (
            [call for call, _ in talks if owner(records[call.sid]) == index] for index in (1, 0)
        )
        for call in of_the_doomed:
            keep_up(call)
        doomed = workers_of(world)[1]
        os.kill(doomed, signal.SIGKILL)
        await eventually(lambda: workers_of(world).get(1, doomed) != doomed)
        for call, session in talks:
            if owner(records[call.sid]) == 1:
                await eventually(lambda session=session: not session.is_open)
            else:
                assert session.is_open
        await eventually(lambda: len(world.logged("worker_died")) == 1)
        later, _ = await world.talk()
        for call in of_the_doomed:  # no heart is waited for: the kernel knows that its process is gone
            await eventually(lambda call=call: call.over, seconds=2 * SILENT_SECONDS / LOOKS)
            assert (call.ended_by, world.rest_updates(call)) == ("rest", [200])
        for call in [later, *of_the_other]:
            assert world.rest_updates(call) == []
            call.hang_up()
            assert (await world.ended(call))["end_reason"] == "hangup"


async def test_a_configuration_that_broke_meanwhile_keeps_one_worker_from_coming_back_and_ends_none(autojump_clock):
    """A file that somebody is just writing must not end the calls of the others; it is tried until it can be used."""
    begun, stopping = trio.Event(), trio.Event()
    statuses = iter([supervisor.EXIT_CONFIG, supervisor.EXIT_CONFIG])
    ran_at = []

    class Worker:
        slot = SimpleNamespace(index=1)

        async def run(self):
            ran_at.append(trio.current_time())
            status = next(statuses, None)
            if status is None:
                await stopping.wait()
            await trio.lowlevel.checkpoint()
            return status or 0

    seats = SimpleNamespace(occupy=lambda *_: None, occupy_browsers=lambda *_: None)
    begun.set()
    with structlog.testing.capture_logs() as lines, trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor._keep_alive, Worker(), seats, begun, stopping)
            await trio.sleep(50)
            stopping.set()
    assert len(ran_at) == 3
    assert [(line["event"], line["advice"]) for line in lines] == [("worker_died", supervisor.UNUSABLE)] * 2
    statuses, stopping = iter([supervisor.EXIT_CONFIG]), trio.Event()
    with pytest.raises(ConfigError):  # at start nobody has a call, and whoever waits for it wants to know
        await supervisor._keep_alive(Worker(), seats, trio.Event(), stopping)


async def test_a_drain_is_everybodys(tmp_path):
    async with open_world(tmp_path, workers=2, drain_seconds=1) as world:
        talks = [await world.talk() for _ in range(2)]
        world.tell(signal.SIGTERM)
        for call, session in talks:
            await eventually(lambda session=session: not session.is_open)
            await eventually(lambda call=call: call.over)
        assert await world.exit_status() == 0
        assert {line["end_reason"] for line in world.logged("call_ended")} == {"drain"}


async def test_without_their_supervisor_they_drain_by_themselves(tmp_path):
    async with open_world(tmp_path, workers=2, at_end=-signal.SIGKILL) as world:
        _, session = await world.talk()
        processes = workers_of(world).values()
        world.tell(signal.SIGKILL)
        await eventually(lambda: world.logged("supervisor_gone"))
        world.twilio.calls.popitem()[1].hang_up()
        await eventually(lambda: not session.is_open)
        await eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))


def test_a_seat_is_counted_once_by_everybody():
    descriptor = make_call_counts(3)
    one, two, supervisor = (CallCounts(descriptor, 3, index) for index in range(3))
    one.occupy(4)
    two.occupy(2)
    assert (one.occupied_by_others, two.occupied_by_others, supervisor.occupied_by_others) == (2, 4, 6)
    assert (one.emptiest, two.emptiest) == (2, 2)
    supervisor.occupy(2)
    assert (one.emptiest, two.emptiest, supervisor.emptiest) == (1, 1, 2)  # its own, where that is as good
    two.occupy(0, index=0)
    assert two.occupied_by_others == 2
    one.occupy_browsers(1)
    two.occupy_browsers(2)
    assert (one.browsers_of_others, two.browsers_of_others, supervisor.browsers_of_others) == (2, 1, 3)
    assert (two.occupied_by_others, supervisor.occupied_by_others) == (2, 2)
    supervisor.occupy_browsers(0, 1)
    assert one.browsers_of_others == 0
    os.close(descriptor)


def test_samples_of_several_are_added_and_what_is_the_same_for_all_is_not():
    here = (
        '# HELP calls_total Calls, by "reason".\n# TYPE calls_total counter\n'
        'calls_total{reason="hang\\"up"} 2.0\n'
        "# HELP trio_voice_max_calls Most.\n# TYPE trio_voice_max_calls gauge\ntrio_voice_max_calls 10.0\n"
        '# HELP wait Waits.\n# TYPE wait histogram\nwait_bucket{le="0.1"} 1.0\nwait_bucket{le="+Inf"} 3.0\n'
        "wait_count 3.0\nwait_sum 0.5\n"
    )
    there = here + "# HELP more_total M.\n# TYPE more_total counter\nmore_total 1.0\n"
    assert metrics([here]) == here
    lines = metrics([here, there]).splitlines()
    assert 'calls_total{reason="hang\\"up"} 4.0' in lines
    assert "trio_voice_max_calls 10.0" in lines
    assert 'wait_bucket{le="+Inf"} 6.0' in lines
    assert "wait_sum 1.0" in lines
    assert "more_total 1.0" in lines


@pytest.mark.parametrize("workers", [0, 65])
def test_so_many_workers_are_refused(workers, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(f'[server]\npublic_url = "https://x.example"\nworkers = {workers}\n')
    with pytest.raises(ConfigError, match=r"server\.workers: must be from 1 to 64"):
        read_settings(path, {})


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


async def test_a_worker_is_heard_again_where_somebody_has_emptied_the_folder(tmp_path, nursery, monkeypatch):
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.02)
    address = tmp_path / "folder" / "notify-0"
    worker = supervisor._Worker(SimpleNamespace(index=0), [], {}, 10)
    with await bind_at(address, socket.SOCK_DGRAM) as notices:
        nursery.start_soon(worker._listen, address, notices)
        shutil.rmtree(address.parent)
        await eventually(address.with_name(supervisor.OWNER).exists)
        assert address.exists()
        with Notifier({"NOTIFY_SOCKET": str(address)}) as notifier, trio.fail_after(PATIENCE_SECONDS):
            await notifier.notify("READY=1")
            await worker.ready.wait()


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


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_worker_that_is_stopped_loses_no_new_call_and_is_replaced(tmp_path):
    async with open_world(tmp_path, workers=2, seconds=100, max_calls=9) as world:
        first = workers_of(world)
        os.kill(first[1], signal.SIGSTOP)
        talks = [await world.talk() for _ in range(3)]
        assert {owner(await world.record(call)) for call, _ in talks} == {0}
        stuck = await eventually(lambda: world.logged("worker_stuck"), seconds=25)
        assert [line["worker"] for line in stuck] == [1]
        await eventually(lambda: workers_of(world).get(1) not in (None, first[1]), seconds=10)
        for call, session in talks:
            assert session.is_open
            call.hang_up()
            await world.ended(call)


def test_what_a_killed_supervisor_left_is_removed_and_nobody_elses(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "gettempdir", lambda: str(tmp_path))
    alive = this_process()
    dead = " ".join([*alive.split()[:2], "4194305", "1"])
    for name, owner_text in {"alive": alive, "dead": dead, "odd": "?"}.items():
        (tmp_path / f"trio-voice-{name}").mkdir()
        (tmp_path / f"trio-voice-{name}" / "supervisor").write_text(owner_text)
    (tmp_path / "trio-voice-unknown").mkdir()
    (tmp_path / "other").mkdir()
    supervisor._remove_leftovers()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other",
        "trio-voice-alive",
        "trio-voice-odd",
        "trio-voice-unknown",
    ]


async def test_twiml_that_is_asked_for_again_at_another_process_leaves_the_live_call_alone(tmp_path):
    async with open_world(tmp_path, workers=2, seconds=60) as world:
        call, session = await world.talk()
        first = call.requests[0]
        for _ in range(4):
            await call._reports.ask("twiml", first.url, "in-progress", (), "POST")

        async def states():
            listed = (await world.daemon.ask("/calls"))["calls"]
            return sorted(each["state"] for each in listed if each["call_sid"] == call.sid)

        with trio.fail_after(PATIENCE_SECONDS):
            while [state for state in await states() if state != "ended"] != ["live"]:
                await trio.sleep(0.1)  # the other's promise is dropped at once, and not when it expires
        await trio.sleep(1)
        assert session.is_open
        assert world.rest_updates(call) == []
        call.hang_up()
        await call.settled.wait()
