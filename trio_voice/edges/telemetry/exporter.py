"""Spans on their way to a collector: beside the calls, and never in theirs.

What is to be sent waits in memory until it is taken. Overflow: beyond ``MAX_WAITING`` the oldest spans are dropped and
counted in the log. A collector that does not answer costs a task that waits, and nobody else anything.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import httpx2
import structlog
import trio

from trio_voice.edges import bounded_answer
from trio_voice.edges.complaints import Complaints
from trio_voice.edges.telemetry.spans import attributes_of, root_span, session_span, turn_span
from trio_voice.errors import told_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from trio_voice.edges.telemetry.spans import Span
    from trio_voice.record import CallRecord

log: Final = structlog.stdlib.get_logger("trio_voice.telemetry")

VERSION: Final = version("trio-voice")
PATH: Final = "/v1/traces"
LOOK_SECONDS: Final = 1.0
"""Between two looks at which turns are over."""
SEND_SECONDS: Final = 3.0
"""For the collector to take what it is sent."""
MAX_ANSWER_BYTES: Final = 65_536
MAX_WAITING: Final = 20_000
MAX_AT_ONCE: Final = 500
LAST_SECONDS: Final = 0.6
"""For what is still waiting when the daemon ends."""
AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same is sent again."""


class Traces:
    """The traces of this process's calls.

    Args:
        url: of the collector, without the path.
        node: the digits of this node.
        live: the records of the calls that live.
    """

    def __init__(self, url: str, node: str, live: Callable[[], Iterable[CallRecord]]) -> None:
        self._url = url.rstrip("/") + PATH
        self._node = node
        self._live = live
        self._waiting: dict[str, Span] = {}
        """By span id, the oldest first."""
        self._told: dict[str, int] = {}
        """Turns of each live call that are on their way, or taken."""
        self._sending = trio.Lock()
        self._complaints = Complaints(log)
        self._resource = {
            "attributes": attributes_of(
                {"service.name": "trio_voice", "service.version": VERSION, "trio_voice.node": node}
            )
        }

    def call_ended(self, record: CallRecord, ended_at: datetime | None = None) -> None:
        """A call is over: what was not told of it is, and the call itself. Does not wait.

        Args:
            record: of the call.
            ended_at: its end, where the record has none: its node has died.
        """
        self._tell_turns(record)
        self._told.pop(record.call_id, None)
        for number in range(len(record.model_sessions)):
            self._add(session_span(record, number))
        self._add(root_span(record, self._node, ended_at))

    async def run(self) -> None:
        """Look for turns and send what waits, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            live = list(self._live())
            for record in live:
                self._tell_turns(record)
            known = {record.call_id for record in live}
            self._told = {call_id: count for call_id, count in self._told.items() if call_id in known}
            await self._send_all()

    async def flush(self) -> None:
        """Send what waits, at the end, for a moment. Cancelling is safe."""
        with trio.move_on_after(LAST_SECONDS):
            await self._send_all()

    def _tell_turns(self, record: CallRecord) -> None:
        first = self._told.get(record.call_id, 0)
        for number in range(first, len(record.turns)):
            self._add(turn_span(record, number))
        self._told[record.call_id] = len(record.turns)

    def _add(self, span: Span | None) -> None:
        if span is None:
            return
        self._waiting[span["spanId"]] = span
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self._complaints.warn("spans_dropped", "full", most=MAX_WAITING)

    async def _send_all(self) -> None:
        async with self._sending:
            while self._waiting:
                batch = list(self._waiting.values())[:MAX_AT_ONCE]
                if not await self._is_taken(batch):
                    return
                for span in batch:
                    if self._waiting.get(span["spanId"]) is span:  # not told anew meanwhile
                        del self._waiting[span["spanId"]]

    async def _is_taken(self, batch: list[Span]) -> bool:
        """True if it need not be sent again."""
        scope = {"name": "trio_voice", "version": VERSION}
        spans: dict[str, Any] = {"resource": self._resource, "scopeSpans": [{"scope": scope, "spans": batch}]}
        body = json.dumps({"resourceSpans": [spans]}, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        try:
            answer = await bounded_answer.ask_once(
                "POST", self._url, seconds=SEND_SECONDS, most_bytes=MAX_ANSWER_BYTES, content=body, headers=headers
            )
        except httpx2.HTTPError as away:
            trouble = told_in_words(away)
        else:
            if answer.is_success:
                return True
            trouble = f"status {answer.status_code}"
            if answer.status_code not in AGAIN:
                self._complaints.warn("spans_refused", trouble, url=self._url, trouble=trouble, spans=len(batch))
                return True
        self._complaints.warn("spans_not_taken", "away", url=self._url, trouble=trouble, waiting=len(self._waiting))
        return False
