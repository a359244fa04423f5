"""The first sign of a call's end: which one says why, and the line in the log about it.

The first sign that says why a call ends gives it its reason, and what comes after it changes nothing. Twilio's callback
that the telephone call is over does not say why: it comes on a way of its own, and may overtake the stream's ``stop``
or close, or our own end that it is the echo of. So it starts the clock of the end, and the stream has a moment
(``STREAM_TELLS_SECONDS``) to say what happened: ``hangup``, ``caller_lost``, or the ``agent`` who put the caller
through. If it says nothing (it is half-open), the callback is the reason: ``twilio_ended``. What the model says
meanwhile is no reason any more. A ``stream-error`` says why, and waits for nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import structlog

from trio_voice.events.call import CALLER, EndRequested, LegClosed, TransferFailed
from trio_voice.events.caller import CallerStopped
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from trio_voice.events.call import Fact
    from trio_voice.record import CallRecord

log: Final = structlog.stdlib.get_logger("trio_voice.call")
ALARMING: Final = frozenset({EndReason.MODEL_FAILED, EndReason.BUG})
"""Ends that are no caller's wish and no limit's: warnings in the log."""
STREAM_TELLS_SECONDS: Final = 0.5
"""Time that a stream may take to say why its call is over, once a callback has said that it is; at most half of
``close_seconds``, in which all of the end must be done."""


def stream_tells_within(close_seconds: float) -> float:
    """Seconds that a stream has to say why, of those in which all of the end must be done."""
    return min(STREAM_TELLS_SECONDS, close_seconds / 2)


def says_why(fact: Fact) -> bool:
    """True if a fact tells why a telephone call is over, or what becomes of its transfer."""
    if isinstance(fact, LegClosed):
        return fact.leg == CALLER
    return isinstance(fact, CallerStopped | EndRequested | TransferFailed)


def log_end(record: CallRecord) -> None:
    """Tell the log how a call has ended."""
    log.log(
        logging.WARNING if record.end_reason in ALARMING else logging.INFO,
        "call_ended",
        end_reason=record.end_reason,
        detail=record.end_detail,
        seconds=record.seconds,
        closing_seconds=record.closing_seconds,
        model_closing=[session.closing for session in record.model_sessions],
        **record.counters,
    )
