"""A journal's file that somebody writes over while it is open: who has it open reads on from memory."""

import os
import sqlite3
from contextlib import closing

import pytest

from tests.journal.test_identity import NUMBER
from trio_voice.journal import JournalUnavailable, open_journal, sqlite
from trio_voice.journal.identity import marker_of


def fill(path, byte):
    """Write over all of a file, in its place."""
    with path.open("r+b") as file:
        file.write(byte * path.stat().st_size)


def copy_over(stand):
    """Another journal, by a copy that keeps the inode, as ``cp`` makes it."""
    other = stand.directory / "other.db"
    with closing(sqlite3.connect(other)) as made:
        made.execute("CREATE TABLE journal_identity (id TEXT, changes INTEGER)")
        made.execute("INSERT INTO journal_identity VALUES ('other', 0)")
        made.execute("CREATE TABLE do_not_call (number TEXT)")
        made.commit()
    os.truncate(wal(stand), 0)
    with stand.path.open("r+b") as file:
        file.truncate()
        file.write(other.read_bytes())


def wal(stand):
    return stand.path.with_name(f"{stand.path.name}-wal")


DAMAGES = {
    "wal zeros": lambda stand: fill(wal(stand), b"\0"),
    "wal junk": lambda stand: fill(wal(stand), b"x"),
    "wal truncated": lambda stand: os.truncate(wal(stand), 0),
    "wal cut": lambda stand: os.truncate(wal(stand), 5_000),
    "both junk": lambda stand: (fill(stand.path, b"x"), fill(wal(stand), b"x")),
    "another copied over": copy_over,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_journal_that_is_written_over_calls_nobody_and_says_so(
    sqlite_stand, clock, logged, monkeypatch, damage
):
    monkeypatch.setattr(sqlite, "LOOK_SECONDS", 0)
    marker = marker_of(sqlite_stand.url, None)
    async with open_journal(sqlite_stand.url, node="here", clock=clock, marker=marker) as journal:
        await journal.mark_do_not_call(NUMBER, "asked")
        assert await journal.is_do_not_call(NUMBER)
        DAMAGES[damage](sqlite_stand)
        with pytest.raises(JournalUnavailable):
            await journal.is_do_not_call("+15550000000")
        assert journal.trouble or journal.list_trouble
    assert "journal_file_overwritten" in [line["event"] for line in logged]


async def test_what_other_daemons_do_to_the_file_is_no_damage(sqlite_stand, clock, logged, monkeypatch):
    """Their checkpoints cut the log to nothing, and their vacuum writes the file anew, in its place."""
    monkeypatch.setattr(sqlite, "LOOK_SECONDS", 0)
    async with open_journal(sqlite_stand.url, node="here", clock=clock) as journal:
        for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "CREATE TABLE theirs (x)", "REINDEX"):
            await journal.mark_do_not_call(NUMBER, "asked")
            with closing(sqlite3.connect(sqlite_stand.path, isolation_level=None)) as other:
                other.execute(statement)
            assert await journal.is_do_not_call(NUMBER)
        assert journal.trouble == ""
    assert [line for line in logged if line["event"] == "journal_file_overwritten"] == []
