"""Signals that nobody means: the default action of most ends a process, and every call with it."""

import signal
import subprocess
import sys

import pytest

from trio_voice.daemon.signals import HELD, STRAY

BEARS_ALL = """
import os, signal, trio
from trio_voice.daemon.signals import STOP, STRAY, hold_signals, ignore_all

signal.signal(signal.SIGUSR2, lambda number, frame: print("a tool's own", flush=True))

async def main():
    with hold_signals() as received:
        for number in sorted(STRAY):
            os.kill(os.getpid(), number)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        await trio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        async for number in received:
            print(signal.Signals(number).name, flush=True)
            if number in STOP:
                break
    for number in STRAY:
        os.kill(os.getpid(), number)

trio.run(main)
ignore_all()
for number in STRAY:
    os.kill(os.getpid(), number)
"""


OF_FAULTS = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"}
THE_OPERATORS = {"SIGKILL", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}
HARMLESS = {"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGPIPE", "SIGXFSZ"}
"""By default, the last two by Python's."""


def test_no_signal_is_forgotten():
    named = {each for each in signal.valid_signals() if not isinstance(each, signal.Signals)}  # real-time ones
    others = {signal.Signals[name] for name in OF_FAULTS | THE_OPERATORS | HARMLESS}
    assert signal.valid_signals() == {*HELD, *STRAY, *others, *named}


@pytest.mark.slow
def test_signals_that_mean_nothing_end_nothing():
    ended = subprocess.run([sys.executable, "-c", BEARS_ALL], capture_output=True, text=True, timeout=60, check=False)
    said = ended.stdout.split("\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(set(said) - {""}) == ["SIGHUP", "SIGTERM", "a tool's own"]
