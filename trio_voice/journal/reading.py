"""Reading calls, page by page: for the journal of a daemon, and for whoever asks without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from trio_voice.errors import JournalUnavailable
from trio_voice.journal import rows, schema
from trio_voice.journal.engines import connected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from trio_voice.journal.database import Database, Value

log: Final = structlog.stdlib.get_logger("trio_voice.journal")

PAGE_CALLS: Final = 200
"""Read at once, so that nobody waits for the journal longer than for one page."""
READ_LOCK_SECONDS: Final = 10.0
"""Time for which a lock that a daemon holds is waited for."""
MAX_UNREAD: Final = 100
"""Calls that are remembered because not all of their rows are understood."""
NO_JOURNAL: Final = "a relative path counts from where the daemon runs, which under systemd is /var/lib/trio-voice"


def read_calls(database: Database, which: str, values: Sequence[Value]) -> list[rows.JournaledCall]:
    """A page of calls with their sessions and what was said. Raises what the driver raises."""
    found = {row[0]: rows.call_of(row) for row in database.query(schema.READ_CALLS + which, values)}
    if found:
        ids = list(found)
        for row in database.query(schema.read_parts("model_sessions", schema.SESSION_COLUMNS, len(ids)), ids):
            call = found[row[schema.SESSION_COLUMNS.index("call_id")]]
            call.record.model_sessions.append(rows.session_of(row, call.unread))
        for row in database.query(schema.read_parts("utterances", schema.UTTERANCE_COLUMNS, len(ids)), ids):
            found[row[schema.UTTERANCE_COLUMNS.index("call_id")]].record.transcript.append(rows.utterance_of(row))
    return list(found.values())


def read_page(database: Database, which: str, values: Sequence[Value]) -> list[rows.JournaledCall]:
    """``read_calls`` of a journal whose tables change while they are read."""
    database.prefer_indexes()
    return read_calls(database, which, values)


def note_unread(known: dict[str, list[str]], calls: Sequence[rows.JournaledCall]) -> None:
    """Say of each call once that not all of it is understood, and remember it in ``known``."""
    for call in calls:
        call_id = call.record.call_id
        if call.unread and call_id not in known and len(known) < MAX_UNREAD:
            known[call_id] = call.unread
            advice = "a newer daemon wrote it, or it is damaged: what is sure of it is settled"
            log.error("journal_row_not_understood", call_id=call_id, rows=call.unread, advice=advice)


def after(page: Sequence[rows.JournaledCall]) -> list[Value] | None:
    """Place at which the next page begins; ``None`` after the last."""
    if len(page) < PAGE_CALLS:
        return None
    return [page[-1].page_key, page[-1].record.call_id]


def read_journal(url: str, since: datetime, until: datetime) -> Iterator[rows.JournaledCall]:
    """All calls that began in ``[since, until)``, the earliest first, whether or not a daemon is writing meanwhile.

    Blocks. Nothing is written, made or migrated.

    Args:
        url: see ``database_at``.
        since: in UTC, as ``until``.
        until: in UTC, not included.

    Raises:
        ConfigError: the URL cannot be used.
        JournalUnavailable: there is no journal, or it cannot be read.
    """
    with connected(url, READ_LOCK_SECONDS, missing=NO_JOURNAL) as database:
        version = schema.version_of(database)
        if version < len(schema.MIGRATIONS):
            raise JournalUnavailable(
                f"{database.name}: its tables are of version {version}, and this program reads "
                f"version {len(schema.MIGRATIONS)}: start the daemon once, and they are brought up to it"
            )
        start: list[Value] | None = [rows.moment(since), ""]
        while start is not None:
            with database.transaction(writes=False):
                page = read_calls(database, schema.OF_A_TIME, [rows.moment(until), *start, PAGE_CALLS])
            yield from page
            start = after(page)
