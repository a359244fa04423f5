"""Configuration and tools, whatever is in them: one line with key, file and line, and a daemon that goes on."""

import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
import structlog.testing
import trio

from tests.daemons import eventually, open_world
from tests.test_cli import CONFIG
from trio_voice.call.tool_loading import load_tools
from trio_voice.call.tools import CallFacts, Tool
from trio_voice.daemon import loading
from trio_voice.daemon.loading import NoList, load_again, load_at_start, try_in_child
from trio_voice.errors import ConfigError
from trio_voice.isolation import contained, keep_running

GYM = "[personas.gym]\nmodel = {model}\ntools = ['{module}:book']\n"

# A module, and what is said of it: with the line of the file where the user's own code did it.
MODULES = {
    "raises": ("import os\nraise RuntimeError('db is down')", "line 2: RuntimeError: db is down"),
    "lacks_a_key": ("import os\n\nos.environ['NOWHERE_SET']", "line 3: KeyError: 'NOWHERE_SET'"),
    "syntax": ("def book(:\n    pass", "line 1: SyntaxError: invalid syntax"),
    "unknown_name": ("x = 1\nx = Nope", "line 2: NameError: name 'Nope' is not defined"),
    "exits": ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "line 1: KeyboardInterrupt"),
    "deep_in_a_library": ("import json\njson.loads('{')", "line 2: JSONDecodeError"),
    "speechless": (
        "class Odd(BaseException):\n    def __str__(self):\n        raise ValueError\nraise Odd",
        "line 4: Odd",
    ),
    "annotation": ("def book(day: 'Nope'):\n    pass", "line 1: NameError: name 'Nope' is not defined"),
    "half_an_annotation": ("\ndef book(day: '1 +'):\n    pass", "line 2: SyntaxError"),
    "two_underscores": (
        "def book(__day: int):\n    pass",
        "line 1: TypeError: parameter '__day'",
    ),
    "no_function": ("book = 3", "is no function"),
    "nothing": ("", "has no attribute 'book'"),
    "nested": ("import raises_below", "raises_below.py line 1: RuntimeError: below"),
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module beside the configuration."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "modules", {**sys.modules})

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)

    write("raises_below", "raise RuntimeError('below')")
    return write


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes a configuration with a persona whose tool is of this module."""
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"):
        monkeypatch.setenv(name, "s3cret")

    def write(module):
        file = tmp_path / "config.toml"
        file.write_text(CONFIG.format(port=0, folder=tmp_path) + GYM.format(model="'aai'", module=module))
        return file

    return write


@pytest.mark.parametrize("name", MODULES)
def test_whatever_a_module_does_is_one_line_with_its_place(module, name):
    text, words = MODULES[name]
    module(name, text)
    with pytest.raises(ValueError, match=f"{name}:book") as wrong:
        load_tools([f"{name}:book"], NoList())
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("name", ["end_call", "transfer_to_human", "mark_do_not_call"])
def test_a_tool_that_would_take_a_built_in_ones_place_is_refused(module, name):
    module("mine", f"def {name}():\n    pass")
    with pytest.raises(ValueError, match=f"'mine:{name}' has the name of a built-in tool"):
        load_tools([f"mine:{name}"], NoList())
    assert load_tools(["trio_voice.tools:end_call"], NoList()).keys() == {"end_call"}


def test_two_tools_of_one_name_and_names_that_no_model_takes_are_refused(module):
    module("one", "def book():\n    pass\ndef ümlaut():\n    pass")
    module("other", "def book():\n    pass")
    with pytest.raises(ValueError, match="'other:book' is the second tool that is called 'book'"):
        load_tools(["one:book", "other:book"], NoList())
    with pytest.raises(ValueError, match="models take no name but"):
        load_tools(["one:ümlaut"], NoList())


async def test_a_tool_that_ends_the_process_is_answered_for_like_any_that_fails():
    class Odd(BaseException):
        pass

    def exits():
        sys.exit(3)

    async def raises_odd():
        raise Odd

    async def interrupts():
        raise KeyboardInterrupt

    async def fails_while_cancelled():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError

    call = CallFacts("c1", "CA1", "inbound", "+15550001111", "+15550002222", "gym")
    for function in (exits, raises_odd, interrupts):
        assert (await Tool(function).run({}, call, 1)).failed
    assert "took too long" in (await Tool(fails_while_cancelled).run({}, call, 0.01)).text


async def test_a_process_of_its_own_finds_the_same_and_is_gone(module, config):
    for name in ("exits", "syntax"):
        module(name, MODULES[name][0])
        (problem,) = await try_in_child(config(name))
        assert problem.endswith(MODULES[name][1])
        assert f"config.toml: personas.gym.tools: '{name}:book' cannot be imported: {name}.py line" in problem
    module("dies", "import os\n\nos._exit(5)")
    (problem,) = await try_in_child(config("dies"))
    assert problem.endswith("'dies:book' cannot be imported: dies.py line 3: it ends the process")
    module("killed", "import os\nos.kill(os.getpid(), 9)")
    (problem,) = await try_in_child(config("killed"))
    assert problem.endswith("personas.gym.tools: 'killed:book' cannot be imported: its module ended the process")
    module("closes", "import os\nos.close(1)\ndef book():\n    pass")
    assert (
        "'closes:book' cannot be imported: ValueError: it closes a standard descriptor (1)"
        in ((await try_in_child(config("closes")))[0])
    )
    module("good", "import os, sys\nos.write(1, b'noise')\nprint('{}')\ndef book():\n    pass")
    assert await try_in_child(config("good")) == []


async def test_what_cannot_even_be_tried_is_refused(config, monkeypatch):
    async def no_thread(*_args, **_kwargs):
        await trio.lowlevel.checkpoint()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.lowlevel, "open_process", no_thread)
    (problem,) = await try_in_child(config("good"))
    assert problem.endswith("config.toml: cannot be tried: RuntimeError: can't start new thread")


async def test_a_module_that_is_right_elsewhere_and_hangs_or_fails_here_is_refused_in_its_time(
    module, config, monkeypatch, mock_clock, nursery
):
    async def found_nothing(_path):
        await trio.lowlevel.checkpoint()
        return []

    monkeypatch.setattr(loading, "try_in_child", found_nothing)
    begun, release = threading.Event(), threading.Event()
    monkeypatch.setattr(loading, "begun", begun, raising=False)
    monkeypatch.setattr(loading, "release", release, raising=False)
    wait = "from trio_voice.daemon import loading\nloading.begun.set()\nloading.release.wait()\n"
    module("hangs", f"{wait}def book():\n    pass")

    async def its_time_passes():
        await trio.to_thread.run_sync(begun.wait)
        mock_clock.jump(loading.LOADING_SECONDS)

    nursery.start_soon(its_time_passes)
    try:
        with pytest.raises(ConfigError, match="'hangs:book' could be imported, and here not within 10 s"):
            await load_again(config("hangs"), NoList())
    finally:
        release.set()
    module("exits", MODULES["exits"][0])
    with pytest.raises(ConfigError, match="SystemExit: 3"):
        await load_again(config("exits"), NoList())


def test_a_file_that_does_not_come_to_its_end_is_refused_at_start_too(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "LOADING_SECONDS", 0.05)
    refused, told = threading.Event(), []

    def never_ends(_path):
        assert refused.wait(20)
        raise ConfigError([])

    def refuse(problem):
        told.append(problem)
        refused.set()

    monkeypatch.setattr(loading, "read_settings", never_ends)
    with pytest.raises(ConfigError):
        load_at_start(tmp_path / "config.toml", refuse)
    assert "config.toml: the file has not come to its end within 0.05 s" in told[0]


@pytest.mark.parametrize(
    ("does", "what"),
    [
        ("os.chdir('/')", "the working directory"),
        ("os.environ.clear()", "the environment (variables are gone)"),
        ("os.umask(0o777)", "the mode of new files (umask)"),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})", "which signals are heard"),
        ("resource.setrlimit(resource.RLIMIT_NOFILE, (20, resource.getrlimit(7)[1]))", "a limit of the process"),
        ("resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(7)[1]))", "a limit of the process"),
    ],
)
def test_a_module_that_changes_what_is_the_whole_daemons_is_refused_and_it_is_put_back(
    module, tmp_path, monkeypatch, does, what
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_THE_DAEMON", "kept")
    umask, limit = Path("/proc/self/status").read_text(), resource.getrlimit(resource.RLIMIT_NOFILE)
    module("changes", f"import os, resource, signal\n{does}\ndef book():\n    pass")
    with pytest.raises(
        ValueError, match=re.escape(f"'changes:book' cannot be imported: ValueError: it changes {what}")
    ):
        load_tools(["changes:book"], NoList())
    assert Path.cwd() == tmp_path
    assert os.environ["OF_THE_DAEMON"] == "kept"
    assert umask.split("Umask:")[1].split()[0] in Path("/proc/self/status").read_text().split("Umask:")[1].split()[0]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limit
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize(
    "does",
    [
        "logging.basicConfig(force=True, level=0)",
        "logging.disable(50)",
        "logging.getLogger().handlers.clear()",
        "structlog.configure(processors=[])",
        "structlog.reset_defaults()",
    ],
)
@pytest.mark.parametrize("is_set_up", [True, False])
def test_how_a_module_sets_up_logging_is_undone(module, does, is_set_up):
    root = logging.getLogger()
    structlog.reset_defaults()
    if is_set_up:
        structlog.configure(processors=[structlog.testing.LogCapture()])
    before = [*root.handlers], root.level, root.manager.disable, structlog.get_config()
    module("talkative", f"import logging, structlog\n{does}\ndef book():\n    pass")
    try:
        assert "book" in load_tools(["talkative:book"], NoList())
        assert ([*root.handlers], root.level, root.manager.disable, structlog.get_config()) == before
        assert structlog.is_configured() == is_set_up
    finally:
        structlog.reset_defaults()


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


@asynccontextmanager
async def steady(session):
    """The caller is heard before the block, and on behind it."""
    yield
    heard = len(session.payloads)
    await eventually(lambda: len(session.payloads) > heard + 5)


ODD_MODULES = {
    **{name: MODULES[name] for name in ("exits", "interrupts", "syntax", "annotation")},
    "dies": ("import os\nos._exit(5)", "dies.py line 2: it ends the process"),
}
ODD_FILES = {
    **{GYM.format(model="'aai'", module=name): words for name, (_, words) in ODD_MODULES.items()},
    "[[personas.x]]\n": "personas.x: must be a table",
    f"x = {'[' * 5_000}{']' * 5_000}\n": "is nested too deeply",
    "[models.x]\nkind = 'assemblyai-agent'\nurl = 'ws://[::bad'\n": "models.x.url: must begin with wss://",
}


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
