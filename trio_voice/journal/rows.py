"""Records to rows, and rows to records."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from trio_voice.journal import schema
from trio_voice.record import CallRecord, CallState, EndReason, Recording, ToolUse, Transfer, Turn, Utterance
from trio_voice.session_record import Closing, ModelSessionRecord
from trio_voice.timeline import Marks, TimelineEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from trio_voice.journal.database import Row, Value


@attrs.frozen
class Run:
    """One life of one daemon, from its start to its end, or until another declares it dead."""

    run_id: str
    node: str
    pid: int
    started_at: datetime
    beat_at: datetime
    """Last time that it said it was alive, by its own clock: to be compared with nothing but itself."""
    ended_at: datetime | None = None
    process: str = ""
    """The process, in words by which its machine can tell whether it is still there; empty where none are."""
    node_state: str = ""
    """Its report on itself to other nodes, as JSON."""
    declared_dead_by: str | None = None
    """The run that has said that this one is over."""


@attrs.frozen
class JournaledCall:
    """A call as the journal knows it."""

    record: CallRecord
    began_at: datetime
    """Time at which the journal first heard of it."""
    run: Run
    """The daemon that held it."""
    settled_by: str | None
    """The run that closed it in the journal, where its own did not."""
    phone_down_at: datetime | None = None
    """Time at which its telephone was known to be down, or no business of ours any more."""
    unread: list[str] = attrs.field(factory=list)
    """Rows of its that this version does not understand, and why: a newer daemon's, or damaged. The record has what is
    sure all the same, which is enough to hang up its telephone and to close it in the journal."""
    page_key: str = ""
    """``began_at`` as it stands there, whatever it is: where the next page goes on."""


# Fields with a column of the same name; of the others, those that are not rows of their own are details.
_CALL_FIELDS: Final = tuple(name for name in schema.CALL_COLUMNS if name in attrs.fields_dict(CallRecord))
_CALL_DETAILS: Final[AbstractSet[str]] = (
    attrs.fields_dict(CallRecord).keys() - _CALL_FIELDS - {"model_sessions", "transcript"} - {"counted"}
)  # what its own process has counted is nobody else's
_SESSION_FIELDS: Final = tuple(name for name in schema.SESSION_COLUMNS if name in attrs.fields_dict(ModelSessionRecord))
_SESSION_DETAILS: Final[AbstractSet[str]] = (
    attrs.fields_dict(ModelSessionRecord).keys() - _SESSION_FIELDS - {"settled"}  # that is whether settled_by is
)

# Fields that are not, in the row or in its details, what they are in the record.
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "started_at": datetime.fromisoformat,
    "ended_at": datetime.fromisoformat,
    "opened_at": datetime.fromisoformat,
    "closed_at": datetime.fromisoformat,
    "beat_at": datetime.fromisoformat,
    "phone_down_at": datetime.fromisoformat,
    "state": CallState,
    "end_reason": EndReason,
    "closing": Closing,
    "handed_over": bool,
    "interrupted": bool,
    "final": bool,
    "turns": lambda turns: msgspec.convert(turns, list[Turn]),
    "tools": lambda tools: msgspec.convert(tools, list[ToolUse]),
    "recording": lambda recording: msgspec.convert(recording, Recording),
    "timeline": lambda events: msgspec.convert(events, list[TimelineEvent]),
    "marks": lambda marks: msgspec.convert(marks, list[Marks]),
    "transfers": lambda transfers: msgspec.convert(transfers, list[Transfer]),
}


def moment(at: datetime) -> str:
    """A time as it is kept."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def kept(value: Any) -> Value:
    """A field's value as both databases take it."""
    match value:
        case datetime():
            return moment(value)
        case bool():
            return int(value)
        case str():  # also an enum's; PostgreSQL takes no NUL, neither takes half a surrogate pair
            return str(value).encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        case int() | float() | None:
            return value
    raise TypeError(f"the journal has no column for a {type(value).__name__}")


def _details(record: CallRecord | ModelSessionRecord, names: AbstractSet[str]) -> str:
    return json.dumps({name: getattr(record, name) for name in sorted(names)}, default=attrs.asdict)


def _read(name: str, value: Any) -> Any:
    read = _READ.get(name)
    return value if read is None or value is None else read(value)


def row_of_call(record: CallRecord, run_id: str, now: datetime, *, keeps_words: bool) -> list[Value]:
    """The columns of ``calls``; without a word of what was said, unless those are kept."""
    if not keeps_words:
        tools = [attrs.evolve(tool, arguments=None, result=None) for tool in record.tools]
        record = attrs.evolve(record, unheard={}, tools=tools)
    columns = {name: kept(getattr(record, name)) for name in _CALL_FIELDS}
    columns |= {"details": _details(record, _CALL_DETAILS), "run_id": run_id, "began_at": moment(now)}
    return [columns.get(name) for name in schema.CALL_COLUMNS]


def row_of_session(record: ModelSessionRecord, call_id: str, number: int, run_id: str) -> list[Value]:
    """The columns of ``model_sessions``."""
    columns = {name: kept(getattr(record, name)) for name in _SESSION_FIELDS}
    columns |= {"details": _details(record, _SESSION_DETAILS), "call_id": call_id, "number": number, "run_id": run_id}
    return [columns.get(name) for name in schema.SESSION_COLUMNS]


def row_of_utterance(line: Utterance, call_id: str, number: int) -> list[Value]:
    """The columns of ``utterances``."""
    return [*(kept(value) for value in attrs.astuple(line)), call_id, number]


def row_of_run(run: Run) -> list[Value]:
    """The columns of ``runs``."""
    return [kept(getattr(run, name)) for name in schema.RUN_COLUMNS]


def call_of(row: Row) -> JournaledCall:
    """A call of ``READ_CALLS``, still without its sessions and its transcript."""
    of_call = dict(zip(schema.CALL_COLUMNS_READ, row, strict=False))
    unread: list[str] = []
    try:
        record = CallRecord(**_fields(of_call, _CALL_FIELDS, _CALL_DETAILS))
    except Exception as odd:  # noqa: BLE001 - whatever stands there, it is this row's failure and no other's
        record = _sure_of_call(of_call)
        unread.append(f"calls: {type(odd).__name__}")
    return JournaledCall(
        record=record,
        began_at=_moment_or(of_call["began_at"], datetime.now(UTC)),  # not known: it may be up as long as any
        run=run_of(row[len(schema.CALL_COLUMNS_READ) :]),
        settled_by=of_call["settled_by"],
        phone_down_at=None if of_call["phone_down_at"] is None else _moment_or(of_call["phone_down_at"], _NEVER),
        unread=unread,
        page_key=str(of_call["began_at"]),
    )


_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _moment_or(text: Any, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return otherwise
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _beat(text: Any) -> datetime:
    """A run's heartbeat. Only its changes matter, so a text that is no time becomes some time, always the same one."""
    return _moment_or(text, _NEVER + timedelta(seconds=zlib.crc32(str(text).encode())))


def _sure_of_call(columns: dict[str, Any]) -> CallRecord:
    """Of a row that is not understood: who it is of, and the telephone call. What is not sure is not there."""
    return CallRecord(
        call_id=columns["call_id"],
        direction=str(columns["direction"]),
        persona=str(columns["persona"]),
        from_number=str(columns["from_number"]),
        to_number=str(columns["to_number"]),
        call_sid=columns["call_sid"] if isinstance(columns["call_sid"], str) else None,
        ended_at=None if columns["ended_at"] is None else _moment_or(columns["ended_at"], _NEVER),
        handed_over=columns["handed_over"] == 1,
    )


def run_of(row: Row) -> Run:
    """A row of ``runs``, whatever a newer daemon has written there."""
    columns = dict(zip(schema.RUN_COLUMNS_READ, row, strict=True))
    return Run(
        run_id=columns["run_id"],
        node=str(columns["node"]),
        pid=columns["pid"] if isinstance(columns["pid"], int) else 0,
        started_at=_beat(columns["started_at"]),
        beat_at=_beat(columns["beat_at"]),
        ended_at=None if columns["ended_at"] is None else _beat(columns["ended_at"]),
        process=str(columns["process"] or ""),
        node_state=str(columns["node_state"] or ""),
        declared_dead_by=columns["declared_dead_by"] and str(columns["declared_dead_by"]),
    )


def session_of(row: Row, unread: list[str]) -> ModelSessionRecord:
    """A row of ``model_sessions``; one that is not understood is noted, and is a session all the same.

    Args:
        row: as it was read.
        unread: where it is noted, if it has to be.
    """
    columns = dict(zip(schema.SESSION_COLUMNS, row, strict=True))
    settled = columns["settled_by"] is not None
    try:
        return ModelSessionRecord(**_fields(columns, _SESSION_FIELDS, _SESSION_DETAILS), settled=settled)
    except Exception as odd:  # noqa: BLE001 - as of a call
        unread.append(f"model_sessions {columns['number']}: {type(odd).__name__}")
        closed_at = None if columns["closed_at"] is None else _moment_or(columns["closed_at"], _NEVER)
        opened_at = _moment_or(columns["opened_at"], closed_at or datetime.now(UTC))
        return ModelSessionRecord(str(columns["provider"]), opened_at, closed_at=closed_at, settled=settled)


def utterance_of(row: Row) -> Utterance:
    """A row of ``utterances``."""
    role, text, at, interrupted, heard_ms, final, *_ = row
    return Utterance(role, text, at, bool(interrupted), heard_ms, bool(final))


def _fields(columns: dict[str, Any], names: tuple[str, ...], details: AbstractSet[str]) -> dict[str, Any]:
    """A record's fields. Details that this version does not know are left out, those that it misses have defaults."""
    found = {name: columns[name] for name in names}
    found |= {name: value for name, value in json.loads(columns["details"]).items() if name in details}
    return {name: _read(name, value) for name, value in found.items()}
