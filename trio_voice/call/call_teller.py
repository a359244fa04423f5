"""The feed's watcher of one call: what is said, done and decided in it becomes events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trio_voice.call.feed import Feed
    from trio_voice.record import CallRecord, ToolUse, Turn, Utterance


class CallTeller:
    """Tells the feed of one call: its watcher (``bridge/watcher.py``).

    Args:
        feed: told.
        record: the call's.
    """

    def __init__(self, feed: Feed, record: CallRecord) -> None:
        self._feed = feed
        self._record = record
        self._lines: dict[int, int] = {}
        """The numbers of lines that may still change, by their identity."""
        self._next_line = len(record.transcript) + 1

    def line(self, line: Utterance, *, settled: bool) -> None:
        """See ``Watcher``."""
        if not settled and not self._feed.listeners:
            return
        number = self._lines.get(id(line))
        if number is None:
            number, self._next_line = self._next_line, self._next_line + 1
            self._lines[id(line)] = number
        if settled:
            del self._lines[id(line)]
        record = self._record
        fields = {
            "call_id": record.call_id,
            "role": line.role,
            "text": line.text,
            "final": settled,
            "line": number,
            "at": record.time_of(line.at),
            "interrupted": line.interrupted,
        }
        self._feed.tell("words", fields, key=("words", record.call_id, str(number)), is_passing=not settled)

    def turn(self, turn: Turn) -> None:
        """See ``Watcher``."""
        fields = {
            "call_id": self._record.call_id,
            "latency_ms": round(turn.latency_ms),
            "heard_after_ms": None if turn.heard_after_ms is None else round(turn.heard_after_ms),
            "stages": {stage: round(ms) for stage, ms in turn.stages.items()},
            "at": self._record.time_of(turn.at),
        }
        self._feed.tell("turn", fields)

    def tool(self, use: ToolUse) -> None:
        """See ``Watcher``."""
        self._feed.tell("tool", {"call_id": self._record.call_id} | use.as_json(self._record))

    def state(self) -> None:
        """See ``Watcher``."""
        self._feed.call_changed(self._record)
