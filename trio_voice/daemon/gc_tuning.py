"""Python's own housekeeping, kept from holding up calls: switching threads, and collecting garbage."""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_SECONDS: Final = 0.000_1
"""Time for which a thread may keep the interpreter from all calls. Python's own 5 ms come after every system call while
a tool computes in a thread of its own, and there are a hundred of those a second in each call."""
MIDDLE_COLLECTIONS: Final = 100
"""Collections of the middle generation for each full one. A full one stops all calls (30 ms with 200 live), so it is
left to once in some hundreds of calls; Python's own rule would run it about every fifty."""


def leave_calls_alone() -> None:
    """To be called when all is there that calls will need, and before there are any.

    What is here now is never looked at again. What comes later is garbage while it is young (webhooks leave some), or
    it is a call's, and an ended call leaves nothing to be collected (``tests/test_garbage.py``).
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, MIDDLE_COLLECTIONS)
    gc.collect()
    gc.freeze()
