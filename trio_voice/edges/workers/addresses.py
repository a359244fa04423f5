"""Sockets with names, by which the processes of a node find one another, in a folder below /tmp that may be emptied.

Whoever listens at one looks once a second whether its name is still there, and makes it anew: else new calls would be
lost, and workers taken for stuck, because an operator has made room with ``rm -rf /tmp/*``.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.net.tcp import keep_from_children

if TYPE_CHECKING:
    from pathlib import Path

log: Final = structlog.stdlib.get_logger("trio_voice.workers")

LOOK_SECONDS: Final = 1.0
"""Between two looks for a name."""


async def bind_at(path: Path, kind: socket.SocketKind) -> trio.socket.SocketType:
    """A socket with this name, which another may have had; its folder is made, for nobody else, if it is gone.

    Raises:
        OSError: there can be none.
    """
    _make_room(path)
    bound = trio.socket.socket(socket.AF_UNIX, kind)
    try:
        keep_from_children(bound)
        await bound.bind(str(path))
    except BaseException:
        bound.close()
        raise
    return bound


def _make_room(path: Path) -> None:
    if not path.parent.exists():
        log.error("workers_folder_gone", folder=str(path.parent), advice="leave it be while the daemon runs")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of the one before us, who died
