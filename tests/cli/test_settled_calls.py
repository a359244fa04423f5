"""Calls whose daemon died have no end reason: what the operator sees of them says what became of them."""

from datetime import UTC, datetime

from trio_voice.cli.calls import _row_of
from trio_voice.edges.web.console.timeline import entries_of
from trio_voice.record import CallRecord, CallState

DIED = "its daemon, run 0c on desk, died"
BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_a_row_of_the_list_says_that_its_daemon_died():
    call = {
        **dict.fromkeys(("persona", "from", "to", "direction"), "x"),
        "call_id": "01" + "0" * 30,
        "state": "ended",
        "started_at": BEGAN.isoformat(),
        "seconds": 4.2,
        "end_reason": None,
        "end_detail": DIED,
        "cost": {"total": None, "currency": None},
    }
    assert _row_of(call).endswith(f"4 s{'':15}{DIED}")
    assert _row_of(call | {"end_reason": "hangup", "end_detail": "stop"}).endswith("hangup: stop")
    assert _row_of(call | {"end_reason": None, "end_detail": "", "state": "live"}).endswith("4 s")


def test_the_page_of_one_ends_with_it():
    record = CallRecord(
        call_id="c1",
        direction="inbound",
        persona="p",
        from_number="",
        to_number="",
        state=CallState.ENDED,
        started_at=BEGAN,
        ended_at=BEGAN,
        seconds=4.2,
        end_detail=DIED,
    )
    (entry,) = entries_of(record)
    assert (entry.kind, entry.at, entry.note) == ("end", 4.2, DIED)
    record.ended_at = None
    assert entries_of(record) == []
