"""Modules of users that change the interpreter: put back, and refused where it would harm every call."""

import decimal
import faulthandler
import gc
import itertools
import json
import locale
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
import tracemalloc
import warnings

import h11
import pytest
import trio

from tests.cli.commands import CONFIG
from trio_voice.call.tool_loading import load_tools
from trio_voice.daemon.loading import NoList, try_in_child

NUMBERS = itertools.count()
BOOK = "\ndef book():\n    pass\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a tool of a module with this text."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(does):
        module = f"keeps_{next(NUMBERS)}"
        (tmp_path / f"{module}.py").write_text(does + BOOK)
        return load_tools([f"{module}:book"], NoList())

    return load


def state():
    return (
        *(sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile(), sys.getrecursionlimit()),
        *(sys.getswitchinterval(), gc.isenabled(), gc.get_threshold(), gc.get_debug(), socket.getdefaulttimeout()),
        *(locale.setlocale(locale.LC_ALL), [*warnings.filters], repr(decimal.getcontext()), faulthandler.is_enabled()),
        *([*gc.callbacks], tracemalloc.is_tracing(), sys.get_int_max_str_digits(), threading.stack_size()),
        *(logging.getLogRecordFactory(), logging.getLoggerClass(), logging.Logger.handle),
        *(signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGCHLD), [*sys.meta_path]),
        *(trio.Nursery.start_soon, trio.CancelScope.cancel, json.JSONEncoder.iterencode, h11.Connection.our_state),
        *(trio.sleep, time.monotonic, json.dumps, print, socket.getaddrinfo, sys.modules["trio"], [*sys.path]),
    )


REFUSED = {
    "import inspect, sys\nsys.setrecursionlimit(len(inspect.stack()) + 100)": "how deep calls may be (recursion limit)",
    "import sys\nsys.setprofile(lambda *_: None)": "what is profiled (sys.setprofile)",
    "import threading\nthreading.settrace(lambda *_: 1 / 0)": "what is traced in threads",
    "import threading\nthreading.setprofile(lambda *_: 1 / 0)": "what is profiled in threads",
    "import sys\nsys.setswitchinterval(100)": "how long a thread may keep others waiting",
    "import trio\ntrio.sleep = None": "trio.sleep",
    "import trio\ndel trio.sleep": "trio.sleep",
    "import time\ntime.monotonic = lambda: 0": "time.monotonic",
    "import json\njson.dumps = None": "json.dumps",
    "import socket\nsocket.getaddrinfo = None": "socket.getaddrinfo",
    "import builtins\ndel builtins.print": "builtins.print",
    "import builtins\nbuiltins.__import__ = None": "builtins.__import__",
    "import sys\ndel sys.modules['trio']": "trio",
    "import sys\nfor name in [*sys.modules]:\n    if name.startswith('trio'):\n        del sys.modules[name]": "trio",
    "import sys\nsys.meta_path.clear()": "how modules are found (sys.meta_path)",
    "import sys\nsys.meta_path.insert(0, None)": "how modules are found (sys.meta_path)",
    "import trio\ntrio.Nursery.start_soon = None": "trio.Nursery.start_soon",
    "import trio._core._run as run\nrun.Runner.reschedule = lambda *_: None": "trio._core._run.Runner.reschedule",
    "import trio\ndel trio.CancelScope.cancel": "trio.CancelScope.cancel",
    "import h11\nh11.Connection.our_state = property(print)": "h11._connection.Connection.our_state",
    "import json\njson.JSONEncoder.iterencode = print": "json.encoder.JSONEncoder.iterencode",
    "import logging\nlogging.Logger.handle = lambda *_: 1 / 0": "logging.Logger.handle",
    "import signal\nsignal.setitimer(signal.ITIMER_VIRTUAL, 100)": "when it is woken (a timer)",
    "import sys\ndel sys.path[1:]": "where modules are looked for (sys.path)",
}


@pytest.mark.parametrize("does", REFUSED)
def test_what_harms_every_call_is_refused_and_put_back(load, does):
    before = state()
    with pytest.raises(ValueError, match=re.escape(f"ValueError: it changes {REFUSED[does]}")):
        load(does)
    assert sorted(map(repr, before)) == sorted(map(repr, state()))


@pytest.mark.parametrize(
    "does",
    [
        "import gc\ngc.disable()",
        "import gc\ngc.set_threshold(1)",
        "import warnings\nwarnings.simplefilter('error')",
        "import locale\nlocale.setlocale(locale.LC_ALL, 'C')",
        "import decimal\ndecimal.getcontext().prec = 1",
        "import socket\nsocket.setdefaulttimeout(0.001)",
        "import gc\ngc.callbacks.append(lambda *_: 1 / 0)",
        "import tracemalloc\ntracemalloc.start(25)",
        "import logging\nlogging.setLogRecordFactory(lambda *_, **_more: 1 / 0)",
        "import logging\nclass Odd(logging.Logger):\n    handle = None\nlogging.setLoggerClass(Odd)",
        "import sys\nsys.set_int_max_str_digits(640)",
        "import threading\nthreading.stack_size(32_768)",
        "import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)",
        "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "import faulthandler\nfaulthandler.disable() if faulthandler.is_enabled() else faulthandler.enable()",
    ],
)
def test_what_libraries_set_by_habit_is_put_back(load, does):
    before = state()
    assert [*load(does)] == ["book"]
    assert before == state()


@pytest.mark.parametrize(
    "does",
    [
        "import sys\nsys.setrecursionlimit(5_000)",
        "import sys\nsys.excepthook = print",
        "import random\nrandom.seed(1)",
        "import asyncio\nasyncio.run(asyncio.sleep(0))",
        "import trio\ntrio.run(trio.sleep, 0)",
        "import sys\nsys.path.append('/nowhere')",
        "import unittest.mock, multiprocessing, xmlrpc.client, logging.config, ctypes, twilio.rest",
    ],
)
def test_what_harms_nobody_is_left_alone(load, does, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    depth = sys.getrecursionlimit()
    try:
        assert [*load(does)] == ["book"]
    finally:
        sys.setrecursionlimit(depth)


SHARES = ["os.setpriority(os.PRIO_PROCESS, os.getpid(), 19)", "os.sched_setaffinity(os.getpid(), {PROCESSOR})"]


@pytest.mark.slow
@pytest.mark.parametrize("does", SHARES, ids=["priority", "processors"])
async def test_a_share_of_the_processors_that_nobody_gets_back_is_lost_where_it_is_tried(tmp_path, monkeypatch, does):
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one processor")
    does = does.replace("PROCESSOR", str(min(os.sched_getaffinity(0))))
    assert await tried(tmp_path, monkeypatch, f"import os\n{does}") == [
        "it changes its share of the processors, which is the whole daemon's"
    ]


def test_a_timer_that_would_end_the_process_is_stopped(load, monkeypatch):
    done, stop = [], faulthandler.cancel_dump_traceback_later
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: done.append(stop()))
    load("import faulthandler\nfaulthandler.dump_traceback_later(1000, exit=True)")
    assert done == [None]


async def tried(tmp_path, monkeypatch, does):
    """Ends of the lines with which a module is refused by the process that tries it."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t" * 32)
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "audits.py").write_text(does + BOOK)
    config = tmp_path / "config.toml"
    config.write_text(
        f"{CONFIG.format(port=1, folder=tmp_path)}\n[personas.odd]\nmodel = 'aai'\ntools = ['audits:book']\n"
    )
    return [re.split("audits.py |ValueError: ", line)[-1] for line in await try_in_child(config)]


@pytest.mark.slow
async def test_an_audit_hook_which_nothing_removes_is_refused_where_it_is_tried(tmp_path, monkeypatch):
    assert await tried(tmp_path, monkeypatch, "import sys\n\nsys.addaudithook(lambda *_: None)") == [
        "line 3: it adds an audit hook, which is the whole daemon's and can never be removed"
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("async def book():\n    yield 1", "it yields"),
        ("def book():\n    yield 1", "it yields"),
        ("class book:\n    pass", "it is a class"),
        ("import functools\nbook = functools.partial(print, 1)", "it is a partial, which has no name"),
        ("class Book:\n    async def __call__(self):\n        pass\nbook = Book()", "it is a Book, which has no name"),
        ("book = lambda: 1", "models take no name but"),
        ("async def go():\n    pass\nbook = go()", "is no function"),
        ("book = 5", "is no function"),
    ],
)
def test_what_is_no_function_with_a_name_and_a_result_is_refused_in_one_line(tmp_path, monkeypatch, text, what):
    monkeypatch.syspath_prepend(tmp_path)
    module = f"odd_{next(NUMBERS)}"
    (tmp_path / f"{module}.py").write_text(text)
    with pytest.raises(ValueError, match=re.escape(what)) as refused:
        load_tools([f"{module}:book"], NoList())
    assert "\n" not in str(refused.value)
