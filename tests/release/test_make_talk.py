"""``make talk`` in a fresh clone: from typing it to an answer that is heard, and on to what development needs."""

import os
import re
import resource
import select
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("playwright", reason="needs playwright")
pytest.importorskip("moonshine_voice", reason="needs the speech extra")

from playwright.sync_api import expect, sync_playwright

from tests.microphone import flags_for, write_question
from tests.release.conftest import ROOT, run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.release,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)"),
    # Its driver leaves sockets and a loop of its own to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
PATIENCE_SECONDS = 300
SET_UP_AND_CALL = 60
"""Seconds of processor at most, set-up and call together; 90 by the clock is what a machine at rest has."""
NEXT_START_AND_CALL = 20
ANSWER = re.compile("seven", re.IGNORECASE)


@contextmanager
def make_talk(folder, told):
    """Run it until Ctrl-C; the link, and what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TWILIO", "TRIO_VOICE"))}
    process = subprocess.Popen(
        ["make", "talk"],
        cwd=folder,
        env=environment | {"PIP_NO_CACHE_DIR": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        link = ""
        while not link.startswith("http://"):
            assert select.select([process.stdout], [], [], PATIENCE_SECONDS)[0]
            link = process.stdout.readline()
            assert link, "make talk has ended"
        yield link.strip()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
        process.stdout.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told["processor"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def answered(page, link):
    """Call, ask, and wait until the answer is spoken."""
    page.goto(link)
    page.get_by_role("button", name="Call", exact=True).click()
    lines = page.locator("#lines")
    expect(lines).to_contain_text("opening hours", ignore_case=True, timeout=PATIENCE_SECONDS * 1000)
    expect(lines).to_contain_text(ANSWER, timeout=PATIENCE_SECONDS * 1000)


def test_from_make_talk_in_a_fresh_clone_to_a_spoken_answer_and_on_to_make_test(tmp_path):
    clone, question = tmp_path / "clone", tmp_path / "question.wav"
    run("git", "clone", "-q", ROOT, clone)
    write_question(question, after_seconds=2)
    for most, what in ((SET_UP_AND_CALL, "set-up and call"), (NEXT_START_AND_CALL, "next start and call")):
        told = {}
        began = time.monotonic()
        with make_talk(clone, told) as link:
            told["link after"] = time.monotonic() - began
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags_for(question)])
                answered(browser.new_page(), link)
                told["answer after"] = time.monotonic() - began
                browser.close()
        print(what, told)  # noqa: T201 - `make test-release PYTEST_ARGS=-rP` tells it
        assert told["processor"] < most, told

    assert not (clone / ".venv" / "bin" / "pytest").exists()
    run("make", "setup", cwd=clone, timeout=500)
    run(clone / ".venv" / "bin" / "python", "-m", "pip", "check")
    assert (clone / ".venv" / "bin" / "pytest").exists()
    assert run("make", "setup", cwd=clone) == ""  # once
