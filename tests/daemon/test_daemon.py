"""The daemon as its operator runs it: a process, real sockets, real time, calls and strangers."""

import json
import os
import signal
import statistics
import sys
from contextlib import suppress

import attrs
import httpx2
import pytest
import trio

from tests.daemons import (
    GREETING,
    HOST,
    OUR_NUMBER,
    SCRIPT,
    THEIR_NUMBER,
    Talker,
    decoded,
    eventually,
    noise,
    noisy,
    open_world,
    played_to,
)
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


def sent_by_agent(session):
    return [event["data"] for _, event in session.sent if event["type"] == "reply.audio"]


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
