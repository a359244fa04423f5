"""The journal looked over, copied while daemons write, and put back: by SQLite itself, or by PostgreSQL's programs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trio_voice.errors import JournalUnavailable
from trio_voice.journal import schema
from trio_voice.journal.engines import connected, database_at, file_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.journal.database import Database

COPY_PAGES: Final = 1_000
"""At a time: between them a daemon writes."""
LOCK_SECONDS: Final = 10.0
TABLES: Final = ("calls", "model_sessions", "utterances", "do_not_call", "runs", "journal_versions", "journal_identity")

_OF_NO_RUN: Final = """
    SELECT count(*) FROM calls WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = calls.run_id)
"""


def check(url: str) -> tuple[list[str], str]:
    """Lines that say what is wrong with a journal, and one that says what is there. Blocks; changes nothing.

    Raises:
        ConfigError: the URL cannot be used.
        JournalUnavailable: there is none, or it cannot be reached.
    """
    database_at(url)  # which says what is wrong with it
    file = file_of(url)
    problems = [*_damage(file)] if file is not None else []
    if problems:
        return problems, f"{file}: damaged"
    with connected(url, LOCK_SECONDS) as database:
        version = schema.version_of(database)
        newest = len(schema.MIGRATIONS)
        if version < newest:
            problems.append(f"its tables are of version {version}, this program's of {newest}: trio-voice migrate")
        with database.transaction(writes=False):
            missing = [table for table in TABLES if not _has(database, table)]
            problems += [f"table {table} is missing: restore a backup" for table in missing]
            counts = [] if missing else [database.query(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]  # noqa: S608 - names of our own tables
            if not missing:
                [(orphans,)] = database.query(_OF_NO_RUN)
                if orphans:
                    problems.append(f"{orphans} calls are of no run: a part of the tables was lost")
    said = ", ".join(f"{count} {table}" for table, count in zip(TABLES[:5], counts, strict=False))
    return problems, f"{database.name}: version {version}; {said}"


def _has(database: Database, table: str) -> bool:
    column = {"do_not_call": "number", "runs": "run_id", "journal_versions": "version", "journal_identity": "id"}
    return database.has_column(table, column.get(table, "call_id"))


def _damage(file: Path) -> Iterator[str]:
    if not file.exists():
        raise JournalUnavailable(f"there is no journal at {file.absolute()}")
    try:
        with closing(sqlite3.connect(f"file:{file.absolute()}?mode=ro", uri=True, timeout=LOCK_SECONDS)) as connection:
            for (said,) in connection.execute("PRAGMA integrity_check(20)"):
                if said != "ok":
                    yield f"{file}: {said}"
    except sqlite3.DatabaseError as damaged:
        yield f"{file}: {damaged}: restore a backup, or read it with sqlite3's .recover"


def back_up(url: str, target: Path) -> None:
    """Copy a journal whole, whoever writes meanwhile, into a file for its owner's eyes. Blocks.

    Raises:
        ConfigError: the URL cannot be used.
        FileExistsError: the file is there.
        JournalUnavailable: there is no journal, or it cannot be read.
        OSError: the file cannot be written.
    """
    database_at(url)  # which says what is wrong with it
    file = file_of(url)
    if file is not None and not file.exists():
        raise JournalUnavailable(f"there is no journal at {file.absolute()}")
    part = target.with_name(f".{target.name}.{os.getpid()}")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        if file is None:
            _run(["pg_dump", "--format=custom", "--no-owner", f"--file={part}", f"--dbname={url}"])
        else:
            _copy(file, part)
        part.replace(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)


def restore(url: str, source: Path) -> None:
    """Put a journal back where none is. Blocks.

    Raises:
        ConfigError: the URL cannot be used.
        FileExistsError: a journal is there, or a daemon's.
        JournalUnavailable: what is to be put back is no journal, or the server cannot be reached.
        OSError: the file cannot be read or written.
    """
    database_at(url)  # which says what is wrong with it
    file = file_of(url)
    if file is None:
        _restore_to_server(url, source)
        return
    there = [each for each in (file, Path(f"{file}-wal"), Path(f"{file}-shm")) if each.exists()]
    if there:
        raise FileExistsError(f"{there[0]} is there: move it away first, with no daemon running")
    problems = [*_damage(source)]
    if problems:
        raise JournalUnavailable(problems[0])
    part = file.with_name(f".{file.name}.{os.getpid()}")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        _copy(source, part)
        with closing(sqlite3.connect(part)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not {"calls", "journal_versions"} <= tables:
            raise JournalUnavailable(f"{source} is no journal's backup")
        os.link(part, file)  # which never replaces one
    finally:
        part.unlink(missing_ok=True)


def _restore_to_server(url: str, source: Path) -> None:
    with connected(url, LOCK_SECONDS) as database, database.transaction(writes=False):
        is_there = database.has_column("calls", "call_id") or database.has_column("journal_versions", "version")
    if is_there:
        raise FileExistsError(f"{database.name} has a journal: name an empty database")
    _run(["pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={url}", str(source)])


def _copy(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{source.absolute()}?mode=ro", uri=True, timeout=LOCK_SECONDS)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing, pages=COPY_PAGES, sleep=0.01)
    except sqlite3.Error as failed:
        raise JournalUnavailable(f"{source}: {failed}") from failed


def _run(command: list[str]) -> None:
    """Run one of PostgreSQL's programs. Only its last words are told."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    except FileNotFoundError:
        raise JournalUnavailable(f"{command[0]} is not here: install PostgreSQL's client programs") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise JournalUnavailable(f"{command[0]}: {said[-1][:200]}")
