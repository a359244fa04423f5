"""Pages that are open when their session ends, or their daemon: they say so by themselves."""

import signal

import pytest
import trio

pytest.importorskip("playwright", reason="needs playwright")

from playwright.sync_api import expect

from tests.daemons import PATIENCE_SECONDS, open_world
from tests.edges.web.console.test_console import PATIENCE_MS, browse, pytestmark

__all__ = ["pytestmark"]


async def test_pages_that_stand_open_become_the_one_to_sign_in_when_their_session_ends(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=180) as world:
        call, _ = await world.talk()
        call_id = (await world.record(call))["call_id"]

        def act(new_browser):
            person = new_browser()
            person.sign_in()
            pages = []
            for path in ("", f"/calls/{call_id}", "/health"):
                page = person.context.new_page()
                if path == "/health":
                    page.clock.install()  # it is drawn anew every half a minute
                page.goto(f"{person.url}/console{path}")
                page.wait_for_load_state("load")
                pages.append(page)
            live, one, health = pages
            expect(live.locator("[data-call]")).to_have_count(1)
            expect(one.get_by_role("heading", name="Timeline")).to_be_visible()
            person.page.get_by_role("button", name="Sign out").click()
            health.clock.run_for(31_000)
            for page in pages:
                expect(page.get_by_label("token")).to_be_visible(timeout=PATIENCE_MS)
            person.page.go_back()  # nothing of it was kept
            expect(person.page.get_by_label("token")).to_be_visible()

        await browse(world.daemon.operator_url, act)
        call.hang_up()


async def test_the_live_page_says_since_when_it_hears_nothing(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=180) as world:

        def act(new_browser):
            page = new_browser().sign_in()
            lost = page.get_by_text("No news since")
            expect(page.get_by_text("No call is live")).to_be_visible()
            expect(lost).to_have_count(0)
            page.route("**/events*", lambda route: route.abort())
            page.reload()
            expect(lost).to_be_visible(timeout=PATIENCE_MS)
            page.unroute("**/events*")
            expect(lost).to_have_count(0, timeout=PATIENCE_MS)
            trio.from_thread.run_sync(lambda: world.tell(signal.SIGTERM))
            expect(lost).to_be_visible(timeout=PATIENCE_MS)

        await browse(world.daemon.operator_url, act)
        with trio.fail_after(PATIENCE_SECONDS):
            await world.daemon.process.wait()  # else what it holds open is compared with before, while it goes
