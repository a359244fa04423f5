"""The end of the process itself, by force where a user's module keeps it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Final

LEAVING_SECONDS: Final = 5.0
"""From the end of a command to that of its process, if a user's module keeps it."""


def leave_within(seconds: float, status: int) -> None:
    """End the process after so long with a status if it has not ended by itself, naming what keeps it.

    The interpreter waits for every thread that is no daemon, and for what is registered to be done at exit; a user's
    module may have begun either, or a task that does not let itself be cancelled.
    """

    def leave() -> None:
        here = {threading.current_thread(), threading.main_thread()}
        kept = ", ".join(each.name for each in threading.enumerate() if not each.daemon and each not in here)
        words = f"trio-voice: ended by force: something of a tool's goes on{f': thread {kept}' if kept else ''}\n"
        with suppress(OSError):
            os.write(2, words.encode(errors="replace"))
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    with suppress(RuntimeError):  # there is no thread to be had
        timer.start()
