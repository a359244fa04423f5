"""Presence of another process of this machine: certain, or not claimed."""

import os
import subprocess
import sys

import pytest

from trio_voice.daemon import process_identity
from trio_voice.daemon.process_identity import has_ended, this_process

SAYS_WHO_IT_IS = (
    "from trio_voice.daemon.process_identity import this_process; print(this_process(), flush=True); input()"
)


@pytest.fixture
def other():
    """Another process, and what it calls itself."""
    command = [sys.executable, "-c", SAYS_WHO_IT_IS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        yield child, child.stdout.readline().strip()
        child.kill()


def test_it_is_there_until_it_is_killed(other):
    child, name = other
    assert name.split()[2] == str(child.pid)
    assert not has_ended(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(name)  # though nobody has asked for its exit status yet
    child.wait()
    assert has_ended(name)


def test_this_one_has_not_ended():
    assert not has_ended(this_process())


def test_another_process_may_have_got_its_number():
    *words, began = this_process().split()
    assert has_ended(" ".join([*words, str(int(began) + 1)]))


@pytest.mark.parametrize("place", [0, 1])
def test_of_other_machines_and_containers_nothing_is_known(other, place):
    child, name = other
    child.kill()
    child.wait()
    words = name.split()
    words[place] = "another"
    assert not has_ended(" ".join(words))


@pytest.mark.parametrize("name", ["", "nonsense", "a b c d", "a b c d e", "\0"])
def test_what_nobody_has_named_has_not_ended(name):
    assert not has_ended(name)
    boot, namespace, *_ = this_process().split()
    assert not has_ended(f"{boot} {namespace} {name} 1")


def test_a_process_of_another_user_is_there(monkeypatch):
    def not_yours(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", not_yours)
    *words, began = this_process().split()
    assert not has_ended(" ".join([*words, str(int(began) + 1)]))


def test_in_the_units_sandbox_systemd_says_which_boot_it_is(monkeypatch, tmp_path):
    name = this_process()
    boot = process_identity.BOOT_FILE.read_text().strip()
    monkeypatch.setattr(process_identity, "BOOT_FILE", tmp_path / "hidden")
    assert this_process() == ""
    assert not has_ended(name)
    monkeypatch.setenv(process_identity.BOOT_VARIABLE, boot.replace("-", ""))  # as systemd writes it
    assert this_process() == name
