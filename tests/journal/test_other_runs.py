"""Words of a daemon about itself, and about another that is dead; on both databases alike."""

from datetime import timedelta

import attrs
import pytest
import trio

from tests.journal.calls import NOON, close_session, end_call, live_call, open_session, until, without_words
from tests.journal.conftest import PACE
from trio_voice.journal import schema
from trio_voice.session_record import Closing


async def test_a_daemon_says_when_it_came_lived_and_went(opened, stand, clock):
    times = "SELECT node, started_at, beat_at, ended_at FROM runs"
    nine, ten, eleven = (f"2026-01-31T{hour}:00:00.000001+00:00" for hour in ("09", "10", "11"))
    async with opened(pace=attrs.evolve(PACE, beat_seconds=0.005)):
        assert stand.query(times) == [("here", nine, nine, None)]
        clock.advance(3600)
        await until(lambda: stand.query(times) == [("here", nine, ten, None)])
        clock.advance(3600)
    assert stand.query(times) == [("here", nine, eleven, eleven)]


async def test_what_another_run_left_open_is_found_and_settled(opened, clock):
    left, closed_half, phone_up, over = live_call(), live_call(), live_call(), live_call()
    clock.now = NOON + timedelta(seconds=40)  # its last heartbeat
    async with opened(node="dead", process="boot ns 1 2") as journal:
        dead = journal.heartbeat.run
        await open_session(journal, left)
        await open_session(journal, closed_half)
        close_session(closed_half.model_sessions[0])
        journal.session_closed(closed_half, closed_half.model_sessions[0])
        journal.call_ended(end_call(phone_up))
        journal.call_ended(end_call(over))
        journal.phone_is_down(over)
    async with opened(node="here") as journal:
        await open_session(journal, live_call())  # ours, and alive
        [run] = await journal.other_runs()
        assert (run.run_id, run.node, run.process) == (dead.run_id, "dead", "boot ns 1 2")
        found = await journal.left_open(run)
        assert [call.record.call_id for call in found] == [call.call_id for call in (left, closed_half, phone_up)]
        assert {call.run.node for call in found} == {"dead"}

        at = NOON + timedelta(seconds=90)
        for call in found * 2:  # twice does no harm
            await journal.settle_sessions(call, at)
            await journal.settle_call(call, at, "its daemon died")
            at += timedelta(seconds=1)
        assert await journal.left_open(run) == []
        assert await journal.other_runs() == []
        settled = await journal.call(left.call_id)
        at = NOON + timedelta(seconds=90)
        assert (settled.record.ended_at, settled.record.seconds, settled.phone_down_at) == (at, 90, at)
        assert settled.record.end_detail == "its daemon died"
        [session] = settled.record.model_sessions
        assert (session.closed_at, session.closing) == (at, Closing.ABORTED)
        assert (session.seconds_at_least, session.seconds) == (40, 90)
        assert settled.settled_by == journal.heartbeat.run.run_id
        assert session.settled
        assert (await journal.call(closed_half.call_id)).record.model_sessions == closed_half.model_sessions
        untouched = await journal.call(phone_up.call_id)
        assert untouched.record == without_words(phone_up)
        assert untouched.phone_down_at is not None


async def test_a_session_can_be_settled_before_its_call(opened):
    record = live_call()
    async with opened(node="dead") as journal:
        await open_session(journal, record)
    async with opened() as journal:
        [run] = await journal.other_runs()
        [call] = await journal.left_open(run)
        await journal.settle_sessions(call, NOON - timedelta(seconds=5))  # by a clock that is behind
        [call] = await journal.left_open(run)
        [session] = call.record.model_sessions
        assert (session.seconds_at_least, session.seconds, session.closing) == (0, 0, Closing.ABORTED)
        assert (call.record.ended_at, call.phone_down_at) == (None, None)


async def test_who_looks_for_the_dead_reads_runs_alone_and_those_of_a_dead_one_by_an_index(stand, opened):
    """There may be years of calls, and 20,000 that live, and everybody looks every few seconds."""
    async with opened():
        pass
    values = {
        schema.OTHER_RUNS: "'r'",
        schema.OPEN_OF_RUN: "'r', 'r', 'r'",
        schema.READ_CALLS + schema.of_these(2): "'c', 'd'",
    }
    plans = []
    for sql, given in values.items():
        plans.append(stand.explain(sql.replace("?", "{}").format(*given.split(", "))))
    assert "calls" not in plans[0]
    assert "model_sessions" not in plans[0]
    assert "runs_to_look_at" in plans[0]
    for index in ("calls_not_ended", "calls_with_phone_up", "model_sessions_open_by_run"):
        assert index in plans[1]
    assert "calls_by_time" not in plans[2]


async def test_who_declares_a_run_dead_first_is_told_to_all_and_to_it(opened, clock, stand):
    pace = attrs.evolve(PACE, beat_seconds=0.01)
    async with opened(node="slow", pace=pace) as slow, opened(node="a") as one, opened(node="b") as other:
        run = slow.heartbeat.run
        with trio.move_on_after(0.1):
            pytest.fail(await slow.wait_declared_dead())
        assert await one.declare_dead(run) == one.heartbeat.run.run_id
        assert await other.declare_dead(run) == one.heartbeat.run.run_id
        with trio.fail_after(20):
            assert await slow.wait_declared_dead() == one.heartbeat.run.run_id
        assert slow.heartbeat.run.run_id != run.run_id
        await open_session(slow, live_call())
        left = {run.run_id: run.declared_dead_by for run in await other.other_runs()}
        assert left == {
            slow.heartbeat.run.run_id: None,
            run.run_id: one.heartbeat.run.run_id,
            one.heartbeat.run.run_id: None,
        }
        with trio.move_on_after(0.1):  # once is enough
            pytest.fail(await slow.wait_declared_dead())
    dead = f"SELECT declared_dead_by FROM runs WHERE run_id = '{run.run_id}'"
    assert stand.query(dead) == [(one.heartbeat.run.run_id,)]  # its own beats have not taken it back


async def test_a_run_is_of_interest_until_nothing_of_it_is_open(opened):
    async with opened(node="dead") as journal:
        await open_session(journal, live_call())
        dead = journal.heartbeat.run
    async with opened(node="settler") as journal:
        await journal.declare_dead(dead)
        await journal.settle_run(dead)  # by mistake, say: the next one is not
    async with opened(node="dead too") as journal:
        await open_session(journal, live_call())
        dead = journal.heartbeat.run
    async with opened() as journal:
        assert [run.run_id for run in await journal.other_runs()] == [dead.run_id]
        [call] = await journal.left_open(dead)
        await journal.settle_sessions(call, NOON)
        await journal.settle_call(call, NOON, "")
        assert await journal.other_runs() == []


async def test_the_words_of_a_daemon_that_was_alive_after_all_replace_the_settlement(opened):
    record = live_call()
    async with opened(node="slow") as slow:
        await open_session(slow, record)
        async with opened(node="hasty") as hasty:
            [found] = await hasty.left_open(slow.heartbeat.run)
            await hasty.settle_sessions(found, NOON + timedelta(seconds=5))
            await hasty.settle_call(found, NOON + timedelta(seconds=5), "it seemed dead")
        slow.call_ended(end_call(record))
        found = await slow.call(record.call_id)
        assert found.record == without_words(record)
        assert found.settled_by is None
        assert found.phone_down_at == NOON + timedelta(seconds=5)
