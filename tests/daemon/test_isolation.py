"""Nurseries that serve many callers: none of their children's failures is the daemon's."""

import logging
import signal

import httpx2
import pytest
import structlog
import trio

from tests.test_cli import CONFIG
from trio_voice.config.reading import read_settings
from trio_voice.daemon.daemon import run_daemon
from trio_voice.daemon.signals import HELD

ENVIRONMENT = {"TWILIO_AUTH_TOKEN": "t0ken", "ASSEMBLYAI_API_KEY": "k3y"}


class Injected(Exception):
    """A failure that nobody foresaw."""


def fail(task):
    """Raise in a task where it waits; whether it could be."""

    def raise_injected():
        raise Injected

    if task._abort_func is None:
        return False
    before = task._abort_func
    task._attempt_abort(raise_injected)
    return task._abort_func is not before


def below(task):
    """All tasks that live in a task's nurseries, and in theirs."""
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield child
            yield from below(child)


@pytest.fixture
def signals():
    before = {number: signal.getsignal(number) for number in HELD}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def no_lines(_personas):
    await trio.lowlevel.checkpoint()
    return {}


async def test_each_child_may_fail_and_the_daemon_serves_on(tmp_path, signals, caplog):
    """Every task is failed where it waits, one after the other, those that others began to replace it included."""
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    (tmp_path / "config.toml").write_text(CONFIG.format(port=0, folder=tmp_path))
    settings = read_settings(tmp_path / "config.toml", ENVIRONMENT)
    address = []
    failed = []

    async def daemon(task_status):
        task_status.started(trio.lowlevel.current_task())
        await run_daemon(settings, address.append, tmp_path / "config.toml", no_lines)

    with trio.fail_after(40), caplog.at_level(logging.CRITICAL):
        async with trio.open_nursery() as nursery, httpx2.AsyncClient(trust_env=False) as http:
            root = await nursery.start(daemon)
            while not address:
                await trio.sleep(0.01)
            idle = await trio.open_tcp_stream("127.0.0.1", int(address[0].rpartition(":")[2]))
            await trio.sleep(0.1)
            for task in reversed(list(below(root))):
                if fail(task):
                    failed.append(task.name)
                    await trio.sleep(0.02)
                    answer = await http.get(f"{address[0]}/healthz", timeout=10)
                    assert answer.json()["status"] in ("ok", "draining"), failed
            await idle.aclose()
            signal.raise_signal(signal.SIGTERM)
    names = " ".join(failed)
    assert len(failed) >= 9
    for expected in ("keep_running", "Poller.run", "_run_handler", "_serve_one_listener", "write"):
        assert expected in names, failed
