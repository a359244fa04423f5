"""Rows that this version does not understand: each is its own trouble, and what is sure of it is settled."""

from datetime import UTC, datetime, timedelta

import pytest
import trio

from tests.journal.calls import live_call, open_session
from trio_voice.call.recovery import OrphanRecovery
from trio_voice.journal import read_journal

DAY = timedelta(days=1)
ODD = {
    "state": "UPDATE calls SET state = 'on_hold'",
    "end_reason": "UPDATE calls SET end_reason = 'abducted'",
    "details": "UPDATE calls SET details = '{'",
    "details_of_another_kind": "UPDATE calls SET details = '[]'",
    "turns": """UPDATE calls SET details = '{"turns": 7}'""",
    "time": "UPDATE calls SET started_at = 'yesterday'",
    "began": "UPDATE calls SET began_at = 'yesterday'",
    "closing": "UPDATE model_sessions SET closing = 'sideways'",
    "opened": "UPDATE model_sessions SET opened_at = 'yesterday'",
    "session_details": "UPDATE model_sessions SET details = 'x'",
    "beat": "UPDATE runs SET beat_at = 'yesterday', started_at = '' WHERE ended_at IS NOT NULL",
}


class Phones:
    def __init__(self):
        self.hung_up = []

    async def hang_up(self, call_sid):
        await trio.lowlevel.checkpoint()
        self.hung_up.append(call_sid)
        return True


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_row_keeps_nobodys_telephone_up_and_is_named(opened, stand, clock, logged, odd):
    calls = [live_call(), live_call()]
    async with opened() as journal:
        for record in calls:
            await open_session(journal, record)
            journal.call_began(record)
    where = "" if odd == "beat" else f" WHERE call_id = '{calls[0].call_id}'"
    stand.execute(ODD[odd] + where)

    phones = Phones()
    async with opened() as journal, trio.open_nursery() as nursery:
        recovery = OrphanRecovery(journal, phones, clock, lambda _process: False, silent_seconds=0.2)
        nursery.start_soon(recovery.run)
        with trio.fail_after(20):
            while len(phones.hung_up) < 2 or [*stand.query("SELECT 1 FROM calls WHERE phone_down_at IS NULL")]:
                await trio.sleep(0.02)
        assert sorted(phones.hung_up) == sorted(record.call_sid for record in calls)
        assert list(journal.unread) == ([] if odd in ("beat", "began") else [calls[0].call_id])
        nursery.cancel_scope.cancel()
    named = [line["call_id"] for line in logged if line["event"] == "journal_row_not_understood"]
    assert named == list(journal.unread)
    assert stand.query("SELECT 1 FROM model_sessions WHERE closed_at IS NULL") == []


async def test_a_day_with_an_odd_row_is_summed_up_all_the_same(opened, stand, clock):
    odd, sound = live_call(), live_call()
    async with opened() as journal:
        journal.call_began(odd)
        journal.call_began(sound)
    stand.execute(f"UPDATE calls SET state = 'on_hold' WHERE call_id = '{odd.call_id}'")
    found = await trio.to_thread.run_sync(lambda: list(read_journal(stand.url, clock.now - DAY, clock.now + DAY)))
    assert {call.record.call_id: call.unread for call in found} == {
        odd.call_id: ["calls: ValueError"],
        sound.call_id: [],
    }
    assert datetime.now(UTC) > found[0].began_at
