"""Calls of the processes that share ``max_calls``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class CallCounts(Protocol):
    """Calls of the processes that share ``max_calls``; see ``edges/workers/call_counts.py``."""

    @property
    def occupied_by_others(self) -> int:
        """Number of calls of all other processes."""

    @property
    def browsers_of_others(self) -> int:
        """Number of those of all other processes that are calls of pages."""

    def occupy_browsers(self, calls: int, /) -> None:
        """Say how many calls of pages this process has, promised ones included."""

    def occupy(self, calls: int, /) -> None:
        """Say how many calls this process has, promised ones included."""

    def locked(self) -> AbstractContextManager[None]:
        """While this is decided, nobody else decides."""


class NoOthers:
    """A process that has ``max_calls`` to itself."""

    occupied_by_others = 0
    browsers_of_others = 0

    def occupy_browsers(self, calls: int, /) -> None:
        """Nobody wants to know."""

    def occupy(self, calls: int, /) -> None:
        """Nobody wants to know."""

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else decides."""
        return nullcontext()
