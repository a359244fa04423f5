"""A journal that was lost is not an empty one: nobody is called until somebody says that the new one is meant."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from trio_voice.errors import ConfigError
from trio_voice.journal import JournalUnavailable, database_at, open_journal
from trio_voice.journal.identity import accept, marker_of

NUMBER = "+15557654321"


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "state" / "journal.db.marker"


@pytest.fixture(autouse=True)
def state(tmp_path):
    (tmp_path / "state").mkdir()


async def is_listed(journal):
    """Knowledge of the number: True, False, or nothing."""
    with trio.fail_after(10):
        while journal.trouble:
            await trio.sleep(0.01)
    try:
        return await journal.is_do_not_call(NUMBER)
    except JournalUnavailable:
        return None


@pytest.mark.parametrize(
    ("url", "state", "path"),
    [
        ("sqlite:///journal.db", None, ".journal.db.marker"),
        ("sqlite:////var/lib/x/journal.db", None, "/var/lib/x/.journal.db.marker"),
        ("sqlite:////var/lib/x/journal.db", "/state:/other", "/state/.journal.db.marker"),
        ("sqlite:///:memory:", "/state", None),
    ],
)
def test_where_the_marker_is(url, state, path):
    assert marker_of(url, state) == (Path(path).absolute() if path else None)


def test_a_servers_marker_is_of_its_database_and_tells_no_password():
    one = marker_of("postgresql://me:s3cret@db.example.com/calls", None)
    assert one == marker_of("postgresql://me:other@db.example.com/calls", None)
    assert one != marker_of("postgresql://me:s3cret@db.example.com/tests", None)
    assert one.parent == Path.cwd()


async def test_a_first_start_and_a_restart_need_no_word(opened, marker):
    for _ in range(2):
        async with opened(marker=marker) as journal:
            assert await is_listed(journal) is False
            assert journal.list_trouble == ""
    async with opened(marker=marker) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        assert await is_listed(journal) is True


def delete(stand):
    for file in stand.directory.iterdir():
        file.unlink()


def replace(stand):
    delete(stand)
    with suppress(Exception):
        stand.execute("CREATE TABLE other (x)")


def move(stand):
    stand.directory.rename(stand.directory.with_name("elsewhere"))
    stand.directory.mkdir()


def empty(stand):
    """But not the -shm file, which SQLite maps: whoever truncates that ends every process that has the journal open."""
    for file in (stand.path, f"{stand.path}-wal"):
        os.truncate(file, 0)


async def test_a_journal_that_is_removed_together_with_its_marker_is_lost_all_the_same(opened, stand, sqlite_stand):
    if stand is not sqlite_stand:
        pytest.skip("a file's trouble")
    beside = stand.directory / ".journal.db.marker"
    async with opened(marker=beside) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        assert await is_listed(journal) is True
        delete(stand)
        assert await is_listed(journal) is None
    async with opened(marker=beside) as journal:
        assert await is_listed(journal) is None


def delete_wal(stand):
    Path(f"{stand.path}-wal").unlink()


def empty_wal(stand):
    os.truncate(f"{stand.path}-wal", 0)


@pytest.mark.parametrize("lose", [delete, replace, move, empty])
async def test_a_journal_that_is_lost_while_it_is_used_leaves_nobody_to_be_called(
    opened, sqlite_stand, stand, marker, logged, lose
):
    if stand is not sqlite_stand:
        pytest.skip("a file's trouble")
    async with opened(marker=marker) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        lose(stand)
        assert await is_listed(journal) is (True if lose is empty else None)  # as long as SQLite remembers it
        assert lose is empty or "accept-new" in journal.list_trouble
    if lose is empty:
        delete(stand)
    async with opened(marker=marker) as journal:  # nor after a restart
        assert await is_listed(journal) is None
        assert accept(stand.url, marker) == 0
        assert await is_listed(journal) is False  # at once, without another start
        assert journal.list_trouble == ""
    assert [line["event"] for line in logged].count("journal_accepted") == 1


@pytest.mark.parametrize("lose", [delete_wal, empty_wal])
async def test_what_was_written_last_is_not_forgotten_with_its_log(opened, sqlite_stand, stand, marker, lose):
    if stand is not sqlite_stand:
        pytest.skip("a file's trouble")
    async with opened(marker=marker) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        assert await is_listed(journal) is True
        lose(stand)
        assert await is_listed(journal) in (True, None)  # it is still known, or it is known that it is not


async def test_a_journal_that_is_put_back_needs_no_word(opened, sqlite_stand, stand, marker):
    if stand is not sqlite_stand:
        pytest.skip("a file's trouble")
    async with opened(marker=marker) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
    kept = stand.path.read_bytes()
    delete(stand)
    stand.path.write_bytes(kept)
    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is True


@pytest.mark.parametrize("marked", [True, False], ids=["with its marker", "without it"])
async def test_what_was_cut_off_while_no_daemon_ran_is_missed(opened, sqlite_stand, stand, marker, marked):
    if stand is not sqlite_stand:
        pytest.skip("a file's trouble")
    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is False
    async with opened(marker=marker) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        assert await is_listed(journal) is True  # it looks once more, as it does with each heartbeat
        without_wal = stand.path.read_bytes()
    delete(stand)
    stand.path.write_bytes(without_wal)
    if not marked:
        marker.unlink()
    for _ in range(2):
        async with opened(marker=marker) as journal:
            assert await is_listed(journal) is None
            assert journal.list_trouble
    assert accept(stand.url, marker) == 0
    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is False


async def test_a_number_of_changes_that_is_none_stops_nothing(opened, marker):
    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is False
    changes = marker.with_name("journal.db.marker.changes")
    for odd in (f"{marker.read_text().strip()} nan", "x", "\0", f"{marker.read_text().strip()} {'9' * 5_000}"):
        changes.write_text(odd)
        async with opened(marker=marker) as journal:
            assert await is_listed(journal) is False


def _enormous(marker):
    marker.touch()
    os.truncate(marker, 1 << 42)


ODD_MARKERS = {
    "a pipe": os.mkfifo,
    "a device without end": lambda marker: marker.symlink_to("/dev/zero"),
    "a directory": Path.mkdir,
    "itself": lambda marker: marker.symlink_to(marker),
    "larger than all memory": _enormous,
}


@pytest.mark.parametrize("odd", ODD_MARKERS)
async def test_what_stands_in_a_markers_place_is_not_waited_for_and_names_no_journal(opened, marker, odd):
    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is False
        marker.unlink()
        ODD_MARKERS[odd](marker)
        assert await is_listed(journal) is None
        assert journal.list_trouble


async def test_a_marker_that_cannot_be_opened_for_want_of_descriptors_is_not_another(
    opened, marker, monkeypatch, logged
):
    open_file = os.open

    def fail(path, *how, **named):
        if path == marker:
            raise OSError(errno.EMFILE, "Too many open files")
        return open_file(path, *how, **named)

    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is False
        monkeypatch.setattr(os, "open", fail)
        assert await is_listed(journal) is False
        assert "journal_lost_its_list" not in [line["event"] for line in logged]
    async with opened(marker=marker) as journal:
        assert await is_listed(journal) is None, "nobody has seen which it is"


async def test_who_goes_to_another_folder_takes_no_journal_along(tmp_path, monkeypatch, clock):
    url = "sqlite:///journal.db"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    async with open_journal(url, node="here", clock=clock, marker=marker_of(url, None)) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        monkeypatch.chdir(elsewhere)
        assert await is_listed(journal) is True
        assert not journal.list_trouble
    assert not [*elsewhere.iterdir()]


async def test_a_marker_is_nobody_elses_to_write_to_whatever_the_umask(opened, marker):
    umask = os.umask(0)
    try:
        async with opened(marker=marker) as journal:
            assert await is_listed(journal) is False
    finally:
        os.umask(umask)
    assert marker.stat().st_mode & 0o777 == 0o644


async def test_a_marker_that_cannot_be_written_stops_nothing(opened, tmp_path):
    async with opened(marker=tmp_path / "nowhere" / "journal.db.marker") as journal:
        assert await is_listed(journal) is False


@pytest.mark.parametrize(
    ("part", "wrong", "words"),
    [("tv@", "nobody_of_this_name@", "does not let this user in"), ("?", "_gone?", "create the database")],
)
async def test_a_server_that_lets_nobody_in_by_this_url_is_a_mistake_at_start(
    postgres_stand, clock, part, wrong, words
):
    with pytest.raises(BaseExceptionGroup) as refused:
        async with open_journal(postgres_stand.url.replace(part, wrong), node="here", clock=clock, insist=True):
            pass
    assert refused.group_contains(ConfigError, match=f"journal.url: .*{words}")


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ('FATAL:  role "tv" does not exist', "28000"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "tv", database "tv", no encryption', "28000"),
        ('FATAL:  Peer authentication failed for user "tv"', "28000"),
        ('FATAL:  password authentication failed for user "tv"', "28P01"),
        ("fe_sendauth: no password supplied", "28P01"),
        ('FATAL:  database "tv" does not exist', "3D000"),
        ('FATAL:  permission denied for database "tv"', "42501"),
        ("FATAL:  the database system is starting up", None),
        ("FATAL:  sorry, too many clients already", None),
        ("Connection refused", None),
    ],
)
def test_what_a_refused_connection_says_is_told_from_what_passes(words, state):
    psycopg = pytest.importorskip("psycopg")
    from trio_voice.journal.postgres import ADVICE

    database = database_at("postgresql://db.example/tv")
    said = psycopg.OperationalError(f'connection failed: connection to server at "db.example" failed: {words}')
    assert database.is_hopeless(said) == (state is not None)
    assert (": " + ADVICE[state] if state else words) in database.describe(said)


@pytest.mark.parametrize("right", ["USAGE", "CREATE"])
async def test_a_role_without_a_right_to_the_schema_is_a_mistake_at_start(postgres_stand, clock, right):
    other = {"USAGE": "CREATE", "CREATE": "USAGE"}[right]
    name = f"weak_{right.lower()}"
    postgres_stand.execute(f"CREATE ROLE {name} LOGIN")
    try:
        postgres_stand.execute(f"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT {other} ON SCHEMA public TO {name}")
        with pytest.raises(BaseExceptionGroup) as wrong:
            async with open_journal(
                postgres_stand.url.replace("tv@", f"{name}@"), node="here", clock=clock, insist=True
            ):
                pass
        assert wrong.group_contains(ConfigError, match="grant it, or give the database to this user")
    finally:
        postgres_stand.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("place", ["missing/journal.db", "directory", "text"])
async def test_a_place_that_no_restart_mends_is_a_mistake_at_start_and_trouble_later(tmp_path, clock, place):
    (tmp_path / "directory").mkdir()
    (tmp_path / "text").write_text("This is no database, and never was one. " * 100)
    url = f"sqlite:///{tmp_path / place}"
    with pytest.raises(BaseExceptionGroup) as wrong:
        async with open_journal(url, node="here", clock=clock, insist=True):
            pass
    assert wrong.group_contains(ConfigError, match="journal.url: ")
    async with open_journal(url, node="here", clock=clock) as journal:
        assert journal.trouble
