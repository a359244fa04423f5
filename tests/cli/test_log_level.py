"""``serve --log-level``: for one start, in all processes of it, whatever the configuration says."""

import json
import subprocess
import sys

import pytest

from tests.cli.commands import CONFIG, process


def levels(path, *words):
    """The levels of what a daemon's processes log from their start to their end."""
    command = [sys.executable, "-m", "trio_voice", "serve", "--config", path, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
        daemon.stdout.readline()
        daemon.terminate()
        log = daemon.communicate(timeout=120)[1]
    return {json.loads(line)["level"] for line in log.splitlines()}


@pytest.mark.slow
def test_it_goes_before_the_configuration(config):
    quiet = CONFIG + '[log]\nlevel = "warning"\n'
    assert levels(config(text=quiet)) <= {"warning"}
    assert "info" in levels(config(text=quiet), "--log-level", "info")


@pytest.mark.slow
def test_it_is_for_all_workers(config):
    two = CONFIG.replace("[server]\n", "[server]\nworkers = 2\n")
    assert "info" in levels(config(text=two))
    assert levels(config(text=two), "--log-level", "error") == set()


def test_one_that_is_none_is_wrong_usage(config):
    result = process("--config", config(), "serve", "--log-level", "loud")
    assert result.returncode == 2
    assert "'debug', 'info', 'warning', 'error'" in result.stderr
