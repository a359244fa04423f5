"""A call that is redirected back to us and whose question comes to another of our processes."""

import pytest

from tests.daemons import eventually, open_world, played_to
from trio_voice.sandbox.twilio.account import Instructions
from trio_voice.sandbox.twilio.twiml import Redirect


@pytest.mark.slow
async def test_it_is_sent_on_to_the_process_that_has_its_record(tmp_path):
    async with open_world(tmp_path, workers=2, seconds=90) as world:
        call, _ = await world.talk()
        before = await world.record(call)
        for again in (2, 3):
            call.redirect(Instructions(call.requests[0].url))
            await world.agent.wait_session(again)
            await eventually(lambda again=again: len(call.streams) == again and played_to(call.streams[-1]))
        assert any(isinstance(document.verbs[0], Redirect) for document in call.documents)
        record = await world.record(call)
        assert (record["state"], record["call_id"]) == ("live", before["call_id"])
        assert len(record["model_sessions"]) == 3
        call.hang_up()
        await world.ended(call)
