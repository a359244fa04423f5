"""The console by keyboard, by screen reader and on a small telephone, by day and by night: each page in a Chromium."""

import re

import pytest

from tests.daemons import open_world, operator
from tests.edges.web.console.test_console import CHROMIUM, EVIL, PERSONAS, TALK, browse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)"),
    pytest.mark.timeout(600),
    # Its driver leaves sockets and a loop of its own to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

LOOK = r"""
() => {
  const found = [];
  const named = (e) => `${e.tagName.toLowerCase()}#${e.id} ${(e.textContent || "").trim().slice(0, 30)}`;
  const colour = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => {
    const mixed = { a: 1 };
    for (const part of "rgb") mixed[part] = top[part] * top.a + under[part] * (1 - top.a);
    return mixed;
  };
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(colour(getComputedStyle(e).backgroundColor));
    return layers.reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  // Of WCAG 2.2: relative luminance, and the ratio of two.
  const luminance = (of) => {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(of.r) + 0.7152 * part(of.g) + 0.0722 * part(of.b);
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    const out = e.closest("option, noscript, template, svg, :disabled");
    if (!texts.currentNode.textContent.trim() || out || !e.checkVisibility()) continue;
    const style = getComputedStyle(e), back = ground(e), size = parseFloat(style.fontSize);
    const is = contrast(over(colour(style.color), back), back);
    if (is < (size >= 24 ? 3 : 4.5)) found.push(`contrast ${is.toFixed(2)}: ${named(e)}`);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const is = contrast(colour(getComputedStyle(e).borderTopColor), ground(e.parentElement));
    if (is < 3) found.push(`border ${is.toFixed(2)}: ${named(e)}`);
  }
  for (const e of document.querySelectorAll("a:not(.skip), button, input:not([type=hidden]), select, summary")) {
    const { width, height } = e.getBoundingClientRect();
    if (e.checkVisibility() && getComputedStyle(e).display !== "inline" && (width < 24 || height < 24)) {
      found.push(`small, ${width} x ${height}: ${named(e)}`);
    }
  }
  for (const e of document.querySelectorAll("button, a.button, th")) {
    const text = e.firstChild;
    if (!text || text.nodeType !== Node.TEXT_NODE || !e.checkVisibility()) continue;
    if (/\s/.test(text.textContent.trim())) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
    if (lines.size > 1) found.push(`broken: ${named(e)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) found.push(`twice: #${id}`);
  let level = 0;
  for (const e of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const is = Number(e.tagName[1]);
    if (is > level + 1 || !e.textContent.trim()) found.push(`heading ${level}, then ${is}: ${named(e)}`);
    level = is;
  }
  if (document.querySelector("[onerror]")) found.push("markup of somebody else");
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.push(`${wide} wide, of ${innerWidth}`);
  return found;
}
"""
"""Stumbling blocks for eyes and fingers, a line each."""
FOCUSED = r"""
() => {
  const e = document.activeElement;
  if (e === null || e === document.body) return null;
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {
    what: `${e.tagName.toLowerCase()}#${e.id} ${(e.textContent || "").trim().slice(0, 30)}`,
    at: [...document.querySelectorAll("*")].indexOf(e),
    has_ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    is_seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}
"""
SPOKEN = {
    *("article", "Audio", "button", "checkbox", "combobox", "Date", "DisclosureTriangle", "image", "link", "log"),
    *("meter", "navigation", "searchbox", "slider", "textbox", "timer"),
}
"""Roles whose name a screen reader says."""
LONG = f"""
[personas.{"w" * 60}]
model = "aai"
greeting = "{"w" * 200}"
"""
MOST_STOPS = 150
VIEWS = (("light", 360, 640), ("dark", 1_100, 800))


def stumbles(person):
    """Faults with the page as it stands, for eyes, for a keyboard, for a screen reader, and to the browser."""
    page = person.page
    found = [*page.evaluate(LOOK), *unnamed(person), *walk(page), *person.complaints]
    person.complaints.clear()
    return found


def unnamed(person):
    """Parts of the page of which a screen reader could say no more than what they are."""
    session = person.context.new_cdp_session(person.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    roles = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"] and not node.get("name", {}).get("value", "").strip()
    ]
    return [f"no name: {role}" for role in roles if role in SPOKEN]


def walk(page):
    """Tab through the whole page, from wherever it has the keyboard; what is wrong on the way."""
    found, places = [], []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None or stop["at"] in places[:-1]:  # a field may have stops of its own
            break
        places.append(stop["at"])
        found += [f"{what}: {stop['what']}" for what in ("has_ring", "is_seen") if not stop[what]]
    else:
        found.append("the keyboard does not come out again")
    first = places.index(min(places))  # a page that begins in its form goes on from the top
    in_order = places[first:] + places[:first]
    return found if in_order == sorted(in_order) else [*found, f"out of order: {places}"]


async def test_every_page_is_for_everybody(tmp_path):
    """With a caller, a number, a persona and a reason that are markup or longer than any page is wide."""
    async with open_world(
        tmp_path, make_backend=TALK.backend, operator="127.0.0.1:0", personas=PERSONAS + LONG, seconds=500
    ) as world:
        url = world.daemon.operator_url
        world.twilio.rest.buy("+15551234567", friendly_name=EVIL * 3)
        world.twilio.rest.buy("+15550007777", friendly_name="W" * 64)
        first, _ = await world.talk(from_=EVIL)
        gone = (await world.record(first))["call_id"]
        first.hang_up()
        await world.ended(first)
        live, _ = await world.talk(from_="A" * 80)
        here = (await world.record(live))["call_id"]
        async with operator() as http:
            links = [(await http.post(f"{url}/console/links")).json()["path"] for _ in range(2)]
            for number in ("+14155550100", "+14155550101"):
                (
                    await http.put(f"{url}/do-not-call/{number}", json={"reason": f"{EVIL}{'x' * 300}"})
                ).raise_for_status()
            numbers = (await http.get(f"{url}/console/numbers", headers={"Accept": "text/html"})).text
        [point, *_] = re.findall(r"/console(/numbers/\w+/point)", numbers)
        paths = {
            *("", "/history", "/history?number=%25&words=_%27%22&day=2026-99-99", "/personas", "/numbers", point),
            *("/do-not-call", "/do-not-call?number=0100", "/health", "/drain", "/talk", f"/calls/{here}"),
            *(f"/calls/{gone}", *(f"/calls/{here}/{each}" for each in ("say", "transfer", "hang-up", "mute"))),
        }

        def act(new_browser):
            found = {}
            for scheme, width, height in VIEWS:
                person = new_browser(color_scheme=scheme)
                person.page.set_viewport_size({"width": width, "height": height})
                for path in ("", links.pop().removeprefix("/console")):
                    person.open(path)
                    found["before signing in", path, scheme] = stumbles(person)
                person.sign_in()
                person.page.wait_for_url("**/console")
                for path in sorted(paths):
                    person.open(path)
                    found[path, scheme] = stumbles(person)
                for path in (f"/calls/{'0' * 32}", "/nowhere", "/enter/used-up"):
                    person.open(path)
                    # Chromium itself notes the 404.
                    found[path, scheme] = [each for each in stumbles(person) if "Failed to load" not in each]
                person.context.close()
            assert {where: what for where, what in found.items() if what} == {}

        await browse(url, act)
        live.hang_up()
        await world.ended(live)
