"""The operator's way to recordings: listening, in whole or in part, and deleting."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
from quart import Response, request
from werkzeug.datastructures import Range
from werkzeug.http import parse_range_header

from trio_voice.call.call import wall_clock
from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.nodes import NODE
from trio_voice.edges.web.operator.passing_on import NodeAway, owner_away, passed_on, recording_passed_on
from trio_voice.journal import JournalUnavailable
from trio_voice.record import CallState, Recording
from trio_voice.recorder.recordings import url_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from quart_trio import QuartTrio

    from trio_voice.call.registry import Registry
    from trio_voice.edges.web.nodes import Nodes
    from trio_voice.journal import Journal
    from trio_voice.record import CallRecord
    from trio_voice.recorder.recordings import Found, Recordings

log: Final = structlog.stdlib.get_logger("trio_voice.recorder")

SAME_LISTENING_SECONDS: Final = 600.0
"""A player asks for the parts of a recording one by one. A part that is not the first belongs to the listening before
it, if that was begun no longer ago."""
MAX_LISTENED: Final = 1_000
"""Listenings that a record holds; the oldest are forgotten, and stand in the log."""


@attrs.frozen
class _AskedFor:
    """Recordings that operators ask for, here or at other nodes, and the calls that they are of."""

    registry: Registry
    journal: Journal
    recordings: Recordings
    nodes: Nodes | None

    async def _record_of(self, call_id: str) -> CallRecord | None:
        record = self.registry.record(call_id)
        if record is None:
            journaled = await self.journal.call(call_id)
            record = None if journaled is None else journaled.record
        return record

    async def found(self, call_id: str) -> tuple[CallRecord | None, Found] | Response:
        """A call's record and its recording, or why there is none."""
        known = self.registry.record(call_id)
        if self.recordings.is_open(call_id) and known is not None and known.state is not CallState.ENDED:
            return failure(409, "call_lives", "the call lives: its recording can be had when it is over")
        found = await self.recordings.find(call_id)
        if found is None:
            theirs = await self._elsewhere(call_id)
            if theirs is not None:
                return theirs
            words = "nothing was recorded of this call, or it was deleted, or was older than recording.keep_days"
            return failure(404, "no_recording", words)
        try:
            record = await self._record_of(call_id)
        except JournalUnavailable:
            record = None  # then the log alone says that somebody has listened
        return record, found

    async def _elsewhere(self, call_id: str) -> Response | None:
        """The answer of the call's node, if it is another one. One that is not there may have the recording."""
        try:
            theirs = await (passed_on if request.method == "DELETE" else recording_passed_on)(self.nodes, call_id)
        except NodeAway as away:
            return away.answer
        if theirs is not None or self.nodes is None or NODE in request.headers or self.nodes.owner_of(call_id) is None:
            return theirs
        with suppress(JournalUnavailable):
            record = await self._record_of(call_id)
            if record is None or record.recording is None or record.recording.url is None:
                return None
        return owner_away(self.nodes, call_id).answer

    def note(self, record: CallRecord | None, found: Found, begin: int) -> None:
        """Write down that somebody listens."""
        now = wall_clock()
        call_id = found.path.stem
        if record is None:
            log.info("recording_listened", call_id=call_id)
            return
        kept = record.recording = record.recording or Recording(url_of(call_id), found.seconds)
        if begin > 0 and kept.listened and _seconds_since(kept.listened[-1], now) < SAME_LISTENING_SECONDS:
            return
        log.info("recording_listened", call_id=call_id)
        kept.listened = [*kept.listened, now.isoformat()][-MAX_LISTENED:]
        self.journal.recording_changed(call_id, kept)


def add_recordings(
    app: QuartTrio,
    registry: Registry,
    journal: Journal,
    recordings: Recordings,
    from_operator: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]],
    nodes: Nodes | None,
) -> None:
    """Add the routes of recordings.

    Args:
        app: to which they are added.
        registry: which calls live.
        journal: where it is written down who has listened.
        recordings: the folder.
        from_operator: lets only operators through.
        nodes: which other machines have recordings of their own.
    """
    asked = _AskedFor(registry, journal, recordings, nodes)

    @app.get("/calls/<call_id>/recording")
    @from_operator
    async def recording(call_id: str) -> Any:
        answer = await asked.found(call_id)
        if isinstance(answer, Response):
            return answer
        record, found = answer
        try:
            part = _part_asked_for(found.file_bytes)
        except LookupError as none:
            refusal = failure(416, "no_such_range", str(none))
            refusal.headers["Content-Range"] = f"bytes */{found.file_bytes}"
            return refusal
        begin, end = (0, found.file_bytes) if part is None else part
        if request.method == "GET":
            asked.note(record, found, begin)
        body = recordings.read(found, begin, end) if request.method == "GET" else b""
        sent = Response(body, 200 if part is None else 206, content_type="audio/wav")
        sent.headers["Content-Length"] = str(end - begin)
        sent.headers["Accept-Ranges"] = "bytes"
        sent.headers["Cache-Control"] = "no-store"
        sent.headers["X-Content-Type-Options"] = "nosniff"
        if part is not None:
            sent.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{found.file_bytes}"
        return sent

    @app.delete("/calls/<call_id>/recording")
    @from_operator
    async def delete_recording(call_id: str) -> Any:
        answer = await asked.found(call_id)
        if isinstance(answer, Response):
            return answer
        record, found = answer
        try:
            await recordings.delete(call_id)
        except OSError as failed:
            return failure(500, "not_deleted", f"the recording cannot be deleted: {failed}")
        log.info("recording_deleted", call_id=call_id)
        listened = [] if record is None or record.recording is None else record.recording.listened
        at = 0.0 if record is None or record.recording is None else record.recording.at
        gone = Recording(None, found.seconds, at, listened, deleted_at=wall_clock().isoformat())
        if record is not None:
            record.recording = gone
            journal.recording_changed(call_id, gone)
        return {"call_id": call_id, "recording": gone.as_json()}


def _part_asked_for(file_bytes: int) -> tuple[int, int] | None:
    """First byte of the part that is asked for and the one behind it; ``None`` for the whole.

    The whole is what is sent for several parts at once (RFC 9110, 14.2 allows that), for what is no part, and where
    ``If-Range`` wants one only of a file that has a validator: ours have none (13.1.5).

    Raises:
        LookupError: the file has no such part.
    """
    header = request.headers.get("Range", "")
    if re.fullmatch(r"bytes=\s*-0+", header) and "If-Range" not in request.headers:
        raise LookupError("a part of no bytes is none")  # 14.1.2; the library takes it for what is no part
    asked = parse_range_header(header)
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or "If-Range" in request.headers:
        return None
    [(first, behind)] = asked.ranges
    first = max(first, -file_bytes)  # the last hundred bytes of fifty are all of them (14.1.2)
    part = Range("bytes", [(first, behind)]).range_for_length(file_bytes)
    if part is None:
        raise LookupError(f"the recording has {file_bytes} bytes")
    return part


async def described(record: CallRecord, recordings: Recordings) -> None:
    """Enter the recording of a call in its record where that does not know of it: its daemon was killed."""
    if record.recording is None and record.state is CallState.ENDED and not recordings.is_open(record.call_id):
        found = await recordings.find(record.call_id)
        if found is not None:
            record.recording = Recording(url_of(record.call_id), found.seconds)


def _seconds_since(moment: str, now: datetime) -> float:
    try:
        return (now - type(now).fromisoformat(moment)).total_seconds()
    except ValueError:
        return SAME_LISTENING_SECONDS
