"""The sandbox's Twilio over real sockets, against a small site and a small media server."""

import base64
import json
import math
import socket as sockets
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
import twilio.rest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from trio_voice.sandbox import twilio_webhooks
from trio_voice.sandbox.sockets import serve_sockets
from trio_voice.sandbox.twilio import open_sandbox_twilio
from trio_voice.sandbox.twilio_account import Callee, Delivery
from trio_voice.sandbox.twilio_callers import Capture, Voice
from trio_voice.sandbox.twilio_http import HttpAnswer, LoopbackServer
from trio_voice.sandbox.twilio_twiml import Connect, Hangup, Pause, Redirect, Say, TwimlError, parse_twiml
from trio_voice.sandbox.twilio_webhooks import Loopback, Unreachable, sign, signed_url

SITE, MEDIA = "voice.example.com", "media.example.com"
TOKEN = "0123456789abcdef0123456789abcdef"
SPEECH = bytes(range(100)) * 16
STREAM = (
    f'<Connect><Stream url="wss://{MEDIA}/media-stream/abc" statusCallback="https://{SITE}/stream-status">'
    '<Parameter name="k" value="v"/></Stream></Connect>'
)


def response(verbs):
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'


class Site:
    """Answers webhooks from a table of paths, and checks every signature with Twilio's own validator."""

    def __init__(self):
        self.answers = {"/twiml": response(STREAM)}
        self.requests = []
        self.server = LoopbackServer(self.handle)

    def handle(self, request):
        self.requests.append(request)
        query = "?" + "&".join(f"{name}={value}" for name, value in request.query) if request.query else ""
        url = f"https://{request.headers['host']}{request.path}{query}"
        good = RequestValidator(TOKEN).validate(url, dict(request.form), request.headers["x-twilio-signature"])
        if not good:
            return HttpAnswer(403, b"")
        answer = self.answers.get(request.path, "")
        if isinstance(answer, str) and answer not in {"hang", "reset"}:
            return HttpAnswer(200, answer.encode(), (("Content-Type", "text/xml; charset=utf-8"),))
        return answer

    def forms(self, path):
        return [dict(request.form) for request in self.requests if request.path == path]


class Media:
    """Our side of the streams: notes what comes, and does what the test has set for it to do."""

    def __init__(self):
        self.requests = []
        self.messages = []
        self.sockets = []
        self.over = trio.Event()
        self.greet = []
        self.serve = self.read

    async def handle(self, socket, request):
        self.requests.append(request)
        self.sockets.append(socket)
        await self.serve(socket)
        self.over.set()

    async def read(self, socket):
        try:
            while True:
                message = json.loads(await socket.receive())
                self.messages.append(message)
                if message["event"] == "start":
                    for make in self.greet:
                        await socket.send(json.dumps(make(message["streamSid"])))
        except (trio.EndOfChannel, trio.BrokenResourceError):
            await socket.aclose()

    async def close_at_start(self, socket):
        while json.loads(await socket.receive())["event"] != "start":
            pass
        await socket.aclose(1000, "done")

    def events(self):
        seen = [message["event"] for message in self.messages]
        return [event for number, event in enumerate(seen) if number == 0 or event != seen[number - 1]]


def media(mulaw):
    payload = base64.b64encode(mulaw).decode()
    return lambda sid: {"event": "media", "streamSid": sid, "media": {"payload": payload}}


def mark(name):
    return lambda sid: {"event": "mark", "streamSid": sid, "mark": {"name": name}}


@asynccontextmanager
async def open_world():
    site, streams = Site(), Media()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_sockets, streams.handle)
        await nursery.start(site.server.run)
        doors = {SITE: site.server.port, MEDIA: port}
        async with open_sandbox_twilio(auth_token=TOKEN, connect_to=doors) as twilio:
            twilio.account.say_characters_per_second = math.inf
            with trio.fail_after(5):
                yield twilio, site, streams
        nursery.cancel_scope.cancel()


@pytest.fixture
async def world():
    async with open_world() as everything:
        yield everything


@pytest.fixture
def sandbox(world):
    return world[0]


@pytest.fixture
def site(world):
    return world[1]


@pytest.fixture
def streams(world):
    return world[2]


async def call_in(sandbox, **more):
    return await sandbox.call_in(f"https://{SITE}/twiml", status_callback=f"https://{SITE}/call-status", **more)


async def eventually(ready):
    while not ready():
        await trio.sleep(0.01)


def codes(call):
    return [notice.code for notice in call.notices]


# Signatures


VECTORS = {
    "wss": ("wss://example.com/media", {}, "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
    "wss with a slash": ("wss://example.com/media/", {}, "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
    "wss with a port": ("wss://example.com:443/media", {}, "zyyJQiPZXIGCLy3HYdHEfry0yDg="),
    "https": ("https://example.com/media", {}, "6HZQ7Cq/dSYDCAiy3qRA6PZfACI="),
    "the documentation's": (
        "https://example.com/myapp.php?foo=1&bar=2",
        {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675310",
            "Digits": "1234",
            "From": "+14158675310",
            "To": "+18005551212",
        },
        "L/OH5YylLD5NRKLltdqwSvS0BnU=",
    ),
    "twilio-python's": (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675309",
            "Digits": "1234",
            "From": "+14158675309",
            "To": "+18005551212",
        },
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
}


@pytest.mark.parametrize("vector", VECTORS, ids=list(VECTORS))
def test_signatures_agree_with_published_ones(vector):
    url, form, signature = VECTORS[vector]
    assert sign("12345", url, form.items()) == signature


def test_a_field_that_comes_twice_is_signed_once_for_each_value():
    form = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_what_is_signed_has_no_user_no_fragment_and_no_https_port():
    assert signed_url("https://me:secret@example.com:8443/a?b=c#rt=5000") == "https://example.com/a?b=c"
    assert signed_url("http://me@127.0.0.1:8080/a") == "http://127.0.0.1:8080/a"


async def test_the_sandbox_never_leaves_this_machine():
    loopback = Loopback({"voice.example.com": 1})
    assert loopback.port_of("https://voice.example.com/x") == 1
    assert loopback.port_of("http://localhost:8080/x") == 8080
    with pytest.raises(Unreachable):
        loopback.port_of("https://example.org/")
    async with httpx2.AsyncClient(transport=loopback) as client:
        with pytest.raises(httpx2.ConnectError, match="no door"):
            await client.get("https://example.org/")


# TwiML


def test_twiml_is_read_with_relative_urls_resolved():
    document = parse_twiml(
        response(
            '<Connect action="/after"><Stream url="/media" name="n"><Parameter name="k" value="v"/></Stream></Connect>'
            '<Say>Bye &amp; thanks</Say><Pause length="2"/><Redirect method="GET">more</Redirect><Hangup/>'
        ),
        "https://voice.example.com/calls/twiml",
    )
    connect, *others = document.verbs
    assert isinstance(connect, Connect)
    assert connect.action == "https://voice.example.com/after"
    assert (connect.stream.url, connect.stream.name) == ("wss://voice.example.com/media", "n")
    assert (connect.stream.parameters, connect.stream.error) == ({"k": "v"}, None)
    assert others == [
        Say("Bye & thanks"),
        Pause(2),
        Redirect("https://voice.example.com/calls/more", "GET"),
        Hangup(),
    ]
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ('url="ws://h/p"', 31922),
        ('url="https://h/p"', 31922),
        ("", 31922),
        ('url="wss:///p"', 31923),
        ('url="wss://h/p?a=b"', 31920),
        ('url="wss://h/p" track="both_tracks"', 31941),
    ],
)
def test_a_stream_that_twilio_would_not_open(stream, code):
    [connect] = parse_twiml(response(f"<Connect><Stream {stream}/></Connect>")).verbs
    assert isinstance(connect, Connect)
    assert connect.stream.error is not None
    assert connect.stream.error[0] == code


@pytest.mark.parametrize(
    "verbs",
    [
        "<Gathering/>",
        "<say>no</say>",
        '<Hangup now="yes"/>',
        "<Connect/>",
        "<Connect><Stream url='wss://h/'/><Stream url='wss://h/'/></Connect>",
        "<Connect><Room>r</Room><Stream url='wss://h/'/></Connect>",
        f"<Connect><Stream url='wss://h/'><Parameter name='k' value='{'v' * 499}'/></Stream></Connect>",
        "<Connect><Stream url='wss://h/'><Param name='k'/></Stream></Connect>",
        "<Connect><Stream url='wss://h/' statusCallback='/relative'/></Connect>",
        "<Pause length='long'/>",
        "<Dial/>",
        "<Dial><Queue>q</Queue><Number>+15550001111</Number></Dial>",
        "<Number>+15550001111</Number>",
    ],
)
def test_what_the_schema_does_not_know_is_a_warning(verbs):
    assert {code for code, _ in parse_twiml(response(verbs)).warnings} == {12200}


@pytest.mark.parametrize(
    ("text", "code"), [("{}", 12100), ("<Response>", 12100), ("<response/>", 12100), (" " * 65_537, 11750)]
)
def test_what_is_no_twiml_is_an_error(text, code):
    with pytest.raises(TwimlError) as error:
        parse_twiml(text)
    assert error.value.code == code


# Inbound calls


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


FAILURES = {
    "an error": (HttpAnswer(503, b"", (("Content-Type", "text/xml"),)), 11200),
    "a reset": ("reset", 11205),
    "JSON": (HttpAnswer(200, b"{}"), 12300),
    "no content type": (HttpAnswer(200, b"<Response/>", ()), 12300),
    "no XML": ("<Response>", 12100),
}


@pytest.mark.parametrize("failure", FAILURES, ids=list(FAILURES))
async def test_a_webhook_that_fails_ends_the_call(sandbox, site, failure):
    site.answers["/twiml"], code = FAILURES[failure]
    call = await call_in(sandbox)
    await call.settled.wait()
    assert (codes(call), call.status, call.ended_by) == ([code], "completed", "application error")


async def test_a_webhook_that_does_not_answer_in_time(sandbox, site, monkeypatch):
    monkeypatch.setattr(twilio_webhooks, "ANSWER_SECONDS", 0.1)
    site.answers["/twiml"] = "hang"
    call = await sandbox.call_in(f"https://{SITE}/twiml")
    await call.settled.wait()
    assert codes(call) == [11205]
    assert call.requests[0].status is None


async def test_the_fallback_url_is_told_why_it_is_asked(sandbox, site):
    site.answers["/twiml"] = HttpAnswer(500, b"")
    site.answers["/fallback"] = response("<Say>fallback</Say>")
    call = await call_in(sandbox, fallback_url=f"https://{SITE}/fallback")
    await call.settled.wait()
    assert call.said == ["fallback"]
    [form] = site.forms("/fallback")
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("11200", f"https://{SITE}/twiml")


async def test_get_puts_the_fields_into_the_query_and_signs_them(sandbox, site):
    site.answers["/twiml"] = response("<Say>got</Say>")
    call = await sandbox.call_in(f"https://{SITE}/twiml?a=b", method="GET", fields=())
    await call.settled.wait()
    assert call.requests[0].method == "GET"
    assert dict(site.requests[0].query).items() >= {"a": "b", "CallSid": call.sid}.items()


@pytest.mark.parametrize(("verb", "status"), [("<Reject/>", "no-answer"), ('<Reject reason="busy"/>', "busy")])
async def test_a_rejected_call_was_never_answered(sandbox, site, verb, status):
    site.answers["/twiml"] = response(verb)
    call = await call_in(sandbox)
    await call.settled.wait()
    assert (call.status, call.start_time, call.duration, call.heard()) == (status, None, 0, b"")
    assert site.forms("/call-status")[0]["CallStatus"] == status


async def test_a_caller_who_hangs_up_while_it_rings(sandbox, site):
    site.answers["/twiml"] = "hang"
    call = await call_in(sandbox)
    await trio.sleep(0.05)
    call.hang_up()
    await call.settled.wait()
    assert (call.status, call.ended_by) == ("no-answer", "caller")


async def test_a_redirect_and_a_dial_with_its_action(sandbox, site):
    sandbox.account.callees["+15550002222"] = Callee("busy")
    sandbox.account.callees["+15550003333"] = Callee(talk_seconds=0.05)
    site.answers["/twiml"] = response("<Redirect>/next</Redirect>")
    site.answers["/next"] = response('<Dial action="/after1"><Number>+15550002222</Number></Dial>')
    site.answers["/after1"] = response('<Dial action="/after2">+15550003333</Dial>')
    call = await call_in(sandbox)
    await call.settled.wait()
    assert call.dialed == ["+15550002222", "+15550003333"]
    assert site.forms("/after1")[0]["DialCallStatus"] == "busy"
    assert site.forms("/after2")[0].items() >= {"DialCallStatus": "completed", "DialCallDuration": "1"}.items()


async def test_callbacks_come_twice_late_and_out_of_order(sandbox, site):
    sandbox.account.delivery = Delivery(times=2, late={"stream-started": 0.2})
    call = await call_in(sandbox)
    await call.wait_for_stream()
    await trio.sleep(0.05)
    call.hang_up()
    await call.settled.wait()
    seen = [dict(request.form).get("StreamEvent", "call") for request in site.requests if request.path != "/twiml"]
    assert seen[-2:] == ["stream-started"] * 2
    assert sorted(seen[:4]) == ["call", "call", "stream-stopped", "stream-stopped"]


async def test_a_callback_that_is_refused_is_a_warning(sandbox, site):
    site.answers["/call-status"] = HttpAnswer(500, b"")
    call = await call_in(sandbox)
    await call.wait_for_stream()
    call.hang_up()
    await call.settled.wait()
    assert codes(call) == [15003]


async def test_a_capture_is_replayed_with_the_sids_of_the_call(sandbox, streams):
    sids = {"accountSid": "AC0", "callSid": "CA0"}
    messages = [
        {"event": "connected", "protocol": "Call", "version": "0.2.0"},
        {"event": "start", "start": {"streamSid": "MZ0", "customParameters": {}, **sids}, "streamSid": "MZ0"},
        {"event": "stop", "streamSid": "MZ0", "stop": sids},
    ]
    lines = [json.dumps(message) for message in messages]
    call = await call_in(sandbox, capture=Capture(lines, verbatim=False))
    await call.settled.wait()
    await streams.over.wait()
    assert streams.messages[1]["start"]["callSid"] == call.sid
    assert streams.messages[1]["start"]["customParameters"] == {"k": "v"}
    assert streams.messages[2]["streamSid"] == call.streams[0].stream_sid


# How streams fail


async def test_a_vanished_stream_answers_no_close(sandbox, streams):
    told, took = trio.Event(), []

    async def close_when_told(socket):
        await told.wait()
        began = trio.current_time()
        with trio.move_on_after(0.2):
            await socket.aclose()
        took.append(trio.current_time() - began)

    streams.serve = close_when_told
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    stream.vanish()
    told.set()
    await stream.ended.wait()
    assert 0.19 < took[0] < 1.5
    assert stream.end.by == "network"
    assert codes(call) == []


async def test_a_stalled_stream_fills_the_wire(sandbox, streams):
    """The server's sends wait once the queues on the way are full; nothing is lost when reading goes on."""
    sent, resumed = [], trio.Event()

    async def flood(socket):
        while json.loads(message := await socket.receive())["event"] != "start":
            pass
        wide = json.dumps(media(bytes(30_000))(json.loads(message)["streamSid"]))
        for number in range(1_000):
            with trio.move_on_after(0.3) as patience:
                await socket.send(wide)
                sent.append(number)
            if patience.cancelled_caught:
                break
        resumed.set()

    streams.serve = flood
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    stream.stall_reading()
    await resumed.wait()
    assert 200 < len(sent) < 1_000
    assert len(stream.received) <= 1


async def test_a_lost_stream_is_reported_at_once_and_stays_half_open(sandbox, site, streams):
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    call.lose_stream()
    assert (call.status, codes(call)) == ("completed", [31924])
    await eventually(lambda: site.forms("/call-status"))
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-error"]
    assert not streams.over.is_set()
    assert not stream.ended.is_set()
    await streams.sockets[0].abort()
    await call.settled.wait()
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-error"]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_the_sandbox_can_be_closed_in_the_middle_of_everything():
    before = open_files()
    async with open_world() as (sandbox, site, _streams):
        call = await call_in(sandbox)
        await call.wait_for_stream()
        lost = await call_in(sandbox)
        await lost.wait_for_stream()
        lost.lose_stream()
        site.answers["/twiml"] = "hang"
        await call_in(sandbox)
        sandbox.rest.fail_next("hang")
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            with trio.move_on_after(0.1):
                await client.get(sandbox.api_url)
    assert open_files() == before


# The REST API


class Rest:
    """The API as a program meets it that has read the documentation."""

    def __init__(self, sandbox, client):
        self.root = f"{sandbox.api_url}/2010-04-01/Accounts/{sandbox.account_sid}"
        self.client = client
        self.client.auth = (sandbox.account_sid, TOKEN)

    async def post(self, path, **form):
        return await self.client.post(f"{self.root}/{path}.json", data=form)

    async def get(self, path, **query):
        return await self.client.get(f"{self.root}/{path}.json", params=query)

    async def create(self, to="+15550009999", **form):
        form = {"From": "+15551234567", "Twiml": response("<Say>hello</Say>")} | form
        return await self.post("Calls", To=to, **form)


@pytest.fixture
async def rest(sandbox):
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        yield Rest(sandbox, client)


async def test_completed_ends_the_call_and_its_stream_once(sandbox, streams, rest):
    call = await call_in(sandbox)
    stream = await call.wait_for_stream()
    answer = await rest.post(f"Calls/{call.sid}", Status="completed")
    assert (answer.status_code, answer.json()["status"], answer.json()["sid"]) == (200, "completed", call.sid)
    await call.settled.wait()
    await streams.over.wait()
    assert (stream.end.by, streams.messages[-1]["event"], call.ended_by) == ("twilio", "stop", "rest")
    again = await rest.post(f"Calls/{call.sid}", Status="completed")
    assert (again.status_code, again.json()["code"]) == (400, 21220)
    assert again.json()["more_info"] == "https://www.twilio.com/docs/errors/21220"
    assert again.json()["status"] == 400
    assert [(request.method, request.fields, request.status) for request in sandbox.rest.requests] == [
        ("POST", {"Status": "completed"}, 200),
        ("POST", {"Status": "completed"}, 400),
    ]


async def test_new_twiml_replaces_the_stream(sandbox, site, streams, rest):
    sandbox.account.callees["+15550002222"] = Callee(talk_seconds=0.1)
    call = await call_in(sandbox)
    await call.wait_for_stream()
    answer = await rest.post(f"Calls/{call.sid}", Twiml=response("<Dial>+15550002222</Dial>"))
    assert answer.json()["status"] == "in-progress"
    await streams.over.wait()
    assert streams.messages[-1]["event"] == "stop"
    await call.settled.wait()
    assert (call.dialed, call.ended_by) == (["+15550002222"], "instructions")
    assert [form["StreamEvent"] for form in site.forms("/stream-status")] == ["stream-started", "stream-stopped"]


async def test_a_new_url_is_asked_as_the_call_goes_on(sandbox, site, rest):
    site.answers["/other"] = response("<Say>other</Say>")
    call = await call_in(sandbox)
    await call.wait_for_stream()
    await rest.post(f"Calls/{call.sid}", Url=f"https://{SITE}/other")
    await call.settled.wait()
    assert (call.said, site.forms("/other")[0]["CallStatus"]) == (["other"], "in-progress")


async def test_a_time_limit_ends_a_live_call(sandbox, streams, rest):
    call = await call_in(sandbox)
    await call.wait_for_stream()
    await rest.post(f"Calls/{call.sid}", TimeLimit="0.3")
    await call.settled.wait()
    assert (call.status, call.ended_by, codes(call)) == ("completed", "time limit", [32015])
    assert call.streams[0].end.by == "twilio"


async def test_calls_are_fetched_and_listed_with_filters_and_pages(sandbox, site, rest):
    site.answers["/twiml"] = response("<Say>done</Say>")
    for number in range(5):
        call = await call_in(sandbox, from_=f"+1555000000{number}")
        await call.settled.wait()
    fetched = (await rest.get(f"Calls/{call.sid}")).json()
    assert fetched.items() >= {"from": "+15550000004", "status": "completed", "direction": "inbound"}.items()
    assert fetched["duration"] == str(call.duration) == "1"
    assert fetched["start_time"].endswith("+0000")
    page = (await rest.get("Calls", PageSize="2", Status="completed")).json()
    assert [each["from"] for each in page["calls"]] == ["+15550000004", "+15550000003"]
    second = (await rest.client.get(sandbox.api_url + page["next_page_uri"])).json()
    assert [each["from"] for each in second["calls"]] == ["+15550000002", "+15550000001"]
    last = (await rest.client.get(sandbox.api_url + second["next_page_uri"])).json()
    assert (len(last["calls"]), last["next_page_uri"], last["page"]) == (1, None, 2)
    assert (await rest.get("Calls", Status="in-progress")).json()["calls"] == []
    assert len((await rest.get("Calls", From="+15550000001", To="+15551234567")).json()["calls"]) == 1
    assert (await rest.get("Calls", **{"StartTime>": "2999-01-01"})).json()["calls"] == []
    assert (await rest.get("Calls", PageSize="1001")).json()["code"] == 20007


async def test_strangers_and_unknown_calls_are_turned_away(sandbox, rest):
    assert (await rest.get(f"Calls/CA{'0' * 32}")).json()["code"] == 20404
    assert (await rest.get("Messages")).status_code == 404
    call = await call_in(sandbox)
    assert (await rest.client.delete(f"{rest.root}/Calls/{call.sid}.json")).json()["code"] == 20004
    sandbox.rest.api_keys["SK1"] = "key"
    rest.client.auth = ("SK1", "key")
    assert (await rest.get("Calls")).status_code == 200
    rest.client.auth = (sandbox.account_sid, "wrong")
    refused = await rest.get("Calls")
    assert (refused.status_code, refused.json()["code"]) == (401, 20003)


def sdk_of(sandbox):
    client = twilio.rest.Client(sandbox.account_sid, TOKEN)
    client.api.base_url = sandbox.api_url
    return client


async def test_twilios_own_library_understands_it(sandbox, site):
    def use():
        client = sdk_of(sandbox)
        with client.http_client.session:
            made = client.calls.create(to="+15550009999", from_="+15551234567", twiml=response("<Say>hi</Say>"))
            for _ in range(100):
                if client.calls(made.sid).fetch().status == "completed":
                    break
            fetched = client.calls(made.sid).fetch()
            with pytest.raises(TwilioRestException) as refused:
                client.calls(made.sid).update(status="completed")
            listed = client.calls.list(status="completed", page_size=1)
            return made, fetched, refused.value, listed

    site.answers["/twiml"] = response("<Say>hi</Say>")
    await (await call_in(sandbox)).settled.wait()
    made, fetched, refused, listed = await trio.to_thread.run_sync(use)
    assert (made.status, fetched.status, fetched.direction) == ("queued", "completed", "outbound-api")
    assert fetched.start_time is not None
    assert (refused.code, refused.status) == (21220, 400)
    assert [each.direction for each in listed] == ["outbound-api", "inbound"]


# Calls that we place


async def place(rest, sandbox, to="+15550009999", **form):
    answer = await rest.create(
        to,
        StatusCallback=f"https://{SITE}/call-status",
        StatusCallbackEvent=["initiated", "ringing", "answered", "completed"],
        **form,
    )
    assert answer.status_code == 201
    return sandbox.calls[answer.json()["sid"]], answer.json()


async def test_a_placed_call_is_answered_and_then_asks_for_its_twiml(sandbox, site, streams, rest):
    del site.answers["/twiml"]
    site.answers["/twiml/one"] = response(STREAM)
    call, answer = await place(rest, sandbox, Url=f"https://{SITE}/twiml/one", Twiml="ignored")
    assert (answer["status"], answer["direction"], answer["queue_time"]) == ("queued", "outbound-api", "0")
    await call.wait_for_stream()
    [asked] = site.forms("/twiml/one")
    assert (asked["CallStatus"], asked["Direction"]) == ("in-progress", "outbound-api")
    call.hang_up()
    await call.settled.wait()
    told = site.forms("/call-status")
    assert [form["CallStatus"] for form in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
    assert ["CallDuration" in form for form in told] == [False, False, False, True]


@pytest.mark.parametrize(
    ("callee", "status", "sip"),
    [(Callee("busy"), "busy", "486"), (Callee("nobody"), "no-answer", "487"), (Callee("failed"), "failed", "404")],
    ids=["busy", "nobody", "failed"],
)
async def test_a_placed_call_that_nobody_takes(sandbox, site, rest, callee, status, sip):
    sandbox.account.callees["+15550009999"] = callee
    call, _ = await place(rest, sandbox, Timeout="0.1")
    await call.settled.wait()
    assert (call.status, call.start_time, call.duration) == (status, None, 0)
    last = site.forms("/call-status")[-1]
    assert (last["CallStatus"], last["SipResponseCode"], last["CallDuration"]) == (status, sip, "0")
    assert "Duration" not in last


@pytest.mark.parametrize("word", ["canceled", "completed"])
async def test_a_ringing_call_is_canceled(sandbox, rest, word):
    sandbox.account.callees["+15550009999"] = Callee("nobody")
    call, _ = await place(rest, sandbox)
    await eventually(lambda: call.status == "ringing")
    redirected = await rest.post(f"Calls/{call.sid}", Twiml=response(""))
    assert redirected.json()["code"] == 21220
    await rest.post(f"Calls/{call.sid}", Status=word)
    assert call.status == "canceled"
    await call.settled.wait()


async def test_canceled_leaves_a_call_alone_that_somebody_has_answered(sandbox, rest):
    call = await call_in(sandbox)
    await call.wait_for_stream()
    assert (await rest.post(f"Calls/{call.sid}", Status="canceled")).json()["status"] == "in-progress"
    assert (await rest.post(f"Calls/{call.sid}", Status="over")).json()["code"] == 20001


async def test_detection_of_machines_before_the_twiml(sandbox, site, rest):
    sandbox.account.callees["+15550009999"] = Callee("machine", detection_seconds=0.1)
    site.answers["/twiml"] = response("<Say>hi</Say>")
    call, _ = await place(rest, sandbox, Url=f"https://{SITE}/twiml", MachineDetection="Enable")
    await call.settled.wait()
    assert site.forms("/twiml")[0]["AnsweredBy"] == call.answered_by == "machine_start"
    assert (await rest.get(f"Calls/{call.sid}")).json()["answered_by"] == "machine_start"


async def test_detection_of_machines_meanwhile(sandbox, site, rest):
    sandbox.account.callees["+15550009999"] = Callee("machine", detection_seconds=0.1)
    call, _ = await place(
        rest,
        sandbox,
        Url=f"https://{SITE}/twiml",
        MachineDetection="DetectMessageEnd",
        AsyncAmd="true",
        AsyncAmdStatusCallback=f"https://{SITE}/amd-status",
    )
    await call.wait_for_stream()
    await eventually(lambda: site.forms("/amd-status"))
    assert "AnsweredBy" not in site.forms("/twiml")[0]
    [form] = site.forms("/amd-status")
    assert form == {
        "AccountSid": sandbox.account_sid,
        "CallSid": call.sid,
        "AnsweredBy": "machine_end_beep",
        "MachineDetectionDuration": "100",
    }
    call.hang_up()
    await call.settled.wait()


async def test_one_call_a_second_leaves_the_queue(sandbox, rest):
    sandbox.account.calls_per_second = 10
    calls = [await place(rest, sandbox) for _ in range(3)]
    for call, _ in calls:
        await call.settled.wait()
    starts = [call.requests[0].at for call, _ in calls]
    assert 0.19 < starts[2] - starts[0] < 1.5
    assert calls[2][0].queue_ms > 100


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": ""}, 21201),
        ({"From": ""}, 21213),
        ({"to": "15550009999"}, 21211),
        ({"to": "+15551234567"}, 21211),
        ({"From": "bank"}, 21212),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15550005555"}, 21219),
        ({"From": "+15557777777"}, 21210),
        ({"Url": "ftp://x"}, 21205),
        ({"Url": "https://x/", "Method": "PUT"}, 21209),
        ({"Timeout": "long"}, 21208),
        ({"MachineDetection": "Enable", "MachineDetectionTimeout": "90"}, 21234),
    ],
)
async def test_a_call_that_cannot_be_placed(sandbox, rest, form, code):
    sandbox.rest.refused_numbers["+15550005555"] = 21219
    sandbox.rest.own_numbers = {"+15551234567", "bank"}
    answer = await rest.create(**form)
    assert (answer.status_code, answer.json()["code"], sandbox.calls) == (400, code, {})


async def test_a_call_without_instructions_cannot_be_placed(rest):
    answer = await rest.post("Calls", To="+15550009999", From="+15551234567")
    assert answer.json()["code"] == 21205


# How the API fails


async def test_the_next_requests_fail_as_they_are_told_to(sandbox, rest):
    sandbox.rest.fail_next(503, times=2)
    sandbox.rest.fail_next(429)
    sandbox.rest.fail_next(500, method="POST")
    got = [await rest.get("Calls") for _ in range(4)]
    assert [(each.status_code, each.json().get("code")) for each in got] == [
        (503, 20503),
        (503, 20503),
        (429, 20429),
        (200, None),
    ]
    assert "twilio-concurrent-requests" in got[2].headers
    assert (await rest.create()).status_code == 500
    assert sandbox.calls == {}


async def test_a_request_may_take_effect_though_its_answer_is_lost(sandbox, rest):
    sandbox.rest.fail_next("reset", method="POST", processed=True)
    with pytest.raises(httpx2.HTTPError):
        await rest.create()
    assert len(sandbox.calls) == 1
    sandbox.rest.fail_next("hang")
    with pytest.raises(httpx2.ReadTimeout):
        await rest.client.get(rest.root, timeout=0.2)
    assert [request.status for request in sandbox.rest.requests] == [None, None]


async def test_the_api_can_be_away_and_come_back_to_the_same_place(sandbox, rest):
    assert (await rest.get("Calls")).status_code == 200
    url = sandbox.api_url
    async with sandbox.rest.server.unreachable():
        with pytest.raises(httpx2.ConnectError):
            await rest.get("Calls")
    assert sandbox.api_url == url
    assert (await rest.get("Calls")).status_code == 200


async def test_a_client_that_speaks_no_http_is_dropped(sandbox):
    async with await trio.open_tcp_stream("127.0.0.1", sandbox.rest.server.port) as stream:
        await stream.send_all(b"\x16\x03\x01 this is TLS\r\n\r\n")
        assert await stream.receive_some() == b""
