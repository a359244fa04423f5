"""A short pause, often: the kernel's timer, waited for as a descriptor.

A deadline of trio's is a scope, a place in a heap, a cancellation and an exception that is caught. With hundreds of
pauses a second those took a tenth of the daemon's processor time. Python has ``os.timerfd_create`` from 3.13 on.
"""

from __future__ import annotations

import ctypes
import os
import select
import time
from typing import Final

import trio

_NANOSECONDS: Final = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Pause:
    """A timer for one task: see timerfd_create(2).

    Args:
        seconds: how long ``wait`` takes.
        cut_short_by: a descriptor that ends it before, when it can be read.
    """

    def __init__(self, seconds: float, cut_short_by: int) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._settime = library.timerfd_settime
        self._descriptor = library.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        self._check(self._descriptor)
        self._either = select.epoll()
        self._either.register(self._descriptor, select.EPOLLIN)
        self._either.register(cut_short_by, select.EPOLLIN)
        self._either_descriptor = self._either.fileno()
        whole, rest = divmod(round(seconds * _NANOSECONDS), _NANOSECONDS)
        self._spec = ctypes.byref(_Itimerspec(_Timespec(0, 0), _Timespec(whole, rest)))

    async def wait(self) -> None:
        """Let so much time pass, or less. Cancelling is safe."""
        self._check(self._settime(self._descriptor, 0, self._spec, None))
        await trio.lowlevel.wait_readable(self._either_descriptor)

    def close(self) -> None:
        """Free the descriptors."""
        self._either.close()
        os.close(self._descriptor)

    @staticmethod
    def _check(result: int) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
