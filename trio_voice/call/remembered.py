"""Records of ended calls that can still be asked for without the journal: the latest, in bounded memory."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.call.put_through import PutThrough
    from trio_voice.record import CallRecord

MAX_CALLS: Final = 1_000
MAX_BYTES: Final = 33_554_432
"""Of all records together. An ordinary one has some ten kilobytes."""
_RECORD_BYTES: Final = 4_000
_LINE_BYTES: Final = 250
_TURN_BYTES: Final = 700
"""Bytes of each beside its text, measured and rounded up."""


def bytes_of(record: CallRecord) -> int:
    """Roughly how much memory a record takes."""
    words = sum(sys.getsizeof(line.text) + _LINE_BYTES for line in record.transcript)
    return _RECORD_BYTES + words + _TURN_BYTES * (len(record.turns) + len(record.tools) + len(record.model_sessions))


def _is_over(record: CallRecord) -> bool:
    ended_by_us = record.end_reason is not EndReason.HANGUP and not record.handed_over
    return record.twilio_status in TERMINAL_STATUSES or ended_by_us


class RememberedCalls:
    """The records, the one that ended last at the end. The latest is kept however large it is."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, tuple[CallRecord, int, PutThrough | None]] = OrderedDict()
        self._bytes = 0

    def add(self, record: CallRecord, departed: PutThrough | None = None) -> None:
        """Keep one more, and forget the oldest to make room.

        Args:
            record: of the call.
            departed: how its caller may come back, if they may.
        """
        self.pop(record.call_id)
        size = bytes_of(record)
        self._records[record.call_id] = (record, size, departed)
        self._bytes += size
        while len(self._records) > 1 and (len(self._records) > MAX_CALLS or self._bytes > MAX_BYTES):
            self.pop(next(iter(self._records)))

    def pop(self, call_id: str) -> None:
        """Forget one, if it is there."""
        _, size, _ = self._records.pop(call_id, (None, 0, None))
        self._bytes -= size

    def get(self, call_id: str) -> CallRecord | None:
        """The record of this call, if it is still remembered."""
        found = self._records.get(call_id)
        return None if found is None else found[0]

    def is_over(self, call_sid: str) -> bool:
        """True if the call with this call SID is over at Twilio, or was ended by us."""
        return any(record.call_sid == call_sid and _is_over(record) for record, *_ in self._records.values())

    def departed(self, call_sid: str | None) -> PutThrough | None:
        """The call with this call SID that is over for us, but as far as anybody knows not at Twilio."""
        candidates = (departed for record, _, departed in self._records.values() if record.call_sid == call_sid)
        return next((each for each in candidates if each is not None and not _is_over(each.record)), None)

    def __iter__(self) -> Iterator[CallRecord]:
        """The one that ended first, first."""
        return (record for record, *_ in self._records.values())

    def latest_first(self) -> list[CallRecord]:
        """All of them."""
        return [record for record, *_ in reversed(self._records.values())]
