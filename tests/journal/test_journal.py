"""What is written can be read, by us and by anybody else; on both databases alike."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
import trio

from tests.journal.calls import NOON, close_session, end_call, live_call, open_session, until
from tests.journal.conftest import PACE
from trio_voice.journal import JournalUnavailable, reading
from trio_voice.record import CallRecord, Closing, ModelSessionRecord


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


async def test_transcripts_are_kept_only_where_that_was_asked_for(opened, stand):
    record = end_call(live_call())
    async with opened() as journal:
        journal.call_ended(record)
        assert (await journal.call(record.call_id)).record == attrs.evolve(record, transcript=[])
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


async def test_what_a_dead_daemon_left_open_is_found_and_settled(opened, stand, clock):
    left, closed_half, ended = live_call(), live_call(), live_call()
    async with opened(node="dead") as journal:
        await open_session(journal, left)
        await open_session(journal, closed_half)
        close_session(closed_half.model_sessions[0])
        journal.session_closed(closed_half, closed_half.model_sessions[0])
        journal.call_ended(end_call(ended))
    stand.execute("UPDATE runs SET ended_at = NULL")  # as after kill -9
    clock.advance(60)
    async with opened(node="here") as journal:
        await open_session(journal, live_call())  # ours, and alive
        assert await journal.left_open(clock.now - timedelta(seconds=61)) == []
        found = await journal.left_open(clock.now - timedelta(seconds=30))
        assert [call.record for call in found] == [left, closed_half]
        assert {call.run.node for call in found} == {"dead"}

        at = NOON + timedelta(seconds=90)
        for call in found * 2:  # twice does no harm
            await journal.settle(call, at, "its daemon died")
        assert await journal.left_open(clock.now) == []
        settled = (await journal.call(left.call_id)).record
        assert (settled.ended_at, settled.seconds, settled.end_detail) == (at, 90, "its daemon died")
        [session] = settled.model_sessions
        assert (session.closed_at, session.seconds, session.closing) == (at, 90, Closing.ABORTED)
        assert session.settled
        assert (await journal.call(left.call_id)).settled_by == journal.this_run.run_id
        assert (await journal.call(closed_half.call_id)).record.model_sessions == closed_half.model_sessions


async def test_a_daemon_that_went_in_good_order_is_not_waited_for(opened, clock):
    record = live_call()
    async with opened() as journal:
        await open_session(journal, record)
    async with opened() as journal:
        assert [call.record for call in await journal.left_open(clock.now - timedelta(days=1))] == [record]


async def test_the_words_of_a_daemon_that_was_alive_after_all_replace_the_settlement(opened, stand, clock):
    record = live_call()
    async with opened(node="slow") as slow:
        await open_session(slow, record)
        async with opened(node="hasty") as hasty:
            [found] = await hasty.left_open(clock.now + timedelta(seconds=1))
            await hasty.settle(found, NOON + timedelta(seconds=5), "it seemed dead")
        slow.call_ended(end_call(record))
        found = await slow.call(record.call_id)
        assert found.record == attrs.evolve(record, transcript=[])
        assert found.settled_by is None


async def test_a_thousand_at_once_share_a_few_commits(opened, stand):
    async with opened() as journal:
        async with trio.open_nursery() as nursery:
            records = [live_call() for _ in range(1000)]
            for record in records:
                nursery.start_soon(open_session, journal, record)
        counts = journal.statistics()
        assert counts.written == 1001
        assert counts.commits < 100
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


async def test_a_session_that_was_announced_survives_kill_9(opened, stand, clock):
    child = [sys.executable, "-c", DIES, stand.url]
    died = await trio.run_process(child, check=False, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    assert died.returncode == -9
    clock.advance(60)
    async with opened() as journal:
        [left] = await journal.left_open(clock.now)
        [session] = left.record.model_sessions
        assert left.record.call_sid == "CA1"
        assert session.closed_at is None


def test_a_record_has_no_field_that_the_journal_cannot_name():
    """A field called like a column of another meaning would be lost."""
    from trio_voice.journal import schema

    assert {"details", "run_id", "began_at", "settled_by"}.isdisjoint(attrs.fields_dict(CallRecord))
    assert {"details", "number", "settled_by"}.isdisjoint(attrs.fields_dict(ModelSessionRecord))
    assert set(attrs.fields_dict(CallRecord)) >= set(schema.CALL_COLUMNS) - {
        "details",
        "run_id",
        "began_at",
        "settled_by",
    }
