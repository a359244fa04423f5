"""Takes the pictures of the console and of the telephone's page anew, by day and by night: ``make screenshots``.

A daemon between the sandbox's Twilio and agent, and ``trio-voice talk`` with a question for its microphone. Look at
what comes of it before it is committed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trio
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.daemons import open_world
from tests.microphone import QUESTION, flags_for, write_question
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.twilio.callers import Voice

DOCS: Final = Path(__file__).parent
SCHEMES: Final = ("light", "dark")
PATIENCE_MS: Final = 60_000
CALLERS: Final = 3
SPOKEN: Final = b"\x2a" * 8_000
NUMBER: Final = "+15550000303"
PERSONAS: Final = f"""
"{NUMBER}" = "desk"
[personas.desk]
model = "aai"
greeting = "Hello, this is the automated ferry desk. How can I help you?"
tools = ["generate_random_number"]
record = "here"
[recording]
directory = "{{directory}}"
keep_free_gb = 0
"""
TALK: Final = Script(
    greeting_ms=2_000,
    turns=(
        Turn(
            heard="Is the ferry running today?",
            reply="Yes, every hour until nine in the evening; on Sundays until six.",
        ),
        Turn(
            heard="A random number, please.",
            reply="Let me see.",
            reply_ms=800,
            tool=ToolUse("generate_random_number", {"minimum": 7, "maximum": 7}),
            after_tool="Your number is seven.",
        ),
        Turn(heard="And the last boat?", reply="It leaves at nine, and there is coffee on board.", reply_ms=2_000),
    ),
)
"""What is said in each call."""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A browser of this machine."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", *flags])
        try:
            yield browser
        finally:
            browser.close()


def take(page: Page, name: str, scheme: str, *, whole: bool = False) -> None:
    """Take one picture."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
    page.wait_for_timeout(400)  # the colours fade
    page.screenshot(path=DOCS / name, full_page=whole)


async def take_console(folder: Path) -> None:
    """The page of live calls, and that of one that is over."""
    personas = PERSONAS.format(directory=folder / "kept")
    async with open_world(
        folder, make_backend=TALK.backend, operator="127.0.0.1:0", personas=personas, seconds=300
    ) as world:
        calls = []
        for n in range(CALLERS):
            voice = Voice()
            call, _ = await world.talk(from_=f"+1555765440{n}", to=NUMBER, caller=voice)
            calls.append((call, voice))
        await trio.sleep(3)
        for pause in (1.5, 6, 4):  # the first answer is interrupted
            for _, voice in calls:
                voice.say(SPOKEN)
            await trio.sleep(1 + pause)
        over = (await world.record(calls[0][0]))["call_id"]

        def live() -> None:
            with chromium() as browser:
                page = signed_in(browser, world.daemon.operator_url)
                expect(page.locator("[data-call]")).to_have_count(CALLERS)
                page.set_viewport_size({"width": 1_200, "height": 440})
                page.wait_for_timeout(2_000)  # times and costs tick
                for scheme, name in zip(SCHEMES, ("console-live.png", "console-live-dark.png"), strict=True):
                    take(page, f"images/{name}", scheme)

        def ended() -> None:
            with chromium() as browser:
                page = signed_in(browser, world.daemon.operator_url)
                for scheme, name in zip(SCHEMES, ("console-call.png", "console-call-dark.png"), strict=True):
                    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
                    page.goto(f"{world.daemon.operator_url}/console/calls/{over}")  # the waveform is drawn once
                    take(page, f"images/{name}", scheme, whole=True)

        await trio.to_thread.run_sync(live)
        for call, _ in calls:
            call.hang_up()
            await world.ended(call)
        await trio.to_thread.run_sync(ended)


def signed_in(browser: Browser, url: str) -> Page:
    """The console's first page."""
    page = browser.new_page(viewport={"width": 1_200, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{url}/console")
    page.get_by_label("token").fill(OPERATOR_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=PATIENCE_MS)
    return page


def take_telephone(folder: Path) -> None:
    """The telephone's page while the agent answers."""
    question = folder / "question.wav"
    write_question(question, after_seconds=6)
    command = [sys.executable, "-m", "trio_voice", "--config", str(DOCS.parent / "config.toml"), "talk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            link = process.stdout.readline().strip()
            for scheme in SCHEMES:
                with chromium(*flags_for(question)) as browser:
                    page = telephone(browser, link, scheme)
                    take(page, f"assets/talk-{scheme}.png", scheme)
                    base = page.url.partition("/console")[0]
                    made = page.context.request.post(f"{base}/console/links", headers={"Origin": base})
                    link = base + made.json()["path"].replace("/enter/", "/talk/")  # for the next browser
                    page.get_by_role("button", name="Hang up").click()
        finally:
            process.terminate()


def telephone(browser: Browser, link: str, scheme: Any) -> Page:
    """The page, once the agent answers what it was asked."""
    page = browser.new_page(viewport={"width": 860, "height": 760}, color_scheme=scheme)
    page.goto(link)
    page.get_by_role("button", name="Call", exact=True).click()
    lines = page.locator("#lines")
    expect(lines).to_contain_text(QUESTION[-14:-1], ignore_case=True, timeout=PATIENCE_MS)
    expect(lines).to_contain_text("seven", timeout=PATIENCE_MS)
    expect(page.locator("#floor")).to_have_text("The agent speaks", timeout=PATIENCE_MS)
    return page


def main() -> None:
    """Take all of them."""
    for act in (lambda folder: trio.run(take_console, folder), take_telephone):
        with tempfile.TemporaryDirectory() as folder:
            act(Path(folder))


if __name__ == "__main__":
    main()
