"""A module that is refused when the daemon starts, or that it must outlive."""

import subprocess
import sys

import pytest
import trio

from tests.daemon.tool_modules import MODULES
from trio_voice.isolation import contained, keep_running


def process(folder, command, *, text=None):
    if text is not None:
        (folder / "config.toml").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "trio_voice", "--config", str(folder / "config.toml"), command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
    )


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_module_that_raises_is_78_and_one_line_at_start(module, config, tmp_path, command):
    module("exits", MODULES["exits"][0])
    config("exits")
    ended = process(tmp_path, command)
    assert (ended.returncode, ended.stdout) == (78, "")
    assert ended.stderr == (
        f"{tmp_path}/config.toml: personas.gym.tools: 'exits:book' cannot be imported: exits.py line 2: SystemExit: 3\n"
    )


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ("os._exit(3)", "ends.py line 3: it ends the process"),
        ("os.abort()", "ends.py line 3: it ends the process"),
        ("os.kill(os.getpid(), 9)", "its module ended the process"),
        (
            "os.close(2)\ndef book():\n    pass",
            "ValueError: it closes a standard descriptor (2), where the log or the next socket would be",
        ),
    ],
)
def test_a_module_that_ends_the_process_is_78_and_one_line_at_start(module, config, tmp_path, ends, words):
    module("ends", f"import os\n\n{ends}")
    config("ends")
    for command in ("check", "serve"):
        ended = process(tmp_path, command)
        assert (ended.returncode, ended.stdout) == (78, "")
        assert ended.stderr == (
            f"{tmp_path}/config.toml: personas.gym.tools: 'ends:book' cannot be imported: {words}\n"
        )


def test_several_workers_say_it_once(module, config, tmp_path):
    module("raises", MODULES["raises"][0])
    text = config("raises").read_text().replace("[server]", "[server]\nworkers = 2")
    ended = process(tmp_path, "serve", text=text)
    assert ended.returncode == 78
    assert ended.stderr.count("RuntimeError: db is down") == len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_module_that_never_comes_to_its_end_is_78_and_says_where_it_is(module, config, tmp_path, command):
    module("hangs", "import time\n\ntime.sleep(60)")
    config("hangs")
    ended = process(tmp_path, command)
    assert ended.returncode == 78
    assert "'hangs:book' cannot be imported: its module has not come to its end within 10 s" in ended.stderr
    assert ended.stderr.endswith("in hangs.py line 3\n")


def test_a_module_beside_the_configuration_hides_none_of_the_library(config, tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('I am not json')")
    (tmp_path / "mine.py").write_text("import json\njson.dumps\ndef book():\n    pass")
    config("mine")
    ended = process(tmp_path, "check")
    assert (ended.returncode, "tools: book" in ended.stdout) == (0, True)


async def test_a_bug_in_one_piece_of_work_is_logged_and_stays_there(autojump_clock):
    beginnings = []

    async def service():
        beginnings.append(trio.current_time())
        await trio.sleep(1)
        raise RuntimeError

    with trio.move_on_after(10):
        await keep_running("service", service)
    assert [round(at - beginnings[0], 1) for at in beginnings] == [0, 1.5, 3.5, 6.5]
    with contained("work", call_id="c1"):
        raise ExceptionGroup("", [ValueError()])
    with pytest.raises(SystemExit), contained("work"):
        raise SystemExit
    with trio.move_on_after(0.1) as scope, contained("work"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep(1)
    assert scope.cancelled_caught


LEFT_OVER = """
import atexit, os, threading, time
os.fork()
threading.Thread(target=time.sleep, args=(600,), name="forever").start()
atexit.register(time.sleep, 600)
def book():
    pass
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_a_module_leaves_running_keeps_no_command_and_no_daemon_from_its_end(module, config, tmp_path):
    """A thread, something to do at exit, and a copy of the process, which is no second daemon."""
    module("lingers", LEFT_OVER)
    config("lingers")
    ended = process(tmp_path, "check")
    assert ended.returncode == 0
    assert ended.stdout.count("in order") == 1
    assert ended.stderr.endswith("ended by force: something of a tool's goes on: thread forever\n")
    command = [sys.executable, "-m", "trio_voice", "--config", str(tmp_path / "config.toml"), "serve"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, cwd=tmp_path) as daemon:
        assert daemon.stdout.readline().startswith("listening on")
        daemon.terminate()
        told, said = daemon.communicate(timeout=60)
    assert (daemon.returncode, told) == (0, "")
    assert "ended by force" in said
    assert "cannot listen" not in said
