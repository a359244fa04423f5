"""Tool calls that wait for their answers.

Gemini wants all results of one ``toolCall`` in one ``toolResponse``: sent one by one, the model makes the call again
(tau2-bench). Its ids may be null, empty or repeated, so the bridge gets ids of ours, and Gemini gets its own back.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from trio_voice.events import model as c
from trio_voice.protocols.json_messages import MAX_ID, NO_JSON, arguments_in

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CALLS: Final = 50
"""Calls that may wait for an answer. A model that asks for more is not listened to."""


@attrs.define(eq=False)
class _Call:
    theirs: str | None
    name: str
    batch: list[_Call]
    response: dict[str, Any] | None = None


class ToolCalls:
    """The calls of one session that are not settled yet."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._numbers = count(1)

    def __bool__(self) -> bool:
        """True while the model waits for an answer."""
        return bool(self._calls)

    def ask(self, calls: list[dict[str, Any]]) -> Iterator[c.ToolCalled | c.Unrecognized]:
        """All calls of one message."""
        batch: list[_Call] = []
        asked: list[c.ToolCalled] = []
        for wanted in calls:
            if len(self._calls) >= MAX_CALLS:
                yield c.Unrecognized(f"over {MAX_CALLS} tools at a time", garbage=True)
                break
            arguments, theirs, name = arguments_in(wanted.get("args")), wanted.get("id"), str(wanted["name"])
            if len(name) > MAX_ID or (isinstance(theirs, str) and len(theirs) > MAX_ID):
                yield c.Unrecognized(f"a tool call whose name or id has over {MAX_ID} letters", garbage=True)
                continue
            call = _Call(theirs if isinstance(theirs, str) else None, name, batch)
            batch.append(call)
            ours = f"call-{next(self._numbers)}"
            self._calls[ours] = call
            asked.append(c.ToolCalled(ours, call.name, arguments))
        yield from asked

    def answer(self, ours: str, result: str, *, failed: bool) -> dict[str, Any] | None:
        """A result has come; returns the message that answers its whole batch, once nothing of it is missing."""
        call = self._calls.get(ours)
        if call is None:
            return None  # withdrawn, or of a session before this one
        call.response = {"error" if failed else "output": _value(result)}
        return self._settled(call.batch)

    def withdraw(self, ids: list[Any]) -> Iterator[c.ToolWithdrawn | dict[str, Any]]:
        """The model no longer wants these; last comes the message for a batch that waited for nothing else."""
        ids = ids[:MAX_CALLS]
        withdrawn = {ours: call for ours, call in self._calls.items() if call.theirs in ids}
        for ours, call in withdrawn.items():
            del self._calls[ours]
            call.batch.remove(call)
            yield c.ToolWithdrawn(ours)
        for call in withdrawn.values():
            message = self._settled(call.batch)
            if message is not None:
                yield message
                call.batch.clear()

    def _settled(self, batch: list[_Call]) -> dict[str, Any] | None:
        if not batch or any(call.response is None for call in batch):
            return None
        self._calls = {ours: call for ours, call in self._calls.items() if call.batch is not batch}
        responses: list[dict[str, Any]] = [
            {"name": call.name, "response": call.response} | ({"id": call.theirs} if call.theirs else {})
            for call in batch
        ]
        return {"toolResponse": {"functionResponses": responses}}


def _value(result: str) -> Any:
    try:
        return msgspec.json.decode(result)
    except NO_JSON:
        return result
