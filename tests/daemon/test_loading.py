"""Configuration and tools, whatever is in them: one line with key, file and line."""

import logging
import os
import re
import resource
import signal
import sys
import threading
from pathlib import Path

import pytest
import structlog
import structlog.testing
import trio

from tests.daemon.tool_modules import MODULES
from trio_voice.call.tool_loading import load_tools
from trio_voice.call.tools import CallFacts, Tool
from trio_voice.daemon import loading
from trio_voice.daemon.loading import NoList, load_again, load_at_start, try_in_child
from trio_voice.errors import ConfigError


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
