"""A machine's clock is set in the middle of its calls: by a day, back, to the true time. No call hears of it.

The one function by which the daemon knows the time of day is told another, as read from a file. The clock by which
deadlines are kept is not touched, as it is not when a real one is set. ``libfaketime`` was tried, and is of no use: it
moves that one, too, and where it is told not to, a daemon that has it stands still for seconds, jump or no jump.
"""

import pytest
import trio

from tests.daemons import SCRIPT, open_town, operator
from tests.test_death import BY_THE_HEART, DEAD_AFTER, A, B, all_down, calls_in_the_middle, measured, shared
from trio_voice.daemon.process_identity import BOOT_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["shared"]

JUMPS = ("86400", "-3600")
SET = """
from datetime import timedelta

from trio_voice.call import call

true_time = call.wall_clock


def wall_clock():
    with open({file!r}) as file:
        return true_time() + timedelta(seconds=float(file.read()))


call.wall_clock = wall_clock
"""


class Clock:
    """The time of day of the daemons that are started while it is there."""

    def __init__(self, folder, monkeypatch):
        self._file, self._monkeypatch = folder / "ahead", monkeypatch
        self._folder = folder / "clock"
        self._folder.mkdir()
        (self._folder / "sitecustomize.py").write_text(SET.format(file=str(self._file)))
        self.jump("0")

    def is_told(self):
        """From now on, by whoever is started."""
        self._monkeypatch.setenv("PYTHONPATH", str(self._folder))

    def jump(self, seconds):
        """Be so far ahead of the true time from now on."""
        part = self._file.with_suffix(".part")
        part.write_text(seconds)
        part.replace(self._file)


async def test_a_clock_that_is_set_ends_no_call_and_lets_others_in(tmp_path, monkeypatch):
    clock = Clock(tmp_path, monkeypatch)
    clock.is_told()
    async with open_town(tmp_path, make_backend=SCRIPT.backend) as town, town.daemon() as world:
        calls, days = [await world.talk()], set()
        for jump in JUMPS:
            clock.jump(jump)
            heard = [len(session.payloads) for _, session in calls]
            calls.append(await world.talk())
            placed = await world.place("+15550001111", "receptionist")
            await placed.wait_for_stream()
            await trio.sleep(2)
            assert not any(call.over for call, _ in calls)
            assert all(len(s.payloads) > n + 50 for (_, s), n in zip(calls, heard, strict=False))
            placed.hang_up()
            record = await world.ended(placed)
            days.add(record["ended_at"][:10])
            assert 0 < record["seconds"] < 60, record["seconds"]
        for call, _ in calls:
            call.hang_up()
            record = await world.ended(call)
            assert record["end_reason"] == "hangup"
            [session] = record["model_sessions"]
            assert 0 < session["seconds"] < 200
        world.assert_log_is_clean()
        assert len(days) > 1, "the clock was not set"


@pytest.mark.whole
async def test_a_node_of_another_day_is_neither_dead_nor_kept_alive(tmp_path, shared, monkeypatch):
    """By a day ahead of the database and the other node, then an hour behind them."""
    clock = Clock(tmp_path, monkeypatch)
    clock.jump("86400")
    async with open_town(tmp_path, make_backend=SCRIPT.backend) as town:
        of_two = 'node = "{}"'
        async with town.daemon("b", host=B, journal=shared, dead_after=DEAD_AFTER, server=of_two.format("0b")) as b:
            monkeypatch.setenv(BOOT_VARIABLE, "another")
            early = town.daemon("a", host=A, journal=shared, dead_after=DEAD_AFTER, server=of_two.format("0a"))
            clock.is_told()
            async with early as a:
                own, _ = await b.talk()
                calls = await calls_in_the_middle(a, 3)
                ids = [call.connects[-1].url.rpartition("/")[2] for call in calls]
                await trio.sleep(DEAD_AFTER / 2)
                clock.jump("-3600")
                await trio.sleep(BY_THE_HEART)
                assert not any(call.over for call in [own, *calls])
                assert not any(world.logged("declared_dead") for world in (a, b))
                for world in (a, b):  # each knows of the other's calls, and of its own
                    async with operator() as http:
                        listed = (await http.get(f"{world.daemon.url}/calls")).text
                    assert all(each in listed for each in ids)
                await a.kill()
            measured("from the kill until all were down", await all_down(calls, BY_THE_HEART + 20))
            assert not own.over
            own.hang_up()
            await b.ended(own)
