"""The daemon as its operator runs it, with peers that fail in every way."""

import base64
import json
import socket

import attrs
import pytest
import trio

from tests.daemons import ABSENT_NUMBER, UNDERSTUDIED_NUMBER, decoded, eventually, keep_up, noise, open_world, played_to
from trio_voice.sandbox.providers.assemblyai_agent import Cut, Faults, Moment, Say, Strike
from trio_voice.sandbox.twilio.account import Instructions


async def test_a_stream_that_dies_in_silence_ends_by_twilios_callback_or_else_by_the_gap(tmp_path):
    async with open_world(tmp_path, media_gap_seconds=2, close_seconds=2) as world:
        silent, silent_session = await world.talk(status_callback="")
        silent.connects[-1] = attrs.evolve(silent.connects[-1], status_callback="")
        told, told_session = await world.talk(status_callback="")
        lost_at = trio.current_time()
        silent.lose_stream()
        told.lose_stream()
        told_record, silent_record = await world.ended(told), await world.ended(silent)

        assert told_record["end_reason"] == "twilio_ended"
        assert told_session.closed_at < silent_session.closed_at
        assert silent_record["end_reason"] == "caller_stalled"
        assert "media_gap_seconds = 2" in silent_record["end_detail"]
        assert 1.9 < silent_session.closed_at - lost_at < 7
        for session in (told_session, silent_session):
            assert session.told_goodbye
        assert 1.9 < told_record["closing_seconds"] < 4  # nobody answers the close, so it takes close_seconds
        assert silent_record["closing_seconds"] < 1.9  # nobody has answered a mark, and so nobody is asked for a close


async def test_a_twilio_that_stops_reading_is_cut_off_in_its_time(tmp_path):
    sentence = noise("sentence", 6_000)
    chunk = base64.b64encode(sentence).decode()
    flood = Say((json.dumps({"type": "reply.audio", "reply_id": "resp_1", "data": chunk}),), 80)  # 5 MB, 8 minutes
    async with open_world(tmp_path, playback_lead_seconds=4, close_seconds=1) as world:
        world.agent.faults = Faults(strikes=(Strike(Moment("reply.audio", 5), flood),))
        reading, _ = await world.talk()
        stream = await reading.wait_for_stream()
        await eventually(lambda: sentence[:32_000] in decoded(played_to(stream)))
        stalled = await world.ring()
        stop_reading(await stalled.wait_for_stream())
        record = await world.ended(stalled)
        await eventually(lambda: sentence + sentence[:1_000] in decoded(played_to(stream)))
        reading.hang_up()
        assert (await world.ended(reading))["end_reason"] == "hangup"

        assert (record["end_reason"], record["end_detail"]) == ("caller_stalled", "the caller's peer stopped reading")
        assert 0.9 < record["seconds"] < 5
        assert record["closing_seconds"] < 2
        assert all(session.told_goodbye for session in world.agent.sessions)
        assert await world.status_at_twilio(stalled) == "completed"


def stop_reading(stream):
    """Take no byte off the wire any more. ``stall_reading`` alone leaves trio-websocket its queue of 200 messages."""
    stream.stall_reading()
    deaf = stream._channel._deaf_stream
    deaf.socket_stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # or the kernel reads on for seconds
    deaf.receive_some = wait_for_ever


async def wait_for_ever(_max_bytes):
    await trio.sleep_forever()


async def test_an_agent_that_fails_in_any_way_ends_its_own_call_and_says_why(tmp_path):
    async with open_world(tmp_path, model_ready_seconds=2, close_seconds=1) as world:
        agent = world.agent
        agent.faults = Faults(never_acknowledges_end=True)
        mute, _ = await world.talk()
        mute.hang_up()
        agent.faults = Faults(never_ready=True)
        unready = await world.ring()
        await agent.wait_session(2)
        agent.faults = Faults(strikes=(Strike(Moment("reply.audio", 5), Cut(reset=True)),))
        cut = await world.ring()
        await agent.wait_session(3)
        agent.faults = Faults()
        unreachable = await world.ring(to=ABSENT_NUMBER)
        agent._api_key = "the key of somebody else"
        unauthorized = await world.ring()
        await agent.wait_session(4)
        calls = (mute, unready, cut, unreachable, unauthorized)
        records = [await world.ended(call) for call in calls]

        assert [record["end_reason"] for record in records] == ["hangup", *["model_failed"] * 4]
        closings = [record["model_sessions"][0]["closing"] for record in records]
        assert closings[:4] == ["timed_out", "acknowledged", "aborted", "aborted"]
        assert closings[4] != "timed_out"  # it closes by itself, and our goodbye may cross with that or not
        assert 0.9 < records[0]["closing_seconds"] < 2.5
        words = ["", "model_ready_seconds = 2", "socket is gone", "cannot be reached", "check ASSEMBLYAI_API_KEY"]
        logged = {line["call_sid"]: line for line in world.logged("call_ended")}
        for call, record, word in zip(calls, records, words, strict=True):
            assert word in record["end_detail"]
            assert logged[call.sid]["detail"] == record["end_detail"]
            assert await world.status_at_twilio(call) == "completed"


async def test_a_second_model_takes_over_and_the_caller_hears_a_line_meanwhile(tmp_path):
    async with open_world(tmp_path) as world:
        call, session = await world.talk(to=UNDERSTUDIED_NUMBER)
        assert json.loads(session.messages[0])["session"]["greeting"] == "Stand by."
        await trio.sleep(4)  # the line is heard to its end
        call.hang_up()
        record = await world.ended(call)
        assert record["end_reason"] == "hangup"
        *tries, taken_over = [each["closing"] for each in record["model_sessions"]]
        assert set(tries) == {"aborted"}  # it is asked for again as long as it may get better
        assert taken_over == "acknowledged"
        assert record["counters"]["model_takeovers"] == 1
        assert record["transcript"][0]["text"] == "A gull is in the wires."
        assert "cannot be reached" in world.logged("model_replaced")[0]["why"]


PARKED = Instructions(twiml='<Response><Pause length="600"/></Response>')
"""A phone that stays up when its stream is over."""


async def test_calls_live_on_without_the_rest_api_and_phones_are_hung_up_once_it_is_back(tmp_path):
    async with open_world(tmp_path) as world:
        async with world.twilio.rest.server.unreachable():
            up, session = await world.talk()
            keep_up(up)
            await world.hang_up(up, await world.record(up))
            record = await world.ended(up, settled=False)
            await eventually(lambda: world.logged("twilio_rest_retry"))
            assert not up.over
        await up.settled.wait()
        assert (record["end_reason"], up.ended_by) == ("operator", "rest")
        assert session.told_goodbye

        world.twilio.rest.fail_next(503, method="POST")
        failed_once, _ = await world.talk(status_callback="")
        keep_up(failed_once)
        await world.hang_up(failed_once, await world.record(failed_once))
        await failed_once.settled.wait()
        assert world.rest_updates(failed_once) == [503, 200]

        world.twilio.rest.fail_next(404, method="POST")
        gone, _ = await world.talk(status_callback="")
        over, _ = await world.talk(status_callback="")
        for call in (gone, over):
            call.streams[0].vanish()
            call.end("completed", "network")  # and nobody tells
            await world.hang_up(call, await world.record(call))
            await eventually(lambda call=call: world.rest_updates(call))
        assert (world.rest_updates(gone), world.rest_updates(over)) == ([404], [400])
        assert [line for line in world.logged("hang_up_failed") if line["call_sid"]] == []


async def test_a_call_that_somebody_else_redirects_is_theirs(tmp_path):
    async with open_world(tmp_path) as world:
        call, session = await world.talk()
        call.redirect(PARKED)
        record = await world.ended(call, settled=False)
        assert (record["end_reason"], record["end_detail"]) == ("hangup", "Twilio sent stop")
        assert session.told_goodbye
        await trio.sleep(1)
        assert not call.over
        assert world.rest_updates(call) == []
        call.hang_up()


async def test_twiml_that_is_asked_for_again_leaves_the_live_call_alone(tmp_path):
    async with open_world(tmp_path) as world:
        call, session = await world.talk()
        first = call.requests[0]
        again = [await call._reports.ask("twiml", first.url, "in-progress", (), "POST") for _ in range(2)]
        assert again[0].body == again[1].body != first.body  # a way back, should somebody have redirected the caller
        assert (await world.daemon.ask("/healthz"))["live_calls"] == 1
        assert len((await world.daemon.ask("/calls"))["calls"]) == 1
        assert session.is_open
        call.hang_up()
        await world.ended(call)
        assert world.rest_updates(call) == []


@pytest.mark.slow
async def test_a_call_that_somebody_else_redirects_and_sends_back_goes_on_in_its_record(tmp_path):
    async with open_world(tmp_path) as world:
        call, session = await world.talk()
        before = await world.record(call)
        back = f"<Response><Say>One moment.</Say><Redirect>{call.requests[0].url}</Redirect></Response>"
        for again, instructions in enumerate((Instructions(call.requests[0].url), Instructions(twiml=back)), 2):
            call.redirect(instructions)
            await world.agent.wait_session(again)
            await eventually(lambda again=again: len(call.streams) == again and played_to(call.streams[-1]))
            record = await world.record(call)
            assert (record["state"], record["call_id"]) == ("live", before["call_id"])
            assert [line["at"] for line in record["transcript"]][:1] == [line["at"] for line in before["transcript"]][
                :1
            ]
        assert session.told_goodbye
        assert len((await world.daemon.ask("/calls"))["calls"]) == 1
        assert not call.over
        call.hang_up()
        record = await world.ended(call)
        assert record["end_reason"] == "hangup"
        assert [each["closing"] for each in record["model_sessions"]] == ["acknowledged"] * 3
        assert world.rest_updates(call) == []
