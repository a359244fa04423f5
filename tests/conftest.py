"""A real PostgreSQL for whoever needs one; where there is none, tests that need it are skipped and say so.

And how Hypothesis judges a test.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.journal.stands import PostgresServer, PostgresStand, find_postgres, throw_away_server

# How long an example takes says how busy the machine is, and nothing about what it tests.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def postgres_database(postgres_server):
    database = PostgresStand(postgres_server, f"trio_voice_test_{os.getpid()}")
    yield database
    database.drop()


@pytest.fixture
def postgres_stand(postgres_database):
    postgres_database.empty()
    return postgres_database
