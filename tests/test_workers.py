"""Several processes on one port: they are one house to everybody outside, and each other's keepers."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.daemons import eventually, keep_up, open_world, operator
from trio_voice.call.recovery import LOOKS, SILENT_SECONDS
from trio_voice.config.settings import read_settings
from trio_voice.edges.workers.aggregate import metrics
from trio_voice.edges.workers.call_counts import Seats, make_seats
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
    return int(record["call_id"][:2], 16)


async def test_calls_are_spread_and_all_of_them_are_seen_at_one_door(tmp_path):
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
    descriptor = make_seats(3)
    one, two, door = (Seats(descriptor, 3, index) for index in range(3))
    one.occupy(4)
    two.occupy(2)
    assert (one.occupied_by_others, two.occupied_by_others, door.occupied_by_others) == (2, 4, 6)
    assert (one.emptiest, two.emptiest) == (2, 2)
    door.occupy(2)
    assert (one.emptiest, two.emptiest, door.emptiest) == (1, 1, 2)  # its own, where that is as good
    two.occupy(0, index=0)
    assert two.occupied_by_others == 2
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
