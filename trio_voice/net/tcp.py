"""The end of a TCP connection, though another process has a copy of its socket.

A child that was forked has a copy of every descriptor (fork(2)), and the kernel ends a connection only when the last
copy is closed. So a connection is ended here by what acts on all copies: ``finish`` and ``reset``. Neither is for a
listener or for a socket that was handed to another process: those have copies on purpose.

Where the child was forked by Python it keeps none at all: ``keep_from_children`` sees to that.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_ADDRESS: Final = bytes(16)
"""A ``sockaddr`` of the family ``AF_UNSPEC``, which is 0."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Socket(Protocol):
    """A socket of the standard library's or of trio's."""

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""

    def detach(self) -> int:
        """The descriptor, which is not the object's any more."""

    def shutdown(self, how: int, /) -> None:
        """Say that nothing more is sent, or read."""

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """Set an option."""


def finish(sock: Socket) -> None:
    """Send FIN behind what the kernel has taken. Never waits, never raises; the caller closes the socket."""
    with suppress(OSError):  # the peer was quicker
        sock.shutdown(socket.SHUT_RDWR)


def reset(sock: Socket) -> None:
    """Send RST, and forget what the peer has not read. Never waits, never raises; the caller closes the socket.

    ``SO_LINGER`` would do it when the last copy is closed; connecting to no address does it at once (connect(2)).
    """
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    if _connect()(sock.fileno(), _NO_ADDRESS, len(_NO_ADDRESS)) != 0:
        finish(sock)


@cache
def _connect() -> Callable[[int, bytes, int], int]:
    """connect(2), which Python's own does not let have the family ``AF_UNSPEC``."""
    return ctypes.CDLL(None, use_errno=True).connect


_kept: Final[WeakSet[Socket]] = WeakSet()


def keep_from_children(sock: Socket) -> None:
    """Have this socket closed in every child that Python forks, before the child does anything else.

    The parent's is not touched by that: closing ends a connection only where it closes the last copy.
    """
    _kept.add(sock)


def _close_kept() -> None:
    for sock in list(_kept):
        with suppress(OSError):
            os.close(sock.detach())


os.register_at_fork(after_in_child=_close_kept)


class PrivateSockets(trio.abc.SocketFactory):
    """Makes trio's sockets so that no forked child keeps them: ``trio.socket.set_custom_socket_factory``.

    This is for those that a library opens for us, such as an HTTP client.
    """

    def socket(
        self,
        family: socket.AddressFamily | int = socket.AF_INET,
        type: socket.SocketKind | int = socket.SOCK_STREAM,  # noqa: A002 - trio's signature
        proto: int = 0,
    ) -> trio.socket.SocketType:
        """A new one."""
        made = trio.socket.from_stdlib_socket(socket.socket(family, type, proto))
        keep_from_children(made)
        return made
