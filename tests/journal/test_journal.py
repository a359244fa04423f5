"""The written can be read, by us and by anybody else; on both databases alike."""

import math
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from tests.journal.calls import NOON, close_session, end_call, live_call, open_session, until, without_words
from tests.journal.conftest import PACE
from trio_voice.journal import JournalUnavailable, reading, schema, writer
from trio_voice.journal.selection import Selection
from trio_voice.record import CallRecord, Utterance
from trio_voice.session_record import Closing, ModelSessionRecord


async def test_a_call_comes_back_as_it_was(opened, clock):
    record = end_call(live_call())
    async with opened(keep_transcripts=True) as journal:
        journal.call_ended(record)
        found = await journal.call(record.call_id)
        assert found.record == record
        assert found.began_at == clock.now
        assert found.run == journal.this_run
        assert found.settled_by is None
        assert await journal.call("another") is None


async def test_calls_that_are_over_are_listed_the_newest_first_a_page_at_a_time(opened, clock):
    async with opened() as journal:
        over = [end_call(live_call()) for _ in range(7)]
        for record in over:
            clock.now += timedelta(minutes=1)
            journal.call_ended(record)
        journal.call_began(live_call())  # it lives
        newest_first = [record.call_id for record in reversed(over)]

        async def listed(**wanted):
            return [found.record.call_id for found in await journal.listed(Selection(**wanted))]

        assert await listed() == newest_first
        first = await listed(limit=3)
        assert first == newest_first[:4]  # and one more, which says that there is a page behind it
        journal.call_ended(end_call(live_call()))  # shifts nothing
        assert await listed(limit=3, after=first[2]) == newest_first[3:7]
        assert await listed(limit=3, after=newest_first[-1]) == []
        assert await listed(since=clock.now - timedelta(minutes=1), until=clock.now) == [newest_first[1]]
        assert await listed(after="0" * 32) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"persona": "shop"}, 1),
        ({"persona": "nobody"}, 0),
        ({"end_reason": "hangup"}, 2),
        ({"end_reason": "idle"}, 0),
        ({"number": "+15557654321"}, 1),
        ({"number": "4321"}, 1),
        ({"number": "0002"}, 2),
        ({"number": "9999"}, 0),
    ],
)
async def test_calls_are_found_by_what_they_have(opened, wanted, found):
    async with opened() as journal:
        for fields in ({"persona": "shop", "from_number": "+15557654321"}, {}):
            record = end_call(live_call())
            for name, value in ({"from_number": "+15550001", "to_number": "+15550002"} | fields).items():
                setattr(record, name, value)
            journal.call_ended(record)
        assert len(await journal.listed(Selection(**wanted))) == found


async def test_transcripts_are_kept_only_where_that_was_asked_for(opened, stand):
    record = end_call(live_call())
    async with opened() as journal:
        journal.call_ended(record)
        assert (await journal.call(record.call_id)).record == without_words(record)
    assert stand.query("SELECT count(*) FROM utterances") == [(0,)]


async def test_a_session_is_on_the_disk_before_it_is_opened(opened, stand):
    record = live_call()
    async with opened() as journal:
        assert await open_session(journal, record)
        open_now = "SELECT call_sid, provider, opened_at FROM calls JOIN model_sessions USING (call_id)"
        assert stand.query(f"{open_now} WHERE closed_at IS NULL AND ended_at IS NULL") == [
            ("CA1", "aai", "2026-01-31T12:00:00.250000+00:00")
        ]


async def test_a_session_is_closed_in_its_row(opened):
    record = live_call()
    async with opened() as journal:
        await open_session(journal, record)
        record.model_sessions.append(ModelSessionRecord("speech", NOON))
        await open_session(journal, record)
        close_session(record.model_sessions[0])
        journal.session_closed(record, record.model_sessions[0])
        found = await journal.call(record.call_id)
    assert found.record.model_sessions == record.model_sessions
    assert [session.closing for session in found.record.model_sessions] == [Closing.ACKNOWLEDGED, None]


async def test_a_session_belongs_to_its_call(opened):
    async with opened() as journal:
        with pytest.raises(ValueError, match="model_sessions first"):
            journal.session_closed(live_call(), live_call().model_sessions[0])


async def test_records_are_copied_when_they_are_posted(opened):
    record = live_call()
    async with opened() as journal:
        journal.call_began(record)
        record.call_sid = "changed"
        assert (await journal.call(record.call_id)).record.call_sid == "CA1"


async def test_a_call_began_when_it_was_first_heard_of(opened, clock):
    record = live_call()
    async with opened() as journal:
        first = clock.now
        journal.call_began(record)
        clock.advance(60)
        journal.call_ended(record)
        assert (await journal.call(record.call_id)).began_at == first


async def test_calls_of_a_time_in_order_page_by_page(opened, clock, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_CALLS", 3)
    async with opened() as journal:
        records = [live_call() for _ in range(10)]
        since = clock.now
        for n, record in enumerate(records):
            journal.call_began(record)
            if n % 2:
                clock.advance(1)
        found = await journal.calls(since, clock.now + timedelta(days=1))
        assert [call.record.call_id for call in found] == [record.call_id for record in records]
        found = await journal.calls(since + timedelta(seconds=1), since + timedelta(seconds=3))
        assert [call.record.call_id for call in found] == [record.call_id for record in records[2:6]]
        assert await journal.calls(since - timedelta(days=1), since) == []


async def test_whom_never_to_call(opened, stand, clock):
    async with opened() as journal:
        assert not await journal.is_do_not_call("+15550001")
        await journal.mark_do_not_call("+15550001", "asked", "call-1")
        await journal.mark_do_not_call("+15550001", "asked again", None)
        assert await journal.is_do_not_call("+15550001")
        assert not await journal.is_do_not_call("+1555000")
    assert stand.query("SELECT * FROM do_not_call") == [
        ("+15550001", "asked", "call-1", "2026-01-31T09:00:00.000001+00:00")
    ]


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
        dead = journal.this_run
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
        assert settled.settled_by == journal.this_run.run_id
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


async def test_what_a_call_costs_the_database(stand, opened):
    """Rows written and commits, of a call that comes alone and is hung up by REST, and of one that we place."""
    async with opened(pace=attrs.evolve(PACE, gather_seconds=0.1)) as journal:
        await journal.is_do_not_call("+1")
        rows, commits = stand.rows_written(), journal.statistics().commits
        for outbound in (False, True):
            record = live_call(call_sid=None if outbound else "CA1")
            [session] = record.model_sessions
            record.model_sessions.clear()
            journal.call_began(record)  # before Twilio hears of it, or with the TwiML
            await until(lambda: journal.statistics().waiting == 0)
            if outbound:
                record.call_sid = "CA2"
                journal.call_began(record)
                await until(lambda: journal.statistics().waiting == 0)
            journal.call_began(record)  # it is answered, its stream comes
            record.model_sessions.append(session)
            assert await open_session(journal, record)
            close_session(session)
            journal.session_closed(record, session)
            journal.call_ended(record, phone_is_down=not outbound)
            if outbound:
                journal.phone_is_down(record)
            await until(lambda: journal.statistics().waiting == 0)
            await journal.call(record.call_id)
            now, commits_now = stand.rows_written(), journal.statistics().commits
            assert now - rows <= (7 if outbound else 5)
            assert commits_now - commits <= (4 if outbound else 3)
            rows, commits = now, commits_now


async def test_who_declares_a_run_dead_first_is_told_to_all_and_to_it(opened, clock, stand):
    pace = attrs.evolve(PACE, beat_seconds=0.01)
    async with opened(node="slow", pace=pace) as slow, opened(node="a") as one, opened(node="b") as other:
        run = slow.this_run
        with trio.move_on_after(0.1):
            pytest.fail(await slow.wait_declared_dead())
        assert await one.declare_dead(run) == one.this_run.run_id
        assert await other.declare_dead(run) == one.this_run.run_id
        with trio.fail_after(20):
            assert await slow.wait_declared_dead() == one.this_run.run_id
        assert slow.this_run.run_id != run.run_id
        await open_session(slow, live_call())
        left = {run.run_id: run.declared_dead_by for run in await other.other_runs()}
        assert left == {slow.this_run.run_id: None, run.run_id: one.this_run.run_id, one.this_run.run_id: None}
        with trio.move_on_after(0.1):  # once is enough
            pytest.fail(await slow.wait_declared_dead())
    dead = f"SELECT declared_dead_by FROM runs WHERE run_id = '{run.run_id}'"
    assert stand.query(dead) == [(one.this_run.run_id,)]  # its own beats have not taken it back


async def test_a_run_is_of_interest_until_nothing_of_it_is_open(opened):
    async with opened(node="dead") as journal:
        await open_session(journal, live_call())
        dead = journal.this_run
    async with opened(node="settler") as journal:
        await journal.declare_dead(dead)
        await journal.settle_run(dead)  # by mistake, say: the next one is not
    async with opened(node="dead too") as journal:
        await open_session(journal, live_call())
        dead = journal.this_run
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
            [found] = await hasty.left_open(slow.this_run)
            await hasty.settle_sessions(found, NOON + timedelta(seconds=5))
            await hasty.settle_call(found, NOON + timedelta(seconds=5), "it seemed dead")
        slow.call_ended(end_call(record))
        found = await slow.call(record.call_id)
        assert found.record == without_words(record)
        assert found.settled_by is None
        assert found.phone_down_at == NOON + timedelta(seconds=5)


async def test_a_thousand_at_once_share_a_few_commits(opened, stand):
    async with opened(pace=attrs.evolve(PACE, lock_seconds=30)) as journal:
        before = journal.statistics().commits
        async with trio.open_nursery() as nursery:
            with stand.locked():  # all of them wait, however fast the disk is
                for _ in range(1000):
                    nursery.start_soon(partial(open_session, journal, live_call(), seconds=30))
                await until(lambda: journal.statistics().waiting > 1000 - writer.BATCH_ENTRIES)
        counts = journal.statistics()
        assert counts.written == 1001
        assert counts.commits - before <= 1 + math.ceil(1000 / writer.BATCH_ENTRIES)
        assert counts.unwritten_openings == counts.dropped == counts.waiting == 0
        assert stand.query("SELECT count(*) FROM model_sessions") == [(1000,)]


async def test_text_that_a_database_cannot_hold_is_mended(opened):
    record = end_call(live_call(end_detail="a"))
    record.transcript[0].text = "nul \0, half a pair \ud800"
    record.end_detail = "nul \0"
    record.counters["\0\ud800"] = 1
    async with opened(keep_transcripts=True) as journal:
        journal.call_ended(record)
        found = (await journal.call(record.call_id)).record
    assert found.transcript[0].text == "nul \N{REPLACEMENT CHARACTER}, half a pair ?"
    assert found.end_detail == "nul \N{REPLACEMENT CHARACTER}"
    assert found.counters == record.counters


async def test_an_entry_that_the_database_refuses_takes_no_other_with_it(opened, logged):
    before, bad, after = live_call(), live_call(persona=None), live_call()
    async with opened() as journal:
        async with trio.open_nursery() as nursery:
            for record in (before, bad, after):
                nursery.start_soon(open_session, journal, record)
        assert await journal.call(before.call_id)
        assert await journal.call(bad.call_id) is None
        assert await journal.call(after.call_id)
        counts = journal.statistics()
        assert (counts.refused, counts.unwritten_openings, journal.healthy) == (1, 1, True)
    [line] = [line for line in logged if line["event"] == "journal_entry_refused"]
    assert line["what"] == "session_opening"


async def test_cancelling_takes_nothing_back(opened):
    record = live_call()
    async with opened() as journal:
        with trio.CancelScope() as scope:
            scope.cancel()
            await open_session(journal, record)
        assert scope.cancelled_caught
        assert (await journal.call(record.call_id)).record == record


async def test_cancelling_all_still_writes_what_was_posted(opened, stand):
    record = live_call()
    with trio.CancelScope() as scope:
        async with opened() as journal:
            scope.cancel()
            journal.call_ended(end_call(record))
            await trio.sleep_forever()
    assert stand.query("SELECT call_id, state FROM calls") == [(record.call_id, "ended")]
    assert stand.query("SELECT count(*) FROM runs WHERE ended_at IS NOT NULL") == [(1,)]


async def test_after_the_end_nothing_is_written_and_that_is_counted(opened, stand, logged):
    async with opened() as journal:
        pass
    journal.call_began(live_call())
    assert not await open_session(journal, live_call())
    assert journal.statistics().dropped == 2
    assert logged[-2]["event"] == "journal_is_closed"
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.is_do_not_call("+1")
    assert stand.query("SELECT count(*) FROM calls") == [(0,)]


DIES = """
import os, signal, sys, trio
from tests.journal.calls import live_call, open_session
from tests.journal.conftest import Clock
from trio_voice.journal import open_journal

async def main():
    async with open_journal(sys.argv[1], node="here", clock=Clock()) as journal:
        assert await open_session(journal, live_call())
        os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


async def test_a_session_that_was_announced_survives_kill_9(opened, stand):
    child = [sys.executable, "-c", DIES, stand.url]
    died = await trio.run_process(child, check=False, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    assert died.returncode == -9
    async with opened() as journal:
        [run] = await journal.other_runs()
        assert run.ended_at is None
        [left] = await journal.left_open(run)
        [session] = left.record.model_sessions
        assert left.record.call_sid == "CA1"
        assert session.closed_at is None


def test_a_record_has_no_field_that_the_journal_cannot_name():
    """A field called like a column of another meaning would be lost."""
    assert {"details", "run_id", "began_at", "settled_by", "phone_down_at"}.isdisjoint(attrs.fields_dict(CallRecord))
    assert {"details", "number", "settled_by"}.isdisjoint(attrs.fields_dict(ModelSessionRecord))
    assert set(attrs.fields_dict(CallRecord)) >= set(schema.CALL_COLUMNS) - {
        "details",
        "run_id",
        "began_at",
        "settled_by",
    }


@pytest.mark.parametrize(
    ("words", "found"), [("sourdough", 1), ("SOUR", 1), ("50% off_", 1), ("5_% off", 0), ("!", 1), ("rye", 0), ("'", 0)]
)
async def test_calls_are_found_by_what_was_said(opened, words, found):
    async with opened(keep_transcripts=True) as journal:
        said = live_call()
        said.transcript.append(Utterance("caller", "Sourdough, 50% off_today!", 1.0))
        journal.call_ended(end_call(said))
        journal.call_ended(end_call(live_call()))
        assert len(await journal.listed(Selection(words=words))) == found


async def test_the_do_not_call_list_is_read_page_by_page_and_numbers_leave_it(opened):
    async with opened() as journal:
        await journal.mark_do_not_call("+14155550101", "asked", "c1")
        await journal.set_all_do_not_call([("+14155550102", "once"), ("+14155550102", "twice")])
        await journal.set_all_do_not_call([])
        await journal.set_do_not_call("+14155550101", "asked again")
        listed = await journal.do_not_call_numbers("", "", 10)
        assert [(each.number, each.reason, each.call_id) for each in listed] == [
            ("+14155550101", "asked again", "c1"),
            ("+14155550102", "twice", None),
        ]
        assert [each.number for each in await journal.do_not_call_numbers("", "+14155550101", 10)] == ["+14155550102"]
        assert [each.number for each in await journal.do_not_call_numbers("0102", "", 1)] == ["+14155550102"]
        assert await journal.remove_do_not_call("+14155550101")
        assert not await journal.remove_do_not_call("+14155550101")
        assert not await journal.is_do_not_call("+14155550101")
        assert await journal.is_do_not_call("+14155550102")
