"""Writing: what is on the disk from when on, and what cannot be written; on both databases alike."""

import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from tests.journal.calls import end_call, live_call, open_session, until
from tests.journal.conftest import PACE
from trio_voice.journal import JournalUnavailable, writer


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
