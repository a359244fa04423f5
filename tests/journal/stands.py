"""The two databases as the tests see them: somebody else's view of them, and what can happen to them."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from trio_voice.journal import sqlite

BIG = "x" * 1_000_000
"""More than a full disk takes."""


class SqliteStand:
    """A file, in a directory that can go away."""

    def __init__(self, directory, monkeypatch):
        self.directory = directory / "journal"
        self.directory.mkdir()
        self.path = self.directory / "journal.db"
        self.url = f"sqlite:///{self.path}"
        self._monkeypatch = monkeypatch

    def query(self, sql):
        connection = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    execute = query

    def explain(self, sql):
        """Way in which it would be found, in a word."""
        return "\n".join(step for *_, step in self.query(f"EXPLAIN QUERY PLAN {sql}"))

    def rows_written(self):
        """Inserts and updates of calls and sessions, since this was first asked."""
        made = [] if self.query("SELECT 1 FROM sqlite_master WHERE name = 'writes'") else ["CREATE TABLE writes (n)"]
        for table in ("calls", "model_sessions"):
            for what in ("INSERT", "UPDATE"):
                name = f"{what}_{table}"
                made.append(
                    f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {what} ON {table} "
                    "BEGIN INSERT INTO writes VALUES (1); END"
                )
        for sql in made:
            self.execute(sql)
        [(count,)] = self.query("SELECT count(*) FROM writes")
        return count

    @contextmanager
    def locked(self):
        """Somebody else is writing."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    def fill_disk(self):
        """From the next connection on."""
        self._monkeypatch.setattr(sqlite, "PRAGMAS", (*sqlite.PRAGMAS, "PRAGMA max_page_count = 1"))

    def make_room(self):
        self._monkeypatch.setattr(sqlite, "PRAGMAS", sqlite.PRAGMAS[:-1])

    def vanish(self):
        self.directory.rename(self.directory.with_name("gone"))

    def come_back(self):
        self.directory.with_name("gone").rename(self.directory)


class PostgresStand:
    """A database on a server. One for all tests, emptied for each: to make one takes longer than most tests."""

    def __init__(self, server, name):
        self._server = server
        self._name = name
        self._is_gone = False
        self.url = server.url_of(name)
        server.execute(f"CREATE DATABASE {name}")

    def empty(self):
        if self._is_gone:
            self.come_back()
        self.cut_connections()
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def query(self, sql):
        with self._server.connect(self._name) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql):
        with self._server.connect(self._name) as connection:
            connection.execute(sql)

    def explain(self, sql):
        """Way in which it would be found, where an index would do."""
        with self._server.connect(self._name) as connection:
            connection.execute("SET enable_seqscan = off")
            return "\n".join(step for (step,) in connection.execute(f"EXPLAIN {sql}").fetchall())

    def rows_written(self):
        """Inserts and updates of calls and sessions."""
        self.execute("""
            CREATE TABLE IF NOT EXISTS writes (n int);
            CREATE OR REPLACE FUNCTION note_write() RETURNS trigger AS
            $$ BEGIN INSERT INTO writes VALUES (1); RETURN NULL; END $$ LANGUAGE plpgsql;
            CREATE OR REPLACE TRIGGER note_write AFTER INSERT OR UPDATE ON calls
            FOR EACH ROW EXECUTE FUNCTION note_write();
            CREATE OR REPLACE TRIGGER note_write AFTER INSERT OR UPDATE ON model_sessions
            FOR EACH ROW EXECUTE FUNCTION note_write();
        """)
        [(count,)] = self.query("SELECT count(*) FROM writes")
        return count

    @contextmanager
    def locked(self):
        """Somebody else is changing the tables."""
        with self._server.connect(self._name) as connection, connection.transaction(force_rollback=True):
            connection.execute("LOCK TABLE calls, model_sessions, do_not_call, runs IN ACCESS EXCLUSIVE MODE")
            yield

    @contextmanager
    def locked_rows(self):
        """Somebody else is changing everything that is there so far."""
        with self._server.connect(self._name) as connection, connection.transaction(force_rollback=True):
            for table in ("calls", "model_sessions", "runs"):
                connection.execute(f"SELECT * FROM {table} FOR UPDATE")
            yield

    def fill_disk(self):
        """Big rows find it full."""
        self.execute("""
            CREATE FUNCTION disk_is_full() RETURNS trigger AS $$
            BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END
            $$ LANGUAGE plpgsql;
            CREATE TRIGGER disk_is_full BEFORE INSERT ON calls FOR EACH ROW
            WHEN (length(NEW.end_detail) > 100000) EXECUTE FUNCTION disk_is_full()
        """)

    def make_room(self):
        self.execute("DROP TRIGGER disk_is_full ON calls")

    def cut_connections(self):
        self._server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")

    def vanish(self):
        self._server.execute(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        self.cut_connections()
        self._server.execute(f"ALTER DATABASE {self._name} RENAME TO {self._name}_gone")
        self._is_gone = True

    def come_back(self):
        self._server.execute(f"ALTER DATABASE {self._name}_gone RENAME TO {self._name}")
        self._server.execute(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")
        self._is_gone = False

    def drop(self):
        self.empty()
        self._server.execute(f"DROP DATABASE {self._name} WITH (FORCE)")


class PostgresServer:
    """A server on which databases may be made: somebody's, or a throw-away one."""

    def __init__(self, url):
        self.url = url

    def connect(self, name):
        import psycopg

        return psycopg.connect(self.url_of(name), autocommit=True)

    def url_of(self, name):
        base, question, options = self.url.partition("?")
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/{name}{question}{options}"

    def execute(self, sql):
        with self.connect("postgres") as connection:
            connection.execute(sql)


def find_postgres():
    """The directory of initdb and postgres, if they are installed: Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    return found[-1].parent if found else None


QUICK = ("fsync=off", "shared_buffers=16MB", "autovacuum=off", "max_connections=50")
"""Settings of a server that is thrown away."""


def another_user():
    """PostgreSQL refuses to run as root, so it does not."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def throw_away_directory():
    """A directory of that user's; short, as a socket's path must be."""
    directory = Path(tempfile.mkdtemp(prefix="tv-pg-", dir="/tmp"))
    if another_user():
        shutil.chown(directory, "nobody")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def make_cluster(binaries, data):
    access, letters = ("-A", "trust", "-U", "tv"), ("-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8")
    initdb = [binaries / "initdb", "-D", data, *access, *letters, "--no-sync"]
    subprocess.run(initdb, cwd="/", check=True, capture_output=True, **another_user())


@contextmanager
def running_server(binaries, data, sockets, settings=QUICK):
    """A server on a cluster, as a process, that takes connections."""
    asked = [word for setting in settings for word in ("-c", setting)]
    with (sockets / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", sockets, "-c", "listen_addresses=", *asked],
            cwd="/",
            stdout=log,
            stderr=log,
            **another_user(),
        )
    try:
        ready = [binaries / "pg_isready", "-q", "-h", sockets]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((sockets / "log").read_text())
            time.sleep(0.05)
        yield server
    finally:
        server.kill()
        server.wait()


@contextmanager
def throw_away_server(binaries):
    """A cluster in a temporary directory, reached by a socket in it."""
    with throw_away_directory() as directory:
        make_cluster(binaries, directory / "data")
        with running_server(binaries, directory / "data", directory):
            yield PostgresServer(f"postgresql://tv@/postgres?host={directory}")
