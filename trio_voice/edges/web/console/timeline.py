"""Timeline of a call: all that was said, asked of tools, opened, closed and told by Twilio, in its order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.edges.web.console.words import clock, milliseconds, stamp
from trio_voice.timeline import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trio_voice.record import CallRecord, ToolUse, Turn, Utterance
    from trio_voice.session_record import ModelSessionRecord
    from trio_voice.timeline import Marks, TimelineEvent

WORDS: Final[Mapping[str, str]] = {
    EventKind.CALLBACK: "Twilio says",
    EventKind.BARGE_IN: "barge-in",
    EventKind.FALSE_INTERRUPTION: "no barge-in",
    EventKind.TAKEOVER: "another session takes over",
    EventKind.RENEWAL: "the session is renewed",
    EventKind.OPERATOR: "operator",
}
"""Words for each kind of event."""


@attrs.frozen
class Entry:
    """One thing on the timeline."""

    at: float
    """Seconds since the call began."""
    kind: str
    """``line``, ``tool``, ``turn``, ``session``, ``transfer``, ``marks``, ``end``, or an event's."""
    time: str
    words: str = ""
    role: str = ""
    unheard: str = ""
    note: str = ""
    detail: str = ""


def entries_of(record: CallRecord) -> list[Entry]:
    """All that happened, in its order."""
    entries = [_of_line(record, line) for line in record.transcript]
    entries += [_of_tool(tool) for tool in record.tools]
    entries += [_of_turn(turn) for turn in record.turns]
    entries += [_of_event(event) for event in record.timeline]
    entries += [_of_marks(marks) for marks in record.marks]
    for session in record.model_sessions:
        entries += _of_session(session)
    for each in record.transfers:
        what = f"put through to {each.number}"
        entries.append(Entry(each.at, "transfer", stamp(each.at), what, note=each.outcome or "ringing"))
    if record.end_reason is not None or record.ended_at is not None:
        at = _end_of(record)
        what = f"end_reason: {record.end_reason.value.replace('_', ' ')}" if record.end_reason else "settled"
        entries.append(Entry(at, "end", stamp(at), what, note=record.end_detail))
    entries.sort(key=lambda entry: entry.at)
    return entries


def _end_of(record: CallRecord) -> float:
    """Seconds from the beginning to the end; of a call whose stream never came, to the last that was told of it."""
    if record.seconds is not None:
        return record.seconds
    return max((event.at for event in record.timeline), default=0.0)


def _of_session(session: ModelSessionRecord) -> Iterator[Entry]:
    at, name = session.opened_after_seconds or 0.0, session.model or session.provider
    shown = name if name == session.provider else f"{name} ({session.provider})"
    yield Entry(at, "session", stamp(at), "session opened", note=shown)
    if session.closing is not None and session.seconds is not None:
        end = at + session.seconds
        how = f"{name}, closing: {session.closing.value.replace('_', ' ')}, after {clock(session.seconds)}"
        yield Entry(end, "session", stamp(end), "session closed", note=how)


def _of_event(event: TimelineEvent) -> Entry:
    return Entry(event.at, event.kind, stamp(event.at), WORDS.get(event.kind, event.kind), note=event.detail)


def _of_marks(marks: Marks) -> Entry:
    words = "mark" if marks.placed == 1 else "marks"
    told = [f"{marks.played} of {marks.placed} {words} came back, by {stamp(marks.until)}"]
    if marks.played:
        told.append(f"{marks.late_ms:.0f} ms late at most")
    if marks.discarded:
        told.append(f"{marks.discarded} thrown away with what was not heard")
    return Entry(marks.at, "marks", stamp(marks.at), "Twilio plays", note="; ".join(told))


def _of_line(record: CallRecord, line: Utterance) -> Entry:
    """A line; what of it was not heard stands apart."""
    nothing = line.role == "agent" and line.interrupted and line.heard_ms == 0.0
    return Entry(
        line.at,
        "line",
        stamp(line.at),
        "" if nothing else line.text,
        role=line.role,
        unheard=line.text if nothing else record.unheard_of(line),
        note="interrupted" if line.interrupted else "",
    )


def _of_tool(tool: ToolUse) -> Entry:
    at = tool.at or 0.0
    parts = [
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in (("arguments", tool.arguments), ("result", tool.result))
        if value is not None
    ]
    note = f"{tool.milliseconds} ms{', failed' if tool.failed else ''}"
    return Entry(at, "tool", stamp(at), tool.name, note=note, detail="\n".join(parts))


def _of_turn(turn: Turn) -> Entry:
    heard = "" if turn.heard_after_ms is None else f", heard after {milliseconds(turn.heard_after_ms)}"
    return Entry(turn.at, "turn", stamp(turn.at), f"answered after {milliseconds(turn.latency_ms)}{heard}")
