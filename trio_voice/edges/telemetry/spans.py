"""A call as spans of OpenTelemetry, in OTLP's JSON: made from its record, whenever that is asked for.

Ids follow from the call's: the trace is the call id, and whoever makes a span of the call once more, in another process
or on another node, gives it the same id. Numbers of telephones and words that were said are in none.

The form: opentelemetry-proto 1.x, `trace.proto`, by its JSON mapping (ids in hexadecimal, 64-bit integers as text).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from trio_voice.record import EndReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio_voice.record import CallRecord, Turn
    from trio_voice.session_record import ModelSessionRecord

Span = dict[str, Any]

ROOT: Final = "trio_voice.call"
TURN: Final = "trio_voice.turn"
SESSION: Final = "trio_voice.model_session"
INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
ERROR: Final = 2
FAILED: Final = frozenset({EndReason.MODEL_FAILED, EndReason.BUG})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def span_id(call_id: str, what: str) -> str:
    """Id of a span of a call: the same for whoever asks."""
    return blake2b(f"{call_id} {what}".encode(), digest_size=8).hexdigest()


def root_span(record: CallRecord, node: str, ended_at: datetime | None = None) -> Span:
    """The call itself, once it is over.

    Args:
        record: of the call.
        node: the digits of the node that tells it.
        ended_at: its end, where the record has none.
    """
    end = record.ended_at or ended_at or record.started_at or _EPOCH
    total, reason = record.cost, record.end_reason
    attributes = {
        "gen_ai.conversation.id": record.call_id,
        "gen_ai.agent.name": record.persona,
        "trio_voice.call_sid": record.call_sid,
        "trio_voice.direction": record.direction,
        "trio_voice.end_reason": None if reason is None else str(reason),
        "trio_voice.answered_by": record.answered_by,
        "trio_voice.seconds": record.seconds,
        "trio_voice.setup_seconds": record.setup_seconds,
        "trio_voice.closing_seconds": record.closing_seconds,
        "trio_voice.turns": len(record.turns),
        "trio_voice.cost": total,
        "trio_voice.currency": record.currency,
        "trio_voice.node": record.call_id[:2],
        "trio_voice.told_by_node": node,
    }
    span = _span(record.call_id, "root", ROOT, record.started_at or end, end, attributes, kind=SERVER)
    if reason in FAILED or reason is None:
        span["status"] = {"code": ERROR}
    return span


def turn_span(record: CallRecord, number: int) -> Span:
    """One turn, from the decision that the caller has finished to the first sound of the answer."""
    turn: Turn = record.turns[number]
    began = (record.started_at or _EPOCH) + timedelta(seconds=turn.at)
    attributes = {
        "gen_ai.conversation.id": record.call_id,
        "trio_voice.turn": number + 1,
        "trio_voice.latency_ms": turn.latency_ms,
        "trio_voice.heard_after_ms": turn.heard_after_ms,
    } | {f"trio_voice.stage.{stage}_ms": ms for stage, ms in turn.stages.items()}
    end = began + timedelta(milliseconds=max(0.0, turn.latency_ms))
    return _child(record.call_id, f"turn {number}", TURN, began, end, attributes, kind=INTERNAL)


def session_span(record: CallRecord, number: int) -> Span | None:
    """One billed session; ``None`` while it is open."""
    session: ModelSessionRecord = record.model_sessions[number]
    if session.closed_at is None:
        return None
    attributes = {
        "gen_ai.conversation.id": record.call_id,
        "gen_ai.provider.name": session.provider,
        "trio_voice.model": session.model,
        "trio_voice.closing": None if session.closing is None else str(session.closing),
        "trio_voice.billed_seconds": session.billed_seconds,
        "trio_voice.overrun_seconds": session.overrun_seconds,
        "trio_voice.cost": session.cost,
    }
    name, end = f"session {number}", session.closed_at
    return _child(record.call_id, name, SESSION, session.opened_at, end, attributes, kind=CLIENT)


def _child(
    call_id: str, what: str, name: str, began: datetime, ended: datetime, attributes: Mapping[str, Any], *, kind: int
) -> Span:
    return _span(call_id, what, name, began, ended, attributes, kind=kind) | {"parentSpanId": span_id(call_id, "root")}


def _span(
    call_id: str, what: str, name: str, began: datetime, ended: datetime, attributes: Mapping[str, Any], *, kind: int
) -> Span:
    return {
        "traceId": call_id,
        "spanId": span_id(call_id, what),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(began),
        "endTimeUnixNano": _nanoseconds(max(began, ended)),
        "attributes": attributes_of(attributes),
    }


def attributes_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP has them; what is not known is left out."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": str(value)}


def _nanoseconds(at: datetime) -> str:
    return str((at - _EPOCH) // _MICROSECOND * 1_000)
