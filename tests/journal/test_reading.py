"""Calls can be read without keeping a journal: whoever asks what a day cost writes nothing, makes nothing."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from tests.journal.calls import end_call, live_call, open_session
from tests.journal.test_writing import DIES
from trio_voice.errors import ConfigError
from trio_voice.journal import JournalUnavailable, database_at, read_journal, reading, schema

DAY = timedelta(days=1)


def read(stand, clock):
    return list(read_journal(stand.url, clock.now - DAY, clock.now + DAY))


def why_not(url, clock):
    with pytest.raises(JournalUnavailable) as trouble:
        list(read_journal(url, clock.now - DAY, clock.now + DAY))
    return str(trouble.value)


async def test_what_a_daemon_has_written_is_read_while_it_lives_and_after(opened, stand, clock):
    record = end_call(live_call())
    async with opened(keep_transcripts=True) as journal:
        journal.call_ended(record)
        kept = await journal.call(record.call_id)
        assert await trio.to_thread.run_sync(read, stand, clock) == [kept]
    (found,) = read(stand, clock)
    assert found.record == record
    assert found.run.ended_at is not None


async def test_a_day_is_read_page_by_page_in_order(opened, stand, clock, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_CALLS", 3)
    midnight = clock.now
    async with opened() as journal:
        records = [live_call() for _ in range(10)]
        for record in records:
            journal.call_began(record)
            clock.advance(1)
    found = list(read_journal(stand.url, midnight + timedelta(seconds=1), midnight + timedelta(seconds=9)))
    assert [call.record.call_id for call in found] == [record.call_id for record in records[1:9]]


async def test_reading_writes_nothing(opened, stand, clock):
    async with opened() as journal:
        await open_session(journal, live_call())
    before = {table: stand.query(f"SELECT * FROM {table}") for table in ("runs", "calls", "model_sessions")}
    read(stand, clock)
    assert {table: stand.query(f"SELECT * FROM {table}") for table in before} == before


async def test_what_a_killed_daemon_has_written_is_read(stand, clock):
    child = [sys.executable, "-c", DIES, stand.url]
    await trio.run_process(child, check=False, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    (found,) = await trio.to_thread.run_sync(read, stand, clock)
    (session,) = found.record.model_sessions
    assert (session.closed_at, found.run.ended_at) == (None, None)


def test_no_journal_is_said_and_none_is_made(tmp_path, monkeypatch, clock):
    monkeypatch.chdir(tmp_path)
    said = why_not("sqlite:///journal.db", clock)
    assert said.startswith(f"there is no journal at {tmp_path}/journal.db: ")
    assert "/var/lib/trio-voice" in said
    assert list(tmp_path.iterdir()) == []


def test_a_journal_without_tables_is_said(tmp_path, clock):
    (tmp_path / "journal.db").touch()
    assert "its tables are of version 0" in why_not(f"sqlite:///{tmp_path}/journal.db", clock)
    (tmp_path / "journal.db").write_text("Dear diary, ..." * 100)
    assert "names a file that is no SQLite database" in why_not(f"sqlite:///{tmp_path}/journal.db", clock)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_journal_that_may_not_be_read_is_said(tmp_path, clock):
    (tmp_path / "journal.db").touch(0o000)
    assert "this user's" in why_not(f"sqlite:///{tmp_path}/journal.db", clock)


def test_tables_of_an_older_version_are_not_brought_up_by_a_reader(stand, clock, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        database = database_at(stand.url)
        database.connect()
        schema.migrate(database, clock.now)
        database.close()
    said = why_not(stand.url, clock)
    assert f"its tables are of version 1, and this program reads version {len(schema.MIGRATIONS)}" in said
    assert "start the daemon once" in said
    assert stand.query("SELECT max(version) FROM journal_versions") == [(1,)]


def test_a_server_that_is_not_there_is_said_without_its_password(clock):
    pytest.importorskip("psycopg")
    said = why_not("postgresql://user:hush@127.0.0.1:1/voice", clock)
    assert said.startswith("postgresql://127.0.0.1/voice: ")
    assert "hush" not in said


def test_a_url_that_cannot_be_used_is_a_matter_of_the_configuration(clock):
    with pytest.raises(ConfigError):
        list(read_journal("mysql://host/db", clock.now, clock.now))
