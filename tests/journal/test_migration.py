"""Tables of version 5 with rows to change, brought to the newest while a daemon of version 5 writes to them.

Killed wherever it can be, it goes on when it is run again. A million rows by a real process: ``make test-release``.
"""

import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from itertools import count

import pytest

from tests.journal.killed import Killed, Mortal
from tests.journal.test_copies import CONFIG
from tests.test_death import measured
from trio_voice.journal import database_at, schema, steps

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
ROWS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {calls})
    INSERT INTO calls (call_id, run_id, direction, persona, from_number, to_number, state, began_at, ended_at,
        phone_down_at, end_detail, handed_over, details)
    SELECT 'old-' || n, 'run-' || (n % {runs}), 'inbound', 'p', '+1', '+2', 'ended', '2026-01-17', '2026-01-17',
        '2026-01-17', '', 0, '{{}}' FROM numbers
"""
SESSIONS = """
    INSERT INTO model_sessions (call_id, number, provider, opened_at, closed_at, details)
    SELECT call_id, 1, 'aai', began_at, CASE WHEN run_id IN ({open}) THEN NULL ELSE began_at END, '{{}}' FROM calls
"""
RUNS = """
    INSERT INTO runs (run_id, node, pid, started_at, beat_at, ended_at) SELECT DISTINCT run_id, 'n', 1, '2026-01-17',
    '2026-01-17', CASE WHEN run_id = 'run-0' THEN NULL ELSE '2026-01-17' END FROM calls
"""
STILL_OPEN = ("run-1", "run-2")
"""Runs that left their sessions open."""

# Words of the daemon of version 5, which knows no ``run_id`` of a session and no ``node_state``.
CALL_5 = schema.WRITE_CALL
SESSION_5 = schema._upsert("model_sessions", schema.SESSION_COLUMNS[:-1], key=["call_id", "number"])
RUN_5 = schema._upsert("runs", [each for each in schema.RUN_COLUMNS if each != "node_state"], key=["run_id"])


def tables_of_version_5(url, stand, *, calls, runs):
    with closing(database_at(url)) as database:
        database.connect()
        for version, made in enumerate(schema.MIGRATIONS[:5], 1):
            schema._at_once(database, version, made, NOW)
    stand.execute(ROWS.format(calls=calls, runs=runs))
    stand.execute(SESSIONS.format(open=", ".join(f"'{each}'" for each in STILL_OPEN)))
    stand.execute(RUNS)


class OldDaemon:
    """A daemon of version 5, as far as it writes: a call in three transactions, on a connection that it keeps."""

    def __init__(self, url):
        self._database = database_at(url, 60)
        self.calls, self.longest = 0, 0.0

    def connect(self):
        self._database.connect()

    def close(self):
        self._database.close()

    def call(self):
        self.calls += 1
        call_id = f"new-{self.calls:06}"
        began = time.monotonic()
        with self._database.transaction(writes=True):
            self._database.execute(RUN_5, [["old-daemon", "n", 1, "2026-01-31", "2026-01-31", None, "p"]])
        row = dict.fromkeys(schema.CALL_COLUMNS) | {
            "call_id": call_id, "direction": "inbound", "persona": "p", "from_number": "+1", "to_number": "+2",
            "state": "live", "end_detail": "", "handed_over": 0, "details": "{}", "run_id": "old-daemon",
            "began_at": "2026-01-31",
        }  # fmt: skip
        session = {
            "provider": "aai", "opened_at": "2026-01-31", "details": "{}", "call_id": call_id, "number": 1,
        }  # fmt: skip
        for ended in (None, "2026-01-31"):
            with self._database.transaction(writes=True):
                self._database.execute(CALL_5, [list((row | {"ended_at": ended}).values())])
                values = [(session | {"closed_at": ended}).get(column) for column in schema.SESSION_COLUMNS[:-1]]
                self._database.execute(SESSION_5, [values])
        self.longest = max(self.longest, time.monotonic() - began)


def assert_brought_up(stand, old, *, calls, runs):
    assert stand.query("SELECT max(version) FROM journal_versions") == [(len(schema.MIGRATIONS),)]
    of_old = "FROM calls c JOIN model_sessions s ON s.call_id = c.call_id WHERE c.call_id LIKE 'old-%'"
    assert stand.query(f"SELECT count(*) {of_old}") == [(calls,)]
    assert stand.query(f"SELECT count(*) {of_old} AND s.closed_at IS NULL AND s.run_id <> c.run_id") == [(0,)]
    assert stand.query(f"SELECT count(*) {of_old} AND s.closed_at IS NULL AND s.run_id IS NULL") == [(0,)]
    unsettled = stand.query("SELECT run_id FROM runs WHERE settled_at IS NULL ORDER BY run_id")
    assert [run_id for (run_id,) in unsettled] == ["old-daemon", "run-0", *STILL_OPEN]
    assert stand.query("SELECT count(*) FROM runs") == [(runs + 1,)]
    assert stand.query("SELECT count(*) FROM calls WHERE run_id = 'old-daemon' AND ended_at IS NOT NULL") == [
        (old.calls,)
    ]
    for index in ("calls (run_id) WHERE ended_at IS NULL", "model_sessions (run_id) WHERE closed_at IS NULL"):
        table, _, what = index.partition(" ")
        assert (
            "index"
            in stand.explain(f"SELECT 1 FROM {table} WHERE run_id = 'x' AND {what.partition('WHERE ')[2]}").lower()
        )


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_transaction_it_goes_on(stand, monkeypatch, after):
    monkeypatch.setattr(steps, "BATCH_ROWS", 7)
    tables_of_version_5(stand.url, stand, calls=120, runs=20)
    with closing(OldDaemon(stand.url)) as old:
        old.connect()
        for attempt in count():
            with closing(database_at(stand.url)) as database:
                database.connect()
                try:
                    schema.migrate(Mortal(database, attempt, after=after), NOW)
                except Killed:
                    old.call()
                else:
                    break
        old.call()
    assert attempt > 5
    assert_brought_up(stand, old, calls=120, runs=20)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [20_000, pytest.param(1_000_000, marks=pytest.mark.release)])
def test_a_real_one_that_is_killed_again_and_again(postgres_stand, tmp_path, monkeypatch, rows):
    """``kill -9`` in the midst of it, five times, while somebody writes."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t")
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")
    runs = rows // 20
    tables_of_version_5(postgres_stand.url, postgres_stand, calls=rows, runs=runs)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(url=postgres_stand.url))
    command = [sys.executable, "-m", "trio_voice", "--config", str(config), "migrate"]
    done, chance = threading.Event(), random.Random(rows)
    with closing(OldDaemon(postgres_stand.url)) as old:
        old.connect()

        def keep_calling():
            while not done.is_set():
                old.call()

        writer = threading.Thread(target=keep_calling)
        writer.start()
        try:
            began = time.monotonic()
            killed = 0
            for _ in range(5):
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                try:
                    process.wait(1 + chance.random() * 2)
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += process.wait() == -9
            subprocess.run(command, check=True, timeout=500)
        finally:
            done.set()
            writer.join()
    measured(f"{rows} rows brought up, killed {killed} times", time.monotonic() - began)
    measured("the writer's longest three transactions", old.longest)
    assert old.calls > 10
    assert old.longest < 9, "three transactions, each of which may wait for 3 s"
    assert_brought_up(postgres_stand, old, calls=rows, runs=runs)
