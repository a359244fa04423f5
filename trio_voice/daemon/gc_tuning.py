"""Python's own housekeeping, kept from holding up calls: switching threads, and collecting garbage."""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_SECONDS: Final = 0.000_1
"""For which a thread may keep the interpreter from all calls. Python's own 5 ms come after every system call while a
tool computes in a thread of its own, and there are a hundred of those a second in each call."""
MIDDLE_COLLECTIONS: Final = 100
"""Of the collector's looks at what is neither new nor old, of which there is one in some calls, until it looks at what
is old, too: once in some hundreds of calls. All calls wait for that, 30 ms where 200 are live; Python itself would have
it as often as there is a quarter more, and that is every fifty calls then."""


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
