"""Copies of the journal, made while it is written to; and what `migrate` and `check` say of one."""

import sqlite3
import stat
from contextlib import closing, suppress
from functools import partial

import pytest
import trio
from click.testing import CliRunner

from tests.journal.calls import live_call, open_session
from tests.journal.conftest import PACE, Clock
from trio_voice.cli import main
from trio_voice.journal import JournalUnavailable, open_journal
from trio_voice.journal.identity import marker_of

CONFIG = """
[server]
bind = "127.0.0.1:1"
public_url = "https://voice.example.com"
[journal]
url = "{url}"
[models.aai]
kind = "assemblyai-agent"
[personas.desk]
model = "aai"
[numbers]
default = "desk"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command on a configuration with this journal."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t")
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")

    def run(url, *arguments):
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(url=url))
        done = CliRunner().invoke(main, ["--config", str(config), *map(str, arguments)])
        return done.exit_code, done.output

    return run


async def test_a_backup_is_whole_while_a_daemon_writes_and_is_put_back_where_none_is(
    run, opened, sqlite_stand, tmp_path
):
    target, elsewhere = tmp_path / "copy", f"sqlite:///{tmp_path}/other.db"
    async with open_journal(sqlite_stand.url, node="here", clock=Clock(), pace=PACE) as journal:
        record = live_call()
        assert await open_session(journal, record)
        assert run(sqlite_stand.url, "journal", "backup", target)[0] == 0
        assert run(sqlite_stand.url, "journal", "check")[0] == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.read_bytes()
    assert run(sqlite_stand.url, "journal", "backup", target)[0] == 1  # it is there
    assert target.read_bytes() == before
    assert run(sqlite_stand.url, "journal", "restore", target)[0] == 1  # a journal is there
    assert run(elsewhere, "journal", "restore", target)[0] == 0
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        assert connection.execute("SELECT call_id FROM calls").fetchall() == [(record.call_id,)]
    assert run(elsewhere, "migrate")[0] == 0
    assert run(elsewhere, "journal", "check")[0] == 0


async def knows_its_list(url, marker, number=None):
    """True if the list of the journal that is there counts, once a daemon has had it; a number is put on it."""
    async with open_journal(url, node="here", clock=Clock(), pace=PACE, marker=marker) as journal:
        if number:
            await journal.mark_do_not_call(number, "asked")
        with suppress(JournalUnavailable):
            await journal.is_do_not_call("+15557650000")  # it looks
        return not journal.list_trouble


async def test_a_journal_that_was_put_back_needs_no_word(run, sqlite_stand, tmp_path):
    """Also if more numbers were on its list since, or its end was cut off first."""
    url, marker, copy = sqlite_stand.url, marker_of(sqlite_stand.url, None), tmp_path / "copy"
    assert await knows_its_list(url, marker, "+15557651111")
    assert run(url, "journal", "backup", copy)[0] == 0
    for cut_off_first in (False, True):
        assert await knows_its_list(url, marker, "+15557652222")
        sqlite_stand.path.unlink()
        if cut_off_first:
            sqlite_stand.path.write_bytes(copy.read_bytes())  # by hand, which is one that is too old
            assert not await knows_its_list(url, marker)
            sqlite_stand.path.unlink()
        code, said = run(url, "journal", "restore", copy)
        assert (code, "accept-new is not needed" in said) == (0, True)
        assert await knows_its_list(url, marker)


async def test_another_journal_that_was_put_in_its_place_needs_one(run, sqlite_stand, tmp_path):
    url, marker, copy = sqlite_stand.url, marker_of(sqlite_stand.url, None), tmp_path / "copy"
    other = f"sqlite:///{tmp_path}/other.db"
    assert await knows_its_list(url, marker)
    assert await knows_its_list(other, marker_of(other, None))
    assert run(other, "journal", "backup", copy)[0] == 0
    sqlite_stand.path.unlink()
    code, said = run(url, "journal", "restore", copy)
    assert (code, "say `trio-voice journal accept-new`" in said) == (0, True)
    assert not await knows_its_list(url, marker)
    assert run(url, "journal", "accept-new")[0] == 0
    assert await knows_its_list(url, marker)


async def test_a_damaged_journal_is_told(run, sqlite_stand, tmp_path):
    async with open_journal(sqlite_stand.url, node="here", clock=Clock(), pace=PACE) as journal:
        for _ in range(200):
            journal.call_began(live_call())
    damaged = bytearray(sqlite_stand.path.read_bytes())
    damaged[8192:16384] = bytes(8192)
    sqlite_stand.path.write_bytes(damaged)
    code, said = run(sqlite_stand.url, "journal", "check")
    assert code == 1
    assert len(said.splitlines()) > 1
    assert run(f"sqlite:///{tmp_path}/none.db", "journal", "check")[0] == 69


def test_a_migration_of_nothing_and_of_no_server(run, tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    assert run(url, "migrate")[0] == 0
    assert "nothing to do" in run(url, "migrate")[1]
    pytest.importorskip("psycopg")
    assert run("postgresql://nobody@127.0.0.1:1/none", "migrate")[0] == 69


@pytest.mark.parametrize("kind", ["postgres_stand", "months_stand"])
async def test_a_server_s_journal_is_copied_by_its_own_programs(run, request, kind, tmp_path, monkeypatch):
    """Whole, also where it is by month, and put back as what it was."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    stand, record = request.getfixturevalue(kind), live_call()
    async with open_journal(stand.url, node="n", clock=Clock(), pace=PACE) as journal:
        assert await open_session(journal, record)
        await journal.mark_do_not_call("+15550001111", "asked")
    code, said = await trio.to_thread.run_sync(run, stand.url, "journal", "backup", tmp_path / "dump")
    if "is not here" in said:
        pytest.skip("PostgreSQL's client programs are not installed")
    assert code == 0, said
    assert (tmp_path / "dump").stat().st_mode & 0o777 == 0o600
    restore = partial(run, stand.url, "journal", "restore", tmp_path / "dump")
    assert (await trio.to_thread.run_sync(restore))[0] == 1  # there is one
    kinds = "SELECT relname, relkind::text FROM pg_class WHERE relname IN ('calls', 'model_sessions') ORDER BY 1"
    before = stand.query(kinds)
    stand.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    code, said = await trio.to_thread.run_sync(restore)
    assert code == 0, said
    assert stand.query(kinds) == before
    async with open_journal(stand.url, node="n", clock=Clock(), pace=PACE) as journal:
        assert (await journal.call(record.call_id)).record.call_sid == record.call_sid
        assert await journal.is_do_not_call("+15550001111")
        assert await open_session(journal, live_call())
