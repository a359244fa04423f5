"""One call's failure is one call's failure, and one service's that service's: what keeps a bug where it is.

A nursery that serves many callers ends with the first exception of a child. Whatever is done there for one call stands
in ``contained``, and whatever is to go on for as long as the process in ``keep_running``. Both log, neither hides a
cancellation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log: Final = structlog.stdlib.get_logger("trio_voice.isolation")

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""Between the failure of a service and its next beginning, doubled each time."""


class contained:  # noqa: N801 - used like a function, as contextlib's are
    """Log what the block raises as a bug, with these facts (the call's id first of all), and go on behind it.

    Cancellation, and what else is no ``Exception``, goes through.

    Args:
        work: what the block does, for the log.
        facts: of the line in the log.
    """

    def __init__(self, work: str, **facts: object) -> None:
        self._facts = {"work": work, **facts}

    def __enter__(self) -> None:
        """Nothing begins."""

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, _trace: object) -> bool:
        """Log, and say that nothing is left of it."""
        if raised is None:
            return False
        bugs, others = parted(raised, Exception)  # the rest is somebody else's to know, such as a cancellation
        if bugs is not None:
            log.error("work_bug", exc_info=bugs, **self._facts)
        if bugs is not None and others is not None:
            raise others from None
        return others is None


def parted(raised: BaseException, kind: type[BaseException]) -> tuple[BaseException | None, BaseException | None]:
    """The part of an exception that is of a kind, and the rest: a nursery may raise both at once."""
    if isinstance(raised, BaseExceptionGroup):
        return raised.split(kind)
    return (raised, None) if isinstance(raised, kind) else (None, raised)


async def keep_running(service: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run a service until it returns or is cancelled; one that fails is logged, and begun again after a pause."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        began = trio.current_time()
        with contained(service):
            await work()
            return
        if trio.current_time() - began > LONGEST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        await trio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
