"""Pages with much on them: nobody's frame waits for one to be made."""

import trio

from tests.edges.web.console.pages import get
from trio_voice.record import CallRecord, CallState, Utterance

CALLS = 300


def live(number):
    record = CallRecord(
        call_id=f"{number:032x}", direction="inbound", persona="desk", from_number="+15550001", to_number="+15550002"
    )
    record.state = CallState.LIVE
    record.transcript.append(Utterance("caller", "Are you open on Sundays?", 1.0))
    return record


async def test_while_a_page_is_made_the_loop_turns(client, registry, monkeypatch, nursery):
    records = [live(number) for number in range(CALLS)]
    monkeypatch.setattr(registry, "records", lambda: records)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    await get(client, "/console")  # templates are compiled once
    nursery.start_soon(count)
    turns = 0
    _, page = await get(client, "/console")
    assert page.text.count("Are you open on Sundays?") == CALLS
    assert turns > 30  # it was 10 of a whole request, with all cards at once
    nursery.cancel_scope.cancel()
