"""``trio-voice top`` on terminals of every kind: a program that must leave each as it was."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytestmark = pytest.mark.slow

CONFIG = """
[server]
bind = "{bind}"
public_url = "https://voice.example.com"
[models.aai]
kind = "assemblyai-agent"
[personas."Caf\u00e9"]
model = "aai"
[numbers]
default = "Caf\u00e9"
"""
CALLS = (
    b'{"calls": [{"call_id": "0123456789abcdef0123456789abcdef", "state": "live", "persona": "Caf\\u00e9", '
    b'"from": "+15557654321", "to": "+15551234567", "started_at": null, "cost": {"total": null}}], "next": null}'
)


@pytest.fixture
def daemon():
    """A daemon as far as ``top`` asks it; what it answers may be changed."""

    class Answer(BaseHTTPRequestHandler):
        status, body = 200, CALLS

        def do_GET(self):
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def command(daemon, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(bind=f"127.0.0.1:{daemon.server_port}"), encoding="utf-8")
    return [sys.executable, "-m", "trio_voice", "--config", str(config), "top"]


def environment(**more):
    secrets = {"TWILIO_AUTH_TOKEN": "t", "ASSEMBLYAI_API_KEY": "k", "TRIO_VOICE_API_TOKEN": "o" * 20}
    usual = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}  # xdist tells them
    return usual | secrets | more


def watched(command, *, rows, columns, keys=b"", term="xterm", then=None):
    """Text that a terminal of this size was told, and the exit status. ``keys`` are pressed once it shows something."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = termios.tcgetattr(theirs)
    told = b""
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM=term), start_new_session=True
    ) as process:
        pressed = False
        while process.poll() is None:
            if select.select([ours], [], [], 0.1)[0]:
                told += os.read(ours, 65_536)
            if b"\x1b[H" in told and not pressed:
                pressed = True
                if then is not None:
                    then()
                os.write(ours, keys)
        while select.select([ours], [], [], 0)[0]:
            told += os.read(ours, 65_536)
    assert termios.tcgetattr(theirs)[:4] == before[:4]
    os.close(ours)
    os.close(theirs)
    return told.decode(errors="replace"), process.returncode


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (1, 1), (0, 0), (200, 500)])
def test_whatever_its_size(command, rows, columns):
    told, status = watched(command, rows=rows, columns=columns, keys=b"q")
    assert status == 0
    assert told.endswith("\x1b[?25h\x1b[?1049l")
    assert ("01234567" in told) is (columns != 1)


def test_a_daemon_that_goes_away_is_told_where_it_can_be_read(daemon, command):
    def refuse():
        daemon.RequestHandlerClass.status, daemon.RequestHandlerClass.body = 401, b'{"error": {"message": "not you"}}'

    told, status = watched(command, rows=24, columns=80, then=refuse)
    assert status == 1
    assert told.rpartition("\x1b[?1049l")[2].strip() == "not you"


def test_a_terminal_that_can_do_nothing_is_told_once(command):
    told, status = watched(command, rows=24, columns=80, term="dumb")
    assert (status, "\x1b" in told, told.count("01234567")) == (0, False, 1)


def test_where_nobody_watches_and_letters_are_few(command):
    """Latin-1 has the persona's name, and no ellipsis for the numbers."""
    few = environment(PYTHONIOENCODING="iso-8859-1")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, env=few)
    assert done.stdout.decode("iso-8859-1").split() == ["01234567", "01", "live", "Caf\u00e9", "?4321", "?4567"]
