"""The console's pages as they are served: whole without a script, and text stays text, whoever wrote it."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from tests.edges.web.console.pages import EVIL, NOON, OPERATOR, Page, get, numbers
from trio_voice.edges.web.console.static_files import FOLDER
from trio_voice.session_record import ModelSessionRecord

__all__ = ["numbers"]

PAGES = [
    *("/console", "/console/history", "/console/personas", "/console/numbers", "/console/do-not-call"),
    *("/console/health", "/console/drain", f"/console/calls/{'0' * 32}"),
]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_and_nothing_in_it_is_anybody_elses_markup(client, path):
    answer, page = await get(client, path)
    assert answer.status_code == 200
    [html] = page.all("html")
    assert html["lang"] == "en"
    assert page.all("title")
    for tag in ("main", "h1"):
        assert len(page.all(tag)) == 1
    assert page.all("nav")
    assert any("width=device-width" in meta.get("content", "") for meta in page.all("meta"))
    for word in ("Live", "History", "Personas", "Numbers", "Do not call", "Health", "Sign out"):
        assert word in page.text
    assert all(image["src"].startswith("/console/static/") for image in page.all("img"))
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert all(script.get("src", "").startswith("/console/static/") for script in page.all("script"))
    assert page.all("style") == []
    labels = {label["for"] for label in page.all("label")}
    assert all(field.get("type") == "hidden" or field["id"] in labels for field in page.all("input"))


@pytest.mark.parametrize("path", PAGES)
async def test_a_first_view_is_small(client, path):
    answer, page = await get(client, path)
    parts = [tag["src"] for tag in page.all("script")] + [tag["href"] for tag in page.all("link")]
    total = len(gzip.compress(await answer.get_data()))
    for part in parts:
        sent = await client.get(part, headers={"Accept-Encoding": "gzip"})
        assert sent.status_code == 200
        total += len(await sent.get_data())
    assert total < 60_000


async def test_big_pages_are_zipped(client):
    answer, _ = await get(client, "/console/history")
    zipped = await client.get("/console/history", headers=OPERATOR | {"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await zipped.get_data()) == await answer.get_data()


def test_what_is_vendored_is_what_was_published_and_has_its_licence():
    for line in (FOLDER / "VENDORED.sha256").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name
    named = (FOLDER / "VENDORED.sha256").read_text()
    for library in ("htmx", "htmx-ext-sse", "uplot"):
        assert f"  {library}-LICENSE.txt" in named
    assert all(path.name in named for path in FOLDER.glob("*.min.*"))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/console/nowhere", 404), ("PUT", "/console/history", 405), ("POST", "/console/do-not-call", 413)],
)
async def test_a_request_that_cannot_be_served_is_a_page_for_people_and_json_for_programs(client, method, path, status):
    body = {"data": "x" * 100_000, "headers": OPERATOR | {"Content-Type": "multipart/form-data; boundary=b"}}
    answer = await client.open(path, method=method, **body)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert Page(await answer.get_data(as_text=True)).all("main")
    body["headers"] |= {"Accept": "application/json"}
    answer = await client.open(path, method=method, **body)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")


@pytest.mark.parametrize("path", ["/", "/console/"])
async def test_whoever_types_the_address_alone_comes_to_the_console_and_a_program_to_nothing(client, path):
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console")
    assert (await client.get(path, headers=OPERATOR | {"Accept": "application/json"})).status_code == 404


async def test_personas_show_what_they_say_and_may_do_and_what_is_warned_of(client):
    _, page = await get(client, "/console/personas")
    cards = [article["data-persona"] for article in page.all("article")]
    assert cards == ["desk", "shop", "evil"]
    assert "personas.desk.greeting: says nothing" in page.text
    assert page.text.count(EVIL) >= 4
    assert "/console/talk?persona=evil" in [link["href"] for link in page.all("a")]


async def test_the_alarm_is_shown_when_it_is_one_and_never_else(client, context):
    _, page = await get(client, "/console/health")
    assert "outlived" not in page.text
    context.metrics.count_outlived(ModelSessionRecord("assemblyai-agent", NOON))
    _, page = await get(client, "/console/health")
    [alert] = [attributes for _, attributes in page.tags if attributes.get("role") == "alert"]
    assert alert["role"] == "alert"
    assert "outlived" in page.text


async def test_a_drain_is_asked_back(client, context):
    drained = []
    context.drain = lambda: drained.append(True)
    _, page = await get(client, "/console/health")
    assert "/console/drain" in [link["href"] for link in page.all("a")]
    await get(client, "/console/drain")
    assert drained == []
    await client.post("/console/drain", headers=OPERATOR)
    assert drained == [True]


def test_no_file_of_a_page_asks_another_address():
    for path in Path(FOLDER).iterdir():
        if path.suffix in (".js", ".css") and ".min." not in path.name:
            asked = r"""(?:import|fetch|src|href|url|WebSocket|EventSource)\W{1,3}https?://"""
            assert not re.search(asked, path.read_text())
