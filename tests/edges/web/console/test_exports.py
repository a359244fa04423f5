"""Files that are taken out while the journal is away: refused, and never half a list that looks like the whole."""

import json

import pytest

from tests.edges.web.console.pages import OPERATOR, ended, numbers  # noqa: F401 - a fixture
from trio_voice.journal import JournalUnavailable

PROGRAM = {"Authorization": "Bearer op"}
FILES = {
    "/console/history.csv": "no_journal",
    "/console/history.json": "no_journal",
    "/console/do-not-call.csv": "no_list",
}


@pytest.mark.parametrize("path", FILES)
async def test_a_file_of_a_journal_that_is_away_is_refused_in_words(client, context, path):
    context.journal.trouble = "the disk is full"
    answer = await client.get(path, headers=PROGRAM)
    assert answer.status_code == 503
    error = json.loads(await answer.get_data())["error"]
    assert error["code"] == FILES[path]
    assert "the disk is full" in error["message"]
    answer = await client.get(path, headers=OPERATOR)
    assert answer.status_code == 503
    assert "the disk is full" in await answer.get_data(as_text=True)


async def test_a_file_without_a_call_is_whole(client, context):
    context.journal.over = []
    answer = await client.get("/console/history.json", headers=PROGRAM)
    assert json.loads(await answer.get_data()) == {"calls": []}
    answer = await client.get("/console/history.csv", headers=PROGRAM)
    assert (await answer.get_data(as_text=True)).startswith("call_id,")


async def test_a_journal_that_goes_in_the_middle_ends_no_file_in_order(client, context):
    context.journal.over = [ended(number) for number in range(250)]
    listed = context.journal.listed

    async def once(wanted):
        if wanted.after is not None:
            raise JournalUnavailable("it went")
        return await listed(wanted)

    context.journal.listed = once
    with pytest.raises((JournalUnavailable, ExceptionGroup)):
        await (await client.get("/console/history.csv", headers=PROGRAM)).get_data()
