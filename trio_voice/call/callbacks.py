"""Twilio's callbacks about calls: how far one is, who answered it, and that its stream broke.

They come twice, late, out of order, and for calls that nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from trio_voice.call.twilio_status import DIALED, STATES, rank
from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from trio_voice.call.registry import Registry


def note_status(registry: Registry, call_id: str | None, call_sid: str, status: str) -> None:
    """Twilio has said what a call is doing.

    Args:
        registry: where the call is looked for.
        call_id: ours, where the callback's path has it.
        call_sid: Twilio's, which a number's own callback has.
        status: a terminal one ends the call though its socket may look alive; see ``first_sign.py``.
    """
    record = registry.record_of_sid(call_sid) if call_id is None else registry.record(call_id)
    if record is None or rank(status) <= rank(record.twilio_status):
        return  # said already, or overtaken by what came after it
    call_id, record.twilio_status = record.call_id, status
    expected = registry.expected.get(call_id)
    if expected is not None and record.call_sid is None and call_sid:  # Twilio's answer to the create was lost
        registry.expected.identify(expected, call_sid)
    if expected is not None and status in STATES:
        record.state = STATES[status]
        registry.on_change(record)
    if expected is not None and status in DIALED and expected.seconds_from_dialing:
        expected.expires_at = trio.current_time() + expected.seconds_from_dialing
    if status in TERMINAL_STATUSES:
        detail = f"Twilio says that the call is {status}"
        live = registry.live_call(call_id)
        if live is not None:
            live.phone_over(detail)
        elif not registry.end(call_id, EndReason.TWILIO_ENDED, detail):
            registry.settle(call_id)


def note_stream_failure(registry: Registry, call_id: str, stream_sid: str, detail: str) -> None:
    """Twilio has said that a stream broke, which may have been so for minutes without a sign of it here.

    One that a transfer has replaced breaks, or is over; one of before the caller came back is nobody's, and so is one
    beside that of a live call, for which Twilio has asked for TwiML twice.
    """
    record = registry.record(call_id)
    if record is None:
        return
    held = registry.expected.of_sid(record.call_sid)
    earlier = held.came_back.earlier_streams if held is not None and held.came_back is not None else frozenset()
    live = registry.live_call(call_id)
    is_another = stream_sid and record.stream_sid not in {None, stream_sid, *earlier}
    if stream_sid in earlier or (live is not None and is_another):
        return
    if record.handed_over and live is not None:
        live.phone_over(detail)
    else:
        registry.end(call_id, EndReason.TWILIO_ENDED, detail)


def note_machine(registry: Registry, call_id: str, answered_by: str) -> None:
    """Twilio has found out who answered a call that we placed. Acts once, and only on a machine."""
    record = registry.record(call_id)
    if record is None or record.answered_by is not None:
        return
    record.answered_by = answered_by
    live = registry.live_call(call_id)
    if record.answered_by_machine and live is not None:
        live.machine_answered()
