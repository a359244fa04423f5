"""Text that is none, wherever a stranger may have written it: the console's pages and files are had all the same."""

import pytest

from tests.edges.web.console.pages import OPERATOR, ended, numbers  # noqa: F401 - a fixture
from trio_voice.edges.twilio.numbers import TwilioNumber
from trio_voice.record import ToolUse, Transfer, Utterance

CALL = f"/console/calls/{'0' * 32}"
ODD = {
    "half of a pair": "half \ud83d of it",
    "zero": "a \x00 b",
    "a terminal's command": "\x1b]0;gone\x07",
    "turned round": "\u202egnp.exe",
    "no character": "\ufdd0\uffff",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize(
    "path",
    [
        *("/console/history", "/console/history.csv", "/console/history.json", CALL, f"/calls/{'0' * 32}", "/calls"),
        *("/console/do-not-call", "/console/numbers"),
    ],
)
async def test_odd_text_costs_no_page_and_no_file(client, context, numbers, path, odd):  # noqa: F811 - likewise
    call = ended(0, end_detail=odd, from_number=odd, call_sid=odd, twilio_status=odd, answered_by=odd)
    record = call.record
    record.transcript.insert(0, Utterance("caller", odd, 0.2))
    record.tools.append(ToolUse(odd, False, 12, at=2.5, arguments={odd: odd}, result=odd))
    record.transfers.append(Transfer(odd, 30.0, odd))
    record.note("barge_in", 1, odd)
    record.model_sessions[0].model = odd
    context.journal.over, context.journal.keeps_words = [call], True
    context.numbers.known = [TwilioNumber(sid="PN1", number="+15550001111", name=odd, voice_url=odd)]
    numbers.kept = {"+15550100": odd}
    answer = await client.get(path, headers=OPERATOR)
    assert answer.status_code == 200
    assert await answer.get_data(as_text=False)
