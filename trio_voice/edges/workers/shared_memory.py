"""Memory that all processes of a node see, and that is gone with the last of them."""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_memory(name: str, size: int) -> int:
    """Memory of so many bytes, all 0; its descriptor is to be inherited by all processes that share it."""
    descriptor = os.memfd_create(f"trio-voice-{name}", 0)
    os.ftruncate(descriptor, size)
    return descriptor


class SharedMemory:
    """One process's view of it.

    Args:
        descriptor: of ``make_memory``.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, 0)  # all of it

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While this is decided and written, nobody else decides. Nothing may wait in here."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)  # of this process, not of the descriptor, which all share
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
