"""A call's page: one timeline of what was heard, said, used and closed; while it lives, after it, after a restart."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs
from quart import Response

from trio_voice.billing.running import RunningCost, running_cost
from trio_voice.edges.web.console.rendering import notice_page, page
from trio_voice.edges.web.console.words import amount, clock, milliseconds, moment
from trio_voice.edges.web.passing_on import NodeAway, passed_on
from trio_voice.journal import JournalUnavailable
from trio_voice.record import CallState

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.billing.prices import Prices
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator_door import OperatorDoor
    from trio_voice.record import CallRecord, ToolUse, Turn, Utterance

STAGES: Final = (
    ("final_transcript", "end of turn decided"),
    ("first_token", "first token"),
    ("first_audio", "first audio"),
    ("first_frame", "sent"),
    ("first_mark", "heard"),
)
"""Names of a turn's stages, in their order, in the record and on the page."""
WIDTH: Final = 700
"""Of the waterfall, in units of its own."""
ROW: Final = 22


def add_call_page(app: QuartTrio, context: AppContext, door: OperatorDoor) -> None:
    """The page."""

    @app.get("/console/calls/<call_id>")
    @door.lets_in
    async def call_page(call_id: str) -> Response:
        record = context.registry.record(call_id)
        if record is None:
            with suppress(NodeAway):  # then the journal says what it knows
                theirs = await passed_on(context.nodes, call_id)
                if theirs is not None and theirs.status_code == 200:
                    return theirs
            try:
                found = await context.journal.call(call_id)
            except JournalUnavailable as trouble:
                return await notice_page(
                    "The journal cannot be read", str(trouble), status=503, signed_in=True, here="history"
                )
            record = None if found is None else found.record
        if record is None:
            return await notice_page("No such call", "Nobody knows a call of this id.", status=404, signed_in=True)
        live = context.registry.live_call(call_id)
        over = record.state is CallState.ENDED or live is None
        return await page(
            "call",
            here="history" if over else "live",
            call=record,
            is_live=not over,
            muted=live is not None and live.is_muted,
            facts=_facts(record, context.prices(), None if live is None else live.seconds),
            entries=_entries(record),
            waterfall=_waterfall(record.turns),
            stages=STAGES,
            width=WIDTH,
            recording=_recording(record),
            sessions=[_session(record, each) for each in record.model_sessions],
            keeps_words=over and not record.transcript and not context.journal.keeps_words,
        )


def _stamp(at: float) -> str:
    """A moment of the call, to the tenth of a second: ``1:03.5``."""
    minutes, seconds = divmod(round(max(0.0, at), 1), 60)
    return f"{int(minutes)}:{seconds:04.1f}"


def _recording(record: CallRecord) -> str | None:
    """The address of what was heard, where there is any."""
    if record.state is not CallState.ENDED or record.recording is None:
        return None
    return record.recording.url


def _facts(record: CallRecord, prices: Prices | None, seconds: float | None) -> list[tuple[str, str]]:
    lasted = record.seconds if record.seconds is not None else seconds
    cost = RunningCost(record.telephone_cost, record.model_cost, record.currency)
    if record.currency is None and seconds is not None:
        cost = running_cost(record, prices, seconds)
    facts = [
        ("persona", record.persona),
        ("direction", record.direction),
        ("from", record.from_number),
        ("to", record.to_number),
        ("began", moment(record.started_at)),
        ("length", clock(lasted)),
        ("state", record.state.value),
        ("telephone", amount(cost.telephone, cost.currency)),
        ("model", amount(cost.model, cost.currency)),
        ("together", amount(cost.total, cost.currency)),
        ("call id", record.call_id),
        ("call SID", record.call_sid or "none"),
    ]
    if record.twilio_status:
        facts.append(("Twilio's last word", record.twilio_status))
    if record.answered_by:
        facts.append(("answered by", record.answered_by))
    return facts


def _session(record: CallRecord, session: Any) -> dict[str, str]:
    closing = session.closing.value.replace("_", " ") if session.closing else "open"
    return {
        "name": session.model or session.provider,
        "provider": session.provider,
        "opened": moment(session.opened_at),
        "closed": moment(session.closed_at),
        "closing": closing,
        "time": clock(session.seconds),
        "cost": amount(session.cost, record.currency),
        "overrun": "" if session.overrun_seconds is None else f"{session.overrun_seconds:+.2f} s",
    }


@attrs.frozen
class Entry:
    """One thing on the timeline."""

    at: float
    """Seconds since the call began."""
    kind: str
    """``line``, ``tool``, ``turn``, ``session``, ``transfer`` or ``end``."""
    time: str
    words: str = ""
    role: str = ""
    unheard: str = ""
    note: str = ""
    detail: str = ""


def _entries(record: CallRecord) -> list[Entry]:
    """All that happened, in its order."""
    entries = [_of_line(record, line) for line in record.transcript]
    entries += [_of_tool(tool) for tool in record.tools]
    entries += [_of_turn(turn) for turn in record.turns]
    for number, session in enumerate(record.model_sessions):
        at = session.opened_after_seconds or 0.0
        what = "the model's session is opened" if number == 0 else "another session takes over"
        entries.append(Entry(at, "session", _stamp(at), what, note=session.model or session.provider))
        if session.closing is not None and session.seconds is not None:
            end = at + session.seconds
            how = f"closing: {session.closing.value.replace('_', ' ')}, after {clock(session.seconds)}"
            entries.append(Entry(end, "session", _stamp(end), "its session is closed", note=how))
    for each in record.transfers:
        what = f"put through to {each.number}"
        entries.append(Entry(each.at, "transfer", _stamp(each.at), what, note=each.outcome or "ringing"))
    entries.sort(key=lambda entry: entry.at)
    if record.end_reason is not None:
        at, why = record.seconds or 0.0, record.end_reason.value.replace("_", " ")
        entries.append(Entry(at, "end", _stamp(at), f"end_reason: {why}", note=record.end_detail))
    return entries


def _of_line(record: CallRecord, line: Utterance) -> Entry:
    """A line; what of it was not heard stands apart."""
    nothing = line.role == "agent" and line.interrupted and line.heard_ms == 0.0
    return Entry(
        line.at,
        "line",
        _stamp(line.at),
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
    return Entry(at, "tool", _stamp(at), tool.name, note=note, detail="\n".join(parts))


def _of_turn(turn: Turn) -> Entry:
    heard = "" if turn.heard_after_ms is None else f", heard after {milliseconds(turn.heard_after_ms)}"
    return Entry(turn.at, "turn", _stamp(turn.at), f"answered after {milliseconds(turn.latency_ms)}{heard}")


@attrs.frozen
class Bar:
    """One stage of a turn, in units of the waterfall."""

    stage: int
    x: float
    width: float
    words: str


@attrs.frozen
class Fall:
    """One turn of the waterfall."""

    y: int
    time: str
    bars: list[Bar]
    end: str


def _waterfall(turns: list[Turn]) -> list[Fall]:
    """Each turn from the caller's last sound, as far as it is known, to the first that they heard."""
    if not turns:
        return []
    spans = []
    for turn in turns:
        stages = [(number, turn.stages[name]) for number, (name, _) in enumerate(STAGES) if name in turn.stages]
        silence = max(0.0, (turn.heard_after_ms or 0.0) - turn.stages.get("first_mark", turn.latency_ms))
        start = min([0.0, -silence, *(ms for _, ms in stages)])
        spans.append((turn, start, stages))
    longest = max(max([ms for _, ms in stages], default=1.0) - start for _, start, stages in spans) or 1.0
    falls = []
    for row, (turn, start, stages) in enumerate(spans):
        bars, before = [], start
        for number, ms in stages:
            width = max(0.0, ms - before) / longest * (WIDTH - 140)
            x = 60 + (before - start) / longest * (WIDTH - 140)
            bars.append(Bar(number, round(x, 1), round(width, 1), f"{STAGES[number][1]} {ms:.0f} ms"))
            before = max(before, ms)
        falls.append(Fall(row * ROW, _stamp(turn.at), bars, milliseconds(turn.heard_after_ms or turn.latency_ms)))
    return falls
