"""The tools that a call's model waits for. A tool acts once: what has begun is let finish, and its result is kept.

A model gives up on results when its reply is interrupted, and then asks for the same again. It gets what the first
request has brought, or will bring, and nothing is booked twice. Pure.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from trio_voice.events.call import ToolResult

MAX_KEPT: Final = 16
"""Results that no model was told; beyond them the oldest is forgotten."""
KEPT_SECONDS: Final = 60.0
"""Time in which they answer the same request. One that comes later is another wish."""


@attrs.define(eq=False)
class _Run:
    key: str
    waiting: dict[str, str]
    """Requests that wait for it: the model's call ids, and the reply in which each asked."""


class ToolCalls:
    """Tools that run, the requests that wait for them, and results that nobody was told."""

    __slots__ = ("_kept", "_runs")

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        """By the call id that it was begun for."""
        self._kept: OrderedDict[str, tuple[ToolResult, float]] = OrderedDict()

    def __bool__(self) -> bool:
        """True if a model waits for a result."""
        return any(run.waiting for run in self._runs.values())

    def request(self, call_id: str, name: str, arguments: Any, reply_id: str, now: float) -> ToolResult | bool:
        """A model wants a tool run.

        Returns:
            True if it is to be run; False if it runs already, for somebody who has given up on it; or its result.
        """
        key = _key(name, arguments)
        kept, kept_at = self._kept.pop(key, (None, 0.0))
        if kept is not None and now - kept_at < KEPT_SECONDS:
            return kept
        for run in self._runs.values():
            if run.key == key and not run.waiting:
                run.waiting[call_id] = reply_id
                return False
        self._runs[call_id] = _Run(key, {call_id: reply_id})
        return True

    def finished(self, call_id: str, result: ToolResult, now: float) -> list[str] | None:
        """Enter a tool's result; returns the requests to tell it to.

        None of them: it is kept. ``None``: nobody has ever asked for it.
        """
        run = self._runs.pop(call_id, None)
        if run is None:
            return None
        if not run.waiting and not result.failed:
            self._kept[run.key] = result, now
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return list(run.waiting)

    def withdraw(self, call_id: str) -> None:
        """The model does not want this result any more."""
        for run in self._runs.values():
            run.waiting.pop(call_id, None)

    def interrupt(self, reply_id: str) -> None:
        """The model has given up on what it asked for in this reply."""
        for run in self._runs.values():
            run.waiting = {call_id: asked_in for call_id, asked_in in run.waiting.items() if asked_in != reply_id}

    def abandon(self) -> None:
        """The model that asked is gone."""
        for run in self._runs.values():
            run.waiting.clear()


def _key(name: str, arguments: Any) -> str:
    """Two requests with the same key are the same wish."""
    try:
        return f"{name} {json.dumps(arguments, sort_keys=True)}"
    except (TypeError, ValueError):
        return f"{name} {arguments!r}"
