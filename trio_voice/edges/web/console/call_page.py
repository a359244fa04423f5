"""A call's page: one timeline of what was heard, said, used and closed; while it lives, after it, after a restart."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quart import Response

from trio_voice.billing.running import RunningCost, running_cost
from trio_voice.edges.web.console.rendering import notice_page, page
from trio_voice.edges.web.console.timeline import entries_of
from trio_voice.edges.web.console.waterfall import STEPS, WIDTH, waterfall
from trio_voice.edges.web.console.words import amount, clock, moment
from trio_voice.edges.web.operator.passing_on import NodeAway, passed_on
from trio_voice.journal import JournalUnavailable
from trio_voice.record import CallState

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.billing.prices import Prices
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.record import CallRecord


def add_call_page(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The page."""

    @app.get("/console/calls/<call_id>")
    @access.lets_in
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
        falls = waterfall(record.turns)
        # A call that rings comes, and one that has just ended is looked at until its recording is whole.
        over = live is None and (record.state is CallState.ENDED or context.registry.record(call_id) is None)
        return await page(
            "call",
            here="history" if over else "live",
            call=record,
            is_live=not over,
            muted=live is not None and live.is_muted,
            facts=_facts(record, context.prices(), None if live is None else live.seconds),
            entries=entries_of(record),
            falls=falls,
            steps=[words for _, words in STEPS],
            kinds=[step for step in STEPS if any(step[0] == bar.kind for fall in falls for bar in fall.bars)],
            width=WIDTH,
            recording=_recording(record),
            sessions=[_session(record, each) for each in record.model_sessions],
            keeps_words=over and not record.transcript and not context.journal.keeps_words,
        )


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
        ("began (UTC)", moment(record.started_at)),
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
    kept = record.recording
    if kept is not None and kept.deleted_at is not None:
        facts.append(("recording", f"deleted {_minute(kept.deleted_at)}"))
    if kept is not None and kept.listened:
        times = len(kept.listened)
        facts.append(("listened to", f"{times} {'time' if times == 1 else 'times'}, last {_minute(kept.listened[-1])}"))
    return facts


def _minute(written: str) -> str:
    """A moment of the record as pages show it; as it is written where that is no moment."""
    try:
        return moment(datetime.fromisoformat(written))
    except ValueError:
        return written


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
