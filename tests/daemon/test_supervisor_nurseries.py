"""A child of a supervisor's nursery that fails ends no worker."""

import signal
import socket
import sys
from collections import Counter

import pytest
import trio

from tests.daemon.nurseries import alone, below, fail, opened_in, service_of
from tests.daemons import eventually
from trio_voice import isolation
from trio_voice.config.reading import read_settings
from trio_voice.daemon.supervisor import supervise

__all__ = ["alone", "opened_in"]

WORKER = """\
#!{python}
import json, os, pathlib, signal, socket, sys, time
folder = pathlib.Path({folder!r})
def stop(*_):
    while not (folder / "enough").exists():
        time.sleep(0.02)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
(folder / "begun-{{}}-{{}}".format(json.loads(sys.argv[-1])["index"], os.getpid())).touch()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
    supervisor.connect(os.environ["NOTIFY_SOCKET"])
    while True:
        supervisor.send(b"READY=1")
        time.sleep(0.02)
"""
"""In place of a worker: it is ready, and stops when it is told to and all is done."""


@pytest.mark.slow
async def test_each_child_of_a_supervisor_may_fail_and_no_worker_ends(tmp_path, alone, opened_in, monkeypatch):
    monkeypatch.setattr(isolation, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(isolation, "LONGEST_PAUSE_SECONDS", 0.01)
    script, config, announced, failed = tmp_path / "worker", tmp_path / "config.toml", [], Counter()
    script.write_text(WORKER.format(python=sys.executable, folder=str(tmp_path)))
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    config.write_text('[server]\nbind = "127.0.0.1:0"\npublic_url = "https://x.example"\nworkers = 2\n')

    def begun():
        return sorted(path.name for path in tmp_path.glob("begun-*"))

    async def serve(task_status):
        task_status.started(trio.lowlevel.current_task())
        await supervise(settings, config, lambda *_: announced.append(True), 60)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "systemd"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "systemd"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        settings = read_settings(config, {"TWILIO_AUTH_TOKEN": "t0ken"})
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                root = await nursery.start(serve)
                await eventually(lambda: announced)
                at_first = begun()

                async def fail_all():
                    for way in reversed(list(below(root))):
                        nursery_of_it, task = way[-1]
                        if await fail(task):
                            failed[opened_in(nursery_of_it)] += 1
                            await trio.sleep(0.05)
                            assert not nursery_of_it.cancel_scope.cancel_called, task
                            assert begun() == at_first, task

                await fail_all()
                signal.raise_signal(signal.SIGTERM)
                await eventually(lambda: "hurry" in {service_of(way[-1][1]) for way in below(root)})
                await fail_all()
                (tmp_path / "enough").touch()
    assert len(at_first) == 2
    assert failed["daemon.supervisor._supervise"] >= 4
    assert failed["daemon.supervisor._Worker.run"] >= 8
