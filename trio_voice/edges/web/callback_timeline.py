"""Twilio's callbacks on the timelines of their calls: which came, when, and what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.call.call import wall_clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio_voice.call.registry import Registry

SAYS: Final = {
    "call-status": "CallStatus",
    "stream-status": "StreamEvent",
    "amd-status": "AnsweredBy",
    "recording-status": "RecordingStatus",
    "dial-status": "DialCallStatus",
}
"""The field in which each callback has its word (Twilio, "Call resource", "<Stream>", "<Dial>")."""


def note_callback(registry: Registry, path: str, call_id: str | None, form: Mapping[str, str]) -> None:
    """Put a callback on its call's timeline, if the call is known here.

    Args:
        registry: of the calls.
        path: that was asked for.
        call_id: ours, where the path has it.
        form: what was sent.
    """
    name = path.strip("/").partition("/")[0]
    field = SAYS.get(name)
    if field is None:
        return
    record = registry.record_of_sid(form.get("CallSid", "")) if call_id is None else registry.record(call_id)
    if record is not None:
        record.told(f"{name}: {form.get(field, 'no word')}", wall_clock())
