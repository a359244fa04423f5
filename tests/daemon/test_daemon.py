"""The daemon as its operator runs it: a process, real sockets, real time, and peers that fail in every way."""

import base64
import json
import math
import os
import signal
import socket
import statistics
import sys
import time
from contextlib import suppress

import attrs
import httpx2
import pytest
import trio

from tests.daemons import (
    ABSENT_NUMBER,
    GREETING,
    HOST,
    OUR_NUMBER,
    PATIENCE_SECONDS,
    SCRIPT,
    THEIR_NUMBER,
    UNDERSTUDIED_NUMBER,
    Talker,
    eventually,
    keep_up,
    noise,
    noisy,
    open_world,
)
from trio_voice.sandbox.providers.assemblyai_agent import Cut, Faults, Moment, Say, Strike
from trio_voice.sandbox.twilio.account import CallOrder, Instructions
from trio_voice.sandbox.twilio.callers import Capture
from trio_voice.sandbox.twilio.captured import captured_stream
from trio_voice.sandbox.twilio.webhooks import sign

UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: voice.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)
FORM = b"POST /twiml HTTP/1.1\r\nHost: voice.example.com\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
STRANGERS = {
    "nothing": b"",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "zeros": b"\0" * 4_000 + b"\r\n\r\n",
    "an endless line": b"GET /" + b"a" * 40_000,
    "endless headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000,
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a host that is no ASCII": b"GET /healthz HTTP/1.1\r\nHost: \xc3\xbc\xff\r\n\r\n",
    "a target that is no ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"POST /twiml HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a broken chunk": b"POST /twiml HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a form that is too long": FORM % (b"application/x-www-form-urlencoded", 10_000_000, b"a=" + b"b" * 100_000),
    "a form that is no text": FORM % (b"application/x-www-form-urlencoded", 8, b"\xff=\xfe&%ff%"),
    "a form without a boundary": FORM % (b"multipart/form-data", 4, b"--x\r"),
    "a form that never ends": FORM
    % (b"multipart/form-data; boundary=x", 44, b'--x\r\nContent-Disposition: form-data; name="a'),
    "an upgrade of the app": UPGRADE % (b"/healthz", b""),
    # The one packet that ends a whole hypercorn 0.18 under trio:
    "an upgrade and a stray byte": UPGRADE % (b"/healthz", b"") + b"X",
    "an upgrade behind a request": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + UPGRADE % (b"/healthz", b""),
    "a stream and a stray byte": UPGRADE % (b"/media-stream/x", b"") + b"X",
    "a stream whose path is no ASCII": UPGRADE % (b"/media-stream/\xff", b""),
    "a stream whose signature is no ASCII": UPGRADE % (b"/media-stream/x", b"X-Twilio-Signature: \xff\xfe\r\n"),
    "a stream with broken headers": b"GET /media-stream/x HTTP/1.1\r\n: :\r\n\x00\r\n\r\n",
    "a token that is no ASCII": b"GET /calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n",
}


async def knock(port, data):
    """Send a stranger's bytes and leave as soon as there is an answer, or a moment later."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    with trio.move_on_after(0.2), suppress(trio.BrokenResourceError):
        await stream.send_all(data)
        await stream.receive_some()
    await trio.aclose_forcefully(stream)


SILENCE = b"\xff" * 1_600
"""Beginning of each of the agent's replies."""


def texts_of(capture):
    return [each.text for each in capture.messages]


def decoded(payloads):
    return b"".join(map(base64.b64decode, payloads))


def sent_by_agent(session):
    return [event["data"] for _, event in session.sent if event["type"] == "reply.audio"]


def played_to(stream):
    return [each.message["media"]["payload"] for each in stream.received if each.event == "media"]


async def test_what_twilio_and_the_agent_say_crosses_byte_for_byte_while_strangers_try_everything(tmp_path):
    capture = Capture(captured_stream(), verbatim=False)
    assert '"event":"stop"' in capture.messages.pop().text  # ours comes when all has arrived
    capture.messages = [
        attrs.evolve(each, at=each.at / 2) for each in capture.messages
    ]  # the test has not 7 s to spare
    frames = [each["media"]["payload"] for each in map(json.loads, texts_of(capture)) if each["event"] == "media"]
    said = b"".join(SILENCE + noise(*each) for each in ((GREETING, 300), (SCRIPT.turns[0].reply, 1_000)))
    async with open_world(tmp_path, make_backend=noisy(SCRIPT)) as world:
        half_open = [await trio.open_tcp_stream("127.0.0.1", world.daemon.port) for _ in range(5)]
        await half_open[0].send_all(b"GET /healthz HTT")
        await half_open[1].send_all(UPGRADE[:60])
        call, session = await world.talk(capture=capture)
        (stream,) = call.streams
        early = (await world.record(call))["counters"].get("caller_frames_before_ready", 0)

        for data in STRANGERS.values():
            await knock(world.daemon.port, data)
        await eventually(lambda: len(session.payloads) >= len(frames) - early)
        await eventually(lambda: len(decoded(played_to(stream))) >= len(said))
        health = await world.daemon.ask("/healthz")
        call.hang_up()
        record = await world.ended(call)
        for each in half_open:
            await each.aclose()

        assert (health["status"], health["live_calls"]) == ("ok", 1)
        assert session.payloads == frames[early:]  # those from before the agent was ready are dropped, and counted
        assert (early < 50, record["counters"].get("caller_frames_before_ready", 0)) == (True, early)
        assert played_to(stream) == sent_by_agent(session)
        assert decoded(played_to(stream)) == said
        assert [line["role"] for line in record["transcript"]] == ["agent", "caller", "agent"]
        assert (stream.warnings, session.client_errors, world.logged("request_bug")) == ({}, [], [])

        assert record["end_reason"] == "hangup"
        assert [each["closing"] for each in record["model_sessions"]] == ["acknowledged"]
        assert session.told_goodbye
        assert await world.status_at_twilio(call) == "completed"


async def test_ten_calls_at_once_keep_to_themselves_and_leave_nothing(tmp_path):
    async with open_world(tmp_path, make_backend=noisy(SCRIPT)) as world:
        talkers = [Talker(number) for number in range(10)]
        calls = [await world.ring(caller=talker) for talker in talkers]
        streams = [await call.wait_for_stream() for call in calls]
        await world.agent.wait_session(10)
        spoken = noise(GREETING, 300)
        for stream in streams:
            await eventually(lambda stream=stream: decoded(played_to(stream)).endswith(spoken))
        for session in world.agent.sessions:
            await eventually(lambda session=session: len(session.payloads) > 50)
        listed = (await world.daemon.ask("/calls"))["calls"]
        for call in calls:
            call.hang_up()
        records = [await world.ended(call) for call in calls]

        assert sorted(each["call_sid"] for each in listed) == sorted(call.sid for call in calls)
        assert {each["state"] for each in listed} == {"live"}
        answered_in = [call._answered_at - call.requests[0].at for call in calls]
        assert statistics.median(answered_in) < 1  # most of it is this busy machine's
        assert {record["end_reason"] for record in records} == {"hangup"}
        assert {call.status for call in calls} == {"completed"}
        for session in world.agent.sessions:
            assert session.told_goodbye
            (talker,) = [each for each in talkers if each.frames[40] in session.payloads]
            early = talker.frames.index(session.payloads[0])
            assert session.payloads == talker.frames[early : early + len(session.payloads)]


async def test_nobody_opens_a_session_without_twilios_signature_and_a_path_of_their_own(tmp_path):
    async with open_world(tmp_path) as world:
        token = world.twilio.auth_token
        live, session = await world.talk()
        used = live.connects[0].url

        form = {"CallSid": "CA1", "From": THEIR_NUMBER, "To": OUR_NUMBER}
        url = f"https://{HOST}/twiml"
        forged = [None, "", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", sign("another token", url, form.items()), sign("", url)]
        async with httpx2.AsyncClient() as http:
            for signature in forged:
                headers = {} if signature is None else {"X-Twilio-Signature": signature}
                answer = await http.post(f"{world.daemon.url}/twiml", data=form, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "bad_signature")
        world.twilio.account.calls_per_second = 100
        strange = [used, *(f"wss://{HOST}/media-stream/{call_id}" for call_id in ("unknown", ""))]
        refused = [(404, await place(world, stream_url)) for stream_url in strange]
        world.twilio.account.auth_token = "another token"
        refused.append((403, await place(world, used)))
        impostor = await world.ring()
        await impostor.settled.wait()
        world.twilio.account.auth_token = token

        for status, call in refused:
            assert [(notice.code, notice.http_status) for notice in call.notices[:1]] == [(31920, status)]
            assert not call.streams
        assert [request.status for request in impostor.requests] == [403, 403]
        heard = len(session.payloads)
        await eventually(lambda: len(session.payloads) > heard)
        assert world.agent.sessions == [session]
        live.hang_up()
        assert (await world.ended(live))["end_reason"] == "hangup"


async def place(world, stream_url):
    """A call of this account whose TwiML is not ours but leads to us; it is over when this returns."""
    twiml = f'<Response><Connect><Stream url="{stream_url}"/></Connect></Response>'
    call = world.twilio._place(CallOrder(to=THEIR_NUMBER, from_=OUR_NUMBER, instructions=Instructions(twiml=twiml)))
    await call.settled.wait()
    return call


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
        assert [answer.body for answer in again] == [first.body] * 2
        assert (await world.daemon.ask("/healthz"))["live_calls"] == 1
        assert len((await world.daemon.ask("/calls"))["calls"]) == 1
        assert session.is_open
        call.hang_up()
        await world.ended(call)
        assert world.rest_updates(call) == []


async def test_a_drain_refuses_new_calls_and_ends_the_live_one_when_its_time_is_up(tmp_path):
    async with open_world(tmp_path, drain_seconds=2) as world:
        world.twilio.account.say_characters_per_second = math.inf
        call, session = await world.talk()
        asked_at = trio.current_time()
        world.tell(signal.SIGTERM)
        await eventually(lambda: world.logged("draining"))
        health = await world.daemon.ask("/healthz")
        refused = await world.ring()
        await refused.settled.wait()
        assert session.is_open
        status = await world.exit_status()
        took = trio.current_time() - asked_at

        assert (health["status"], health["live_calls"]) == ("draining", 1)
        assert refused.requests[0].status == 200  # of any other Twilio plays nothing
        answer = refused.requests[0]
        assert answer.content_type.startswith("text/xml")
        assert b"<Say>We cannot take your call right now. Please try again later.</Say><Hangup" in answer.body
        assert [line["code"] for line in world.logged("call_refused")] == ["draining"]
        assert (status, [line["end_reason"] for line in world.logged("call_ended")]) == (0, ["drain"])
        assert 2 <= took < 2 + PATIENCE_SECONDS
        assert session.told_goodbye
        await call.settled.wait()


async def test_a_second_signal_ends_the_live_calls_at_once_and_a_reload_is_no_such_signal(tmp_path):
    async with open_world(tmp_path) as world:  # drain_seconds = 120
        call, session = await world.talk()
        world.tell(signal.SIGTERM)
        await eventually(lambda: world.logged("draining"))
        world.tell(signal.SIGHUP)
        heard = len(session.payloads)
        await eventually(lambda: len(session.payloads) > heard + 10)
        assert session.is_open
        world.tell(signal.SIGINT)
        assert await world.exit_status() == 0
        assert [line["end_reason"] for line in world.logged("call_ended")] == ["drain"]
        assert session.told_goodbye
        await call.settled.wait()


@pytest.fixture
async def systemd(tmp_path, monkeypatch, nursery):
    """Words that systemd is told, as a list that grows."""
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    await listener.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    told = []

    async def read():
        # Always, as systemd does: ten waiting datagrams are as many as the kernel keeps.
        with suppress(trio.ClosedResourceError):
            while True:
                told.append((await listener.recv(1_000)).decode())

    nursery.start_soon(read)
    yield told
    listener.close()


async def test_a_reload_is_for_the_next_call_and_a_broken_file_for_none_and_systemd_is_told_of_it_all(
    tmp_path, systemd
):
    async with open_world(tmp_path) as world:
        await eventually(lambda: "READY=1" in systemd)
        first, first_session = await world.talk()
        good = world.config.read_text()
        changed = good.replace(GREETING, "Welcome aboard.").replace('voice = "alba"', 'voice = "eve"')
        world.config.write_text(changed)
        earliest = time.monotonic_ns() // 1_000
        world.tell(signal.SIGHUP)
        (reloaded,) = await eventually(lambda: world.logged("reloaded"))
        latest = time.monotonic_ns() // 1_000
        second, second_session = await world.talk()

        world.config.write_text(good.replace("[personas.receptionist]", "[personas.receptionist]\ngreetin = 1"))
        world.tell(signal.SIGHUP)
        (refused,) = await eventually(lambda: world.logged("reload_refused"))
        third, third_session = await world.talk()

        assert reloaded["personas_changed"] == ["receptionist"]
        assert world.logged("reload_left_out") == []
        assert "personas.receptionist.greetin: no such key; did you mean 'greeting'?" in refused["problems"][0]
        sessions = (first_session, second_session, third_session)
        configs = [session.settings.config for session in sessions]
        assert [config.greeting for config in configs] == [GREETING, "Welcome aboard.", "Welcome aboard."]
        assert [config.output.voice for config in configs] == ["alba", "eve", "eve"]
        heard = len(first_session.payloads)
        await eventually(lambda: len(first_session.payloads) > heard)
        for call in (first, second, third):
            call.hang_up()
            assert (await world.ended(call))["end_reason"] == "hangup"

        await eventually(lambda: systemd.count("WATCHDOG=1") >= 5)
        stop_at = trio.current_time()
        world.tell(signal.SIGTERM)
        assert await world.exit_status() == 0
        await eventually(lambda: any(each.startswith("STOPPING=1\n") for each in systemd))
        assert trio.current_time() - stop_at < 5  # nobody is on the line, so nothing is waited for
        states = [each for each in systemd if each != "WATCHDOG=1"]
        assert [each.partition("\n")[0] for each in states] == [
            "READY=1",
            *["RELOADING=1", "READY=1"] * 2,
            "STOPPING=1",
        ]
        assert "greetin" in states[4]  # systemctl status says why the second was refused
        assert "EXTEND_TIMEOUT_USEC=" in states[5]
        moment = int(states[1].partition("\nMONOTONIC_USEC=")[2])
        assert earliest <= moment <= latest  # systemd ignores a reload from before it asked for one


async def test_both_meters_of_a_call_are_reckoned_up_in_the_log_in_metrics_and_in_the_days_audit(tmp_path):
    """The audit is asked for while the daemon runs, and once more when it has been killed in the middle of a call."""
    async with open_world(tmp_path, at_end=-signal.SIGKILL, media_gap_seconds=2) as world:
        call, session = await world.talk()
        heard = len(session.payloads)
        await eventually(lambda: len(session.payloads) > heard + 50)
        call.hang_up()
        record = await world.ended(call)
        day = record["started_at"][:10]
        (line,) = [line for line in world.logged("call_audited") if line["call_sid"] == call.sid]
        async with httpx2.AsyncClient() as http:
            metrics = (await http.get(f"{world.daemon.url}/metrics")).text
        before = await audit(world, day)
        left, _ = await world.talk()
        world.tell(signal.SIGKILL)
        await world.exit_status()
        after = await audit(world, day)
        left.hang_up()

    (billed,) = record["model_sessions"]
    assert (line["sessions"][0]["closing"], line["sessions"][0]["seconds"]) == ("acknowledged", billed["seconds"])
    assert line["call_seconds"] == record["seconds"]
    assert -0.1 < line["model_minus_call_seconds"] < 2
    assert billed["cost"] == pytest.approx(billed["billed_seconds"] / 60 * 0.075, abs=1e-6)
    assert record["cost"] == {
        "currency": "USD",
        "telephone": 0.0125,
        "model": billed["cost"],
        "total": pytest.approx(0.0125 + billed["cost"]),
    }
    assert (line["cost"], billed["model"]) == (record["cost"]["total"], "aai")
    assert (
        f'trio_voice_model_cost_total{{currency="USD",model="aai",persona="receptionist"}} {billed["cost"]}' in metrics
    )
    assert 'trio_voice_sessions_outlived_total{provider="assemblyai-agent"} 0.0' in metrics

    assert (before["calls"], before["total"]["closings"], before["outlived"]) == (1, {"acknowledged": 1}, [])
    assert before["cost"] == {"amount": record["cost"]["total"], "unknown": 0, "at_most": 0}
    assert before["models"]["aai"]["overrun_seconds"] == pytest.approx(max(0, billed["overrun_seconds"]), abs=0.001)
    assert after["total"]["closings"] == {"acknowledged": 1, "open": 1}  # nobody knows yet that it is dead
    assert (after["calls"], after["live"], after["cost"]) == (2, 1, before["cost"])


async def audit(world, day):
    """Words of ``trio-voice calls --audit``, as another process."""
    command = [sys.executable, "-m", "trio_voice", "--config", str(world.config), "calls", "--audit", "--json"]
    secrets = dict.fromkeys(("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"), "any")
    environment = {**os.environ, **secrets}
    done = await trio.run_process(
        [*command, "--day", day], capture_stdout=True, env=environment, cwd=world.config.parent
    )
    return json.loads(done.stdout)
