"""The journal: every call, every billed session, and numbers never to call again.

opening.py      the journal's life
journal.py      what the rest of the program asks of it: calls, sessions, orders, costs; and, parts of it,
do_not_call.py  whom never to call
other_runs.py   what others have left
heartbeat.py    this daemon's run
requests.py     where work for the writer is handed in
writer.py       the thread that writes: bounded backlog, group commit, trouble and recovery
reading.py      calls, page by page; also without a daemon
rows.py         records to rows and back
schema.py       the tables, as numbered migrations, and every statement
steps.py        a migration's, beside daemons that write
months.py       the same tables as partitions, for who keeps years
engines.py      which database a URL means: sqlite.py, postgres.py
database.py     what either of them must do
"""

from trio_voice.errors import JournalUnavailable
from trio_voice.journal.engines import database_at
from trio_voice.journal.journal import Journal
from trio_voice.journal.opening import open_journal
from trio_voice.journal.reading import read_journal
from trio_voice.journal.rows import JournaledCall, Run
from trio_voice.journal.writer import Pace, Statistics

__all__ = [
    "Journal",
    "JournalUnavailable",
    "JournaledCall",
    "Pace",
    "Run",
    "Statistics",
    "database_at",
    "open_journal",
    "read_journal",
]
