"""A machine that has too little of something for a command: one line and a status, and never a traceback."""

import errno
import resource
import subprocess
import sys
from types import ModuleType

import pytest

from tests.cli.commands import CONFIG
from trio_voice.__main__ import EXIT_LACKS, lack_in, main


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("x.so: failed to map segment from shared object"),
        ImportError("x.so: cannot allocate memory in static TLS block"),
    ],
)
def test_too_little_is_seen_in_whatever_group(error):
    assert lack_in(error) is error
    assert lack_in(BaseExceptionGroup("", [ValueError(), ExceptionGroup("", [KeyError(), error])])) is error


@pytest.mark.parametrize(
    "error", [ValueError(), RuntimeError("other"), OSError(errno.ENOENT, ""), ImportError("no module"), SystemExit(1)]
)
def test_another_error_is_none_of_it(error):
    assert lack_in(error) is None
    assert lack_in(BaseExceptionGroup("", [error])) is None


class Unloadable(ModuleType):
    """A module that there is no memory for."""

    def __getattr__(self, name):
        raise MemoryError


def test_too_little_to_load_even_what_ends_a_command(monkeypatch, capsys):
    for module in ("trio_voice.cli", "trio_voice.cli.leaving"):
        monkeypatch.setitem(sys.modules, module, Unloadable(module))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == EXIT_LACKS
    assert capsys.readouterr().err == "trio-voice: this machine has too little: MemoryError: \n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "value", "status", "says"),
    [
        (resource.RLIMIT_NOFILE, (12, 12), 78, "only 12 files may be open here, and a daemon needs 64"),
        (resource.RLIMIT_AS, (90_000_000, 90_000_000), EXIT_LACKS, "this machine has too little"),
        (resource.RLIMIT_FSIZE, (0, 0), EXIT_LACKS, "this machine has too little"),
    ],
)
def test_a_daemon_that_cannot_start_for_want_of_it_says_so_in_one_line(config_file, limit, value, status, says):
    ended = subprocess.run(
        [sys.executable, "-m", "trio_voice", "--config", config_file, "serve"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(limit, value),
    )
    assert (ended.returncode, ended.stdout) == (status, "")
    [line] = [line for line in ended.stderr.splitlines() if not line.startswith("{")]  # but for the log
    assert says in line


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t" * 32)
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(port=0, folder=tmp_path))
    return str(path)
