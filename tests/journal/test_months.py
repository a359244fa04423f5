"""A journal is brought to months beside a daemon that writes, whoever is killed, and goes on with new ones."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import trio

from tests.journal.calls import end_call, live_call, open_session
from tests.journal.conftest import PACE
from tests.journal.killed import Killed, Mortal
from tests.journal.test_copies import run
from trio_voice.journal import database_at, months, open_journal, schema, steps

__all__ = ["run"]

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
ALL = "SELECT * FROM {} ORDER BY 1, 2"
OLD_MONTHS = ("2025-11", "2025-12", "2026-01")
ROWS = """
    INSERT INTO calls (call_id, run_id, direction, persona, from_number, to_number, state, began_at, ended_at,
        phone_down_at, end_detail, handed_over, details)
    SELECT 'old-' || m || '-' || n, 'gone', 'inbound', 'p', '+1', '+2', 'ended', m || '-17T09:00:00.000000+00:00', m,
        m, '', 0, '{{}}'
    FROM unnest(ARRAY['2025-11', '2025-12', '2026-01', 'nonsense']) m, generate_series(1, {each}) n;
    INSERT INTO model_sessions (call_id, number, provider, opened_at, closed_at, details, run_id)
    SELECT call_id, k, 'aai', began_at, ended_at, '{{}}', run_id FROM calls, generate_series(1, 2) k
        WHERE run_id = 'gone';
    INSERT INTO runs (run_id, node, pid, started_at, beat_at, ended_at, settled_at)
    VALUES ('gone', 'n', 1, '2025', '2025', '2025', '2025')
"""


@pytest.fixture
def opened_there(postgres_stand, clock):
    """As ``opened``, on this module's database."""

    def opened(*, node="here"):
        return open_journal(postgres_stand.url, node=node, clock=clock, pace=PACE, keep_transcripts=True)

    return opened


def partitions_of(stand, table):
    found = stand.query(
        f"SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
        f"WHERE inhparent = '{table}'::regclass ORDER BY 1"
    )
    return [name for (name,) in found]


def change(stand, *, killed_after=None, after=False, now=NOW):
    """True if it was done, and nobody killed."""
    with closing(database_at(stand.url)) as database:
        database.connect()
        try:
            asked = database if killed_after is None else Mortal(database, killed_after, after=after)
            months.change_to_months(asked, now)
        except Killed:
            return False
        return True


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_every_transaction_it_goes_on_while_a_daemon_writes(
    postgres_stand, opened_there, monkeypatch, after
):
    monkeypatch.setattr(steps, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(months, "BATCH_ROWS", 7)
    async with opened_there() as journal:
        postgres_stand.execute(ROWS.format(each=10))
        before = {table: postgres_stand.query(ALL.format(table)) for table in ("calls", "model_sessions")}
        mine = []
        for attempt in count():
            done = await trio.to_thread.run_sync(
                lambda: change(postgres_stand, killed_after=attempt, after=after)  # noqa: B023 - it has run before the next attempt
            )
            record = live_call()
            mine.append(record)
            assert await open_session(journal, record, seconds=30)  # by a connection that knew the old tables
            if len(mine) > 2:
                journal.call_ended(end_call(mine[-3]), phone_is_down=True)
            if done:
                break
        assert attempt > 10
        assert await open_session(journal, live_call(), seconds=30)
        for record in mine:
            assert (await journal.call(record.call_id)).record == record
        assert journal.trouble == ""
    for table, was in before.items():
        now = [row for row in postgres_stand.query(ALL.format(table)) if row[0].startswith("old-")]
        assert now == was
        assert [len(postgres_stand.query(f"SELECT 1 FROM {table}_{m.replace('-', '_')}")) for m in OLD_MONTHS[:2]] == (
            [10, 10] if table == "calls" else [20, 20]
        )
    assert len(postgres_stand.query("SELECT 1 FROM calls_other")) == 10  # of no time that is one
    assert postgres_stand.query("SELECT count(*), count(DISTINCT call_id) FROM calls") == [(40 + len(mine) + 1,) * 2]
    left = postgres_stand.query(
        "SELECT relname FROM pg_class WHERE relname LIKE '%moving%' OR relname LIKE '%by_month'"
    )
    assert left == []
    assert postgres_stand.query("SELECT 1 FROM pg_proc WHERE proname LIKE '%to_months'") == []
    indexes = {name for (name,) in postgres_stand.query("SELECT indexname FROM pg_indexes WHERE tablename = 'calls'")}
    assert indexes == {"calls_pkey", "calls_by_time", "calls_not_ended", "calls_with_phone_up"}


async def test_what_a_dead_daemon_left_is_found_and_settled(months_stand, opened_there):
    async with opened_there(node="dead") as dead, opened_there(node="here") as journal:
        record = live_call()
        assert await open_session(dead, record, seconds=30)
        [run] = await journal.other_runs()
        [left] = await journal.left_open(run)
        assert left.record.call_id == record.call_id
        await journal.settle_sessions(left, NOW)
        await journal.settle_call(left, NOW, "its daemon is gone")
        assert await journal.left_open(run) == []
        # The dead one was alive after all, and its own words replace these.
        dead.call_ended(end_call(record), phone_is_down=True)
        assert (await dead.call(record.call_id)).record == record
    assert months_stand.query("SELECT count(*) FROM calls") == [(1,)]


async def test_months_go_on(months_stand, opened_there):
    """Rows that came before their month was made are moved into it."""
    with closing(database_at(months_stand.url)) as database:
        database.connect()
        [newest] = partitions_of(months_stand, "calls")[-2:-1]
        later = datetime.now(UTC) + timedelta(days=31 * (months.MONTHS_AHEAD + 2))
        at = f"{later:%Y-%m}-15T09:00:00.000000+00:00"
        months_stand.execute(ROWS.format(each=2).replace("m || '-17T09:00:00.000000+00:00'", f"'{at}'"))
        assert months_stand.query("SELECT count(*) FROM calls_other") == [(8,)]
        months.make_months(database, datetime.now(UTC))
        assert partitions_of(months_stand, "calls")[-2] == newest  # enough are left
        months.make_months(database, later)
        assert partitions_of(months_stand, "calls")[-2] > newest
        for table, rows in (("calls", 8), ("model_sessions", 16)):
            assert months_stand.query(f"SELECT count(*) FROM {table}_other") == [(0,)]
            assert months_stand.query(f"SELECT count(*) FROM {table}_{later:%Y_%m}") == [(rows,)]
        months.make_months(database, later)
    async with opened_there() as journal:
        assert await open_session(journal, live_call(), seconds=30)


def test_a_later_version_adds_columns_and_indexes_to_all_months(months_stand, monkeypatch):
    step = (steps.Column("calls", "mood", "TEXT"), steps.Index("calls_by_mood", "calls (mood) WHERE mood IS NOT NULL"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    for _ in range(2):  # killed before its end was written down
        with closing(database_at(months_stand.url)) as database:
            database.connect()
            schema.migrate(database, NOW)
            months_stand.execute(f"DELETE FROM journal_versions WHERE version = {len(schema.MIGRATIONS)}")
    whole = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'calls_by_mood'::regclass"
    assert months_stand.query(whole) == [(True,)]
    with closing(database_at(months_stand.url)) as database:
        database.connect()
        months.make_months(database, datetime.now(UTC) + timedelta(days=31 * months.MONTHS_AHEAD))  # by the new pattern


def test_who_was_let_in_still_is(postgres_stand, run):
    assert run(postgres_stand.url, "migrate")[0] == 0
    postgres_stand.execute("GRANT SELECT ON calls TO PUBLIC")
    code, said = run(postgres_stand.url, "migrate", "--by-month")
    assert (code, "by month now" in said) == (0, True)
    assert run(postgres_stand.url, "migrate", "--by-month")[1].count("nothing to do") == 1
    assert run(postgres_stand.url, "journal", "check")[0] == 0
    assert postgres_stand.query(
        "SELECT relacl::text LIKE '%{=r/%' OR relacl::text LIKE '%,=r/%' FROM pg_class WHERE relname = 'calls'"
    ) == [(True,)]


def test_a_file_has_no_months(run, tmp_path):
    code, said = run(f"sqlite:///{tmp_path}/journal.db", "migrate", "--by-month")
    assert (code, "PostgreSQL" in said) == (2, True)
