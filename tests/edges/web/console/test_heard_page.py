"""The page of a call that ends while it is open, and on paper; and a key that is held: in a real Chromium."""

import pytest
import trio

from tests.daemons import open_world
from tests.edges.web.console.test_console import PATIENCE_MS, TALK, browse, pytestmark
from trio_voice.sandbox.twilio.callers import Voice

__all__ = ["pytestmark"]  # slow, and needs Chromium
expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect

NUMBER = "+15550000303"
RECORDED = """
"{number}" = "recorded"
[personas.recorded]
model = "aai"
greeting = "Good day."
record = "here"
[recording]
directory = "{folder}"
keep_free_gb = 0
"""
IS_DRAWN = """() => {
  const canvas = document.querySelector("canvas.wave"), {width, height} = canvas;
  return canvas.getContext("2d").getImageData(0, 0, width, height).data.some((part) => part > 0);
}"""


async def test_what_was_heard_is_drawn_when_the_call_ends_and_is_dark_on_light_paper(tmp_path):
    personas = RECORDED.format(number=NUMBER, folder=tmp_path / "kept")
    async with open_world(
        tmp_path, make_backend=TALK.backend, operator="127.0.0.1:0", personas=personas, seconds=180
    ) as world:
        call, _ = await world.talk(to=NUMBER, caller=Voice())
        call_id = (await world.record(call))["call_id"]

        def act(new_browser):
            person = new_browser(color_scheme="dark")
            page = person.sign_in()
            page.goto(f"{person.url}/console/calls/{call_id}")
            expect(page.get_by_role("link", name="Hang up")).to_be_visible()
            trio.from_thread.run_sync(call.hang_up)
            expect(page.locator("canvas.wave")).to_be_visible(timeout=PATIENCE_MS)
            page.wait_for_function(IS_DRAWN, timeout=PATIENCE_MS)
            expect(page.get_by_role("link", name="Hang up")).to_have_count(0)
            page.emulate_media(media="print", color_scheme="dark")
            red, green, blue = page.evaluate(
                "getComputedStyle(document.body).color.match(/[0-9]+/g).slice(0, 3).map(Number)"
            )
            assert max(red, green, blue) < 80
            expect(page.get_by_role("button", name="Sign out")).not_to_be_visible()
            assert page.evaluate("document.querySelector('audio').checkVisibility()") is False

        await browse(world.daemon.operator_url, act)
        await world.ended(call)


async def test_a_key_that_is_held_is_pressed_once(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=180) as world:

        def act(new_browser):
            person = new_browser()
            page = person.sign_in()
            page.goto(f"{person.url}/console/talk")
            page.evaluate("call = {keys: [], press(digit) { this.keys.push(digit); }, end() {}}")
            for key in ("5", "5", "5", "#"):
                page.keyboard.down(key)
            page.keyboard.up("5")
            page.keyboard.down("5")
            assert page.evaluate("call.keys") == ["5", "#", "5"]

        await browse(world.daemon.operator_url, act)
