"""Tools that no call should have, for ``neighbours.py``: its daemon finds them beside its configuration."""

from __future__ import annotations

import time

import trio

__all__ = ["block_for_ever", "compute", "fail", "wait_for_ever"]

COMPUTE_SECONDS = 8


async def wait_for_ever() -> None:
    """Never returns."""
    await trio.sleep_forever()


def block_for_ever() -> None:
    """Never returns, in a thread."""
    while True:
        time.sleep(1)


def compute() -> None:
    """Leaves the processor to nobody, in a thread, for longer than it is given."""
    end = time.monotonic() + COMPUTE_SECONDS
    number = 1
    while time.monotonic() < end:
        number = number * 3 % 1_000_003


def fail() -> None:
    """Raises."""
    raise RuntimeError("a tool that raises")
