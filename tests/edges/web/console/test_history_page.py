"""Calls that are over: asked for, paged and exported."""

import csv
import io
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.edges.web.console.pages import OPERATOR, get, numbers
from trio_voice.edges.web.operator.spreadsheet import safe_cell

__all__ = ["numbers"]


def calls_of(page):
    return [row["data-call"] for row in page.all("tr") if "data-call" in row]


async def test_history_is_paged_and_no_call_is_missed_or_told_twice(client):
    seen, path = [], "/console/history"
    while path:
        _, page = await get(client, path)
        assert 0 < len(calls_of(page)) <= 120
        seen += calls_of(page)
        path = next((link["href"] for link in page.all("a") if link.get("rel") == "next"), None)
    assert seen == [f"{number:032x}" for number in range(120)]


async def test_history_asks_the_journal_for_what_was_asked_and_exports_the_same(client, context):
    asked = "/console/history?number=0007&persona=desk&end_reason=hangup&day=2026-01-31&words=bread"
    _, page = await get(client, asked)
    wanted = context.journal.wanted[-1]
    assert (wanted.number, wanted.persona, wanted.end_reason, wanted.words) == ("0007", "desk", "hangup", "bread")
    assert (wanted.since, wanted.until) == (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    links = [link["href"] for link in page.all("a") if "history." in link["href"]]
    assert {urlsplit(link).path for link in links} == {"/console/history.csv", "/console/history.json"}
    for link in links:
        assert parse_qs(urlsplit(link).query)["words"] == ["bread"]
    assert "keep_transcripts" in page.text


@pytest.mark.parametrize(
    "query", ["number=1", "number=abc", "day=yesterday", "day=9999-12-31", "end_reason=boredom", "after=x"]
)
async def test_a_question_that_cannot_be_meant_is_told_so(client, query):
    answer, page = await get(client, f"/console/history?{query}")
    assert answer.status_code == 200
    assert [tag for tag, attributes in page.tags if attributes.get("role") == "alert"]
    assert (await client.get(f"/console/history.csv?{query}", headers=OPERATOR)).status_code in (200, 400)


async def test_all_pages_come_out_as_csv_and_as_json(client, context):
    text = await (await client.get("/console/history.csv", headers=OPERATOR)).get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["call_id"] for row in rows] == [f"{number:032x}" for number in range(120)]
    assert rows[0]["from"] == "'+15550000000"
    whole = json.loads(await (await client.get("/console/history.json", headers=OPERATOR)).get_data())
    assert len(whole["calls"]) == 120
    assert whole["calls"][0]["tools"][0]["name"] == "look_up"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1d1", "\uff20x"])
def test_no_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"
    assert [safe_cell(value) for value in (-1.5, 3, None, "a=b")] == ["-1.5", "3", "", "a=b"]


async def test_history_says_when_the_journal_cannot_be_read(client, context):
    context.journal.trouble = "the disk is gone"
    _, page = await get(client, "/console/history")
    assert "the disk is gone" in page.text


async def test_a_persona_that_is_gone_can_still_be_asked_for_and_stands_as_what_was(client, context):
    _, page = await get(client, "/console/history?persona=former")
    assert context.journal.wanted[-1].persona == "former"
    assert "former" in page.text
    assert [option for option in page.all("option") if "selected" in option]
