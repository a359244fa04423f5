"""A real PostgreSQL for whoever needs one; where there is none, tests that need it are skipped and say so.

And how Hypothesis judges a test.
"""

import gc
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from structlog.testing import capture_logs

from tests.journal.stands import PostgresServer, PostgresStand, find_postgres, throw_away_server

# How long an example takes says how busy the machine is, and nothing about what it tests. Every run of the suite makes
# up the same examples (Hypothesis also uses constants of the modules that are loaded: a file alone may see others);
# HYPOTHESIS_PROFILE=random makes up new ones, many more, and prints how to see one again: `make properties`.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", UNTIMED, derandomize=True, database=None)
settings.register_profile("random", UNTIMED, max_examples=2_000, print_blob=True)
settings.register_profile("short", settings.get_profile("same"), max_examples=15)  # a mutant is found or is not
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_addoption(parser):
    parser.addoption(
        "--share",
        type=int,
        default=1,
        help="of each slow test's parameters every so many",
    )
    parser.addoption("--whole", action="store_true", help="all plays of the cluster, at their full size: make cluster")


def pytest_ignore_collect(collection_path, config):
    """Leave a file unread in which nothing is slow, where only slow tests are asked for: a worker is ready sooner."""
    if config.option.markexpr.startswith("slow") and collection_path.match("test_*.py"):
        text = collection_path.read_text()
        return True if "mark.slow" not in text and "pytestmark" not in text else None
    return None


def pytest_collection_finish():
    """Keep thousands of collected tests out of every later look of the collector, which each takes 0.4 s otherwise."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config, items):
    """Keep a share of the slow ones, spread over the parameters, and the first of each test."""
    share, seen, kept, left_out = config.getoption("share"), Counter(), [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        is_whole = item.get_closest_marker("whole") is not None
        is_kept = (config.getoption("--whole") or not is_whole) and (
            share == 1 or item.get_closest_marker("slow") is None or seen[test] % share == 0
        )
        seen[test] += 1
        (kept if is_kept else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


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


@pytest.fixture
def logs():
    """Lines that were logged, and not written: thousands of calls, and a traceback for each bug, take their time."""
    with capture_logs() as entries:
        yield entries
