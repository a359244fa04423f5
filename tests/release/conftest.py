"""Packages, built once, and a Debian to try them in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.release.debian_root import make_root, why_not

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/release/" in item.nodeid:
            item.add_marker(
                pytest.mark.timeout(1_800)
            )  # two packages and a system: ten minutes where nobody else works


def run(*command, cwd=ROOT, env=None, status=0, timeout=300):
    """A command that must end with this status; what it said."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The wheel and the sdist of what is committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("packages are built of what is committed, and this is no clone")
    folder = tmp_path_factory.mktemp("dist")
    run("release/dist.sh", sys.executable, folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="session")
def debian(tmp_path_factory):
    """A folder with a Debian in it, not to be written to. TRIO_VOICE_TEST_ROOT is one that was made before."""
    made = os.environ.get("TRIO_VOICE_TEST_ROOT")
    if made:
        return Path(made)
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("debian") / "root"
    make_root(folder)
    return folder
