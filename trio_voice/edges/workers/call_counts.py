"""Number of calls of each process that shares our port, and of pages' among them, in memory that all of them see.

So ``max_calls`` and ``max_browser_calls`` hold for all of them, and a new call goes to whoever has the fewest. Each
process writes its own numbers; the lock lets one at a time decide whether there is room for one more. It is held for
microseconds and is gone with its process.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from trio_voice.edges.workers.shared_memory import SharedMemory, make_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NUMBER: Final = struct.Struct("=q")


def make_call_counts(workers: int) -> int:
    """A file in memory for the counts of ``workers``; the descriptor is to be inherited."""
    return make_memory("call-counts", 2 * workers * _NUMBER.size)


class CallCounts(SharedMemory):
    """One process's view of them.

    Args:
        descriptor: of ``make_call_counts``.
        workers: how many processes there are.
        index: which of them this is.
    """

    def __init__(self, descriptor: int, workers: int, index: int) -> None:
        super().__init__(descriptor)
        self._workers = workers
        self._index = index

    def occupied_by(self, index: int) -> int:
        """Number of calls of a process, promised ones included."""
        return self._number_at(index)

    @property
    def occupied_by_others(self) -> int:
        """Number of calls of all other processes."""
        return sum(map(self._number_at, self._others()))

    @property
    def browsers_of_others(self) -> int:
        """Number of calls of pages of all other processes; they stand behind all calls."""
        return sum(self._number_at(self._workers + index) for index in self._others())

    def emptiest_of(self, processes: Iterable[int]) -> int:
        """The one of these with the fewest calls; this one, if it is among them."""
        return min(processes, key=lambda index: (self.occupied_by(index), index != self._index))

    def occupy(self, calls: int, index: int | None = None) -> None:
        """Set the number of calls of this process, or of another that is known to be dead."""
        self._set(self._index if index is None else index, calls)

    def occupy_browsers(self, calls: int, index: int | None = None) -> None:
        """Set the number of calls of pages of this process, or of another that is known to be dead."""
        self._set(self._workers + (self._index if index is None else index), calls)

    def _others(self) -> Iterator[int]:
        return (index for index in range(self._workers) if index != self._index)

    def _number_at(self, place: int) -> int:
        (number,) = _NUMBER.unpack_from(self._memory, place * _NUMBER.size)
        return int(number)

    def _set(self, place: int, number: int) -> None:
        _NUMBER.pack_into(self._memory, place * _NUMBER.size, number)
