"""Wheel and sdist: the same bytes wherever they are built, and in them what was tested and nothing else."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser

import pytest

from tests.release.conftest import ROOT, run

LICENCES = {
    "LICENSE",
    "NOTICE",
    "trio_voice/edges/web/console/static/htmx-LICENSE.txt",
    "trio_voice/edges/web/console/static/htmx-ext-sse-LICENSE.txt",
    "trio_voice/edges/web/console/static/uplot-LICENSE.txt",
    "trio_voice/sandbox/data/LICENSE-ISC",
}


def committed():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in names.split("\0") if name}


def test_what_is_of_others_is_named_with_its_licence():
    """Of every file that says that it was made elsewhere: the quick part."""
    notice = (ROOT / "NOTICE").read_text()
    vendored = (ROOT / "trio_voice/edges/web/console/static/VENDORED.sha256").read_text().split()[1::2]
    for name in vendored:
        assert name in notice or name.replace(".min.css", ".*").replace(".min.js", ".*") in notice, name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {str(path.relative_to(ROOT)) for pattern in project["license-files"] for path in ROOT.glob(pattern)}
    assert found == LICENCES


@pytest.mark.slow
@pytest.mark.release
def test_the_same_bytes_from_another_clone_at_another_time(dist, tmp_path):
    """Another path with a blank in it, other times of files, another umask, zone and language."""
    clone = tmp_path / "another clone"
    run("git", "clone", "-q", ROOT, clone)
    for path in clone.rglob("*"):
        if ".git" not in path.parts and not path.is_symlink():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    (clone / "trio_voice" / "left_lying_about.py").write_text("SECRET = 1\n")
    (clone / "trio_voice" / "__pycache__").mkdir()
    (clone / "trio_voice" / "__pycache__" / "old.cpython-311.pyc").write_bytes(b"")
    environment = os.environ | {"TZ": "Asia/Tokyo", "LC_ALL": "C"}
    out = tmp_path / "out"
    run("sh", "-c", 'umask 077; exec release/dist.sh "$0" "$1"', sys.executable, out, cwd=clone, env=environment)
    for built in dist:
        assert (out / built.name).read_bytes() == built.read_bytes(), built.name


@pytest.mark.slow
@pytest.mark.release
def test_the_wheel_is_what_the_tests_ran(dist):
    """Byte for byte the package as it stands here, its licences, and nothing beside."""
    wheel, _ = dist
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.partition("/")[0] for name in names if name.endswith("/METADATA"))
        ours = {name for name in committed() if name.startswith("trio_voice/")}
        meant = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
        meant |= {f"{info}/licenses/{name}" for name in LICENCES}
        assert names == ours | meant
        for name in ours:
            assert archive.read(name) == (ROOT / name).read_bytes(), f"{name}: commit, then build"
        told = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (told["Name"], told["Version"]) == ("trio-voice", project["version"])
    assert (told["License-Expression"], set(told.get_all("License-File"))) == (project["license"], LICENCES)


@pytest.mark.slow
@pytest.mark.release
def test_the_sdist_is_what_is_committed(dist):
    _, sdist = dist
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        names = {member.name.partition("/")[2] for member in members}
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert names == {name for name in committed() if not name.startswith(".ci/")} | {"PKG-INFO"}


@pytest.fixture(scope="module")
def server(dist, tmp_path_factory):
    """The wheel as docs/how-to/server.md has it installed: pinned, hashed, and nothing else in the environment."""
    wheel, _ = dist
    folder = tmp_path_factory.mktemp("server")
    run(sys.executable, "-m", "venv", folder / "venv")
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps")
    run(*pip, "--require-hashes", "-r", ROOT / "constraints-server.txt")
    run(*pip, "--no-index", wheel)
    return folder / "venv" / "bin" / "trio-voice"


@pytest.mark.slow
@pytest.mark.release
def test_the_wheel_runs_where_nothing_else_is(server, tmp_path):
    environment = {"PATH": "/usr/bin:/bin"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert run(server, "--version", cwd=tmp_path, env=environment) == f"trio-voice {project['version']}\n"
    keys = dict.fromkeys(("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"), "k3y")
    checked = run(server, "--config", ROOT / "config.toml", "check", cwd=tmp_path, env=environment | keys)
    assert "receptionist" in checked
    assert "ASSEMBLYAI_API_KEY" in run(
        server, "--config", ROOT / "config.toml", "check", cwd=tmp_path, env=environment, status=78
    )
    assert "[sandbox]" in run(server, "demo", cwd=tmp_path, env=environment, status=69)


@pytest.mark.slow
@pytest.mark.release
def test_the_wheel_plays_a_call(dist, tmp_path):
    """Its own files before those that are here, with the extras that are here."""
    pytest.importorskip("moonshine_voice", reason="the demo needs the sandbox extra")
    wheel, _ = dist
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "wheel")}
    where = "import trio_voice; print(trio_voice.__file__)"
    found = run(sys.executable, "-c", where, cwd=tmp_path, env=environment)
    assert found.startswith(str(tmp_path / "wheel"))
    run(sys.executable, "-m", "trio_voice", "demo", cwd=tmp_path, env=environment)
    assert (tmp_path / "demo" / "call.wav").stat().st_size > 100_000
