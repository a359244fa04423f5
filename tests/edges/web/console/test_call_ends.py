"""The page of a call around its end, and how pages are sent."""

from types import SimpleNamespace

import pytest

from tests.edges.web.console.pages import OPERATOR, get, numbers
from trio_voice.record import CallState, Recording

__all__ = ["numbers"]


@pytest.fixture
async def ringing(registry, context):
    return registry.expect(
        context.routing.personas["desk"], direction="outbound", from_number="", to_number="+1", call_sid="CA1"
    ).record


async def parts(client, record):
    """Two facts of a call's page: it is fetched anew, and there is a waveform on it."""
    _, page = await get(client, f"/console/calls/{record.call_id}")
    return "hx-get" in page.all("div")[0], bool(page.all("canvas"))


async def test_the_page_of_a_call_that_rings_is_fetched_anew(client, ringing):
    assert await parts(client, ringing) == (True, False)


async def test_the_page_of_a_call_that_ends_is_fetched_anew_until_its_recording_is_whole(
    client, registry, ringing, monkeypatch
):
    lives = True
    live = SimpleNamespace(seconds=3.0, is_muted=False)
    monkeypatch.setattr(registry, "live_call", lambda _: live if lives else None)
    monkeypatch.setattr(registry, "record", lambda _: ringing)
    ringing.state = CallState.ENDED
    assert await parts(client, ringing) == (True, False)
    ringing.recording, lives = Recording(f"/calls/{ringing.call_id}/recording", 3.0), False
    assert await parts(client, ringing) == (False, True)


@pytest.mark.parametrize(
    ("asked", "zipped"),
    [
        *(("gzip", True), ("gzip;q=0", False), ("identity, gzip;q=0.0", False), ("br;q=1, gzip;q=0.5", True)),
        *(("*", True), ("*;q=0", False), ("x-gzip", False), ("deflate", False), ("", False)),
    ],
)
@pytest.mark.parametrize("path", ["/console/history", "/console/static/console.css"])
async def test_a_page_is_zipped_where_that_is_wanted(client, path, asked, zipped):
    answer = await client.get(path, headers=OPERATOR | {"Accept-Encoding": asked})
    assert (answer.headers.get("Content-Encoding") == "gzip") is zipped
