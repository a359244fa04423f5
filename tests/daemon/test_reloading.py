"""A reload: what is refused, and the daemon that goes on with the old one."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.daemon.tool_modules import GYM, ODD_FILES, ODD_MODULES
from tests.daemons import eventually, open_world


@asynccontextmanager
async def steady(session):
    """The caller is heard before the block, and on behind it."""
    yield
    heard = len(session.payloads)
    await eventually(lambda: len(session.payloads) > heard + 5)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(list(ODD_FILES)[:1], id="one"),
        pytest.param(list(ODD_FILES)[1:], marks=[pytest.mark.slow, pytest.mark.timeout(400)], id="all the others"),
    ],
)
async def test_whatever_is_reloaded_the_live_call_goes_on_and_the_old_one_is_kept(tmp_path, files):
    (tmp_path / "daemon").mkdir()
    for name, (text, _) in ODD_MODULES.items():
        (tmp_path / "daemon" / f"{name}.py").write_text(text)
    async with open_world(tmp_path, seconds=180) as world:
        call, session = await world.talk()
        good = world.config.read_text()
        for count, text in enumerate(files, 1):
            world.config.write_text(good.replace("[numbers]", f"{text}[numbers]", 1))
            world.tell(signal.SIGHUP)
            async with steady(session):
                await eventually(lambda count=count: len(world.logged("reload_refused")) == count, seconds=40)
            (problem,) = world.logged("reload_refused")[-1]["problems"]
            assert ODD_FILES[text] in problem
        world.config.unlink()
        os.mkfifo(world.config)
        world.tell(signal.SIGHUP)
        async with steady(session):
            await eventually(lambda: "it is no file" in json.dumps(world.logged("reload_refused")), seconds=40)
        world.config.unlink()
        world.config.write_text(good.replace('voice = "alba"', 'voice = "eve"'))
        world.tell(signal.SIGHUP)
        async with steady(session):
            (reloaded,) = await eventually(lambda: world.logged("reloaded"), seconds=40)
        assert reloaded["personas_changed"] == ["receptionist"]
        call.hang_up()
        await world.ended(call)


LOCAL = """
[models.here]
kind = "chain"
stt = { kind = "local" }
llm = { kind = "openai-chat", url = "http://127.0.0.1:9/v1", model = "m" }
tts = { kind = "local" }
"""


async def test_a_model_whose_extra_was_not_loaded_at_start_is_not_taken_over(tmp_path):
    """Loading it beside live calls would keep them waiting, and it may not even be installed."""
    async with open_world(tmp_path, personas=LOCAL) as world:
        good = world.config.read_text()
        world.config.write_text(good.replace('model = "aai"', 'model = "here"'))
        world.tell(signal.SIGHUP)
        (refused,) = await eventually(lambda: world.logged("reload_refused"), seconds=20)
        assert refused["problems"] == ["models.here needs speech: restart to use it"]


async def test_a_stop_is_heard_in_the_middle_of_a_reload_that_hangs(tmp_path):
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "hangs.py").write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)")
    async with open_world(tmp_path) as world:
        good = world.config.read_text()
        world.config.write_text(good.replace("[numbers]", GYM.format(model="'aai'", module="hangs") + "[numbers]", 1))
        world.tell(signal.SIGHUP)
        await eventually((world.config.parent / "begun").exists)
        world.tell(signal.SIGTERM)
        assert await world.exit_status(4) == 0


async def test_signals_change_nothing_until_all_is_put_in_order(tmp_path):
    """As many as anybody sends, while phones are still being hung up: the journal is closed, and the status 0."""
    async with open_world(tmp_path, seconds=60) as world:
        call, _ = await world.talk()
        async with world.twilio.rest.server.unreachable():
            world.tell(signal.SIGTERM)
            await eventually(lambda: world.logged("draining"))
            world.tell(signal.SIGINT)
            await eventually(lambda: world.logged("call_ended"))
            for _ in range(100):
                world.tell((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[_ % 3])
                await trio.sleep(0.01)
        with trio.move_on_after(20):
            while world.daemon.process.returncode is None:
                world.tell(signal.SIGINT)
                world.tell(signal.SIGTERM)
                await trio.sleep(0.001)
        assert world.daemon.process.returncode == 0
        assert world.logged("stopped")
        await call.settled.wait()


def test_sighup_before_anything_is_ready_ends_nothing(config, tmp_path):
    config("trio_voice.examples.shop")
    file = tmp_path / "config.toml"
    file.write_text(file.read_text().replace(":book", ":get_order_status"))
    command = [sys.executable, "-m", "trio_voice", "--config", str(file), "serve"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, text=True, cwd=tmp_path) as daemon:
        try:
            ready = threading.Event()

            def nag():
                while not ready.wait(0.01):
                    status = dict(re.findall(r"(\w+):\t(.*)", Path(f"/proc/{daemon.pid}/status").read_text()))
                    if int(status["SigCgt"], 16) & 1:  # it has come to its first line
                        daemon.send_signal(signal.SIGHUP)

            thread = threading.Thread(target=nag)
            thread.start()
            said = daemon.stdout.readline()
            ready.set()
            thread.join()
            assert said.startswith("listening on")
        finally:
            ready.set()
            daemon.terminate()
        assert daemon.wait(15) == 0
