"""The telephone's page in a real Firefox, by its own remote protocol; its fake microphone hums."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.edges.web.console.test_talk import talking
from tests.marionette import open_firefox

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PULSEAUDIO = shutil.which("pulseaudio")
pytestmark = [
    pytest.mark.skipif(FIREFOX is None, reason="needs firefox (Debian: apt-get install firefox-esr)"),
    pytest.mark.skipif(sys.platform != "linux", reason="gives it a sound device of Linux"),
    pytest.mark.timeout(240),
    pytest.mark.slow,
]
TOKEN = "a token of the firefox test"
PREFERENCES = {"media.navigator.streams.fake": True, "media.navigator.permission.disabled": True}
COMPLAINTS = """
window.complaints = [];
addEventListener("error", (event) => complaints.push(event.message));
document.addEventListener("securitypolicyviolation", (event) => complaints.push(event.violatedDirective));
"""


@pytest.fixture
def loudspeaker(tmp_path, monkeypatch):
    """A sound device that plays into nothing."""
    if PULSEAUDIO is None:
        pytest.skip("needs pulseaudio (Debian: apt-get install pulseaudio)")
    socket = tmp_path / "sound"
    command = [PULSEAUDIO, "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    command += ["-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1", "-L", "module-null-sink"]
    environment = os.environ | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not socket.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        monkeypatch.setenv("PULSE_SERVER", f"unix:{socket}")
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    with talking(tmp_path_factory.mktemp("talk"), TRIO_VOICE_API_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture
def link(talk):
    """A way in that is good for one browser."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{talk.base}/console/links", data=b"{}", headers=headers)
    with urllib.request.urlopen(request) as answer:
        secret = json.load(answer)["path"].rpartition("/")[2]
    return f"{talk.base}/console/talk/{secret}?persona=keeper"


@pytest.fixture
def firefox(tmp_path):
    folder = tmp_path / "profile"
    folder.mkdir()
    with open_firefox(FIREFOX, folder, **PREFERENCES) as started:
        yield started


def test_a_call_from_click_to_goodbye(loudspeaker, firefox, link):
    firefox.open(link)
    firefox.run(COMPLAINTS)
    firefox.click("#call")
    firefox.wait("document.getElementById('lines').innerText.includes('Welcome to the lighthouse')")
    firefox.wait("document.getElementById('level-agent').value > 0.05")
    firefox.wait("document.getElementById('level-caller').value > 0.05")
    firefox.wait("document.getElementById('timer').innerText > '0:01'")  # some marks have come back
    assert firefox.run("return complaints") == []
    firefox.click("#hang-up")
    firefox.wait("document.getElementById('state').innerText.includes('ended')")
    path = firefox.wait("!document.getElementById('record').hidden && document.getElementById('record').href")
    firefox.open(path)
    firefox.wait("document.body.innerText.includes('end_reason: hangup')")
    told = firefox.run("return document.body.innerText")
    assert "marks came back" in told
    assert "acknowledged" in told


def test_without_a_loudspeaker_the_page_says_so_and_no_call_is_made(monkeypatch, tmp_path, link):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
    folder = tmp_path / "profile"
    folder.mkdir()
    with open_firefox(FIREFOX, folder, **PREFERENCES) as firefox:
        firefox.open(link)
        firefox.click("#call")
        firefox.wait("document.getElementById('trouble').innerText.includes('no loudspeaker')")
        assert firefox.run("return document.getElementById('call').disabled") is False
        assert firefox.run("return document.getElementById('record').hidden") is True
