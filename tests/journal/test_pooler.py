"""PgBouncer in transaction mode between the journal and its server: each transaction may get another connection."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.journal.calls import end_call, live_call, open_session
from tests.journal.conftest import PACE, Clock
from trio_voice.journal import database_at, months, open_journal, schema

CONFIG = """
[databases]
{name} = host={host} port={port} dbname={name} user=tv
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pooler(stand):
    """A pooler before this database; its URL. It refuses to run as root, so it does not."""
    folder = Path(tempfile.mkdtemp(prefix="tv-pool-", dir="/tmp"))
    folder.chmod(0o777)
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/sbin") or pytest.skip("no pgbouncer: apt install it")
    where = urlsplit(stand.url)
    asked = {name: values[0] for name, values in parse_qs(where.query).items()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = free.getsockname()[1]
    host, port = asked.get("host") or where.hostname, where.port or asked.get("port") or 5432
    name = where.path.lstrip("/")
    config = Path(folder, "pgbouncer.ini")
    config.write_text(CONFIG.format(name=name, host=host, port=port, listen=listen, folder=folder))
    other = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, *other, str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            latest = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", listen)).close()
                    break
                except OSError:
                    assert time.monotonic() < latest
                    time.sleep(0.02)
            yield f"postgresql://tv@127.0.0.1:{listen}/{name}"
        finally:
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kind", ["postgres_stand", "months_stand"])
async def test_a_journal_behind_a_pooler_is_made_written_read_and_settled(kind, request):
    postgres_stand = request.getfixturevalue(kind)
    with pooler(postgres_stand) as url:
        record = live_call()
        async with open_journal(url, node="a", clock=Clock(), pace=PACE) as one:
            assert one.trouble == ""
            async with open_journal(url, node="b", clock=Clock(), pace=PACE) as other:
                for _ in range(20):  # by whichever connection
                    assert await open_session(one, live_call())
                    assert await open_session(other, live_call())
                assert await open_session(one, record)
                await other.mark_do_not_call("+15550001", "asked")
                assert await one.is_do_not_call("+15550001")
                one.call_ended(end_call(record))
                assert (await one.call(record.call_id)).record.end_reason == record.end_reason
                assert [run.run_id for run in await other.other_runs()] == [one.heartbeat.run.run_id]
                assert len(await other.left_open(one.heartbeat.run)) == 21
    database = database_at(postgres_stand.url)
    database.connect()
    assert schema.migrate(database, datetime.now(UTC)) == len(schema.MIGRATIONS)
    database.close()


def test_a_journal_is_brought_to_months_and_made_more_of_them_behind_a_pooler(postgres_stand):
    with pooler(postgres_stand) as url, closing(database_at(url)) as database:
        database.connect()
        now = datetime.now(UTC)
        schema.migrate(database, now)
        months.change_to_months(database, now)
        months.change_to_months(database, now)  # there is nothing to do
        database.connect()
        later = now + timedelta(days=31 * (months.MONTHS_AHEAD + 2))
        months.make_months(database, later)
    names = {name for (name,) in postgres_stand.query("SELECT relname FROM pg_class WHERE relkind = 'r'")}
    assert f"calls_{now:%Y_%m}" in names
    assert f"calls_{later:%Y_%m}" in names
