import threading
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import structlog

from tests.journal.stands import SqliteStand
from trio_voice.journal import Pace, database_at, months, open_journal, schema

PACE = Pace(
    retry_seconds=0.01, lock_seconds=20, stuck_seconds=30, open_seconds=30, answer_seconds=30, beat_seconds=3600
)
"""Nothing is late by this pace, however busy the machine is on which two journals share a file."""
IMPATIENT = attrs.evolve(PACE, lock_seconds=0.02)
"""For tests in which somebody keeps a lock."""


class Clock:
    """The time of day, which stands still unless told."""

    def __init__(self):
        self.now = datetime(2026, 1, 31, 9, 0, 0, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def sqlite_stand(tmp_path, monkeypatch):
    return SqliteStand(tmp_path, monkeypatch)


@pytest.fixture
def months_stand(postgres_stand):
    """A database whose journal is by month from the start."""
    with closing(database_at(postgres_stand.url)) as database:
        database.connect()
        schema.migrate(database, datetime.now(UTC))
        months.change_to_months(database, datetime.now(UTC))
    return postgres_stand


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
    """Lines that were logged, as a list that grows."""
    with structlog.testing.capture_logs() as lines:
        yield lines
