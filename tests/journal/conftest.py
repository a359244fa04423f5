import os
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from tests.journal.stands import PostgresServer, PostgresStand, SqliteStand, find_postgres, throw_away_server
from trio_voice.journal import Pace, open_journal

PACE = Pace(retry_seconds=0.01, lock_seconds=0.02, answer_seconds=10, beat_seconds=3600)


class Clock:
    """The time of day, which stands still unless told."""

    def __init__(self):
        self.now = datetime(2026, 1, 31, 9, 0, 0, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture(scope="session")
def postgres_server():
    """A server from TRIO_VOICE_TEST_POSTGRES (a URL; its user may create databases), or one of our own."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'trio-voice[postgres]'")
    url = os.environ.get("TRIO_VOICE_TEST_POSTGRES")
    if url:
        yield PostgresServer(url)
        return
    binaries = find_postgres()
    if binaries is None:
        pytest.skip("no PostgreSQL: set TRIO_VOICE_TEST_POSTGRES to a server's URL, or apt install postgresql")
    with throw_away_server(binaries) as server:
        yield server


@pytest.fixture
def sqlite_stand(tmp_path, monkeypatch):
    return SqliteStand(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def postgres_database(postgres_server):
    database = PostgresStand(postgres_server, f"trio_voice_test_{os.getpid()}")
    yield database
    database.drop()


@pytest.fixture
def postgres_stand(postgres_database):
    postgres_database.empty()
    return postgres_database


@pytest.fixture(params=["sqlite", "postgres"])
def stand(request):
    """Each database in turn: both do the same."""
    return request.getfixturevalue(f"{request.param}_stand")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(stand, clock):
    """Opens a journal on this test's database; when it is closed, its thread is gone."""

    @asynccontextmanager
    async def opened(*, node="here", pace=PACE, **options):
        async with open_journal(stand.url, node=node, clock=clock, pace=pace, **options) as journal:
            yield journal

    yield opened
    assert [thread.name for thread in threading.enumerate() if thread.name == "journal"] == []


@pytest.fixture
def logged():
    """What was logged, as a list that grows."""
    with structlog.testing.capture_logs() as lines:
        yield lines
