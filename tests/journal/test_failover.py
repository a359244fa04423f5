"""Failover of PostgreSQL to a standby that streams from it: the daemons go on there, and nothing written is lost."""

import subprocess
import time

import pytest
import trio

from tests.journal.calls import end_call, live_call, open_session
from tests.journal.conftest import PACE, Clock
from tests.journal.stands import (
    QUICK,
    PostgresServer,
    another_user,
    find_postgres,
    make_cluster,
    running_server,
    throw_away_directory,
)
from trio_voice.journal import JournalUnavailable, open_journal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def binaries():
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'trio-voice[postgres]'")
    return find_postgres() or pytest.skip("no PostgreSQL: apt install postgresql")


def run(*command):
    subprocess.run(command, cwd="/", check=True, capture_output=True, **another_user())


def until(condition):
    latest = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.05)


async def test_daemons_go_on_at_the_standby_and_nothing_written_is_lost(binaries):
    with throw_away_directory() as one, throw_away_directory() as other:
        make_cluster(binaries, one / "data")
        first = PostgresServer(f"postgresql://tv@/postgres?host={one}")
        address = f"postgresql://tv@/postgres?host={one},{other}&target_session_attrs=read-write"
        # What is committed is at the standby, too: an operator who wants to lose nothing has it so.
        settings = (*QUICK, "wal_level=replica", "max_wal_senders=4")
        with running_server(binaries, one / "data", one, settings) as primary:
            copy = [binaries / "pg_basebackup", "-h", one, "-U", "tv", "-D", other / "data", "-R", "-X", "stream"]
            run(*copy, "-c", "fast")
            with running_server(binaries, other / "data", other, (*QUICK, "hot_standby=on")):
                first.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                first.execute("SELECT pg_reload_conf()")
                with first.connect("postgres") as watching:
                    state = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
                    until(lambda: watching.execute(state).fetchone())
                async with (
                    open_journal(address, node="a", clock=Clock(), pace=PACE) as a,
                    open_journal(address, node="b", clock=Clock(), pace=PACE) as b,
                ):
                    ended, living = live_call(), live_call()
                    assert await open_session(a, ended)
                    assert await open_session(b, living)
                    await a.mark_do_not_call("+15550001", "asked")
                    a.call_ended(end_call(ended))
                    assert (await a.call(ended.call_id)).record.end_reason == ended.end_reason

                    primary.kill()
                    primary.wait()
                    late = live_call()
                    a.call_began(late)  # it waits, and nobody waits for it
                    run(binaries / "pg_ctl", "promote", "-D", other / "data")

                    with trio.fail_after(60):
                        b.call_ended(end_call(living))
                        while a.trouble or b.trouble or not await knows(a, late):
                            await trio.sleep(0.05)
                    assert await b.is_do_not_call("+15550001")
                    assert (a.list_trouble, b.list_trouble) == ("", "")
                    for journal in (a, b):
                        assert (await journal.call(ended.call_id)).record.ended_at
                        assert (await journal.call(living.call_id)).record.ended_at
                    assert (a.statistics().dropped, b.statistics().dropped) == (0, 0)
                    assert [run.run_id for run in await b.other_runs()] == [a.heartbeat.run.run_id]


async def knows(journal, record):
    try:
        return await journal.call(record.call_id) is not None
    except JournalUnavailable:
        return False
