"""Calls that come in, from the first ring to the last callback."""

import base64
import socket as sockets

import pytest
import trio

from tests.sandbox.twilio.world import MEDIA, SPEECH, STREAM, TOKEN, call_in, codes, eventually, mark, media, response
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.http import HttpAnswer
from trio_voice.sandbox.twilio.webhooks import sign


async def test_a_call_from_the_first_ring_to_the_last_callback(sandbox, site, streams):
    streams.greet = [media(SPEECH), mark("greeted")]
    call = await call_in(sandbox, from_="+15550001111", caller=Voice(SPEECH))
    stream = await call.wait_for_stream()
    assert (call.status, sandbox.calls[call.sid]) == ("in-progress", call)
    await eventually(lambda: "mark" in streams.events())
    call.hang_up()
    assert (call.status, call.ended_by) == ("completed", "caller")
    await call.settled.wait()
    await streams.over.wait()

    [asked] = site.forms("/twiml")
    assert (
        asked.items()
        >= {
            "CallSid": call.sid,
            "AccountSid": sandbox.account_sid,
            "From": "+15550001111",
            "Caller": "+15550001111",
            "To": "+15551234567",
            "Called": "+15551234567",
            "CallStatus": "ringing",
            "ApiVersion": "2010-04-01",
            "Direction": "inbound",
            "FromCity": "",
            "CalledZip": "",
            "StirVerstat": "TN-Validation-Passed-A",
        }.items()
    )

    [handshake] = streams.requests
    headers = {name.decode(): value.decode() for name, value in handshake.headers}
    assert handshake.path == "/media-stream/abc"
    assert headers["user-agent"] == "Twilio.TmeWs/1.0"
    assert headers["x-twilio-signature"] == sign(TOKEN, f"wss://{MEDIA}/media-stream/abc")
    assert not headers.keys() & {"origin", "sec-websocket-protocol", "sec-websocket-extensions", "cookie"}

    start = streams.messages[1]["start"]
    assert (start["callSid"], start["accountSid"], start["customParameters"]) == (
        call.sid,
        sandbox.account_sid,
        {"k": "v"},
    )
    assert [event for event in streams.events() if event != "media"] == ["connected", "start", "mark", "stop"]
    assert (stream.end.by, codes(call)) == ("twilio", [])
    assert SPEECH in call.heard()
    assert call.recording()[:4] == b"RIFF"

    started, stopped = site.forms("/stream-status")
    assert (started["StreamEvent"], stopped["StreamEvent"]) == ("stream-started", "stream-stopped")
    assert started["StreamSid"] == started["StreamName"] == start["streamSid"] == stream.stream_sid
    assert started["Timestamp"].endswith("Z")
    assert len(started["Timestamp"]) == len("2024-11-29T00:09:39.602648368Z")
    [ended] = site.forms("/call-status")
    assert (
        ended.items()
        >= {
            "CallSid": call.sid,
            "CallStatus": "completed",
            "CallDuration": "1",
            "Duration": "1",
            "SequenceNumber": "0",
            "CallbackSource": "call-progress-events",
        }.items()
    )
    assert all(request.status == 200 for request in call.requests)


async def test_the_host_header_of_a_handshake_is_the_public_host(sandbox, site):
    """trio-websocket's server keeps Host to itself, so a site that is asked for the stream looks at it."""
    sandbox.connect_to(MEDIA, site.server.port)
    call = await call_in(sandbox)
    await call.settled.wait()
    [upgrade] = [request for request in site.requests if request.path == "/media-stream/abc"]
    assert upgrade.headers["host"] == MEDIA
    assert upgrade.headers["upgrade"].lower() == "websocket"


async def test_our_close_lets_the_next_verb_run(sandbox, site, streams):
    site.answers["/twiml"] = response(STREAM + "<Say>Goodbye.</Say><Hangup/><Say>never</Say>")
    streams.serve = streams.close_at_start
    call = await call_in(sandbox)
    await call.settled.wait()
    assert (call.status, call.ended_by, call.said) == ("completed", "verb", ["Goodbye."])
    [end] = [stream.end for stream in call.streams]
    assert (end.by, end.code, end.reason) == ("server", 1000, "done")
    assert codes(call) == [31921]
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-stopped"]


async def test_a_pause_after_our_close_keeps_the_line_up_for_its_length(sandbox, site, streams):
    site.answers["/twiml"] = response(STREAM + '<Pause length="0.3"/>')
    streams.serve = streams.close_at_start
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    await stream.ended.wait()
    assert not call.over
    await call.ended.wait()
    assert stream.end is not None
    assert 0.29 < trio.current_time() - stream.end.at < 1.5
    assert call.ended_by == "instructions"


async def test_an_action_is_asked_when_the_stream_is_over(sandbox, site, streams):
    site.answers["/twiml"] = response(STREAM.replace("<Connect>", '<Connect action="/after">'))
    site.answers["/after"] = response("<Say>after</Say>")
    streams.serve = streams.close_at_start
    call = await call_in(sandbox)
    await call.settled.wait()
    assert site.forms("/after")[0]["CallStatus"] == "in-progress"
    assert (call.said, call.ended_by) == (["after"], "instructions")


async def test_a_broken_socket_is_an_error_and_the_call_goes_on(sandbox, site, streams):
    async def reset(socket):
        await socket.receive()
        await socket.cut_with_reset()

    site.answers["/twiml"] = response(STREAM + "<Say>Sorry.</Say>")
    streams.serve = reset
    call = await call_in(sandbox)
    await call.settled.wait()
    assert (codes(call), call.said) == ([31903], ["Sorry."])
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-error"]


async def test_a_refused_handshake_is_31920_with_its_status_and_the_next_verb_runs(sandbox, site):
    sandbox.connect_to(MEDIA, site.server.port)
    site.answers["/media-stream/abc"] = HttpAnswer(403, b"who are you?")
    site.answers["/twiml"] = response(STREAM + "<Say>Sorry.</Say>")
    call = await call_in(sandbox)
    await call.settled.wait()
    [notice] = call.notices
    assert (notice.code, notice.http_status, call.streams, call.said) == (31920, 403, [], ["Sorry."])
    [form] = site.forms("/stream-status")
    assert form["StreamEvent"] == "stream-error"
    assert "31920" in form["StreamError"]
    with pytest.raises(EOFError):
        await call.wait_for_stream()


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.0 500 Oops\r\n\r\nlong story"])
async def test_a_handshake_that_is_no_handshake(sandbox, nursery, answer):
    async def serve(stream):
        async with stream:
            await stream.receive_some()
            if answer:
                await stream.send_all(answer)

    listeners = await nursery.start(trio.serve_tcp, serve, 0)
    sandbox.connect_to(MEDIA, listeners[0].socket.getsockname()[1])
    call = await call_in(sandbox)
    await call.settled.wait()
    assert codes(call) == [31920 if b"500" in answer else 31901]
    nursery.cancel_scope.cancel()


async def test_nobody_listens_for_the_stream(sandbox):
    with sockets.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sandbox.connect_to(MEDIA, unused.getsockname()[1])
        call = await call_in(sandbox)
        await call.settled.wait()
    assert codes(call) == [31902]


async def test_a_stream_to_a_host_of_the_real_world_is_not_opened(sandbox, site):
    site.answers["/twiml"] = response('<Connect><Stream url="wss://example.org/x"/></Connect>')
    call = await call_in(sandbox)
    await call.settled.wait()
    assert codes(call) == [31904]


async def test_a_caller_who_hangs_up_during_the_handshake(sandbox, nursery):
    asked, closed = trio.Event(), trio.Event()

    async def never_answer(stream):
        async with stream:
            asked.set()
            while await stream.receive_some():
                pass
            closed.set()

    listeners = await nursery.start(trio.serve_tcp, never_answer, 0)
    sandbox.connect_to(MEDIA, listeners[0].socket.getsockname()[1])
    call = await call_in(sandbox)
    await asked.wait()
    call.hang_up()
    await call.settled.wait()
    await closed.wait()
    assert (call.status, call.streams, codes(call)) == ("completed", [], [])
    nursery.cancel_scope.cancel()


async def test_keys_and_words_of_the_caller_reach_the_stream(sandbox, streams):
    voice = Voice()
    call = await call_in(sandbox, caller=voice)
    stream = await call.wait_for_stream()
    stream.press("5")
    voice.say(SPEECH)
    await eventually(lambda: voice.pending_seconds == 0)
    call.hang_up()
    await call.settled.wait()
    await streams.over.wait()
    assert [message["dtmf"]["digit"] for message in streams.messages if message["event"] == "dtmf"] == ["5"]
    spoken = [message["media"]["payload"] for message in streams.messages if message["event"] == "media"]
    assert SPEECH in b"".join(base64.b64decode(payload) for payload in spoken)


async def test_what_the_server_sends_wrong_is_in_the_calls_notices(sandbox, streams):
    streams.greet = [lambda sid: {"event": "clear", "streamSid": sid, "extra": 1}, mark("fine")]
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    await stream.until(lambda: bool(stream.received))
    assert codes(call) == [31951]
    call.hang_up()
    await call.settled.wait()


async def test_an_account_that_does_not_record_keeps_counts_only(sandbox, streams):
    sandbox.account.record = False
    streams.greet = [media(SPEECH), mark("one")]
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    await eventually(lambda: "mark" in streams.events())
    call.hang_up()
    await call.settled.wait()
    assert stream.received == []
    with pytest.raises(ValueError, match="not to record"):
        call.heard()
