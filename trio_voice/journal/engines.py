"""The databases that a journal can be in, by URL, and a connection for whoever has no daemon."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trio_voice.errors import ConfigError, JournalUnavailable
from trio_voice.journal.database import LOCK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.journal.database import Database


def database_at(url: str, lock_seconds: float = LOCK_SECONDS) -> Database:
    """The database of a URL, not yet opened.

    Args:
        url: ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``sqlite:///:memory:`` or ``postgresql://...``.
        lock_seconds: how long a lock that somebody else holds is waited for.

    Raises:
        ConfigError: the URL cannot be used, or its driver is not installed.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not path or path == rest or "?" in path:
            raise ConfigError(["journal.url: must be sqlite:///PATH, with nothing behind the path"])
        from trio_voice.journal.sqlite import SqliteDatabase  # noqa: PLC0415 - one database, one driver

        return SqliteDatabase(path, lock_seconds)
    if scheme in ("postgresql", "postgres"):
        try:
            from trio_voice.journal.postgres import PostgresDatabase  # noqa: PLC0415 - psycopg is an extra
        except ImportError as missing:
            raise ConfigError(
                ["journal.url: postgresql:// needs psycopg, which is not here: pip install 'trio-voice[postgres]'"]
            ) from missing
        return PostgresDatabase(url, lock_seconds)
    raise ConfigError(["journal.url: must begin with sqlite:/// or postgresql://"])


def file_of(url: str) -> Path | None:
    """The file of a journal; ``None`` if it is on a server."""
    scheme, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme == "sqlite" else None


@contextmanager
def connected(url: str, lock_seconds: float = LOCK_SECONDS, *, missing: str | None = None) -> Iterator[Database]:
    """The database of a URL, connected to while the block runs. Blocks.

    Args:
        url: as of ``database_at``.
        lock_seconds: likewise.
        missing: advice where nothing is there; without it a file is made then.

    Raises:
        ConfigError: the URL cannot be used.
        JournalUnavailable: nothing is there, it cannot be reached, or it fails in the block.
    """
    database = database_at(url, lock_seconds)
    if missing is not None and not database.is_there():
        raise JournalUnavailable(f"there is no journal at {database.name}: {missing}")
    with closing(database):
        try:
            database.connect()
            yield database
        except (ConfigError, JournalUnavailable):
            raise
        except Exception as error:  # whatever the driver raises
            raise JournalUnavailable(f"{database.name}: {database.describe(error)}") from error
