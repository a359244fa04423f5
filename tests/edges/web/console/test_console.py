"""The console in a real Chromium, with a daemon and calls behind it."""

import re
import shutil

import pytest
import trio

from tests.daemons import open_world, operator
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.twilio.callers import Voice

pytest.importorskip("playwright", reason="needs playwright")

from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)"),
    pytest.mark.timeout(400),
    # Its driver leaves sockets and a loop of its own to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE_MS = 90_000
EVIL = "<img src=x onerror=alert(1)>"
TALK = Script(
    greeting_ms=400,
    turns=(Turn(heard=f"Is it open? {EVIL}", reply=f"Yes, {EVIL}, until six in the evening.", reply_ms=1_500),),
)
PERSONAS = f"""
[personas."evil"]
model = "aai"
greeting = "This is the automated {EVIL} line."
prompt = "{EVIL}"
"""
SPEECH = b"\x2a" * 160
PAGES = ("", "/history", "/personas", "/numbers", "/do-not-call", "/health")


class Browser:
    """A person at the console, and what their browser complained of."""

    def __init__(self, browser, url, **options):
        self.url = url
        self.complaints = []
        self.context = browser.new_context(viewport={"width": 1100, "height": 800}, **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))

    def open(self, path=""):
        self.page.goto(f"{self.url}/console{path}")
        return self.page

    def sign_in(self, token=OPERATOR_TOKEN):
        page = self.open()
        page.get_by_label("token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        return page


async def browse(url, act):
    """Do something with a browser, in a thread."""

    def run():
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                act(lambda **options: Browser(browser, url, **options))
            finally:
                browser.close()

    await trio.to_thread.run_sync(run)


async def test_an_operator_sees_a_call_live_and_ends_it(tmp_path):
    async with open_world(
        tmp_path, make_backend=TALK.backend, operator="127.0.0.1:0", personas=PERSONAS, seconds=120
    ) as world:
        url = world.daemon.operator_url
        world.twilio.rest.buy("+15551234567", friendly_name=EVIL)
        voice = Voice()
        calls = []

        async def ring():
            calls.append(await world.ring(caller=voice))
            await calls[0].wait_for_stream()

        async def speak():
            voice.say(SPEECH * 30)

        def act(new_browser):
            person = new_browser()
            page = person.sign_in("wrong")
            expect(page.get_by_role("alert")).to_contain_text("not the token")
            person.complaints.clear()  # Chromium notes the 401
            person.sign_in()
            expect(page.get_by_role("heading", name="Live", exact=False).first).to_be_visible()

            trio.from_thread.run(ring)
            card = page.locator("[data-call]")
            expect(card).to_have_count(1, timeout=PATIENCE_MS)  # by itself: the page was open before the call
            expect(card.locator("[data-field=words]")).to_contain_text("lighthouse", timeout=PATIENCE_MS)
            trio.from_thread.run(speak)
            expect(card.locator("[data-field=words]")).to_contain_text(f"Yes, {EVIL}", timeout=PATIENCE_MS)
            expect(card.locator("[data-field=latency]")).to_contain_text(re.compile(r"\d+ ms"), timeout=PATIENCE_MS)
            expect(card.locator("[data-field=cost]")).to_contain_text(re.compile(r"\$ 0\.\d+"), timeout=PATIENCE_MS)
            expect(card.locator("[data-field=time]")).to_contain_text(re.compile(r"\d+ s"))

            card.get_by_role("link", name="Hang up").click()
            expect(page.get_by_role("heading", name="Hang up?")).to_be_visible()
            assert not calls[0].over
            page.get_by_role("button", name="Hang up").click()
            page.wait_for_url("**/console")
            expect(page.locator("[data-call]")).to_have_count(0, timeout=PATIENCE_MS)

            person.open("/history")
            page.locator("tr[data-call] a").first.click()
            expect(page.locator(".line.caller")).to_contain_text(EVIL)
            expect(page.get_by_text("end_reason: operator")).to_be_visible()

            for path in PAGES:
                person.open(path)
                assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0
                assert page.locator("nav a[aria-current]").count() == 1
                page.set_viewport_size({"width": 360, "height": 700})
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= 360, f"{path} is {width} wide"
                page.set_viewport_size({"width": 1100, "height": 800})
            assert "Talk to it" in person.open("/personas").inner_text("main")

            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("button", name="Sign in")).to_be_visible()
            assert person.complaints == []

        await browse(url, act)
        record = await world.ended(calls[0])
        assert record["end_reason"] == "operator"


async def test_every_page_reads_without_a_script_and_by_day_and_by_night(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=120) as world:
        url = world.daemon.operator_url
        call, _ = await world.talk()
        async with operator() as http:
            link = (await http.post(f"{url}/console/links")).json()["path"]

        def act(new_browser):
            person = new_browser(java_script_enabled=False)
            page = person.page
            page.goto(f"{url}{link}")
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("[data-call]")).to_have_count(1)
            page.get_by_role("link", name="Say").click()
            page.get_by_label("Text to say").fill("We close in ten minutes.")
            page.get_by_role("button", name="Say").click()
            expect(page.get_by_role("heading", name=re.compile(r"\+1555"))).to_be_visible()
            person.open("/do-not-call")
            page.get_by_label("Number").nth(1).fill("+1 415 555 0199")
            page.get_by_label("Reason").fill("asked")
            page.get_by_role("button", name="Add").click()
            expect(page.locator("tr[data-number='+14155550199']")).to_be_visible()
            page.get_by_role("button", name="Remove").click()
            expect(page.locator("tr[data-number]")).to_have_count(0)

            brightness = []
            for scheme in ("light", "dark"):
                other = new_browser(color_scheme=scheme)
                other.sign_in()
                expect(other.page.locator("[data-call]")).to_have_count(1)  # the page is there, and not the one before
                colour = other.page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
                brightness.append(sum(map(int, re.findall(r"\d+", colour)[:3])) / 3)
            assert brightness[0] > 200
            assert brightness[1] < 60

        await browse(url, act)
        call.hang_up()
        await world.ended(call)


async def test_cards_come_and_go_without_a_page_being_fetched_and_the_keyboard_stays_where_it_was(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=180) as world:
        url = world.daemon.operator_url
        first, _ = await world.talk()
        first_id = (await world.record(first))["call_id"]
        calls = []

        async def ring():
            calls.append((await world.talk(from_=EVIL))[0])

        async def mute():
            await world.daemon.ask(f"/calls/{first_id}/mute", method="POST", body={"muted": True})

        def act(new_browser):
            person = new_browser()
            page = person.sign_in()
            card = page.locator(f"[data-call='{first_id}']")
            expect(card).to_have_count(1)
            page.wait_for_load_state("networkidle")
            fetched = []
            page.on("request", lambda request: fetched.append(request.url))
            card.get_by_role("link", name="Say").focus()

            trio.from_thread.run(ring)
            other = page.get_by_role("article", name=f"Call of {EVIL}", exact=True)
            expect(other).to_have_count(1)
            expect(other.get_by_role("heading")).to_have_text(EVIL)
            expect(other.locator("[data-field=state]")).to_have_text("live")
            expect(other.locator("[data-field=words]")).to_contain_text("lighthouse")
            expect(other.locator("[data-field=persona]")).to_have_text("receptionist")
            expect(other.locator("[data-field=time]")).to_contain_text(re.compile(r"\d+ s"))
            expect(page.locator("#count")).to_have_text("2 calls")
            addresses = [link.get_attribute("href") for link in other.get_by_role("link").all()]
            other_id = other.get_attribute("data-call")
            assert len(addresses) == 5
            assert all(f"/console/calls/{other_id}" in address for address in addresses)

            trio.from_thread.run_sync(calls[0].hang_up)
            expect(other.locator("[data-field=state]")).to_have_text("ended: hangup")
            expect(other).to_have_count(0)
            expect(page.locator("#count")).to_have_text("1 call")
            assert fetched == []

            trio.from_thread.run(mute)  # this the feed does not tell
            page.evaluate("htmx.trigger('#cards', 'anew')")
            expect(card.get_by_role("link", name="Unmute")).to_have_attribute(
                "href", f"/console/calls/{first_id}/unmute"
            )
            assert page.evaluate("document.activeElement.textContent") == "Say"
            assert len(fetched) == 1
            assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0

            other = new_browser()
            other.sign_in()
            other.open(f"/calls/{first_id}").get_by_role("link", name="Hang up").focus()
            for _ in range(2):  # it is fetched anew, and again: by then the first has taken its place
                with other.page.expect_response(f"**/console/calls/{first_id}"):
                    pass
            assert other.page.evaluate("document.activeElement.textContent") == "Hang up"

            trio.from_thread.run_sync(first.hang_up)
            expect(page.get_by_text("No call is live")).to_be_visible()
            expect(other.page.get_by_role("heading", level=1)).to_contain_text("ended")
            expect(other.page.get_by_role("link", name="Hang up")).to_have_count(0)
            assert other.complaints == []
            assert person.complaints == []

        await browse(url, act)
