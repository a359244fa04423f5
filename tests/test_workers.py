"""Several processes on one port: they are one daemon to everybody outside, and each other's keepers."""

import json
import os
import shutil
import signal
import socket
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
from trio_voice.edges.workers.addresses import bind_at
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


@pytest.mark.parametrize("workers", [0, 65])
def test_so_many_workers_are_refused(workers, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(f'[server]\npublic_url = "https://x.example"\nworkers = {workers}\n')
    with pytest.raises(ConfigError, match=r"server\.workers: must be from 1 to 64"):
        read_settings(path, {})


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
