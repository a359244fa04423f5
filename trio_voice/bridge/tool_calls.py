"""The tools that a call's model waits for. A tool acts once: what has begun is let finish, and its result is kept.

A model gives up on results when its reply is interrupted, and then asks for the same again. It gets what the first
request has brought, or will bring, and nothing is booked twice. Pure.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from math import inf
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from trio_voice.events.call import ToolResult

MAX_KEPT: Final = 16
"""Results that no model was told; beyond them the oldest is forgotten."""
MAX_ROUNDS: Final = 5
"""Rounds of tools in one turn of the caller's. A model that asks for the same tool again after them is told to answer,
and one that goes on asking does not answer."""
MAX_KNOWN: Final = 64
"""Requests that are known again when they are repeated."""
BURST_SECONDS: Final = 0.1
MAX_AT_ONCE: Final = 16
"""Requests of one reply that come sooner than a model could have thought about a result are of the same round, but no
more of them than anybody wants at once."""
KEPT_SECONDS: Final = 60.0
"""Time in which they answer the same request. One that comes later is another wish."""


@attrs.define(eq=False)
class _Run:
    key: str
    waiting: dict[str, str]
    """Requests that wait for it: the model's call ids, and the reply in which each asked."""
    was_interrupted: bool = False
    """The model has given up on it, because the caller made a sound."""
    is_wanted: bool = False
    """And the sound was nothing."""
    is_orphan: bool = False
    """The model that asked is gone, and the caller has not spoken since."""


class ToolCalls:
    """Tools that run, the requests that wait for them, and results that nobody was told."""

    __slots__ = ("_asked_in", "_in_round", "_kept", "_known", "_names", "_round_at", "_rounds", "_runs", "_was_told")

    def __init__(self) -> None:
        self._rounds = 0
        """Rounds since the caller spoke last; one is over when a result is told."""
        self._was_told = True
        self._asked_in, self._round_at, self._in_round = "", -inf, 0
        """The reply that the round began in, when, and how many requests it has so far."""
        self._known: deque[tuple[str, str]] = deque(maxlen=MAX_KNOWN)
        """Latest requests: the reply in which each asked, and its id."""
        self._names: set[str] = set()
        """Tools that were run in them."""
        self._runs: dict[str, _Run] = {}
        """By the call id that it was begun for."""
        self._kept: OrderedDict[str, tuple[ToolResult, float]] = OrderedDict()

    def __bool__(self) -> bool:
        """True if a model waits for a result."""
        return any(run.waiting or run.is_wanted for run in self._runs.values())

    @property
    def are_running(self) -> bool:
        """True if one has begun and not ended, whether or not a model waits for it."""
        return bool(self._runs)

    def is_repeated(self, call_id: str, reply_id: str) -> bool:
        """True if a request was told before: it runs, or asked in this very reply."""
        known = call_id in self._runs or (reply_id, call_id) in self._known
        self._known.append((reply_id, call_id))
        return known

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

    def caller_began(self) -> None:
        """Another turn of the caller's begins: its rounds are counted anew."""
        self._rounds, self._was_told = 0, True
        self._names.clear()
        for run in self._runs.values():
            run.was_interrupted = run.is_orphan = False

    def told(self) -> None:
        """The model is told a result."""
        self._was_told = True

    def is_too_much(self, name: str, reply_id: str, now: float) -> bool:
        """True if enough was looked up for this turn, and this tool is asked for once more."""
        is_burst = now - self._round_at < BURST_SECONDS and self._in_round < MAX_AT_ONCE
        self._in_round += 1
        if self._was_told and not (is_burst and reply_id == self._asked_in):
            self._rounds, self._was_told = self._rounds + 1, False
            self._asked_in, self._round_at, self._in_round = reply_id, now, 1
        if self._rounds > MAX_ROUNDS and name in self._names:
            return True
        self._names.add(name[:200])
        return False

    @property
    def has_no_end(self) -> bool:
        """True if the model was told so again and again."""
        return self._rounds > 2 * MAX_ROUNDS

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
            if run.waiting.pop(call_id, None) is not None:
                run.was_interrupted = True

    def interrupt(self, reply_id: str) -> None:
        """The model has given up on what it asked for in this reply."""
        for run in self._runs.values():
            waiting = {call_id: asked_in for call_id, asked_in in run.waiting.items() if asked_in != reply_id}
            run.was_interrupted, run.waiting = run.was_interrupted or waiting != run.waiting, waiting

    def resume(self) -> None:
        """The model was interrupted for nothing: the results that it gave up on for that are wanted."""
        for run in self._runs.values():
            run.is_wanted = run.is_wanted or run.was_interrupted

    def is_wanted(self, call_id: str) -> bool:
        """True if the result of a tool that runs is to be told though no request waits for it any more."""
        run = self._runs.get(call_id)
        return run is not None and run.is_wanted

    def is_orphan(self, call_id: str) -> bool:
        """True if whoever asked for a tool that runs is gone, and the caller has not spoken since."""
        run = self._runs.get(call_id)
        return run is not None and run.is_orphan

    def abandon(self) -> None:
        """The model that asked is gone."""
        for run in self._runs.values():
            run.is_orphan = run.is_orphan or bool(run.waiting)
            run.waiting.clear()
            run.was_interrupted = run.is_wanted = False


def _key(name: str, arguments: Any) -> str:
    """Two requests with the same key are the same wish."""
    try:
        return f"{name} {json.dumps(arguments, sort_keys=True)}"
    except (TypeError, ValueError):
        return f"{name} {arguments!r}"
