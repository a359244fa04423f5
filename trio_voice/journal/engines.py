"""The databases that a journal can be in, by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_voice.errors import ConfigError
from trio_voice.journal.database import LOCK_SECONDS

if TYPE_CHECKING:
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
