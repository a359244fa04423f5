"""Calls of other nodes, for whoever asks here: their owner is asked first, and what it does not say, the journal."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import trio
from quart import request

from trio_voice.edges.web.answers import error_of, failure
from trio_voice.edges.web.nodes import json_of
from trio_voice.journal import JournalUnavailable

if TYPE_CHECKING:
    from quart import Response

    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.edges.web.nodes import Nodes
    from trio_voice.journal import Journal
    from trio_voice.journal.selection import Selection

REST_SECONDS: Final = 8.0
"""For Twilio to end a telephone call whose node does not answer."""
PLACE_SECONDS: Final = 25.0
"""For another node to place a call: it may wait for its turn, and for Twilio."""
MAX_NODES: Final = 3
"""That are asked one after the other to place a call."""
LISTED: Final = frozenset({"call_id", "state", "started_at", "ended_at"})
"""Fields without which nothing is a call of a list."""


async def placed_elsewhere(nodes: Nodes, wanted: dict[str, Any]) -> tuple[Any, int] | None:
    """The answer of a node that has placed a call, where this one does not; ``None`` if none has."""
    for node in nodes.directory.takers()[:MAX_NODES]:
        answer = await nodes.ask(node, "POST", "/call", wanted, seconds=PLACE_SECONDS)
        if answer is None:  # it may be ringing: nobody else is asked
            return error_of("unknown_outcome", f"node {node.digits} did not answer"), 504
        if answer.status_code != 503:
            return json_of(answer), answer.status_code
    return None


async def calls_elsewhere(nodes: Nodes, journal: Journal, wanted: Selection) -> list[dict[str, Any]]:
    """The calls of all other nodes as they have them; of one that does not answer, as the journal has them."""
    found: list[dict[str, Any]] = []
    for digits, answer in (await nodes.ask_all(request.full_path.rstrip("?"))).items():
        theirs = None if answer is None or not answer.is_success else json_of(answer).get("calls")
        if isinstance(theirs, list):
            found += [call for call in theirs if isinstance(call, dict) and call.keys() >= LISTED]
            continue
        with suppress(JournalUnavailable):
            for run in nodes.directory.runs_of(digits):
                left = [each.record for each in await journal.left_open(run)]
                found += [each.summary() for each in left if each.ended_at is None and wanted.takes(each)]
    return found


async def ended_elsewhere(
    nodes: Nodes, journal: Journal, rest: TwilioRest | None, call_id: str
) -> dict[str, Any] | Response | None:
    """End a call of another node: by asking it, or else its telephone by REST.

    Returns:
        The call, as far as it is known; an error; ``None`` if nobody knows it.
    """
    answer = await nodes.ask_owner(call_id, "DELETE", f"/calls/{quote(call_id, safe='')}")
    if answer is not None and answer.is_success and json_of(answer).get("call_id") == call_id:
        return json_of(answer)
    try:
        found = await journal.call(call_id)
    except JournalUnavailable as trouble:
        return failure(503, "no_journal", f"its node does not answer, and the journal: {trouble}")
    if found is None:
        return None
    record = found.record
    if record.ended_at is None and record.call_sid is not None and found.phone_down_at is None:
        is_down = False
        with trio.move_on_after(REST_SECONDS):  # noqa: ASYNC912 - without an API there is nothing to wait for
            is_down = rest is not None and await rest.hang_up(record.call_sid)
        if not is_down:
            return failure(502, "not_hung_up", "its node does not answer, and Twilio does not end it: try again")
    return record.summary()
