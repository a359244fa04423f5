"""Every nursery by whom it serves, and a fault put into the tasks of one."""

import logging
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
import trio

import trio_voice
from trio_voice.daemon.signals import HELD, STRAY

PACKAGE = Path(trio_voice.__file__).parent
OF_MANY = {
    "call.recovery.OrphanRecovery.run",
    "call.async_tools.open_async_tools",
    "daemon.daemon._drain",
    "daemon.daemon.run_daemon",
    "daemon.signals.until_told_to_stop",
    "daemon.supervisor._Worker.run",
    "daemon.supervisor._supervise",
    "edges.web.operator.events._follow_nodes",
    "edges.web.operator.events.follow_others",
    "edges.web.server.Server.serve",
    "edges.workers.handover.Colleagues.listen",
    "journal.opening.open_journal",
    "net.http.open_http_pool",
    "net.poller.open_poller",
    "recorder.recordings.open_recordings",
}
"""Functions with a nursery that is older than one call. ``trio`` itself has another in ``serve_listeners``."""
OF_SUPERVISOR = {name for name in OF_MANY if name.startswith("daemon.supervisor.")}


class Injected(Exception):
    """A failure that nobody foresaw."""


async def fail(task):
    """Raise in a task where it waits; whether it could be."""
    was_raised = False

    def raise_injected():
        nonlocal was_raised
        was_raised = True
        raise Injected

    for _ in range(10):
        if task._abort_func is not None:
            break
        await trio.lowlevel.checkpoint()  # it is about to run
    else:
        return False
    task._attempt_abort(raise_injected)
    return was_raised


def below(task):
    """All tasks that live in a task's nurseries, and in theirs: each with the way to it, nurseries and tasks."""
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield [(nursery, child)]
            for way in below(child):
                yield [(nursery, child), *way]


def service_of(task):
    """The name of what ``keep_running`` keeps running, if the task is one of those."""
    frame = task.coro.cr_frame
    return None if frame is None else frame.f_locals.get("service")


@pytest.fixture
def opened_in(monkeypatch):
    """The function that has opened a nursery, named as in the tables."""
    functions = {}
    real = trio.open_nursery

    @asynccontextmanager
    async def noting(*args, **kwargs):
        frame = sys._getframe(2)
        path = Path(frame.f_code.co_filename)
        module = ".".join(path.with_suffix("").parts[len(PACKAGE.parts) :]) if path.is_relative_to(PACKAGE) else "?"
        async with real(*args, **kwargs) as nursery:
            functions[nursery] = f"{module}.{frame.f_code.co_qualname}"
            yield nursery

    monkeypatch.setattr(trio, "open_nursery", noting)
    return lambda nursery: functions.get(nursery, "?")


@pytest.fixture
def alone():
    """Changes that a daemon makes to its process are taken back; nothing is logged, since tracebacks take long."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    before = {number: signal.getsignal(number) for number in (*HELD, *STRAY)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    structlog.reset_defaults()
