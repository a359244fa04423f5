"""The tables come from any earlier version to the newest, once, whoever else is doing it; and where they are."""

import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest
import trio

from tests.journal.calls import live_call, open_session, until
from tests.journal.conftest import PACE
from trio_voice.errors import ConfigError
from trio_voice.journal import database_at, open_journal, schema

NEWEST = len(schema.MIGRATIONS)
VERSIONS = "SELECT version FROM journal_versions ORDER BY version"
CALL = """
    INSERT INTO calls (call_id, run_id, direction, persona, from_number, to_number, state, began_at, end_detail,
    handed_over, details) VALUES ('old', 'r', 'inbound', 'p', '+1', '+2', 'live', '2026-01-01', '', 0, '{"gone": 1}')
"""


@pytest.mark.parametrize("version", range(NEWEST + 1))
async def test_from_each_earlier_version(version, stand, opened, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:version])
        database = database_at(stand.url)
        database.connect()
        schema.migrate(database, datetime.now(UTC))
        database.close()
    if version:
        stand.execute(CALL)
    async with opened() as journal:
        record = live_call()
        assert await open_session(journal, record)
        await journal.mark_do_not_call("+1", "asked")
        assert (await journal.call(record.call_id)).record == record
    assert stand.query(VERSIONS) == [(n,) for n in range(1, NEWEST + 1)]
    if version:
        assert stand.query("SELECT persona FROM calls WHERE call_id = 'old'") == [("p",)]


async def test_a_migration_that_fails_leaves_the_tables_as_they_were(stand, opened, monkeypatch, logged):
    async with opened() as journal:
        await open_session(journal, live_call())
    good = schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", (*good, ("ALTER TABLE calls ADD COLUMN mood TEXT", "CREATE NONSENSE")))
    async with opened() as journal:
        assert "syntax" in journal.trouble
        assert stand.query(VERSIONS) == [(n,) for n in range(1, NEWEST + 1)]
        monkeypatch.setattr(schema, "MIGRATIONS", (*good, ("ALTER TABLE calls ADD COLUMN mood TEXT",)))
        await until(lambda: journal.healthy)
        assert stand.query("SELECT mood FROM calls") == [(None,)]
    assert [line["event"] for line in logged if line["log_level"] != "info"] == ["journal_trouble", "journal_recovered"]


async def test_tables_of_a_newer_version_are_written_to_and_left_alone(stand, opened, monkeypatch, logged):
    with monkeypatch.context() as patch:
        newer = ("ALTER TABLE calls ADD COLUMN mood TEXT",)
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, newer))
        async with opened():
            pass
    async with opened() as journal:
        assert await open_session(journal, live_call())
    assert stand.query(VERSIONS)[-1] == (NEWEST + 1,)
    [warning] = [line for line in logged if line["event"] == "journal_is_newer"]
    assert (warning["version"], warning["known"]) == (NEWEST + 1, NEWEST)


async def test_many_daemons_at_once(stand, opened, logged):
    def migrate(database):
        with closing(database):
            database.connect()
            schema.migrate(database, datetime.now(UTC))

    # A file has one lock for everything, so its waiting has to be as long as all the others take; a server has one of
    # its own for those who migrate.
    lock_seconds = 60 if stand.url.startswith("sqlite") else 1
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(trio.to_thread.run_sync, migrate, database_at(stand.url, lock_seconds))
    async with opened(node="a") as one, opened(node="b") as other:
        assert await open_session(one, live_call())
        assert await open_session(other, live_call())
    assert stand.query(VERSIONS) == [(n,) for n in range(1, NEWEST + 1)]
    assert stand.query("SELECT count(*) FROM calls") == [(2,)]
    assert {line["event"] for line in logged} == {"journal_open"}


WAITS = "SELECT 1 FROM pg_stat_activity WHERE query = 'SHOW lock_timeout'"
"""Of one that looks for the lock again and again: the last that it has said."""


async def test_who_migrates_is_waited_for_longer_than_another_lock(stand):
    """However busy a server is: eight daemons that start together wait for seven of them."""
    if stand.url.startswith("sqlite"):
        pytest.skip("a file has one lock for everything")
    with closing(database_at(stand.url)) as first, closing(database_at(stand.url, lock_seconds=0.05)) as second:
        first.connect()
        second.connect()
        async with trio.open_nursery() as nursery:
            with first.transaction(writes=True):
                first.lock_schema()
                nursery.start_soon(trio.to_thread.run_sync, schema.migrate, second, datetime.now(UTC))
                await until(lambda: stand.query(WAITS))
                await trio.to_thread.run_sync(first.query, "SELECT pg_sleep(0.2)")
    assert stand.query(VERSIONS) == [(n,) for n in range(1, NEWEST + 1)]


async def test_who_waits_for_the_others_keeps_none_of_them_from_building_an_index(stand):
    """An index waits for all snapshots: with one, each would wait for the other, and PostgreSQL sees no circle."""
    if stand.url.startswith("sqlite"):
        pytest.skip("a file has one lock for everything")
    with closing(database_at(stand.url)) as first, closing(database_at(stand.url)) as second:
        first.connect()
        second.connect()
        schema.migrate(first, datetime.now(UTC))

        def wait():
            with second.transaction(writes=True):
                second.lock_schema()

        async with trio.open_nursery() as nursery:
            with first.migrating():
                nursery.start_soon(trio.to_thread.run_sync, wait)
                await until(lambda: stand.query(WAITS))
                first._open.execute("SET statement_timeout = '20s'")
                await trio.to_thread.run_sync(first.build_index, "calls_by_way", "calls (direction)")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "journal.db",
        "sqlite://journal.db",
        "sqlite:///",
        "sqlite:///journal.db?mode=ro",
        "mysql://user:hush@host/db",
    ],
)
async def test_urls_that_cannot_be_used(url, clock):
    with pytest.raises(ConfigError, match=r"journal\.url") as wrong:
        async with open_journal(url, node="here", clock=clock):
            pass
    assert "hush" not in str(wrong.value)


def test_a_url_that_libpq_does_not_understand():
    pytest.importorskip("psycopg")
    with pytest.raises(ConfigError, match=r"journal\.url") as wrong:
        database_at("postgresql://user:hu%sh@host/db")
    assert "hu" not in str(wrong.value)
    assert wrong.value.__cause__ is None


def test_without_psycopg_one_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "trio_voice.journal.postgres", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'trio-voice\[postgres\]'"):
        database_at("postgresql:///journal")


@pytest.mark.parametrize(("url", "path"), [("sqlite:///a/b.db", "a/b.db"), ("sqlite:////var/b.db", "/var/b.db")])
def test_paths_are_relative_with_three_slashes_and_absolute_with_four(url, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert database_at(url).name == str(tmp_path / path)


async def test_the_default_journal_is_in_the_working_directory(tmp_path, monkeypatch, clock):
    monkeypatch.chdir(tmp_path)
    async with open_journal("sqlite:///journal.db", node="here", clock=clock, pace=PACE) as journal:
        assert journal.healthy
        assert (tmp_path / "journal.db").exists()
