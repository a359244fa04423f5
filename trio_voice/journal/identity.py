"""Identity of a journal, so that one that was lost is not taken for an empty one.

A journal has an id, and counts the changes of its do-not-call list. A small file outside of it, the marker, names the
id of the journal that was last used here. Where it names another than the one that is there, the list of numbers that
are never dialed is not empty but unknown, until an operator says that the new one is meant (``trio-voice journal
accept-new``). Where there is no marker, this is a first start. A journal that was put back has its old id and needs no
word, if it has all that was ever seen of the list: how many changes that is stands beside the marker. With fewer it is
one whose end was cut off (SQLite's WAL lost or truncated, also while no daemon ran), or a copy that is too old.
"""

from __future__ import annotations

import errno
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from trio_voice.journal import schema
from trio_voice.journal.engines import connected, file_of

if TYPE_CHECKING:
    from trio_voice.journal.database import Database

log: Final = structlog.stdlib.get_logger("trio_voice.journal")

LOST: Final = (
    "this is another journal than the one that was used here, so its do-not-call list is not known: put the old one "
    "back, or say `trio-voice journal accept-new`"
)
NOBODYS: Final = "lost"
"""In a marker: of no journal."""
CANNOT_SAY: Final = "?"
"""For what a marker says while it cannot even be opened."""
PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Troubles of this process, that say nothing of a file."""
MAX_DIGITS: Final = 19
"""Of a number of changes."""
MAX_BYTES: Final = 200
"""Of a marker."""


def marker_of(url: str, state_directory: str | None) -> Path | None:
    """Place of a journal's marker: in the service's directory, else beside its file, else where the daemon runs.

    Args:
        url: of the journal; one in memory has no marker.
        state_directory: ``$STATE_DIRECTORY``; the first path in it is taken.
    """
    rest = url.partition("://")[2]
    if rest == "/:memory:":
        return None
    file = file_of(url)
    # Hidden, so that whoever removes "journal.db*" does not remove it as well.
    name = f".{file.name}.marker" if file else f".journal-{zlib.crc32(rest.rpartition('@')[2].encode()):08x}.marker"
    first = (state_directory or "").partition(":")[0]
    if first:
        return Path(first, name).absolute()
    return (file.with_name(name) if file else Path(name)).absolute()


class Identity:
    """Identity of the journal that is there. Belongs to the journal's thread, but for ``trouble``.

    Args:
        marker: its path; without one whatever is there is the right one.
    """

    def __init__(self, marker: Path | None) -> None:
        self._marker = marker
        self._known: str | None = None
        """The id of the last one whose list was known."""
        self._changes = 0
        """The most that were seen: fewer are an older journal's, or of one whose end was cut off."""
        self.trouble = ""
        """Reason for which its do-not-call list is not known; empty if it is."""

    def check(self, database: Database) -> str:
        """Look, within a transaction, which journal is there; ``trouble``. Raises what the driver raises."""
        if self._marker is None:
            return ""
        [(found, changes)] = database.query(schema.IDENTITY)
        if self._known is None:  # what daemons before this one have seen of it
            self._changes = _changes_of(self._marker, found)
        named = _read(self._marker)
        if named == CANNOT_SAY:
            if self._known is not None:
                return self.trouble  # as it was a moment ago
            named = NOBODYS
        if named is None and self._known not in (None, found):  # it was removed together with the journal
            named = self._known
            _write(self._marker, named or NOBODYS)
        if named in (None, found) and changes < self._changes:
            named = NOBODYS
            _write(self._marker, NOBODYS)
        if named is None:
            _write(self._marker, found)
        lost = named is not None and named != found
        if not lost and changes > self._changes:
            _write(_beside(self._marker), f"{found} {changes}")
        self._changes = 0 if lost else changes
        self._known = self._known if lost else found
        if lost and not self.trouble:
            log.error("journal_lost_its_list", marker=str(self._marker), trouble=LOST, effect="nobody is called")
        elif self.trouble and not lost:
            log.warning("journal_accepted", marker=str(self._marker))
        self.trouble = LOST if lost else ""
        return self.trouble


def accept(url: str, marker: Path) -> int:
    """Say that the journal that is there is the one that is meant; returns how many numbers its list has. Blocks.

    Raises:
        ConfigError: the URL cannot be used.
        JournalUnavailable: there is no journal, or it cannot be read.
        OSError: the marker cannot be written.
    """
    found, numbers = _look(url)
    _take(found, marker)
    return numbers


def accept_restored(url: str, marker: Path) -> bool:
    """Take a journal that was put back with the list that it has, if it is the one that was used here; whether it is.

    Raises: as ``accept``.
    """
    found, _ = _look(url)
    named = _read(marker)
    # Of one whose end was cut off, or that came back too old, the marker names none, but its changes stand beside it.
    is_ours = named in (None, found) or (_read(_beside(marker)) or "").partition(" ")[0] == found
    if is_ours:
        _take(found, marker)
    return is_ours


def _look(url: str) -> tuple[str, int]:
    """The id of the journal that is there, and how many numbers its list has. Raises as ``accept``."""
    made = "start the daemon once, and it is made"
    with connected(url, missing=made) as database, database.transaction(writes=False):
        [(found, _)] = database.query(schema.IDENTITY)
        [(numbers,)] = database.query("SELECT count(*) FROM do_not_call")
    return found, int(numbers)


def _take(journal: str, marker: Path) -> None:
    _beside(marker).unlink(missing_ok=True)
    _replace(marker, journal)


def _beside(marker: Path) -> Path:
    """Place of the number of changes: in a file of its own, which a daemon of the version before does not read."""
    return marker.with_name(f"{marker.name}.changes")


def _changes_of(marker: Path, journal: str) -> int:
    """The number of changes that were seen of a journal's list; 0 if that is not known."""
    named, _, changes = (_read(_beside(marker)) or "").partition(" ")
    return int(changes) if named == journal and changes.isdecimal() and len(changes) < MAX_DIGITS else 0


def _read(marker: Path) -> str | None:
    """The name in a marker; ``None`` if there is no marker. One that cannot be read names no journal.

    Whatever is in its place is not waited for (a pipe) nor read without end (a device).
    """
    try:
        descriptor = os.open(marker, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            said = os.read(descriptor, MAX_BYTES)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as wrong:
        return CANNOT_SAY if wrong.errno in PASSING else NOBODYS
    return said.decode("ascii", errors="replace").strip() or NOBODYS


def _write(marker: Path, name: str) -> None:
    try:
        _replace(marker, name)
    except OSError as wrong:
        log.warning("journal_marker_not_written", marker=str(marker), error=str(wrong))


def _replace(marker: Path, name: str) -> None:
    """Whole or not at all, whatever happens meanwhile."""
    new = marker.with_name(f"{marker.name}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)  # whatever the umask
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{name}\n")
        new.replace(marker)
    finally:
        with suppress(OSError):
            new.unlink()
