"""Notices to systemd: readiness, stopping, reloading, and that the loop is alive (sd_notify(3))."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, Self

import structlog
import trio

if TYPE_CHECKING:
    from collections.abc import Mapping

log: Final = structlog.stdlib.get_logger("trio_voice.systemd")

TELL_SECONDS: Final = 5.0
"""For systemd to take a notice. Its queue is short, and it may be busy; but a start whose READY=1 is lost is undone."""
MIN_PERIOD_SECONDS: Final = 0.1
"""Between two signs of life, whatever is asked for."""
MAX_DIGITS: Final = 18
"""Of a number of microseconds."""


def watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Period of systemd's watchdog; 0 where there is none, or what is told is no number of microseconds."""
    told = environment.get("WATCHDOG_USEC", "")
    return int(told) / 1_000_000 if told.isascii() and told.isdigit() and len(told) <= MAX_DIGITS else 0.0


class Notifier:
    """Sends to ``$NOTIFY_SOCKET``, or nowhere outside systemd. To be entered; its socket is closed behind the block.

    The socket is there for as long as the process: where descriptors have run out, the watchdog is fed all the same.

    Args:
        environment: where systemd says how it wants to be told.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog_seconds = watchdog_seconds(environment)
        self._to: trio.socket.SocketType | None = None

    def __enter__(self) -> Self:
        """Open the socket, if anybody is to be told."""
        if self._address:
            self._to = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._to is not None:
            self._to.close()

    async def notify(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``, as one notice.

        Waits until systemd's queue has room for it, for at most ``TELL_SECONDS``; one that is not taken by then is
        logged and lost, for nobody's call depends on it. Cancelling is safe: it is sent or it is not.
        """
        if self._to is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with trio.fail_after(TELL_SECONDS):
                await self._to.connect(address)  # or the kernel would not say when there is room again
                await self._to.send("\n".join(assignments).encode())
        except (OSError, trio.TooSlowError) as wrong:
            log.warning("systemd_not_told", notice=assignments, error=repr(wrong))

    async def feed_watchdog(self) -> None:
        """Say that the loop runs, twice in every watchdog period, until cancelled. A stuck loop says nothing."""
        if not self._watchdog_seconds:
            return
        while True:
            await self.notify("WATCHDOG=1")
            await trio.sleep(max(MIN_PERIOD_SECONDS, self._watchdog_seconds / 2))
