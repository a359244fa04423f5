"""Settling of the calls of the dead in real databases, in a little real time."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from tests.call.orphans import call_of
from trio_voice.call import recovery
from trio_voice.call.call import wall_clock
from trio_voice.call.overrun_alarm import OverrunAlarm
from trio_voice.call.recovery import OrphanRecovery
from trio_voice.journal import Pace, open_journal
from trio_voice.session_record import Closing


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return request.getfixturevalue("postgres_stand").url


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(recovery, "FIRST_RETRY_SECONDS", 0.05)


@asynccontextmanager
async def opened(url, node, **options):
    pace = Pace(beat_seconds=0.1)
    async with open_journal(url, node=node, clock=wall_clock, pace=pace, **options) as journal:
        yield journal


async def settled(journal, *call_ids):
    with trio.fail_after(10):
        while True:
            calls = [await journal.call(call_id) for call_id in call_ids]
            if all(call.phone_down_at for call in calls):
                return calls
            await trio.sleep(0.02)


async def test_a_next_daemon_settles_what_the_last_one_left(url, hasty, nursery, phones):
    async with opened(url, "dead") as journal:
        for record in (call_of(1), call_of(2, handed_over=True), call_of(3)):
            await journal.session_opening(record, record.model_sessions[0])
    phones.refused = {"CA3"}
    alarms = []
    alarm = OverrunAlarm(None, alarms.append)
    async with opened(url, "next") as journal:
        nursery.start_soon(OrphanRecovery(journal, phones, wall_clock, bool, alarm.settled, silent_seconds=0.5).run)
        calls = await settled(journal, "c1", "c2")
        third = await journal.call("c3")
        assert (third.record.ended_at, third.phone_down_at) == (None, None)
        phones.refused = set()
        calls += await settled(journal, "c3")
        assert phones.hung_up == ["CA1", "CA3"]
        for call in calls:
            [session] = call.record.model_sessions
            assert session.closing is Closing.ABORTED
            assert session.closed_at is not None
            assert call.settled_by == journal.heartbeat.run.run_id
            assert "died" in call.record.end_detail
        assert len(alarms) == 3  # one a session, however often its phone was tried: nobody saw when it ended
        nursery.cancel_scope.cancel()


async def test_calls_of_the_living_are_left_alone_and_those_of_the_stopped_are_not(url, hasty, nursery, phones):
    """One beats, one does not: its task is there, its heart is not."""
    async with opened(url, "alive") as alive, opened(url, "next") as journal, trio.open_nursery() as lives:
        theirs, mine = call_of(1), call_of(2)
        await alive.session_opening(theirs, theirs.model_sessions[0])
        await journal.session_opening(mine, mine.model_sessions[0])
        run = alive.heartbeat.run
        lives.start_soon(OrphanRecovery(journal, phones, wall_clock, lambda process: False, silent_seconds=0.5).run)
        await trio.sleep(1)
        assert phones.asked == []

        alive.heartbeat._pace = attrs.evolve(alive.heartbeat._pace, beat_seconds=1)  # it stands still for a while
        await settled(journal, "c1")
        assert phones.hung_up == ["CA1"]
        with trio.fail_after(5):
            assert await alive.wait_declared_dead() == journal.heartbeat.run.run_id
        assert alive.heartbeat.run.run_id != run.run_id
        assert (await journal.call("c2")).record.ended_at is None
        lives.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
