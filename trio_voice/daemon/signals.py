"""Signals, held from the first moment of a daemon to its last, so that none has its default action in between.

Before there is anybody to hear them SIGTERM and SIGINT end the process at once, as they should: nothing is open yet.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import trio

from trio_voice.isolation import keep_running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT})
HELD: Final = (*STOP, signal.SIGHUP)
STRAY: Final = frozenset(
    {
        *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO),
        *(signal.SIGPWR, signal.SIGSTKFLT, signal.SIGXCPU),
        *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
    }
)
"""Signals that mean nothing to a daemon and end a process by default: a log's rotation sends SIGUSR1 to whoever holds
the file, a tool that gives itself so many seconds has an alarm."""


@contextmanager
def hold_signals() -> Iterator[AsyncIterator[int]]:
    """Receive SIGTERM, SIGINT and SIGHUP in the block; behind it they do nothing any more, as others do from here on.

    To be opened outside of all that has to be put in order at the end: a third SIGTERM must not cut that short.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        for number in HELD:
            signal.signal(number, _do_nothing)  # what trio restores behind the block
        for number in STRAY:
            if signal.getsignal(number) is signal.SIG_DFL:  # else it is a tool's, and has its meaning
                signal.signal(number, _do_nothing)
        with trio.open_signal_receiver(*HELD) as received:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
            yield received
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


async def until_told_to_stop(signals: AsyncIterator[int], reload: Callable[[], Awaitable[None]]) -> None:
    """Reload on SIGHUP until SIGTERM or SIGINT comes, which is heard in the middle of a reload, too.

    One reload at a time; of those that are asked for meanwhile one is done afterwards, which sees what all meant.
    """
    ask, asked = trio.open_memory_channel[None](1)

    async def reload_when_asked() -> None:
        async for _ in asked:
            await reload()

    async with trio.open_nursery() as reloading:
        reloading.start_soon(keep_running, "reload", reload_when_asked)
        async for received in signals:
            if received in STOP:
                break
            with suppress(trio.WouldBlock):
                ask.send_nowait(None)
        reloading.cancel_scope.cancel(reason="the daemon stops")


def ignore_all() -> None:
    """Signals do nothing while the process ends: the interpreter takes its own handlers away before that."""
    for number in (*HELD, *STRAY):
        signal.signal(number, signal.SIG_IGN)


def _do_nothing(_number: int, _frame: object) -> None:
    """A handler and not SIG_IGN, which the processes that are started would inherit."""
