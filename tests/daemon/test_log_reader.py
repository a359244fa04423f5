"""The whole daemon, whose log nobody reads: a stopped terminal, a full pipe."""

import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

CONFIG = """
[server]
bind = "127.0.0.1:0"
public_url = "https://voice.example.com"
[models.aai]
kind = "assemblyai-agent"
[personas.desk]
model = "aai"
prompt = "x"
[numbers]
default = "desk"
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_daemon_whose_log_is_not_read_answers_and_ends(tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    os.set_blocking(writer, True)
    environment = os.environ | {"TWILIO_AUTH_TOKEN": "x", "ASSEMBLYAI_API_KEY": "k"}
    daemon = subprocess.Popen(
        [sys.executable, "-m", "trio_voice", "serve"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=writer,
        umask=0o777,  # somebody's mistake, which must not lock it out of its own files
    )
    try:
        address = daemon.stdout.readline().decode().split()[-1]
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
            assert answer.status == 200
        assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("journal.db", ".journal.db.marker")} == {0o600}
        began = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
        assert time.monotonic() - began < 20
    finally:
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()
        os.close(reader)
        os.close(writer)
