"""What systemd is told: readiness, stopping, reloading, and that the loop is alive (sd_notify(3))."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Sends to ``$NOTIFY_SOCKET``, or nowhere outside systemd.

    Args:
        environment: where systemd says how it wants to be told.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog_seconds = float(environment.get("WATCHDOG_USEC") or 0) / 1_000_000

    def notify(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``. A datagram to a local socket: it does not wait, and may be lost."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_UNIX, kind) as to, suppress(OSError):  # if systemd does not listen, who would
            to.sendto("\n".join(assignments).encode(), address)

    async def feed_watchdog(self) -> None:
        """Say that the loop runs, twice in every watchdog period, until cancelled. A stuck loop says nothing."""
        if not self._watchdog_seconds:
            return
        while True:
            self.notify("WATCHDOG=1")
            await trio.sleep(self._watchdog_seconds / 2)
